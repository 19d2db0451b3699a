"""Rates that need more than calls: what was recovered of what was placed, and reports in time."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.operations.recall import recall_cases
from gateway.reports.periods import due_times, parse_period
from gateway.reports.punctuality import count_punctual
from gateway.reports.store import count_period
from policies.contact.results import load_results
from policies.parameters import PARAMETERS
from tests.gateway.store.lender import ACTOR, HEADER, START, Lender, case_row

ALPHA = ("alpha", "alpha-2026")
DUE = due_times({name: each.default for name, each in PARAMETERS.items()})
MAY = parse_period("2026-05")
TERM = (START - timedelta(days=100), START + timedelta(days=100))


@pytest.fixture
def lender(postgres_url: str, tmp_path: Path) -> Lender:
    return Lender.fresh(postgres_url, tmp_path / "lender")


def bring(lender: Lender, *amounts: str) -> None:
    """Imports one case an amount (yuan), always the same ones."""
    rows = [case_row(number, total_due=amount) for number, amount in enumerate(amounts)]
    path = lender.database.settings.directory / "cases.csv"
    lender.put(path, "\n".join([HEADER, *rows]))


def placed(lender: Lender) -> list[object]:
    rows = lender.query("SELECT placed_amount FROM casegate.assigned_case ORDER BY placed_amount")
    return [amount for (amount,) in rows]


def pay(lender: Lender, fen: int, at: datetime = START + timedelta(days=1)) -> None:
    """To the case of the smallest amount, or to any where amounts are not known."""
    with lender.owner() as connection:
        connection.execute(
            "INSERT INTO casegate.ledger_entry (entry_id, case_id, posted_at, amount, kind,"
            " balance_after, received_at) SELECT gen_random_uuid()::text, case_id, %s, %s,"
            " 'payment', 1, %s FROM casegate.assigned_case ORDER BY placed_amount LIMIT 1",
            (at, fen, at),
        )


def recovery(lender: Lender, period: str = "2026-05") -> object:
    with lender.role("vendor") as connection:
        counted = count_period(
            connection,
            *ALPHA,
            parse_period(period),
            results=load_results(),
            grace=timedelta(minutes=30),
            punctual=(0, 0),
        )
    return counted["recovery_rate"]


def test_what_was_placed_is_what_was_due_when_the_case_was_given(lender: Lender) -> None:
    bring(lender, "1000.00", "3000.00")
    bring(lender, "900.00", "3000.00")
    assert placed(lender) == [100_000, 300_000]

    with lender.role() as connection:
        recall_cases(connection, *ALPHA, case_refs=None, actor=ACTOR, at=START)
    bring(lender, "800.00", "3000.00")
    assert placed(lender) == [80_000, 300_000]


def test_recovery_is_what_the_ledger_says_of_the_time_with_the_vendor(lender: Lender) -> None:
    bring(lender, "1000.00", "3000.00")
    assert recovery(lender) == 0.0
    pay(lender, 10_000)
    pay(lender, 70_000, START - timedelta(days=1))  # before it was given
    pay(lender, 70_000, MAY.ends)  # after the month

    assert recovery(lender) == 2.5
    # Nothing was placed yet.
    assert recovery(lender, "2026-04") is None


def test_a_case_of_which_nobody_knows_what_was_due_counts_on_neither_side(lender: Lender) -> None:
    bring(lender, "1000.00", "3000.00")
    pay(lender, 10_000)
    with lender.owner() as connection:
        connection.execute(
            "UPDATE casegate.assigned_case SET placed_amount = NULL WHERE placed_amount = 100000"
        )

    assert recovery(lender) == 0.0


def test_a_case_that_was_returned_in_the_month_was_placed(lender: Lender) -> None:
    bring(lender, "1000.00", "3000.00")
    pay(lender, 10_000)
    with lender.role() as connection:
        gone = START + timedelta(days=2)
        recall_cases(connection, *ALPHA, case_refs=None, actor=ACTOR, at=gone)

    assert recovery(lender) == 2.5
    assert recovery(lender, "2026-06") is None


def test_of_the_reports_that_fell_due_those_that_were_taken_by_then_were_on_time(
    lender: Lender,
) -> None:
    week = parse_period("2026-W12")
    rows = (
        # The Friday before is due on Monday; so are its Saturday, its Sunday and its week.
        ("2026-03-13", "accepted", False),
        ("2026-W11", "accepted", True),
        ("2026-03-16", "rejected", False),
        # It is due in week 13.
        ("2026-03-20", "accepted", False),
    )
    with lender.owner() as connection:
        for text, state, is_late in rows:
            period = parse_period(text)
            connection.execute(
                "INSERT INTO casegate.report (report_id, vendor_id, contract_id, kind, period,"
                " period_from, period_to, revision, schema_version, state, due_at, submitted_at,"
                " is_late, prepared_by, metrics, texts, differences, totals_sha256, thumbprint)"
                " SELECT gen_random_uuid(), 'alpha', 'alpha-2026', %s, %s, %s, %s, 1, 2, %s, %s,"
                " %s, %s, 'manager', '{}', '{}', CASE %s WHEN 'accepted' THEN '[]' ELSE '[1]' END"
                " ::jsonb, sha256(''), sha256('')",
                (
                    *(period.kind.value, text, period.first, period.last, state),
                    *(DUE.due_at(period), DUE.due_at(period), is_late, state),
                ),
            )
        before = count_punctual(connection, ALPHA, TERM, week, DUE)
        proposal = "00000000-0000-0000-0000-000000000001"
        connection.execute(
            "INSERT INTO casegate.proposal (proposal_id, kind, subject, digest, proposed_by,"
            " proposed_at, expires_at) VALUES (%s, 'report.waive', '{}', sha256(''), 'x', %s, %s)",
            (proposal, START, START + timedelta(days=1)),
        )
        connection.execute(
            "INSERT INTO casegate.report_waiver VALUES ('alpha', 'alpha-2026', '2026-W11', %s,"
            " 'x', %s)",
            (START, proposal),
        )
        after = count_punctual(connection, ALPHA, TERM, week, DUE)
        early = (datetime(2026, 3, 19, tzinfo=UTC), TERM[1])
        late_contract = count_punctual(connection, ALPHA, early, week, DUE)

    # Friday to Thursday, each on its next working day, and the week before.
    assert (before, after) == ((8, 1), (7, 1))
    assert late_contract == (1, 0)
