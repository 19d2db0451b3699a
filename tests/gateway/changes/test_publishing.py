import threading
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path

import psycopg
import pytest

from gateway.changes.publishing import CHANNEL, ChangeKind, publish_cases, publish_change
from tests.gateway.store.lender import HEADER, START, Lender, case_row

_change = partial(publish_change, vendor_id="alpha", contract_id="alpha-2026")
_cases = partial(publish_cases, vendor_id="alpha", contract_id="alpha-2026")


@pytest.fixture(scope="module")
def shared_lender(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Lender:
    return Lender.fresh(postgres_url, tmp_path_factory.mktemp("lender"))


@pytest.fixture
def lender(shared_lender: Lender) -> Iterator[Lender]:
    yield shared_lender
    with shared_lender.owner() as connection:
        connection.execute("TRUNCATE casegate.change, casegate.feed, casegate.row_scope")


def _seen(lender: Lender, vendor: str = "alpha", after: int = 0) -> list[tuple[int, str]]:
    with lender.role("vendor") as connection:
        rows = connection.execute(
            "SELECT place, kind FROM casegate.vendor_changes(%s, %s, %s, 1000)",
            (vendor, f"{vendor}-2026", after),
        )
        return [(int(place), str(kind)) for place, kind in rows]


def _publish(connection: psycopg.Connection, kind: str, days: int = 0) -> None:
    at = START + timedelta(days=days)
    _change(connection, kind=kind, case_ref=None, at=at)


def test_a_change_is_seen_when_its_transaction_has_committed_and_only_then(
    lender: Lender,
) -> None:
    with lender.role() as connection, connection.transaction():
        _publish(connection, "policy_changed")
        assert _seen(lender) == []

    assert _seen(lender) == [(1, "policy_changed")]


def test_what_is_rolled_back_leaves_no_gap(lender: Lender) -> None:
    with lender.role() as connection:
        _publish(connection, "paid")
        with connection.transaction(force_rollback=True):
            _publish(connection, "held")
        _publish(connection, "resumed")

    assert _seen(lender) == [(1, "paid"), (2, "resumed")]


def test_many_cases_are_told_in_their_order_by_one_statement(lender: Lender) -> None:
    with lender.role() as connection:
        _cases(connection, kind=ChangeKind.RECALLED, case_refs=["c", "a", "b"], at=START)
        _cases(connection, kind=ChangeKind.RECALLED, case_refs=[], at=START)

    told = lender.query("SELECT place, case_ref FROM casegate.change ORDER BY place")
    assert told == [(1, "c"), (2, "a"), (3, "b")]


def test_an_unknown_kind_is_not_told(lender: Lender) -> None:
    with lender.role() as connection, pytest.raises(ValueError, match="gossip"):
        _publish(connection, "gossip")


def test_a_reader_who_goes_on_after_the_last_place_misses_nothing_under_load(
    lender: Lender,
) -> None:
    writers, each = 4, 25
    done = threading.Event()

    def write(number: int) -> None:
        with lender.role() as connection:
            for turn in range(each):
                with connection.transaction():
                    _change(
                        connection,
                        kind="paid",
                        case_ref=f"{number}",
                        data={"turn": turn},
                        at=START,
                    )
                    if turn % 5 == number:
                        raise psycopg.Rollback

    seen: list[tuple[int, str]] = []

    def read() -> None:
        is_last = False
        while not is_last:
            is_last = done.is_set()
            seen.extend(_seen(lender, after=seen[-1][0] if seen else 0))

    reader = threading.Thread(target=read)
    threads = [threading.Thread(target=write, args=(number,)) for number in range(writers)]
    for thread in (reader, *threads):
        thread.start()
    for thread in threads:
        thread.join()
    done.set()
    reader.join()

    kept = writers * each - writers * (each // 5)
    assert [place for place, _kind in seen] == list(range(1, kept + 1))
    for number in range(writers):
        turns = lender.query(
            "SELECT (data->>'turn')::int FROM casegate.change WHERE case_ref = %s ORDER BY place",
            (str(number),),
        )
        assert turns == sorted(turns)


def test_changes_of_more_than_thirty_days_ago_are_forgotten(lender: Lender) -> None:
    with lender.role() as connection:
        for days in (0, 1, 30, 31):
            _publish(connection, "paid", days)
        left = _seen(lender)
        bounds = connection.execute(
            "SELECT first_place, last_place FROM casegate.feed f,"
            " LATERAL (SELECT min(place) AS first_place FROM casegate.change) c"
        ).fetchone()

    assert [place for place, _kind in left] == [2, 3, 4]
    assert bounds == (2, 4)


def test_a_vendor_reads_its_own_changes_alone(lender: Lender) -> None:
    with lender.role() as connection:
        _publish(connection, "paid")

    assert _seen(lender, "beta") == []
    with lender.role("vendor") as connection:
        assert connection.execute("SELECT 1 FROM casegate.change").fetchall() == []


def test_a_vendors_listener_hears_whose_feed_has_grown(lender: Lender) -> None:
    with lender.role("vendor") as listening, lender.role() as connection:
        listening.execute(f"LISTEN {CHANNEL}")
        _publish(connection, "paid")

        heard = [notice.payload for notice in listening.notifies(timeout=10, stop_after=1)]

    assert heard == ["alpha"]


def test_an_import_tells_of_new_and_of_changed_cases_and_not_of_others(
    lender: Lender, tmp_path: Path
) -> None:
    path = tmp_path / "cases.csv"
    lender.put(path, "\n".join([HEADER, case_row(1), case_row(2)]))
    lender.put(path, "\n".join([HEADER, case_row(1), case_row(2, total_due="9.00")]))

    refs = [
        str(ref)
        for (ref,) in lender.query("SELECT case_ref FROM casegate.assigned_case ORDER BY sequence")
    ]
    told = lender.query("SELECT kind, case_ref FROM casegate.change ORDER BY place")
    assert told == [("assigned", refs[0]), ("assigned", refs[1]), ("balance_changed", refs[1])]


def test_of_cases_outside_the_policys_conditions_nothing_is_told(
    lender: Lender, tmp_path: Path
) -> None:
    path = tmp_path / "more.csv"
    lender.put(path, "\n".join([HEADER, case_row(11)]))
    with lender.owner() as connection:
        connection.execute(
            "INSERT INTO casegate.row_scope (vendor_id, contract_id, projects)"
            " VALUES ('alpha', 'alpha-2026', '{CARD-2026}')"
        )
        _publish(connection, "policy_changed")

    assert [kind for _place, kind in _seen(lender)] == ["policy_changed"]
