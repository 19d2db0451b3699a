from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from gateway.contact.answers import Answer
from gateway.contact.note_seal import NoteSeal
from gateway.contact.requests import RequestDesk, RequestWish, due_at
from gateway.errors import (
    IdempotencyKeyReusedError,
    IllegalTransitionError,
    NotFoundError,
    PersonalDataError,
    RequestInvalidError,
)
from gateway.redaction.identifiers import IdentifierFinder
from policies.requests import load_request_catalog
from tests.gateway.contact.debtors import Debtors
from tests.gateway.store.lender import ACTOR

CATALOG = load_request_catalog()
PARAMETERS = {
    "special.answer_days": "3",
    "complaint.days": "15",
    "routing.special": "客户关怀部",
    "routing.repay": None,
    "routing.complaint": None,
}
NOTE = "客户称近期住院, 请求缓还"


def _desk(debtors: Debtors) -> RequestDesk:
    lender = debtors.lender
    return RequestDesk(
        lambda: lender.role("vendor"),
        lender.clock,
        CATALOG,
        PARAMETERS,
        NoteSeal(debtors.index_key),
        IdentifierFinder(),
        debtors.cursors,
    )


def _wish(ref: str, kind: str = "hardship") -> RequestWish:
    return RequestWish(ref, kind, "agent-7", call_id="call-1", note=NOTE)


def test_a_request_goes_to_its_department_and_its_clock_runs(debtors: Debtors) -> None:
    one, *_ = debtors.refs

    answer = _desk(debtors).submit(debtors.principal(), _wish(one))

    assert (answer["state"], answer["is_held"]) == ("routed", False)
    assert answer["owner_department"] == "客户关怀部"
    assert "note" not in answer
    assert debtors.feed() == [("assigned", ref) for ref in debtors.refs]
    entry = debtors.entries("request.raised")[0]
    assert (entry["special"], entry["kind"]) == (str(answer["request_id"]), "hardship")
    assert NOTE not in str(entry)


def test_a_clock_runs_in_working_days_of_the_debtors_country() -> None:
    # The Saturday before the Spring Festival of 2026 is a make-up working day.
    before_the_festival = datetime(2026, 2, 13, 17, tzinfo=UTC)  # Saturday in China

    due = due_at(CATALOG.types["hardship"], PARAMETERS, before_the_festival)

    assert due.isoformat() == "2026-02-27T00:00:00+08:00"


@pytest.mark.parametrize("kind", ["fraud_claim", "self_harm_risk"])
def test_a_claim_of_the_listed_kinds_stops_all_contact_in_the_same_moment(
    debtors: Debtors, kind: str
) -> None:
    one, two, _other = debtors.refs

    answer = _desk(debtors).submit(debtors.principal(), _wish(one, kind))

    assert answer["is_held"]
    assert debtors.feed()[-2:] == [("held", one), ("held", two)]
    assert debtors.feed("beta")[-1] == ("held", debtors.beta_ref)
    assert debtors.version(one) == 1
    placed = debtors.entries("hold.placed")[0]
    assert (placed["ground"], placed["actor"]) == (kind, "vendor:alpha")


def test_another_vendor_learns_neither_the_request_nor_its_type(debtors: Debtors) -> None:
    desk = _desk(debtors)
    answer = desk.submit(debtors.principal(), _wish(debtors.refs[0], "serious_illness"))

    beta = debtors.principal("beta")
    with pytest.raises(NotFoundError):
        desk.one(beta, answer["request_id"])
    assert desk.page(beta, case_ref=None, cursor=None, limit=50)["items"] == []


def test_a_note_is_sealed_and_only_the_company_reads_it_and_the_log_says_who(
    debtors: Debtors,
) -> None:
    request_id: UUID = _desk(debtors).submit(debtors.principal(), _wish(debtors.refs[0]))[
        "request_id"
    ]
    ((sealed,),) = debtors.lender.query(
        "SELECT sealed_note FROM casegate.special_request WHERE request_id = %s", (request_id,)
    )
    assert isinstance(sealed, bytes)
    assert NOTE.encode() not in sealed

    seen = debtors.lender.office().protection().request(request_id, actor="staff:wang")

    assert seen["note"] == NOTE
    entry = debtors.entries("request.changed")[0]
    assert (entry["change"], entry["actor"]) == ("read", "staff:wang")


@pytest.mark.parametrize(
    "note",
    [
        "他的新号码是13812345678",
        "身份证 １１０１０５１９４９１２３１００２Ｘ",
        "卡号6222 0200 1111 2222 333",
        "write to zhang@example.com",
    ],
)
def test_a_note_with_personal_data_is_refused_without_repeating_it(note: str) -> None:
    with pytest.raises(PersonalDataError) as refusal:
        replace(_wish("A" * 26), note=note).verify(CATALOG, IdentifierFinder())

    assert note not in str(refusal.value)


@pytest.mark.parametrize("change", [{"type": "bad_mood"}, {"note": "好" * 301}])
def test_an_unknown_type_and_a_long_note_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(RequestInvalidError):
        replace(_wish("A" * 26), **change).verify(CATALOG, IdentifierFinder())


