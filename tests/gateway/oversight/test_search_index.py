"""Whatever is asked, the index answers as a look at every entry would."""

import random
from datetime import timedelta
from pathlib import Path

import orjson
import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg import sql

from audit.bundle import decode_bundle
from audit.entry import EventType
from audit.errors import TamperedError
from audit.store import read_batches
from gateway.evidence import record_with_change
from gateway.oversight import lookup
from gateway.oversight.indexing import catch_up, drop_index
from gateway.oversight.query import LogQuery
from gateway.oversight.search import find_entries
from tests.gateway.store.lender import START, Lender

MINUTE = timedelta(minutes=1)
VENDORS = ("alpha", "beta")
CERTIFICATES = ("aa" * 32, "bb" * 32, "cc" * 32)
CODES = ("NOT_FOUND", "CRED_REVOKED")
ACTORS = ("staff:qian", "cli:root")
CASES = tuple(f"{number:032x}" for number in range(6))
REQUESTS = tuple(f"request-{number}" for number in range(12))
EVENTS = (
    EventType.ACCESS_RELEASE,
    EventType.ACCESS_DENIED,
    EventType.ACCESS_END,
    EventType.LOG_SEARCHED,
    EventType.CASE_ASSIGNED,
)
TABLES = ("entry", "subject", "word", "open_release", "span", "volume", "used")


