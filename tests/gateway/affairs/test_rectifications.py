from datetime import datetime, timedelta
from typing import Any

import pytest

from gateway.affairs.rectifications import Notice
from gateway.affairs.vendor_desk import Paper
from gateway.errors import (
    ApprovalRefusedError,
    IllegalTransitionError,
    NotFoundError,
    PersonalDataError,
    RequestInvalidError,
)
from gateway.findings.record import Fault, Severity, raise_finding
from gateway.trial.call_centre import agent_refs
from tests.gateway.affairs.settling import Settling

ACTOR = "staff:wang"
OTHER = "staff:zhao"
# After the holidays of May: a Friday, and the Saturday after it is a working day.
FRIDAY = datetime.fromisoformat("2026-05-08T03:00:00+00:00")


@pytest.fixture(autouse=True)
def _the_clock_starts_anew(settling: Settling) -> None:
    settling.lender.clock.at = FRIDAY


def test_a_notice_is_worked_off_and_closed_by_somebody_else(settling: Settling) -> None:
    affairs, _claims = settling.vendor_side
    principal, desk = settling.debtors.principal(), settling.notices
    notice_id = _draft(settling, "major", "4.2.1")["affair_id"]
    with pytest.raises(NotFoundError):
        affairs.one(principal, "rectification", notice_id)

    issued = desk.issue(notice_id, actor=ACTOR)
    for name, paper in (("acknowledge", Paper()), ("submit_plan", Paper("调整排班"))):
        affairs.move(principal, "rectification", notice_id, name, paper)
    desk.move(notice_id, "accept_plan", actor=ACTOR)
    affairs.move(principal, "rectification", notice_id, "start", Paper())
    files = Paper(files=("ab" * 32,))
    seen = affairs.move(principal, "rectification", notice_id, "submit_evidence", files)

    assert issued["due_at"] == "2026-05-21T16:00:00.000Z"
    assert (seen["state"], seen["required_actions"]) == ("evidence_submitted", ["加强培训"])
    with pytest.raises(ApprovalRefusedError, match="ask another person"):
        desk.move(notice_id, "verify", actor=ACTOR)
    desk.move(notice_id, "verify", actor=OTHER)
    with pytest.raises(RequestInvalidError, match="sample"):
        desk.move(notice_id, "close", actor=OTHER)
    assert desk.move(notice_id, "close", actor=OTHER, sample=["call-9"])["state"] == "closed"
    with pytest.raises(IllegalTransitionError):
        affairs.move(principal, "rectification", notice_id, "submit_evidence", files)


def test_a_critical_notice_takes_two_persons(settling: Settling) -> None:
    desk = settling.notices
    notice_id = _draft(settling, "critical", "4.1.1")["affair_id"]

    proposal = desk.issue(notice_id, actor=ACTOR)["proposal_id"]
    settling.approve(proposal, FRIDAY)
    issued = desk.issue(notice_id, actor=ACTOR)

    assert (issued["state"], issued["due_at"]) == ("issued", "2026-05-14T16:00:00.000Z")
    assert issued["told"]["containment_deadline"] == "2026-05-09T03:00:00.000Z"
    _withdraw(settling, notice_id)


def test_the_same_clause_again_is_one_severity_up(settling: Settling) -> None:
    first = _draft(settling, "minor", "2.4.4")
    settling.notices.issue(first["affair_id"], actor=ACTOR)

    again = _draft(settling, "minor", "2.4.4")

    assert (first["severity"], again["severity"]) == ("minor", "major")
    assert again["recurrence_of"] == first["affair_id"]


def test_a_notice_names_no_person_and_is_extended_once(settling: Settling) -> None:
    with pytest.raises(PersonalDataError):
        _draft(settling, "minor", "3.1", text="客户 13912345678 被多次拨打")
    with pytest.raises(RequestInvalidError, match="severity"):
        _draft(settling, "terrible", "3.1")
    desk = settling.notices
    issued = desk.issue(_draft(settling, "minor", "3.1")["affair_id"], actor=ACTOR)
    later = FRIDAY + timedelta(days=50)

    extended = desk.extend(issued["affair_id"], later, actor=ACTOR, reason="holidays")

    assert extended["due_at"] == "2026-06-27T03:00:00.000Z"
    with pytest.raises(IllegalTransitionError):
        desk.extend(issued["affair_id"], later + timedelta(days=1), actor=ACTOR, reason="holidays")


def test_an_overdue_critical_notice_cuts_the_scope_and_then_the_vendor(
    settling: Settling,
) -> None:
    one, *_ = settling.debtors.refs
    notice_id = _issue_critical(settling, "5.1")
    settling.lender.clock.at = FRIDAY + timedelta(days=8)
    assert _status(settling, one) == "assigned"

    settling.keeper.keep_time()

    assert _state(settling, notice_id) == "escalated_2"
    assert _status(settling, one) == "suspended"
    assert _vendor_status(settling) == "active"
    settling.lender.clock.at = FRIDAY + timedelta(days=13)
    settling.keeper.keep_time()
    assert _state(settling, notice_id) == "suspended_vendor"
    assert _vendor_status(settling) == "suspended"

    affairs, _claims = settling.vendor_side
    principal = settling.debtors.principal()
    affairs.move(principal, "rectification", notice_id, "submit_evidence", Paper("已整改"))
    settling.notices.move(notice_id, "verify", actor=OTHER)
    assert _status(settling, one) == "suspended"
    settling.notices.move(notice_id, "close", actor=OTHER, sample=["call-1"])
    assert _status(settling, one) == "assigned"
    with settling.lender.owner() as connection:
        connection.execute("UPDATE casegate.vendor SET status = 'active'")


