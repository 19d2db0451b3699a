from datetime import date, datetime, timedelta
from uuid import uuid4

import pytest

from gateway.affairs.claims import LedgerPayment, OpenClaim, PaymentClaim, match_claim
from gateway.affairs.grievance import Grievance
from gateway.errors import (
    IdempotencyKeyReusedError,
    IllegalTransitionError,
    NotFoundError,
    RequestInvalidError,
)
from gateway.trial.call_centre import agent_refs
from tests.gateway.affairs.settling import Settling
from tests.gateway.store.lender import START

# The 1st of May 2026 is a holiday, and so are the days to the 5th; START is 16:00 there.
UNTIL = START + timedelta(days=5)
OPEN = OpenClaim(150000, date(2026, 5, 1), START, UNTIL, None)
PAYMENT = LedgerPayment("L1", START - timedelta(minutes=4), 150000, is_bound=False)
EARLIER = LedgerPayment("L1", START - timedelta(days=3), 150000, is_bound=False)
PROMISED_MORE = OpenClaim(150000, date(2026, 5, 1), START, UNTIL, 200000)
AGENT = agent_refs("alpha")[0]


@pytest.fixture(autouse=True)
def _the_clock_starts_anew(settling: Settling) -> None:
    settling.lender.clock.at = START


@pytest.mark.parametrize(
    ("claim", "payments", "at", "verdict"),
    [
        (OPEN, [PAYMENT], START, ("matched", "L1")),
        (OPEN, [], START, None),
        (OPEN, [], UNTIL, ("not_found", None)),
        (OPEN, [LedgerPayment("L1", START, 149999, is_bound=False)], START, None),
        (
            OPEN,
            [LedgerPayment("L1", START, 149999, is_bound=False)],
            UNTIL,
            ("amount_diff", "L1"),
        ),
        (OPEN, [LedgerPayment("L1", START, 150000, is_bound=True)], UNTIL, ("duplicate", None)),
        (OPEN, [EARLIER], UNTIL, ("not_found", None)),
        (PROMISED_MORE, [PAYMENT], START, ("amount_diff", "L1")),
        (
            OpenClaim(150000, date(2026, 5, 1), START + timedelta(hours=25), UNTIL, 150000),
            [PAYMENT],
            START,
            ("late", "L1"),
        ),
    ],
)  # fmt: skip
def test_claim_ledger_and_promise_are_matched(
    claim: OpenClaim,
    payments: list[LedgerPayment],
    at: datetime,
    verdict: tuple[str, str | None] | None,
) -> None:
    assert match_claim(claim, payments, hours=24, at=at) == verdict


def test_a_case_is_paid_by_the_ledger_alone_and_everybody_hears(settling: Settling) -> None:
    one, *_ = settling.debtors.refs
    version = settling.debtors.version(one)

    assert settling.post("E1", 100000, 412345, START) == "posted"
    assert _status(settling, one) == "assigned"
    assert settling.post("E2", 412345, 0, START + timedelta(minutes=1)) == "posted"

    assert _status(settling, one) == "paid"
    assert settling.debtors.feed()[-2:] == [("balance_changed", one), ("paid", one)]
    assert settling.debtors.version(one) == version + 2
    entry = settling.debtors.entries("ledger.posted")[0]
    assert (entry["paid"], len(entry["cases"])) == (True, 1)
    assert "E2" not in str(entry)


def test_a_posting_is_taken_once_and_never_changed(settling: Settling) -> None:
    settling.post("E1", 100000, 0, START)

    assert settling.post("E1", 100000, 0, START) == "duplicate"
    assert settling.post("E1", 100001, 0, START) == "differs"
    assert settling.post("E2", 100000, 0, START + timedelta(hours=1)) == "ahead"
    with pytest.raises(RequestInvalidError, match="moves something"):
        settling.post("E3", 0, 0, START)


def test_a_late_posting_of_an_earlier_time_does_not_open_a_paid_case(settling: Settling) -> None:
    one, *_ = settling.debtors.refs
    settling.post("E2", 412345, 0, START)

    settling.post("E1", 100000, 412345, START - timedelta(hours=1))

    assert _status(settling, one) == "paid"