@pytest.fixture(scope="module")
def lender(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Lender:
    """Two hundred entries of every mixture of fields, all indexed."""
    made = Lender.fresh(postgres_url, tmp_path_factory.mktemp("lender"))
    chance = random.Random(7)
    with made.role() as connection:
        for number in range(200):
            fields = {
                "vendor": chance.choice((*VENDORS, None)),
                "certificate": chance.choice((*CERTIFICATES, None)),
                "code": chance.choice((*CODES, None)),
                "actor": chance.choice((*ACTORS, None)),
                "request": chance.choice((*REQUESTS, None)),
                "cases": chance.sample(CASES, chance.randrange(3)),
            }
            # Times go back now and then: the order of the log is its index.
            at = START + (number - 30 * (number % 17 == 0)) * MINUTE
            record_with_change(connection, chance.choice(EVENTS), at=at, **fields)
    with made.role("publisher") as connection:
        catch_up(connection)
    return made


def _all_entries(connection: psycopg.Connection) -> list[tuple[int, dict[str, object]]]:
    return [
        (batch.first_index + offset, orjson.loads(entry))
        for batch in read_batches(connection)
        for offset, entry in enumerate(decode_bundle(batch.bundle))
    ]


def _maybe(*values: str) -> st.SearchStrategy[str | None]:
    return st.none() | st.sampled_from((*values, "never seen"))


@given(
    query=st.builds(
        LogQuery,
        vendor=_maybe(*VENDORS),
        event=_maybe(*EVENTS),
        events=st.lists(st.sampled_from(EVENTS), max_size=3).map(
            lambda events: tuple(event.value for event in events)
        ),
        certificate=_maybe(*CERTIFICATES),
        request=_maybe(*REQUESTS),
        code=_maybe(*CODES),
        actor=_maybe(*ACTORS),
        cases=st.none() | st.lists(st.sampled_from(CASES), max_size=3).map(tuple),
        since=st.none() | st.integers(-40, 220).map(lambda number: START + number * MINUTE),
        until=st.none() | st.integers(-40, 220).map(lambda number: START + number * MINUTE),
        before=st.none() | st.integers(0, 250),
        limit=st.integers(1, 60),
        unended=st.booleans(),
    )
)
@settings(max_examples=150, deadline=None)
def test_any_mixture_of_filters_finds_what_reading_everything_finds(
    lender: Lender, query: LogQuery
) -> None:
    with lender.role() as connection:
        page = find_entries(connection, query)
        lost = {row[0] for row in lender.query("SELECT index FROM oversight.open_release")}
        expected = [
            index
            for index, content in reversed(_all_entries(connection))
            if query.matches(content)
            and (query.before is None or index < query.before)
            and (not query.unended or index in lost)
        ]

    assert [hit.index for hit in page.hits] == expected[: query.limit]
    assert (page.next_before is None) == (len(expected) <= query.limit)


@pytest.mark.parametrize(
    ("query", "index"),
    [
        (LogQuery(), "entry_pkey"),
        (LogQuery(event="access.denied"), "entry_by_event"),
        (LogQuery(vendor="alpha"), "entry_by_vendor"),
        (LogQuery(vendor="alpha", events=("access.end", "access.denied")), "entry_by_vendor"),
        (LogQuery(vendor="alpha", certificate=CERTIFICATES[0]), "entry_by_certificate"),
        (LogQuery(vendor="alpha", actor=ACTORS[0]), "entry_by_actor"),
        (LogQuery(code="NOT_FOUND"), "entry_by_code"),
        (LogQuery(code="NOT_FOUND", event="access.denied", vendor="beta"), "entry_by_vendor_code"),
        (
            LogQuery(code="NOT_FOUND", vendor="beta", certificate=CERTIFICATES[0]),
            "entry_by_certificate_code",
        ),
    ],
)
def test_each_kind_of_query_walks_one_index_and_sorts_no_more_than_a_page(
    lender: Lender, query: LogQuery, index: str
) -> None:
    with lender.role() as connection, connection.transaction():
        numbers = lookup._numbers(connection, query)
        assert numbers is not None
        bounds = lookup._Bounds(0, 150, 10)
        connection.execute(lookup._WALK)
        statement = lookup._statement(connection, query, numbers, bounds)
        plan = [row[0] for row in connection.execute(sql.SQL("EXPLAIN ") + statement)]

    scans = [line for line in plan if " oversight." in line or " on entry" in line]
    assert len(scans) == 1
    assert f"Backward using {index} on entry" in scans[0]


def _index(lender: Lender) -> dict[str, set[tuple[object, ...]]]:
    """The index with words in letters: their numbers depend on the order of rounds."""
    words = {row[0]: row[1] for row in lender.query("SELECT id, word FROM oversight.word")}
    found = {}
    with lender.owner() as owner:
        for name in TABLES:
            statement = sql.SQL("SELECT * FROM {}").format(sql.Identifier("oversight", name))
            cursor = owner.execute(statement)
            names = [column.name for column in cursor.description or ()]
            found[name] = {
                tuple(
                    words.get(value, value) if column in NUMBERED else value
                    for column, value in zip(names, row, strict=True)
                    if column != "id"
                )
                for row in cursor
            }
    return found


NUMBERED = frozenset({"event", "vendor", "certificate", "actor", "code", "word"})


def test_an_index_built_anew_is_the_one_that_grew_entry_by_entry(
    postgres_url: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    lender = Lender.fresh(postgres_url, tmp_path_factory.mktemp("lender"))
    with lender.role() as connection, lender.role("publisher") as publisher:
        for number in range(40):
            _release(connection, number)
            if number % 3:
                _end(connection, lender, number)
            catch_up(publisher)
        grown = _index(lender)

        drop_index(publisher)
        assert lender.query("SELECT count(*) FROM oversight.entry") == [(0,)]
        size = catch_up(publisher)

    assert lender.query("SELECT size FROM audit.tail") == [(size,)]
    assert _index(lender) == grown
    assert len(grown["open_release"]) == 14


def _release(connection: psycopg.Connection, number: int) -> int:
    return record_with_change(
        connection,
        EventType.ACCESS_RELEASE,
        at=START + number * 20 * MINUTE,
        vendor="alpha",
        certificate=CERTIFICATES[number % 2],
        request=f"request-{number}",
        route="/v1/cases",
        purpose="DEBT_COLLECTION_TEL",
        profile=f"{number // 30:064x}",
        cases=[CASES[0], CASES[number % 6]],
        bytes=100,
    )


def _end(connection: psycopg.Connection, lender: Lender, number: int) -> None:
    release = lender.query("SELECT size - 1 FROM audit.tail")[0][0]
    record_with_change(
        connection,
        EventType.ACCESS_END,
        at=START + number * 20 * MINUTE,
        vendor="alpha",
        request=f"request-{number}",
        release=int(str(release)),
        bytes=100,
    )


def test_a_release_is_unended_until_its_end_is_logged(postgres_url: str, tmp_path: Path) -> None:
    lender = Lender.fresh(postgres_url, tmp_path)
    with lender.role() as connection, lender.role("publisher") as publisher:
        lost = _release(connection, 1)
        _release(connection, 2)
        catch_up(publisher)
        _end(connection, lender, 2)
        catch_up(publisher)

        page = find_entries(connection, LogQuery(unended=True))
        others = find_entries(connection, LogQuery(unended=True, vendor="beta"))

    assert [hit.index for hit in page.hits] == [lost]
    assert others.hits == []


def _read_both(connection: psycopg.Connection) -> None:
    for kind in ("access.release", "token.issued"):
        find_entries(connection, LogQuery(event=kind))


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE oversight.entry SET place = place + 1 WHERE index = %s",
        "UPDATE oversight.entry SET length = length - 1 WHERE index = %s",
        "UPDATE oversight.entry SET event = event + 1 WHERE index = %s",
    ],
)
def test_a_false_index_is_noticed_and_built_anew(
    postgres_url: str, tmp_path_factory: pytest.TempPathFactory, damage: str
) -> None:
    lender = Lender.fresh(postgres_url, tmp_path_factory.mktemp("lender"))
    with lender.role() as connection, lender.role("publisher") as publisher:
        index = _release(connection, 1)
        _release(connection, 2)
        catch_up(publisher)
        event = lender.query("SELECT id FROM oversight.word WHERE is_event ORDER BY id")[-1][0]
        assert isinstance(event, int)
        lender.query(
            "INSERT INTO oversight.word VALUES (%s, 'token.issued', true) RETURNING id",
            (event + 1,),
        )
        lender.query(damage + " RETURNING index", (index,))

        with pytest.raises(TamperedError, match="casegate audit reindex"):
            _read_both(connection)

        drop_index(publisher)
        catch_up(publisher)
        page = find_entries(connection, LogQuery(event="access.release"))

    assert index in [hit.index for hit in page.hits]


def test_an_entry_changed_under_its_leaf_is_called_changed(
    postgres_url: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    lender = Lender.fresh(postgres_url, tmp_path_factory.mktemp("lender"))
    with lender.role() as connection, lender.role("publisher") as publisher:
        index = _release(connection, 1)
        catch_up(publisher)
        with lender.owner() as owner:
            owner.execute("ALTER TABLE audit.batch DISABLE TRIGGER append_only")
            owner.execute(
                "UPDATE audit.batch SET bundle = overlay(bundle PLACING 'x'::bytea FROM 30)"
                " WHERE first_index = %s",
                (index,),
            )

        with pytest.raises(TamperedError, match="stored leaf hash"):
            find_entries(connection, LogQuery(event="access.release"))