def test_of_a_refused_request_nothing_is_kept_and_nothing_stops(debtors: Debtors) -> None:
    desk, one = _desk(debtors), debtors.refs[0]
    wish = replace(_wish(one, "fraud_claim"), note="电话13812345678")

    with pytest.raises(PersonalDataError):
        desk.submit(debtors.principal(), wish)

    assert desk.page(debtors.principal(), case_ref=one, cursor=None, limit=9)["items"] == []
    assert debtors.version(one) == 0


def test_the_same_key_raises_once_and_holds_once(debtors: Debtors) -> None:
    desk, who, one = _desk(debtors), debtors.principal(), debtors.refs[0]
    wish = replace(_wish(one, "deceased"), repeat_key=f"k-{debtors.number}", repeat_sha256=b"a")

    first, again = desk.submit(who, wish), desk.submit(who, wish)

    assert first == again
    assert debtors.version(one) == 1
    with pytest.raises(IdempotencyKeyReusedError):
        desk.submit(who, replace(wish, repeat_sha256=b"b"))


def test_the_company_answers_instructs_and_closes_in_this_order_only(debtors: Debtors) -> None:
    vendor_desk, who, one = _desk(debtors), debtors.principal(), debtors.refs[0]
    request_id: UUID = vendor_desk.submit(who, _wish(one))["request_id"]
    desk = debtors.lender.office().protection()

    with pytest.raises(IllegalTransitionError):
        desk.close(request_id, actor=ACTOR)
    for wrong in (Answer("maybe"), Answer("granted", instruction_code="shout")):
        with pytest.raises(RequestInvalidError):
            desk.answer(request_id, wrong, actor=ACTOR)
    assert desk.answer(request_id, Answer("granted"), actor=ACTOR)["state"] == "answered"
    instructed = Answer("granted", instruction_code="resume_with_plan")
    assert desk.answer(request_id, instructed, actor=ACTOR)["state"] == "instructed"
    with pytest.raises(IllegalTransitionError, match="instructed"):
        desk.answer(request_id, instructed, actor=ACTOR)
    assert desk.close(request_id, actor=ACTOR)["state"] == "closed"
    with pytest.raises(IllegalTransitionError):
        desk.close(request_id, actor=ACTOR)

    seen = vendor_desk.one(who, request_id)
    assert (seen["state"], seen["vendor_instruction_code"]) == ("closed", "resume_with_plan")
    assert [kind for kind, ref in debtors.feed() if ref == one] == [
        "assigned",
        *("request_changed" for _ in range(3)),
    ]
    changes = [entry["change"] for entry in debtors.entries("request.changed")[:3]]
    assert changes == ["closed", "instructed", "answered"]


def test_the_instruction_to_stop_is_a_hold_that_one_person_cannot_lift(debtors: Debtors) -> None:
    one = debtors.refs[0]
    request_id: UUID = _desk(debtors).submit(debtors.principal(), _wish(one))["request_id"]
    desk = debtors.lender.office().protection()

    desk.answer(request_id, Answer("founded", instruction_code="do_not_contact"), actor=ACTOR)

    hold = next(
        item
        for item in desk.holds(only_open=True, cursor=None, limit=200)["items"]
        if item["cases"] and item["cases"][0]["case_ref"] == one
    )
    assert (hold["code"], hold["source"]) == ("do_not_contact", "instruction")
    assert desk.lift(hold["hold_id"], actor=ACTOR)[1] is not None


def test_requests_that_nobody_answered_in_time_are_found(debtors: Debtors) -> None:
    request_id: UUID = _desk(debtors).submit(debtors.principal(), _wish(debtors.refs[2]))[
        "request_id"
    ]
    desk = debtors.lender.office().protection()

    def overdue() -> set[UUID]:
        page = desk.requests(
            only_open=True, only_overdue=True, vendor_id="alpha", cursor=None, limit=200
        )
        return {item["request_id"] for item in page["items"] if item["is_overdue"]}

    assert request_id not in overdue()
    began = debtors.lender.clock.at
    try:
        debtors.lender.clock.at = datetime(2026, 6, 1, tzinfo=UTC)
        assert request_id in overdue()
    finally:
        debtors.lender.clock.at = began


def test_the_company_lists_requests_page_by_page_without_their_notes(debtors: Debtors) -> None:
    desk, vendor_desk = debtors.lender.office().protection(), _desk(debtors)
    made = [
        vendor_desk.submit(debtors.principal(), _wish(ref))["request_id"] for ref in debtors.refs
    ]

    pages, cursor = [], None
    for _ in range(2):
        page = desk.requests(
            only_open=True, only_overdue=False, vendor_id="alpha", cursor=cursor, limit=2
        )
        pages += page["items"]
        cursor = page["next_cursor"]

    assert [item["request_id"] for item in pages][:3] == made[::-1]
    assert all("note" not in item for item in pages)


def test_erasing_a_debtor_takes_his_requests_and_the_hold_with_him(debtors: Debtors) -> None:
    one = debtors.refs[0]
    _desk(debtors).submit(debtors.principal(), _wish(one, "deceased"))
    person = debtors.person(one)

    with debtors.lender.role() as connection:
        connection.execute("SELECT casegate.erase_people(%s)", ([person],))

    for query in (
        "SELECT 1 FROM casegate.special_request WHERE person_mac = %s",
        "SELECT 1 FROM casegate.hold WHERE person_mac = %s",
    ):
        assert debtors.lender.query(query, (person,)) == []
