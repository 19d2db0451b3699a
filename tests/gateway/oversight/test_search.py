from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path

import pytest

from audit.entry import EventType
from audit.merkle import leaf_hash
from gateway.errors import RequestInvalidError
from gateway.evidence import record_with_change
from gateway.oversight import search as search_module
from gateway.oversight.indexing import catch_up
from gateway.oversight.search import LogHit, LogQuery, find_entries, search_log
from gateway.oversight.timeline import Step
from tests.gateway.store.lender import ACTOR, START, Lender

HOUR = timedelta(hours=1)
DENIALS = 25


@pytest.fixture(scope="module", params=["unindexed", "half-indexed", "indexed"])
def lender(
    request: pytest.FixtureRequest,
    postgres_url: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Lender:
    """With refusals of two vendors, one an hour, of which the index knows none, some or all."""
    made = Lender.fresh(postgres_url, tmp_path_factory.mktemp("lender"))
    known = {"unindexed": 0, "half-indexed": DENIALS // 2, "indexed": DENIALS}[request.param]
    _deny(made, range(known))
    if known:
        with made.role("publisher") as connection:
            catch_up(connection)
    _deny(made, range(known, DENIALS))
    return made


def _deny(lender: Lender, numbers: Iterable[int]) -> None:
    with lender.role() as connection:
        for number in numbers:
            record_with_change(
                connection,
                EventType.ACCESS_DENIED,
                at=START + number * HOUR,
                vendor="alpha" if number % 2 else "beta",
                certificate=f"{number:064x}",
                request=f"request-{number}",
                cases=[f"{number:032x}", "ff" * 16],
            )


def _found(lender: Lender, query: LogQuery) -> list[LogHit]:
    with lender.role() as connection:
        return find_entries(connection, query).hits


def _requests(hits: list[LogHit]) -> list[int]:
    return [int(hit.entry["request"].removeprefix("request-")) for hit in hits]


def test_hits_come_newest_first_with_the_leaf_hash_of_their_entry(lender: Lender) -> None:
    hits = _found(lender, LogQuery(event="access.denied"))

    assert _requests(hits) == list(reversed(range(DENIALS)))
    assert [hit.index for hit in hits] == sorted((hit.index for hit in hits), reverse=True)
    stored = lender.query(
        "SELECT bundle FROM audit.batch WHERE first_index = %s", (hits[0].index,)
    )
    bundle = stored[0][0]
    assert isinstance(bundle, bytes)
    assert hits[0].leaf_hash == leaf_hash(bundle[2:]).hex()


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        (LogQuery(vendor="alpha", event="access.denied", limit=3), [23, 21, 19]),
        (LogQuery(certificate=f"{7:064x}"), [7]),
        (LogQuery(request="request-9"), [9]),
        (LogQuery(cases=(f"{4:032x}",)), [4]),
        (LogQuery(cases=("ff" * 16,), limit=2), [24, 23]),
        (LogQuery(request="request-9", vendor="beta"), []),
        (LogQuery(event="access.denied", since=START + 22 * HOUR), [24, 23, 22]),
        (LogQuery(event="access.denied", since=START + 1000 * HOUR), []),
        (LogQuery(event="no.such.event"), []),
    ],
)
def test_filters_narrow_the_log(lender: Lender, query: LogQuery, numbers: list[int]) -> None:
    assert _requests(_found(lender, query)) == numbers


def test_a_time_in_another_zone_means_the_same_instant(lender: Lender) -> None:
    from zoneinfo import ZoneInfo

    since = (START + 23 * HOUR).astimezone(ZoneInfo("Asia/Shanghai"))

    assert _requests(_found(lender, LogQuery(event="access.denied", since=since))) == [24, 23]


