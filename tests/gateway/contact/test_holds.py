import threading
from uuid import UUID, uuid4

import psycopg
import pytest

from gateway.errors import (
    AlreadyExistsError,
    ApprovalRefusedError,
    NotFoundError,
    RequestInvalidError,
    RoleNotAllowedError,
)
from gateway.identity.principal import StaffRole
from gateway.operations.approval import decide, verify_approver
from tests.gateway.contact.debtors import Debtors, id_number
from tests.gateway.store.lender import ACTOR, START, case_row


def test_a_hold_on_a_debtor_reaches_every_vendor_without_its_ground(debtors: Debtors) -> None:
    one, two, other = debtors.refs
    desk = debtors.lender.office().protection()

    hold = desk.place(
        "alpha", "alpha-2026", one, code="fraud_claim", is_on_all_cases=True, actor=ACTOR
    )

    assert debtors.feed()[-2:] == [("held", one), ("held", two)]
    assert ("held", other) not in debtors.feed()
    assert debtors.feed("beta")[-1] == ("held", debtors.beta_ref)
    assert {case["case_ref"] for case in hold.cases} == {one, two, debtors.beta_ref}
    told = debtors.lender.query("SELECT DISTINCT data::text FROM casegate.change")
    assert told == [("{}",)]
    assert debtors.version(one) == 1
    assert debtors.version(other) == 0


def test_a_hold_can_be_on_one_case_alone(debtors: Debtors) -> None:
    one, two, _other = debtors.refs

    debtors.lender.office().protection().place(
        "alpha", "alpha-2026", one, code="litigation", is_on_all_cases=False, actor=ACTOR
    )

    assert ("held", one) in debtors.feed()
    assert ("held", two) not in debtors.feed()
    assert debtors.feed("beta") == [("assigned", debtors.beta_ref)]


def test_the_log_says_whom_a_hold_was_about_and_no_vendor_has_it_as_a_receipt(
    debtors: Debtors,
) -> None:
    debtors.lender.office().protection().place(
        "beta", "beta-2026", debtors.beta_ref, code="deceased", is_on_all_cases=True, actor=ACTOR
    )

    entry = debtors.entries("hold.placed")[0]
    assert (entry["ground"], entry["source"], entry["scope"]) == ("deceased", "company", "debtor")
    assert "vendor" not in entry
    assert len(entry["cases"]) == 3


def test_lifting_takes_a_second_person_of_compliance(debtors: Debtors) -> None:
    one, two, _other = debtors.refs
    desk = debtors.lender.office().protection()
    hold = desk.place(
        "alpha", "alpha-2026", one, code="complaint", is_on_all_cases=True, actor=ACTOR
    )

    still, proposal = desk.lift(hold.hold_id, actor="staff:first")

    assert still.lifted_at is None
    assert proposal is not None
    with pytest.raises(AlreadyExistsError):
        desk.lift(hold.hold_id, actor="staff:third")
    with debtors.lender.role() as connection, pytest.raises(ApprovalRefusedError):
        decide(connection, proposal, is_approved=True, actor="cli:first", at=START)
    for role in set(StaffRole) - {StaffRole.COMPLIANCE}:
        with pytest.raises(RoleNotAllowedError):
            verify_approver("hold.lift", role)

    debtors.approve(proposal)
    lifted, proposed = desk.lift(hold.hold_id, actor="staff:first")

    assert proposed is None
    assert (lifted.lifted_by, lifted.lift_proposal) == ("staff:first", proposal)
    assert debtors.feed()[-2:] == [("resumed", one), ("resumed", two)]
    assert debtors.version(one) == 2
    assert debtors.entries("hold.lifted")[0]["approved_by"] == "staff:second"
    with pytest.raises(NotFoundError):
        desk.lift(hold.hold_id, actor="staff:first")


def test_a_case_under_two_holds_is_told_of_once_and_resumes_with_the_last(
    debtors: Debtors,
) -> None:
    one, *_ = debtors.refs
    desk = debtors.lender.office().protection()
    holds = [
        desk.place("alpha", "alpha-2026", one, code=code, is_on_all_cases=True, actor=ACTOR)
        for code in ("complaint", "litigation")
    ]
    kinds = []
    for hold in holds:
        _still, proposal = desk.lift(hold.hold_id, actor="staff:first")
        assert proposal is not None
        debtors.approve(proposal)
        desk.lift(hold.hold_id, actor="staff:first")
        kinds.append([kind for kind, ref in debtors.feed() if ref == one])

    assert kinds == [["assigned", "held"], ["assigned", "held", "resumed"]]


