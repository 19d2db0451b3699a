"""Two at once: each waits for the other in one order, and nobody decides on what is changing."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import date
from functools import partial
from typing import Any, cast
from uuid import UUID, uuid4

import psycopg
import pytest

from gateway.affairs.claims import PaymentClaim
from gateway.affairs.grievance import Grievance
from gateway.affairs.reconciling import match_claims
from gateway.affairs.rectifications import Notice
from gateway.affairs.vendor_side import vendor_affairs
from gateway.contact.permits import Granted
from gateway.installation import read_key
from gateway.store.database import connect
from gateway.trial.call_centre import agent_refs
from tests.gateway.affairs.settling import PARAMETERS, Settling
from tests.gateway.contact.centre import MORNING, CallCentre
from tests.gateway.store.lender import START, Lender
from tests.promises.processes import wait_until

ACTOR = "staff:wang"
_WAITING = """
SELECT count(*) FROM pg_stat_activity
 WHERE datname = current_database() AND wait_event_type = 'Lock' AND state = 'active'
"""
_CLOSE = """
SELECT casegate.close_permit('alpha', 'alpha-2026', %s, 'used', 'THIRD_PARTY_REFUSE', 1, false,
                             NULL, true, NULL, %s)
"""
_FINDING = """
INSERT INTO casegate.finding (finding_id, rule, severity, vendor_id, contract_id, agent_ref,
                              evidence, found_at)
VALUES (%s, 'CALL_WITHOUT_PERMIT', 'critical', 'alpha', 'alpha-2026', %s, '{}', %s)
"""
_COPY = """
INSERT INTO casegate.contact SELECT (jsonb_populate_record(c, %s)).* FROM casegate.contact c
 WHERE c.contact_id = %s
