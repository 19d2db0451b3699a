from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from gateway.affairs.complaints import ComplaintDesk
from gateway.affairs.grievance import Grievance
from gateway.affairs.vendor_desk import Paper
from gateway.errors import (
    ApprovalRefusedError,
    IdempotencyKeyReusedError,
    IllegalTransitionError,
    NotFoundError,
    RequestInvalidError,
)
from tests.gateway.affairs.settling import PARAMETERS, Settling
from tests.gateway.store.lender import START

TEXT = "张三丰投诉: 一天来电五次, 还打给单位"
ACTOR = "staff:wang"


@pytest.fixture(autouse=True)
def _the_clock_starts_anew(settling: Settling) -> None:
    settling.lender.clock.at = START


def test_a_complaint_of_the_listed_classes_stops_contact_in_the_same_moment(
    settling: Settling,
) -> None:
    one, *_ = settling.debtors.refs

    complaint = _register(settling, category="third_party")

    assert complaint["state"] == "assigned"
    assert complaint["department"] == "消费者权益保护部"
    assert settling.debtors.feed()[-1][0] == "held"
    holds = settling.lender.query(
        "SELECT code, source FROM casegate.hold WHERE hold_id = %s", (complaint["hold_id"],)
    )
    assert holds == [("complaint", "complaint")]
    assert one not in str(complaint)
    moves = [entry["move"] for entry in settling.debtors.entries("complaint.changed")[:3]]
    assert moves == ["assign", "classify", "register"]
    assert _register(settling, category="attitude")["hold_id"] is None


def test_a_complaint_is_registered_once(settling: Settling) -> None:
    key = f"key-{settling.debtors.number}"
    first = _register(settling, repeat=(key, b"1" * 32))

    assert _register(settling, repeat=(key, b"1" * 32))["affair_id"] == first["affair_id"]
    with pytest.raises(IdempotencyKeyReusedError):
        _register(settling, repeat=(key, b"2" * 32))
    with pytest.raises(RequestInvalidError, match="category"):
        _register(settling, category="weather")


def test_without_a_department_nothing_is_registered(settling: Settling) -> None:
    desk = replace(settling.complaints, parameters={**PARAMETERS, "routing.complaint": None})

    with pytest.raises(IllegalTransitionError, match="name a department"):
        _register(settling, desk=desk)


def test_the_vendor_sees_codes_and_calls_and_never_who_complained(settling: Settling) -> None:
    affairs, _claims = settling.vendor_side
    principal = settling.debtors.principal()
    complaint = _register(settling)
    affair_id = complaint["affair_id"]
    with pytest.raises(NotFoundError):  # not before it is asked
        affairs.one(principal, "complaint", affair_id)

    settling.complaints.request_evidence(affair_id, ["call-1", "call-2"], 4, actor=ACTOR)

    seen = affairs.one(principal, "complaint", affair_id)
    assert seen == {
        "id": str(affair_id),
        "state": "evidence_requested",
        "opened_at": "2026-05-01T08:00:00.000Z",
        "channel": "hotline",
        "category": "frequency",
        "allegation_codes": ["five_calls_a_day"],
        "call_ids": ["call-1", "call-2"],
        "evidence_due_at": "2026-05-01T12:00:00.000Z",
    }
    assert ("complaint_changed", None) in settling.debtors.whole_feed()
    with pytest.raises(NotFoundError):
        affairs.one(settling.debtors.principal("beta"), "complaint", affair_id)
    columns = ["sealed_text", "case_id", "facts", "opened_by", "department", "hold_id"]
    with settling.lender.role("vendor") as connection:
        for column in columns:
            row = connection.execute(
                "SELECT has_column_privilege('casegate.affair', %s, 'SELECT')", (column,)
            ).fetchone()
            assert row == (False,)


def test_a_vendor_hands_in_evidence_and_moves_nothing_else(settling: Settling) -> None:
    affairs, _claims = settling.vendor_side
    principal = settling.debtors.principal()
    affair_id = _register(settling)["affair_id"]
    settling.complaints.request_evidence(affair_id, ["call-1"], 4, actor=ACTOR)
    words = "坐席当日按话术拨打, 客户手机 13912345678"

    affairs.move(principal, "complaint", affair_id, "submit_evidence", Paper(call_ids=("call-1",)))
    affairs.move(principal, "complaint", affair_id, "submit_statement", Paper(words))
    settling.keeper.keep_time()

    read = settling.complaints.read(affair_id, reason="decision", actor=ACTOR)
    assert read["text"] == TEXT
    assert [(paper["part"], paper["text_state"]) for paper in read["papers"]] == [
        ("evidence", "none"),
        ("statement", "held"),
    ]
    assert settling.debtors.entries("complaint.read")[0]["reason"] == "decision"
    assert words not in str(settling.debtors.entries("complaint.changed"))
    for name in ("close", "decide", "withdraw", "acknowledge"):
        with pytest.raises(IllegalTransitionError):
            affairs.move(principal, "complaint", affair_id, name, Paper())


def test_the_database_itself_lets_a_vendor_close_nothing(settling: Settling) -> None:
    affair_id = _register(settling)["affair_id"]
    settling.complaints.request_evidence(affair_id, ["call-1"], 4, actor=ACTOR)
    arguments: tuple[object, ...] = (
        affair_id,
        "close",
        ["evidence_requested"],
        None,
        None,
        None,
        [],
        [],
        START,
    )

    with (
        settling.lender.role("vendor") as connection,
        pytest.raises(Exception, match="lead there"),
    ):
        connection.execute(
            "SELECT * FROM casegate.move_own_affair('alpha', 'alpha-2026', 'complaint',"
            " %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            arguments,
        )