def test_two_who_lift_by_one_approval_lift_once(debtors: Debtors) -> None:
    one, *_ = debtors.refs
    desk = debtors.lender.office().protection()
    hold = desk.place(
        "alpha", "alpha-2026", one, code="complaint", is_on_all_cases=True, actor=ACTOR
    )
    _hold, proposal = desk.lift(hold.hold_id, actor="staff:first")
    assert proposal is not None
    debtors.approve(proposal)
    refused = []

    def lift() -> None:
        try:
            desk.lift(hold.hold_id, actor="staff:first")
        except (NotFoundError, AlreadyExistsError) as error:
            refused.append(error)

    threads = [threading.Thread(target=lift) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    lifted = [entry["hold"] for entry in debtors.entries("hold.lifted")]
    assert lifted.count(str(hold.hold_id)) == 1
    assert [kind for kind, ref in debtors.feed() if ref == one].count("resumed") == 1


def test_a_case_that_comes_later_is_under_the_hold_of_its_debtor(debtors: Debtors) -> None:
    debtors.lender.office().protection().place(
        *("alpha", "alpha-2026", debtors.refs[0]),
        code="deceased",
        is_on_all_cases=True,
        actor=ACTOR,
    )

    held, free = debtors.bring(
        case_row(900_001, id_number=debtors.ids[0]),
        case_row(900_002, id_number=debtors.ids[1]),
        vendor="beta",
    )

    assert debtors.whole_feed("beta")[-3:] == [
        ("assigned", held),
        ("assigned", free),
        ("held", held),
    ]


def test_a_case_stays_under_its_hold_when_the_debtors_number_is_corrected(
    debtors: Debtors,
) -> None:
    debtors.lender.office().protection().place(
        *("alpha", "alpha-2026", debtors.refs[0]),
        code="dispute_identity",
        is_on_all_cases=True,
        actor=ACTOR,
    )

    before = debtors.person(debtors.refs[0])
    debtors.bring(case_row(debtors.number, id_number=id_number(998)))
    assert debtors.person(debtors.refs[0]) != before

    held = debtors.lender.query(
        "SELECT h.code FROM casegate.hold h JOIN casegate.case_record r"
        " ON r.person_mac = h.person_mac AND (h.case_id IS NULL OR h.case_id = r.case_id)"
        " JOIN casegate.assigned_case a ON a.case_id = r.case_id"
        " WHERE a.case_ref = %s AND h.lifted_at IS NULL",
        (debtors.refs[0],),
    )
    assert held == [("dispute_identity",)]


def test_an_unknown_ground_and_an_unknown_case_are_refused(debtors: Debtors) -> None:
    desk = debtors.lender.office().protection()
    with pytest.raises(RequestInvalidError, match="code"):
        desk.place(
            *("alpha", "alpha-2026", debtors.refs[0]),
            code="hardship",
            is_on_all_cases=True,
            actor=ACTOR,
        )
    with pytest.raises(NotFoundError):
        desk.place(
            *("beta", "beta-2026", debtors.refs[0]),
            code="deceased",
            is_on_all_cases=True,
            actor=ACTOR,
        )
    with pytest.raises(NotFoundError):
        desk.lift(uuid4(), actor=ACTOR)


def test_holds_are_listed_page_by_page_the_newest_first(debtors: Debtors) -> None:
    desk = debtors.lender.office().protection()
    made = []
    for ref in debtors.refs:
        hold = desk.place(
            "alpha", "alpha-2026", ref, code="complaint", is_on_all_cases=False, actor=ACTOR
        )
        made.append(hold.hold_id)

    listed: list[UUID] = []
    cursor = first_cursor = None
    while not listed or cursor is not None:
        page = desk.holds(only_open=True, cursor=cursor, limit=2)
        listed += [item["hold_id"] for item in page["items"]]
        cursor = page["next_cursor"]
        first_cursor = first_cursor or cursor

    assert set(made) <= set(listed)
    assert len(listed) == len(set(listed))
    with pytest.raises(RequestInvalidError):
        desk.holds(only_open=False, cursor=first_cursor, limit=2)


def test_erasing_a_debtor_leaves_no_hold_and_no_change_of_his(debtors: Debtors) -> None:
    office = debtors.lender.office()
    office.protection().place(
        *("alpha", "alpha-2026", debtors.refs[0]),
        code="deceased",
        is_on_all_cases=True,
        actor=ACTOR,
    )
    person = debtors.person(debtors.refs[0])
    assert debtors.feed("beta")

    with debtors.lender.role() as connection:
        connection.execute("SELECT casegate.erase_people(%s)", ([person],))

    left = debtors.lender.query(
        "SELECT h.person_mac FROM casegate.hold h WHERE h.person_mac = %s"
        " UNION ALL SELECT d.person_mac FROM casegate.debtor d WHERE d.person_mac = %s",
        (person, person),
    )
    assert left == []
    assert debtors.feed() == [("assigned", debtors.refs[2])]
    assert debtors.feed("beta") == []


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT 1 FROM casegate.hold",
        "SELECT person_mac FROM casegate.consent",
        "SELECT sealed_note FROM casegate.special_request",
        "SELECT casegate.lift_hold(gen_random_uuid(), 'x', gen_random_uuid(), now())",
        "SELECT casegate.touch_debtor('x')",
    ],
)
def test_the_vendors_listener_cannot_look_at_holds_or_lift_them(
    debtors: Debtors, statement: str
) -> None:
    with (
        debtors.lender.role("vendor") as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute(statement.encode())