"""


@pytest.fixture(scope="module")
def centre(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> CallCentre:
    return CallCentre.make(postgres_url, tmp_path_factory.mktemp("centre"), cases=6)


@pytest.fixture(autouse=True)
def _the_clock_starts_anew(settling: Settling) -> None:
    settling.lender.clock.at = START


def test_an_answer_does_not_write_over_what_was_noted_meanwhile(settling: Settling) -> None:
    desk, affair_id = settling.complaints, _complaint(settling)
    desk.move(affair_id, "investigate", actor=ACTOR)
    desk.decide(affair_id, "founded", [], "agent", actor=ACTOR)

    with _changing(settling.lender, affair_id, """facts = facts || '{"noted": "meanwhile"}'"""):
        answering = _begin(lambda: desk.reply(affair_id, "letter", START, actor=ACTOR))
        _wait_for(settling.lender, waiting=1)
    facts = cast("dict[str, Any]", answering.result(10))["facts"]

    assert (facts["noted"], facts["reply_channel"]) == ("meanwhile", "letter")


def test_a_notice_that_is_extended_at_its_deadline_is_not_overdue(settling: Settling) -> None:
    notice_id = _notice(settling)
    (row,) = settling.lender.query(
        "SELECT due_at FROM casegate.affair WHERE affair_id = %s", (notice_id,)
    )
    settling.lender.clock.at = row[0]  # type: ignore[assignment]
    longer = "due_at = due_at + interval '9 days', next_at = next_at + interval '9 days'"

    with _changing(settling.lender, notice_id, longer):
        round_ = _begin(settling.keeper.keep_time)
        _wait_for(settling.lender, waiting=1)
    round_.result(10)

    assert settling.notices.read("rectification", notice_id)["state"] == "issued"


def test_two_hosts_do_not_match_two_claims_with_one_payment(settling: Settling) -> None:
    claims, principal = settling.vendor_side[1], settling.debtors.principal()
    day = date(2026, 5, 1)
    wish = PaymentClaim(settling.debtors.refs[0], agent_refs("alpha")[0], 150000, day)
    first, second = (claims.submit(principal, wish, (None, None))["claim_id"] for _ in range(2))
    settling.post("E1", 150000, 362345, START)
    held = "SELECT 1 FROM casegate.payment_claim WHERE claim_id = %s FOR UPDATE"

    with settling.lender.role() as one, settling.lender.role() as other:
        with ExitStack() as stack:
            with settling.lender.owner() as owner, owner.transaction():
                owner.execute(held, (second,))
                stack.enter_context(one.transaction())
                assert match_claims(one, hours=24, at=START) == 1
            assert match_claims(other, hours=24, at=START) == 0
        assert match_claims(other, hours=24, at=START) == 0

    states = [claims.one(principal, each)["match_status"] for each in (first, second)]
    assert states == ["matched", "claimed"]


def test_a_grant_and_a_critical_finding_of_its_agent_do_not_wait_for_each_other(
    centre: CallCentre,
) -> None:
    granted = _granted(centre)
    (row,) = centre.lender.query(
        "SELECT to_jsonb(c), d.version FROM casegate.contact c JOIN casegate.debtor d"
        " USING (person_mac) WHERE c.contact_id = %s",
        (granted,),
    )
    permit, version = row
    assert isinstance(permit, dict)
    permit |= {"contact_id": str(uuid4()), "repeat_key": None}

    def grant() -> object:
        with connect(centre.lender.database.owner_url) as connection:
            found = connection.execute(
                "SELECT casegate.grant_permit(%s, %s, 9, 9, %s)",
                (psycopg.types.json.Jsonb(permit), version, date(2026, 5, 7)),
            ).fetchone()
            return None if found is None else found[0]

    with connect(centre.lender.database.owner_url) as batch, batch.transaction():
        # As a batch of records does: its debtors, then what it has found.
        batch.execute(
            "SELECT casegate.touch_debtor(decode(%s, 'hex'))", (permit["person_mac"][2:],)
        )
        asking = _begin(grant)
        _wait_for(centre.lender, waiting=1)
        batch.execute(
            "INSERT INTO casegate.finding (finding_id, rule, severity, vendor_id, contract_id,"
            " agent_ref, evidence, found_at) VALUES (%s, 'CALL_WITHOUT_PERMIT', 'critical',"
            " 'alpha', 'alpha-2026', %s, '{}', %s)",
            (uuid4(), permit["agent_ref"], MORNING),
        )

    assert asking.result(10) == "stale"
    query = "SELECT void_reason FROM casegate.contact WHERE contact_id = %s"
    assert centre.lender.query(query, (granted,)) == [("AGENT",)]


def test_a_claim_that_waits_for_a_batch_that_waits_for_it_is_taken_all_the_same(
    centre: CallCentre,
) -> None:
    lender, agent = centre.lender, agent_refs("alpha")[2]
    ref = centre.case()
    granted = centre.ask(ref, agent_ref=agent)
    assert isinstance(granted, Granted)
    settings = lender.database.settings
    index_key = read_key(settings, settings.keys.index)
    _affairs, claims, _files = vendor_affairs(
        lambda: lender.role("vendor"), lender.clock, PARAMETERS, index_key
    )
    day = MORNING.date()
    wish = PaymentClaim(ref, agent, 150000, day, account="6228000011112222")

    with connect(lender.database.owner_url) as batch, batch.transaction():
        # As a batch of records does: contacts of its own, then the agent of what it has found.
        batch.execute(
            "SELECT 1 FROM casegate.contact WHERE contact_id = %s FOR UPDATE", (granted.permit_id,)
        )
        claiming = _begin(lambda: claims.submit(centre.principal(), wish, ("K", bytes(32))))
        _wait_for(lender, waiting=1)
        batch.execute(_FINDING, (uuid4(), agent, MORNING))

    claim = cast("dict[str, Any]", claiming.result(10))
    again = claims.submit(centre.principal(), wish, ("K", bytes(32)))
    assert again["claim_id"] == claim["claim_id"]
    query = "SELECT count(*) FROM casegate.payment_claim WHERE repeat_key = 'K'"
    assert lender.query(query) == [(1,)]


def test_two_who_opt_out_of_one_number_at_once_both_do(centre: CallCentre) -> None:
    agent = agent_refs("alpha")[1]
    first, second = _granted(centre, agent), _granted(centre, agent)
    point = {"point_mac": f"\\x{uuid4().hex * 2}", "party": "contact", "point_kind": "related"}
    permits = []
    with centre.lender.owner() as owner:
        for each in (first, second):
            permits.append(uuid4())
            changes = psycopg.types.json.Jsonb({"contact_id": str(permits[-1]), **point})
            owner.execute(_COPY, (changes, each))

    def opt_out(permit: UUID) -> object:
        with connect(centre.lender.database.owner_url) as connection:
            found = connection.execute(_CLOSE, (permit, MORNING)).fetchone()
            return None if found is None else found[0]

    with connect(centre.lender.database.owner_url) as third, third.transaction():
        third.execute(
            "INSERT INTO casegate.point_state (point_mac, changed_at) VALUES (%s, %s)",
            (bytes.fromhex(point["point_mac"][2:]), MORNING),
        )
        closing = [_begin(partial(opt_out, permit)) for permit in permits]
        _wait_for(centre.lender, waiting=2)

    assert [each.result(10) for each in closing] == ["closed", "closed"]


def _granted(centre: CallCentre, agent: str | None = None) -> UUID:
    changes = {} if agent is None else {"agent_ref": agent}
    granted = centre.ask(centre.case(), **changes)
    assert isinstance(granted, Granted), granted
    return granted.permit_id


def _complaint(settling: Settling) -> UUID:
    grievance = Grievance(
        *("alpha", "alpha-2026", settling.debtors.refs[0], START, "hotline", "customer"),
        *("attitude", ("rude_words",), "态度恶劣"),
    )
    made = settling.complaints.register(grievance, actor=ACTOR, repeat=(None, None))
    return UUID(str(made["affair_id"]))


def _notice(settling: Settling) -> UUID:
    notice = Notice(
        *("alpha", "alpha-2026", "minor", "inspection", (f"c-{uuid4().hex[:8]}",)),
        *("登记资料不全", ("补齐资料",)),
    )
    made = settling.notices.draft(notice, actor=ACTOR, repeat=(None, None))
    settling.notices.issue(made["affair_id"], actor=ACTOR)
    return UUID(str(made["affair_id"]))


@contextmanager
def _changing(lender: Lender, affair_id: UUID, change: str) -> Iterator[None]:
    """Somebody else's change, which commits when this ends."""
    with lender.owner() as connection, connection.transaction():
        query = f"UPDATE casegate.affair SET {change} WHERE affair_id = %s"  # noqa: S608 - the test's own
        connection.execute(query.encode(), (affair_id,))
        yield


def _begin(work: Callable[[], object]) -> "Future[object]":
    return ThreadPoolExecutor(1).submit(work)


def _wait_for(lender: Lender, *, waiting: int) -> None:
    """Until so many wait for a lock."""
    assert wait_until(lambda: lender.query(_WAITING) == [(waiting,)], seconds=10)