def test_a_reversal_lets_a_case_go_on(settling: Settling) -> None:
    one, *_ = settling.debtors.refs
    settling.post("E1", 412345, 0, START)

    settling.post("E2", 1, 412345, START + timedelta(minutes=1))

    assert _status(settling, one) == "assigned"
    assert settling.debtors.feed()[-1] == ("balance_changed", one)


def test_a_claim_marks_nothing_paid_and_is_matched_with_the_ledger(settling: Settling) -> None:
    one, *_ = settling.debtors.refs
    claims = settling.vendor_side[1]
    principal = settling.debtors.principal()
    wish = PaymentClaim(one, AGENT, 150000, date(2026, 5, 1))

    claim = claims.submit(principal, wish, ("key", b"1" * 32))

    assert claims.submit(principal, wish, ("key", b"1" * 32))["claim_id"] == claim["claim_id"]
    with pytest.raises(IdempotencyKeyReusedError):
        claims.submit(principal, wish, ("key", b"2" * 32))
    assert (claim["match_status"], _status(settling, one)) == ("claimed", "assigned")
    settling.keeper.keep_time()
    assert claims.one(principal, claim["claim_id"])["match_status"] == "claimed"
    settling.post("E1", 150000, 362345, START)
    settling.keeper.keep_time()
    assert claims.one(principal, claim["claim_id"])["match_status"] == "matched"
    assert settling.debtors.entries("claim.settled")[0]["after"] == "matched"
    assert "entry_id" not in claim


def test_a_second_claim_of_one_payment_is_a_duplicate(settling: Settling) -> None:
    one, *_ = settling.debtors.refs
    claims = settling.vendor_side[1]
    principal = settling.debtors.principal()
    wish = PaymentClaim(one, AGENT, 150000, date(2026, 5, 1))
    first, second = (claims.submit(principal, wish, (None, None)) for _ in range(2))
    settling.post("E1", 150000, 362345, START)

    settling.keeper.keep_time()
    settling.lender.clock.at = START + timedelta(days=6)
    settling.keeper.keep_time()

    states = [claims.one(principal, each["claim_id"])["match_status"] for each in (first, second)]
    assert states == ["matched", "duplicate"]
    desk = settling.lender.office().reconciliation()
    assert desk.resolve(second["claim_id"], "told_twice", actor="staff:li")["state"] == "resolved"
    with pytest.raises(IllegalTransitionError):
        desk.resolve(first["claim_id"], "told_twice", actor="staff:li")


def test_a_claim_of_anothers_case_or_of_a_day_to_come_is_refused(settling: Settling) -> None:
    claims = settling.vendor_side[1]
    principal = settling.debtors.principal()

    for ref, agent in ((settling.debtors.beta_ref, AGENT), (settling.debtors.refs[0], "nobody")):
        with pytest.raises(NotFoundError):
            claims.submit(principal, PaymentClaim(ref, agent, 1, date(2026, 5, 1)), (None, None))
    with pytest.raises(RequestInvalidError, match="claimed_on"):
        claims.submit(
            principal,
            PaymentClaim(settling.debtors.refs[0], AGENT, 1, date(2026, 5, 2)),
            (None, None),
        )
    assert (
        claims.page(settling.debtors.principal("beta"), case_ref=None, cursor=None, limit=5).items
        == []
    )


def test_money_to_a_strangers_account_suspends_the_agent_in_the_same_moment(
    settling: Settling,
) -> None:
    one, *_ = settling.debtors.refs
    claims = settling.vendor_side[1]
    principal = settling.debtors.principal()
    agent = agent_refs("alpha")[1]
    ours, stranger = f"6222 {uuid4().int % 10**12:012d}", f"6228 {uuid4().int % 10**12:012d}"
    settling.ledger.register_account(ours, "还款专户", actor="staff:li")
    day = date(2026, 5, 1)

    claims.submit(
        principal, PaymentClaim(one, agent, 1, day, account=ours.replace(" ", "")), (None, None)
    )
    assert settling.agent_status(agent) == "qualified"

    answer = claims.submit(
        principal, PaymentClaim(one, agent, 1, day, account=stranger), (None, None)
    )

    assert settling.agent_status(agent) == "suspended"
    assert settling.findings("CLAIM_FOREIGN_ACCOUNT") == [("critical", agent)]
    assert "account" not in answer
    assert ("agent_suspended", None) in settling.debtors.whole_feed()
    settling.keeper.keep_time()
    entry = settling.debtors.entries("agent.changed")[0]
    assert (entry["agent"], entry["change"], entry["actor"]) == (agent, "suspended", "clockwork")
    kept = settling.lender.query("SELECT claim::text FROM casegate.payment_claim claim")
    assert stranger.replace(" ", "") not in str(kept)