def test_a_major_notice_escalates_and_stops_nobody(settling: Settling) -> None:
    one, *_ = settling.debtors.refs
    notice_id = settling.notices.issue(_draft(settling, "major", "5.2")["affair_id"], actor=ACTOR)[
        "affair_id"
    ]

    settling.lender.clock.at = FRIDAY + timedelta(days=40)
    settling.keeper.keep_time()

    assert (_state(settling, notice_id), _status(settling, one)) == ("escalated_1", "assigned")


def test_a_critical_finding_suspends_and_a_repeated_one_raises_a_notice(
    settling: Settling,
) -> None:
    agent = agent_refs("alpha")[2]
    rule = f"RULE_{settling.debtors.number}"

    for severity in (Severity.MAJOR, Severity.MAJOR, Severity.CRITICAL):
        settling.keeper.keep_time()
        assert _notices(settling, rule) == []
        assert settling.agent_status(agent) == "qualified"
        with settling.lender.role() as connection:
            fault = Fault(rule, severity, "alpha", {}, "alpha-2026", agent)
            raise_finding(connection, fault, at=FRIDAY)

    assert settling.agent_status(agent) == "suspended"
    settling.keeper.keep_time()
    settling.keeper.keep_time()
    assert _notices(settling, rule) == [("critical", "drafted")]


def test_repeated_major_findings_issue_a_notice_by_themselves(settling: Settling) -> None:
    rule = f"MAJOR_{settling.debtors.number}"
    for _ in range(3):
        with settling.lender.role() as connection:
            fault = Fault(rule, Severity.MAJOR, "alpha", {}, "alpha-2026", None)
            raise_finding(connection, fault, at=FRIDAY)

    settling.keeper.keep_time()

    assert _notices(settling, rule) == [("major", "issued")]


def test_feedback_is_given_acknowledged_and_answered(settling: Settling) -> None:
    affairs, _claims = settling.vendor_side
    principal, desk = settling.debtors.principal(), settling.notices
    given = desk.give_feedback(
        ("alpha", "alpha-2026"),
        ["script-7"],
        "客户反映开场白过快",
        actor=ACTOR,
        repeat=(None, None),
    )

    affairs.move(principal, "feedback", given["affair_id"], "answer", Paper("已调整语速"))

    page = affairs.page(principal, "feedback", cursor=None, limit=10)
    assert page.items[-1]["text"] == "客户反映开场白过快"
    assert desk.close_feedback(given["affair_id"], actor=ACTOR)["state"] == "closed"
    with pytest.raises(NotFoundError):
        desk.give_feedback(("gamma", "gamma-1"), ["x"], "好", actor=ACTOR, repeat=(None, None))


def _draft(
    settling: Settling, severity: str, clause: str, text: str = "抽检发现开场未报机构名称"
) -> dict[str, Any]:
    notice = Notice("alpha", "alpha-2026", severity, "spot_check", (clause,), text, ("加强培训",))
    return settling.notices.draft(notice, actor=ACTOR, repeat=(None, None))


def _issue_critical(settling: Settling, clause: str) -> Any:
    notice_id = _draft(settling, "critical", clause)["affair_id"]
    proposal = settling.notices.issue(notice_id, actor=ACTOR)["proposal_id"]
    settling.approve(proposal, settling.lender.clock.at)
    settling.notices.issue(notice_id, actor=ACTOR)
    return notice_id


def _withdraw(settling: Settling, notice_id: Any) -> None:
    proposal = settling.notices.move(notice_id, "withdraw", actor=ACTOR)["proposal_id"]
    settling.approve(proposal, settling.lender.clock.at)
    assert settling.notices.move(notice_id, "withdraw", actor=ACTOR)["state"] == "withdrawn"


def _state(settling: Settling, notice_id: Any) -> str:
    return str(settling.notices.read("rectification", notice_id)["state"])


def _notices(settling: Settling, rule: str) -> list[Any]:
    return settling.lender.query(
        "SELECT severity, state FROM casegate.affair WHERE codes @> ARRAY[%s]", (rule,)
    )


def _vendor_status(settling: Settling) -> str:
    query = "SELECT status FROM casegate.vendor WHERE vendor_id = 'alpha'"
    return str(settling.lender.query(query)[0][0])


def _status(settling: Settling, ref: str) -> str:
    with settling.lender.role("vendor") as connection:
        row = connection.execute(
            "SELECT status FROM casegate.permit_case('alpha', 'alpha-2026', %s)", (ref,)
        ).fetchone()
    assert row is not None
    return str(row[0])
