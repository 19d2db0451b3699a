from datetime import timedelta
from uuid import UUID

import pytest

from gateway.errors import (
    AlreadyExistsError,
    ApprovalRefusedError,
    IllegalTransitionError,
    NotFoundError,
    RequestInvalidError,
    RoleNotAllowedError,
    ScriptRefusedError,
)
from gateway.identity.principal import StaffRole
from gateway.operations.approval import decide, verify_approver
from policies.contact.model import Channel
from tests.gateway.people.crew import LI, TEXT, WANG, Crew, content
from tests.gateway.store.lender import START, Lender


@pytest.fixture(scope="module")
def crew(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Crew:
    return Crew(Lender.fresh(postgres_url, tmp_path_factory.mktemp("lender")))


def usable(crew: Crew) -> dict[str, int]:
    page = crew.vendors.scripts(crew.alpha, cursor=None, limit=500)
    return {str(item["script_id"]): int(str(item["version"])) for item in page.items}


def withdrawals(crew: Crew, vendor: str, script: str) -> list[tuple[object, object]]:
    return [
        (data["version"], data["replaced_by"])
        for kind, data in crew.changes(vendor)
        if kind == "script_withdrawn" and data["script_id"] == script
    ]


def test_a_script_goes_from_draft_to_use_by_two(crew: Crew) -> None:
    draft = crew.staff.draft("first-call", content(), actor=WANG)
    assert (draft["version"], draft["status"]) == (1, "draft")

    crew.staff.submit("first-call", 1, actor=WANG)
    with pytest.raises(ApprovalRefusedError, match="who proposed"):
        crew.staff.approve("first-call", 1, actor="cli:wang")
    assert crew.staff.script("first-call", 1)["status"] == "review"
    assert "first-call" not in usable(crew)

    approved = crew.staff.approve("first-call", 1, actor=LI)
    assert (approved["status"], approved["approved_by"]) == ("approved", LI)
    active = crew.staff.activate("first-call", 1, actor=WANG)

    assert active["status"] == "active"
    assert usable(crew)["first-call"] == 1
    changes = [entry["change"] for entry in crew.entries("script.changed", script="first-call")]
    assert changes == ["drafted", "submitted", "approved", "activated"]


def test_an_approval_of_the_proposal_serves_as_well(crew: Crew) -> None:
    crew.staff.draft("by-proposal", content(), actor=WANG)
    proposal = crew.staff.submit("by-proposal", 1, actor=WANG)
    with pytest.raises(ApprovalRefusedError, match="second person"):
        crew.staff.activate("by-proposal", 1, actor=WANG)

    crew.approve(proposal)
    active = crew.staff.activate("by-proposal", 1, actor=WANG)

    assert (active["status"], active["approved_by"]) == ("active", LI)


def test_only_compliance_decides_proposals_of_scripts() -> None:
    verify_approver("script.approve", StaffRole.COMPLIANCE)
    with pytest.raises(RoleNotAllowedError):
        verify_approver("script.approve", StaffRole.SECURITY)


def test_a_rejected_version_is_handed_in_again(crew: Crew) -> None:
    crew.staff.draft("again", content(), actor=WANG)
    proposal = crew.staff.submit("again", 1, actor=WANG)
    with pytest.raises(AlreadyExistsError):
        crew.staff.submit("again", 1, actor=WANG)
    with crew.lender.role() as connection:
        decide(connection, proposal, is_approved=False, actor=LI, at=START)
    with pytest.raises(ApprovalRefusedError):
        crew.staff.approve("again", 1, actor=LI)

    assert isinstance(crew.staff.submit("again", 1, actor=WANG), UUID)


def test_a_draft_is_replaced_and_what_was_handed_in_is_not(crew: Crew) -> None:
    crew.staff.draft("drafted", content(), actor=WANG)
    changed = crew.staff.draft("drafted", content(segment="M3"), actor=WANG)
    assert (changed["version"], changed["segment"]) == (1, "M3")
    crew.staff.submit("drafted", 1, actor=WANG)

    following = crew.staff.draft("drafted", content(segment="M4"), actor=WANG)

    assert following["version"] == 2
    assert crew.staff.script("drafted", 1)["segment"] == "M3"


def test_the_next_version_ends_the_one_before_and_is_acknowledged_anew(crew: Crew) -> None:
    name, first = crew.active_script()
    key = crew.register()
    crew.vendors.acknowledge(crew.alpha, key.agent_ref, name, first)
    noted = crew.vendors.acknowledge(crew.alpha, key.agent_ref, name, first)
    assert {"script_id": name, "version": first} in noted["acknowledged"]  # type: ignore[operator]
    acknowledged = crew.entries("agent.changed", agent=key.agent_ref, change="acknowledged")
    assert [(entry["script"], entry["version"]) for entry in acknowledged] == [(name, first)]

    _name, second = crew.active_script(name)

    assert usable(crew)[name] == second
    assert crew.staff.script(name, first)["status"] == "expired"
    assert crew.staff.agent(key).acknowledged == []
    assert withdrawals(crew, "alpha", name) == [(first, second)]
    with pytest.raises(NotFoundError):
        crew.vendors.acknowledge(crew.alpha, key.agent_ref, name, first)
    crew.vendors.acknowledge(crew.alpha, key.agent_ref, name, second)


def test_a_withdrawal_reaches_every_vendor_in_its_transaction(crew: Crew) -> None:
    name, version = crew.active_script()

    crew.staff.withdraw(name, version, actor=WANG)
    crew.staff.withdraw(name, version, actor=WANG)

    assert name not in usable(crew)
    for vendor in ("alpha", "beta"):
        assert withdrawals(crew, vendor, name) == [(version, None)]
    changed = crew.entries("script.changed", script=name, change="withdrawn")
    assert len(changed) == 1
    for move in (crew.staff.activate, crew.staff.submit, crew.staff.approve):
        with pytest.raises(IllegalTransitionError):
            move(name, version, actor=LI)


def test_what_leaves_use_voids_the_permits_that_name_it(crew: Crew) -> None:
    with crew.lender.owner() as connection:
        connection.execute("""
            DROP FUNCTION IF EXISTS casegate.void_permits_of_script(text, integer, timestamptz);
            CREATE TABLE casegate.voided_scripts (script text, version integer);
            CREATE FUNCTION casegate.void_permits_of_script(text, integer, timestamptz)
              RETURNS bigint LANGUAGE sql SECURITY DEFINER
              AS 'INSERT INTO casegate.voided_scripts VALUES ($1, $2) RETURNING 1::bigint'
        """)
    name, first = crew.active_script()
    _name, second = crew.active_script(name)
    crew.staff.withdraw(name, second, actor=WANG)

    found = crew.lender.query(
        "SELECT version FROM casegate.voided_scripts WHERE script = %s ORDER BY 1", (name,)
    )
    assert found == [(first,), (second,)]


def test_a_withdrawn_review_takes_its_approval_with_it(crew: Crew) -> None:
    crew.staff.draft("taken-back", content(), actor=WANG)
    proposal = crew.staff.submit("taken-back", 1, actor=WANG)

    crew.staff.withdraw("taken-back", 1, actor=WANG)

    with pytest.raises(ApprovalRefusedError, match="withdrawn"):
        crew.approve(proposal)


def test_a_version_whose_time_is_over_is_neither_listed_nor_acknowledged(crew: Crew) -> None:
    until = START + timedelta(days=1)
    crew.staff.draft("short", content(valid_to=until), actor=WANG)
    crew.staff.submit("short", 1, actor=WANG)
    crew.staff.approve("short", 1, actor=LI)
    crew.staff.activate("short", 1, actor=WANG)
    key = crew.register()
    assert "short" in usable(crew)

    crew.lender.clock.at = until
    try:
        assert "short" not in usable(crew)
        assert crew.staff.script("short", 1)["status"] == "expired"
        with pytest.raises(NotFoundError):
            crew.vendors.acknowledge(crew.alpha, key.agent_ref, "short", 1)
        crew.staff.draft("late", content(valid_to=until + timedelta(days=1)), actor=WANG)
        with pytest.raises(RequestInvalidError):
            crew.staff.draft("late", content(valid_to=until), actor=WANG)
    finally:
        crew.lender.clock.at = START


@pytest.mark.parametrize(
    "changes",
    [
        {"segment": ""},
        {"segment": "a\nb"},
        {"language": "Chinese!"},
        {"text": TEXT + "x" * 20_000},
        {"text": TEXT + "\x00"},
        {"mandatory_statements": ("SMILE",)},
        {"forbidden_terms": ("",)},
    ],
)
def test_a_content_that_cannot_be_is_refused(crew: Crew, changes: dict[str, object]) -> None:
    with pytest.raises(RequestInvalidError):
        crew.staff.draft("wrong", content(**changes), actor=WANG)  # type: ignore[arg-type]


def test_a_draft_without_its_statements_is_not_kept(crew: Crew) -> None:
    with pytest.raises(ScriptRefusedError, match="RECORDING"):
        crew.staff.draft("silent", content(TEXT.replace("[RECORDING]", "")), actor=WANG)
    with pytest.raises(NotFoundError):
        crew.staff.script("silent", 1)


def test_staff_page_through_versions_without_their_texts(crew: Crew) -> None:
    crew.staff.draft("by-sms", content(channel=Channel.SMS), actor=WANG)
    seen, cursor = [], None
    while True:
        page = crew.staff.scripts(cursor=cursor, limit=3)
        seen += [(item["script_id"], item["version"]) for item in page.items]
        assert all("text" not in item for item in page.items)
        cursor = page.next_cursor
        if cursor is None:
            break

    assert ("by-sms", 1) in seen
    assert len(seen) == len(set(seen))
    assert len(crew.staff.scripts(script_id="by-sms").items) == 1