@pytest.mark.parametrize(("paid", "state"), [(200000, "kept"), (1, "partly"), (0, "broken")])
def test_a_promise_is_settled_the_day_after_it_is_due(
    settling: Settling, paid: int, state: str
) -> None:
    one, *_ = settling.debtors.refs
    call = _promise(settling, one, 200000, date(2026, 5, 3))
    if paid:
        settling.post("E1", paid, 512345 - paid, START)
    settling.lender.clock.at = START + timedelta(days=2, hours=7)
    settling.keeper.keep_time()
    assert _promised(settling, call) == "pending"

    settling.lender.clock.at += timedelta(hours=2)
    settling.keeper.keep_time()

    assert _promised(settling, call) == state
    assert settling.debtors.entries("promise.settled")[0]["after"] == state


def test_an_erased_person_leaves_no_payment_claim_or_complaint(settling: Settling) -> None:
    one, *_ = settling.debtors.refs
    person = settling.debtors.person(one)
    settling.post("E1", 150000, 362345, START)
    wish = PaymentClaim(one, AGENT, 150000, date(2026, 5, 1))
    settling.vendor_side[1].submit(settling.debtors.principal(), wish, (None, None))
    _promise(settling, one, 1, date(2026, 5, 2))
    grievance = Grievance(
        *("alpha", "alpha-2026", one, START, "hotline", "customer", "leak"),
        *(("told_others",), "张三丰的投诉"),
    )
    complaint = settling.complaints.register(grievance, actor="staff:li", repeat=(None, None))
    cases = settling.lender.query(
        "SELECT case_id FROM casegate.case_record WHERE person_mac = %s", (person,)
    )

    with settling.lender.role() as connection, connection.transaction():
        connection.execute("SELECT casegate.erase_people(ARRAY[%s]::bytea[])", (person,))

    for table in ("ledger_entry", "case_standing", "promise", "payment_claim", "affair"):
        query = f"SELECT 1 FROM casegate.{table} WHERE case_id = ANY (%s)"  # noqa: S608
        assert settling.lender.query(query, ([row[0] for row in cases],)) == []
    left = settling.lender.query(
        "SELECT state, sealed_text, facts FROM casegate.affair WHERE affair_id = %s",
        (complaint["affair_id"],),
    )
    assert left == [("assigned", None, {})]


def _promise(settling: Settling, ref: str, amount: int, due_on: date) -> str:
    call = f"call-{uuid4().hex[:8]}"
    with settling.lender.owner() as connection:
        connection.execute(
            "INSERT INTO casegate.call_record (vendor_id, contract_id, call_id, case_id, case_ref,"
            " agent_ref, direction, call_kind, started_at, ended_at, talk_s, result_code,"
            " disclosures, promise, summary_state, received_at, batch_id, body_sha256)"
            " SELECT vendor_id, contract_id, %s, case_id, case_ref, %s, 'outbound', 'interactive',"
            " %s, %s, 60, 'RPC_PTP', '{}',"
            " jsonb_build_object('amount', %s::bigint, 'due_on', %s::text), 'none', %s,"
            " gen_random_uuid(), '' FROM casegate.assigned_case WHERE case_ref = %s",
            (call, AGENT, START, START, amount, due_on.isoformat(), START, ref),
        )
    return call


def _promised(settling: Settling, call: str) -> str:
    query = "SELECT state FROM casegate.promise WHERE call_id = %s"
    return str(settling.lender.query(query, (call,))[0][0])


def _status(settling: Settling, ref: str) -> str:
    with settling.lender.role("vendor") as connection:
        row = connection.execute(
            "SELECT status FROM casegate.permit_case('alpha', 'alpha-2026', %s)", (ref,)
        ).fetchone()
    assert row is not None
    return str(row[0])