@pytest.mark.parametrize("limit", [1, 2, 7, 24, 25, 26])
def test_pages_join_to_the_whole_without_gap_or_repeat(lender: Lender, limit: int) -> None:
    collected: list[LogHit] = []
    before: int | None = None
    with lender.role() as connection:
        while True:
            page = find_entries(
                connection, LogQuery(event="access.denied", limit=limit, before=before)
            )
            assert len(page.hits) <= limit
            collected += page.hits
            before = page.next_before
            if before is None:
                break

    assert _requests(collected) == list(reversed(range(DENIALS)))


def test_a_search_that_has_looked_at_enough_hands_out_a_place_to_go_on(
    lender: Lender, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search_module, "MAX_TAIL", 4)
    collected: list[LogHit] = []
    with lender.role() as connection:
        page = find_entries(connection, LogQuery(request="request-2"))
        while page.next_before is not None:
            collected += page.hits
            page = find_entries(connection, LogQuery(request="request-2", before=page.next_before))

    assert _requests(collected + page.hits) == [2]


@pytest.mark.parametrize("limit", [0, -1, 501])
def test_a_limit_out_of_bounds_is_refused(limit: int) -> None:
    with pytest.raises(RequestInvalidError, match="from 1 to 500"):
        LogQuery(limit=limit)


def test_every_search_is_written_down_before_it_is_answered(
    postgres_url: str, tmp_path: Path
) -> None:
    lender = Lender.fresh(postgres_url, tmp_path)
    query = LogQuery(vendor="alpha", since=START, limit=5)
    with lender.role() as connection:
        search_log(connection, query, actor="staff:qian", at=START)
        page = search_log(connection, LogQuery(event="log.searched"), actor=ACTOR, at=START)

    assert [hit.entry["actor"] for hit in page.hits] == [ACTOR, "staff:qian"]
    asked = page.hits[1].entry["query"]
    assert asked == {"vendor": "alpha", "limit": 5, "since": START.isoformat()}


@pytest.mark.parametrize(
    "query",
    [
        LogQuery(vendor="13812345678"),
        LogQuery(vendor="张三"),
        LogQuery(event="no.such.event"),
        LogQuery(event="张三"),
        LogQuery(certificate="110101199003074610"),
        LogQuery(request="110101199003074610"),
        LogQuery(request="张三"),
        LogQuery(code="13812345678"),
        LogQuery(code="张三"),
        LogQuery(actor="staff:13812345678"),
        LogQuery(actor="张三"),
    ],
)
def test_a_search_for_what_cannot_be_a_reference_is_refused_and_not_written_down(
    lender: Lender, query: LogQuery
) -> None:
    before = lender.query("SELECT size FROM audit.tail")
    office = lender.office()

    with pytest.raises(RequestInvalidError) as caught:
        office.search(query, actor=ACTOR)
    with pytest.raises(RequestInvalidError):
        office.desk().denials(query, actor=ACTOR)
    assert "138" not in str(caught.value)
    assert lender.query("SELECT size FROM audit.tail") == before


def test_a_view_writes_down_no_vendor_or_kind_that_cannot_be_one(lender: Lender) -> None:
    before = lender.query("SELECT size FROM audit.tail")
    desk = lender.office().desk()

    with pytest.raises(RequestInvalidError):
        desk.changes(LogQuery(), kinds=("张三",), actor=ACTOR)
    with pytest.raises(RequestInvalidError):
        desk.timeline("13812345678", step=Step.DAY, since=None, until=None, limit=1, actor=ACTOR)
    assert lender.query("SELECT size FROM audit.tail") == before


def test_references_of_every_form_are_searched_for(lender: Lender) -> None:
    for query in (
        LogQuery(certificate="12345678901" + "a" * 53, request="123456789012345678901234"),
        LogQuery(actor="cli:root", code="NOT_FOUND", event="access.denied", vendor="alpha-1"),
        LogQuery(actor="staff:li.hua@lender.example"),
        LogQuery(actor="clockwork"),
    ):
        lender.office().search(query, actor=ACTOR)


def test_an_empty_log_has_no_hits_and_no_further_page(lender: Lender) -> None:
    with lender.role() as connection:
        assert find_entries(connection, LogQuery(before=0)).hits == []