def test_evidence_that_does_not_come_is_a_finding(settling: Settling) -> None:
    affairs, _claims = settling.vendor_side
    affair_id = _register(settling)["affair_id"]
    settling.complaints.request_evidence(affair_id, ["call-1", "call-2"], 4, actor=ACTOR)
    paper = Paper(call_ids=("call-1",))
    affairs.move(settling.debtors.principal(), "complaint", affair_id, "submit_evidence", paper)

    settling.lender.clock.at = START + timedelta(hours=5)
    settling.keeper.keep_time()
    settling.keeper.keep_time()

    found = settling.lender.query(
        "SELECT evidence -> 'call_ids' FROM casegate.finding"
        " WHERE evidence ->> 'complaint' = %s AND rule = 'COMPLAINT_EVIDENCE_MISSING'",
        (str(affair_id),),
    )
    assert found == [(["call-2"],)]


def test_sixty_days_take_two_persons(settling: Settling) -> None:
    desk = settling.complaints
    affair_id = _register(settling)["affair_id"]
    desk.move(affair_id, "investigate", actor=ACTOR)
    thirty = desk.extend(affair_id, actor=ACTOR, reason="complex")
    assert thirty["due_at"].startswith("2026-06-01T")  # the 31st of May is a Sunday

    with pytest.raises(RequestInvalidError, match="the customer is told"):
        desk.extend(affair_id, actor=ACTOR, reason="complex")
    longest: dict[str, Any] = {"actor": ACTOR, "reason": "complex", "notice": "letter"}
    proposal = desk.extend(affair_id, **longest)["proposal_id"]
    settling.approve(proposal, START)
    sixty = desk.extend(affair_id, **longest)

    assert (thirty["state"], sixty["state"]) == ("extended_30", "extended_60")
    assert sixty["due_at"] == "2026-06-30T16:00:00.000Z"
    assert sixty["facts"]["extension_notice"] == "letter"
    with pytest.raises(IllegalTransitionError):
        desk.extend(affair_id, actor=ACTOR, reason="complex")


def test_a_complaint_is_decided_answered_closed_and_reopened(settling: Settling) -> None:
    desk = settling.complaints
    affair_id = _register(settling)["affair_id"]
    with pytest.raises(IllegalTransitionError):
        desk.decide(affair_id, "founded", ["apology"], "script", actor=ACTOR)
    desk.request_evidence(affair_id, ["call-1"], 4, actor=ACTOR)
    desk.move(affair_id, "investigate", actor=ACTOR)
    affairs, principal = settling.vendor_side[0], settling.debtors.principal()
    assert affairs.one(principal, "complaint", affair_id)["state"] == "under_review"
    desk.decide(affair_id, "founded", ["apology"], "script", actor=ACTOR)
    desk.reply(affair_id, "letter", START, actor=ACTOR)
    desk.move(affair_id, "close", actor=ACTOR)

    seen = affairs.one(principal, "complaint", affair_id)
    assert (seen["state"], seen["finding"]) == ("closed", "founded")
    assert desk.move(affair_id, "reopen", actor=ACTOR, reason="new_facts")["state"] == "reopened"
    steps = desk.read(affair_id, reason="review", actor=ACTOR)["steps"]
    assert [step["after"] for step in steps][-3:] == ["replied", "closed", "reopened"]


def test_nobody_looks_into_a_complaint_about_himself(settling: Settling) -> None:
    affair_id = _register(settling, about_staff="wang")["affair_id"]

    with pytest.raises(ApprovalRefusedError, match="about who would"):
        settling.complaints.move(affair_id, "investigate", actor=ACTOR)
    moved = settling.complaints.move(affair_id, "investigate", actor="staff:zhao")
    assert moved["state"] == "investigating"


def test_a_late_answer_is_told_every_day(settling: Settling) -> None:
    affair_id = UUID(str(_register(settling)["affair_id"]))
    settling.lender.clock.at = START + timedelta(days=30)
    settling.keeper.keep_time()
    settling.keeper.keep_time()
    settling.lender.clock.at += timedelta(days=1)
    settling.keeper.keep_time()

    entries = settling.debtors.entries("complaint.changed")
    reminders = [
        entry
        for entry in entries
        if entry["affair"] == str(affair_id) and entry["move"] == "remind"
    ]
    assert len(reminders) == 2
    page = settling.complaints.page(
        vendor="alpha", is_open=True, is_overdue=True, cursor=None, limit=1
    )
    assert page.items[0]["is_overdue"] is True
    assert page.next_cursor is not None


def _register(
    settling: Settling,
    *,
    category: str = "frequency",
    about_staff: str | None = None,
    repeat: tuple[str | None, bytes | None] = (None, None),
    desk: ComplaintDesk | None = None,
) -> dict[str, Any]:
    grievance = Grievance(
        "alpha",
        "alpha-2026",
        settling.debtors.refs[0],
        START,
        "hotline",
        "regulator",
        category,
        ("five_calls_a_day",),
        TEXT,
        about_staff,
    )
    return (desk or settling.complaints).register(grievance, actor=ACTOR, repeat=repeat)
