from datetime import timedelta
from uuid import UUID

import pytest

from gateway.errors import (
    AgentNotQualifiedError,
    AlreadyExistsError,
    ApprovalRefusedError,
    IllegalTransitionError,
    NotFoundError,
    RequestInvalidError,
)
from gateway.identity.principal import VendorPrincipal
from gateway.people.agents import Agent, AgentKey
from gateway.people.courses import MANDATORY_COURSES
from tests.gateway.people.crew import LI, TODAY, WANG, ZHAO, Crew, passed, someone
from tests.gateway.store.lender import START, Lender


@pytest.fixture(scope="module")
def crew(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Crew:
    """With a function in place of the permits' own that notes whose permits it was to void."""
    crew = Crew(Lender.fresh(postgres_url, tmp_path_factory.mktemp("lender")))
    with crew.lender.owner() as connection:
        connection.execute("""
            DROP FUNCTION IF EXISTS casegate.void_permits_of_agent(text, text, text, timestamptz);
            CREATE TABLE casegate.voided (vendor text, agent text, at timestamptz);
            CREATE FUNCTION casegate.void_permits_of_agent(text, text, text, timestamptz)
              RETURNS bigint LANGUAGE sql SECURITY DEFINER
              AS 'INSERT INTO casegate.voided VALUES ($1, $3, $4) RETURNING 1::bigint'
        """)
    return crew


def proposed(outcome: Agent | UUID) -> UUID:
    assert isinstance(outcome, UUID)
    return outcome


def voided(crew: Crew, key: AgentKey) -> int:
    return len(
        crew.lender.query("SELECT 1 FROM casegate.voided WHERE agent = %s", (key.agent_ref,))
    )


def told(crew: Crew, key: AgentKey) -> list[tuple[str, object]]:
    return [
        (kind, data["status"])
        for kind, data in crew.changes(key.vendor_id)
        if data.get("agent_ref") == key.agent_ref
    ]


def test_nobody_is_qualified_without_secrecy_and_every_course(crew: Crew) -> None:
    key = crew.register(nda=None)
    with pytest.raises(AgentNotQualifiedError) as caught:
        crew.staff.qualify(key, actor=WANG)
    assert all(course in str(caught.value) for course in ("nda", *MANDATORY_COURSES))

    crew.train(key)
    with pytest.raises(AgentNotQualifiedError, match=r"missing: nda$"):
        crew.staff.qualify(key, actor=WANG)


def test_a_course_holds_through_its_last_day(crew: Crew) -> None:
    key = crew.register()
    crew.train(key)
    today, yesterday = TODAY, TODAY - timedelta(days=1)

    crew.vendors.record_course(crew.alpha, key.agent_ref, passed("law", on=TODAY, valid_to=today))
    assert crew.staff.qualify(key, actor=WANG).status == "qualified"

    late = crew.register()
    crew.train(late)
    with crew.lender.owner() as connection:
        connection.execute(
            "UPDATE casegate.agent_course SET passed_on = %s, valid_to = %s"
            " WHERE agent_ref = %s AND course_id = 'law'",
            (yesterday, yesterday, late.agent_ref),
        )
    with pytest.raises(AgentNotQualifiedError, match=r"missing: law$"):
        crew.staff.qualify(late, actor=WANG)


def test_qualifying_is_noted_and_told_once(crew: Crew) -> None:
    key = crew.qualified()

    crew.staff.qualify(key, actor=LI)

    assert len(crew.entries("agent.changed", agent=key.agent_ref, change="qualified")) == 1
    assert told(crew, key) == [("agent_changed", "qualified")]
    assert voided(crew, key) == 0


def test_a_suspension_takes_effect_at_once_and_twice_changes_nothing(crew: Crew) -> None:
    key = crew.qualified()

    crew.staff.suspend(key, actor=WANG)
    crew.staff.suspend(key, actor=LI)

    assert crew.status(key) == "suspended"
    assert voided(crew, key) == 1
    assert told(crew, key)[-1] == ("agent_suspended", "suspended")
    (entry,) = crew.entries("agent.changed", agent=key.agent_ref, change="suspended")
    assert entry["actor"] == WANG
    with pytest.raises(IllegalTransitionError):
        crew.staff.qualify(key, actor=WANG)


def test_a_suspension_is_of_the_person_under_every_contract(crew: Crew) -> None:
    with crew.lender.role() as connection:
        connection.execute(
            "INSERT INTO casegate.contract (contract_id, vendor_id, starts_at, ends_at)"
            " VALUES ('alpha-2027', 'alpha', %s, %s)",
            (START, START + timedelta(days=400)),
        )
    person = someone()
    second: VendorPrincipal = crew.principal("alpha", "alpha-2027")
    key = crew.qualified(person)
    other = crew.register(person, at=second, ref=key.agent_ref)

    crew.staff.suspend(other, actor=WANG)

    assert (crew.status(key), crew.status(other)) == ("suspended", "suspended")
    proposal = proposed(crew.staff.resume(key, actor=WANG))
    crew.approve(proposal)
    crew.staff.suspend(other, actor=ZHAO)  # voids what was approved under the other contract
    assert isinstance(crew.staff.resume(key, actor=WANG), UUID)


def test_a_suspension_is_lifted_by_two(crew: Crew) -> None:
    key = crew.qualified()
    crew.staff.suspend(key, actor=WANG)
    proposal = proposed(crew.staff.resume(key, actor=WANG))
    with pytest.raises(ApprovalRefusedError, match="who proposed"):
        crew.approve(proposal, actor="cli:wang")
    with pytest.raises(AlreadyExistsError):
        crew.staff.resume(key, actor=ZHAO)
    assert crew.status(key) == "suspended"

    crew.approve(proposal)
    crew.staff.resume(key, actor=WANG)

    assert crew.status(key) == "qualified"
    (entry,) = crew.entries("agent.changed", agent=key.agent_ref, change="resumed")
    assert (entry["proposed_by"], entry["approved_by"]) == (WANG, LI)
    assert told(crew, key)[-1] == ("agent_changed", "qualified")
    with pytest.raises(ApprovalRefusedError):
        crew.staff.resume(key, actor=WANG)


def test_who_was_never_qualified_or_whose_training_ran_out_waits_for_it_again(crew: Crew) -> None:
    never, outdated = crew.register(), crew.qualified()
    crew.train(never)
    crew.train(outdated, valid_to=TODAY)
    for key in (never, outdated):
        crew.staff.suspend(key, actor=WANG)
        crew.approve(proposed(crew.staff.resume(key, actor=WANG)))

    later = crew.lender.clock.at
    crew.lender.clock.at = later + timedelta(days=1)
    try:
        for key in (never, outdated):
            crew.staff.resume(key, actor=WANG)
    finally:
        crew.lender.clock.at = later

    assert [crew.status(key) for key in (never, outdated)] == ["pending", "pending"]


def test_leaving_shakes_no_suspension_off(crew: Crew) -> None:
    person = someone()
    key = crew.qualified(person)
    crew.vendors.leave(crew.alpha, key.agent_ref)
    crew.staff.suspend(key, actor=WANG)
    assert (crew.status(key), voided(crew, key)) == ("left", 1)

    crew.approve(proposed(crew.staff.resume(key, actor=WANG)))
    crew.staff.resume(key, actor=WANG)

    assert crew.status(key) == "left"
    assert crew.status(crew.register(person, at=crew.beta)) == "pending"


def test_a_ban_holds_everywhere_until_two_lift_it(crew: Crew) -> None:
    person = someone()
    key = crew.qualified(person)
    crew.staff.suspend(key, actor=WANG)
    stale = proposed(crew.staff.resume(key, actor=WANG))

    crew.staff.ban(key, actor=LI)

    assert crew.status(key) == "banned"
    with pytest.raises(ApprovalRefusedError, match="withdrawn"):
        crew.approve(stale)
    with pytest.raises(ApprovalRefusedError, match="not suspended"):
        crew.staff.resume(key, actor=WANG)
    with pytest.raises(IllegalTransitionError):
        crew.staff.suspend(key, actor=WANG)
    with pytest.raises(IllegalTransitionError):
        crew.staff.leave(key, actor=WANG)

    crew.approve(proposed(crew.staff.unban(key, actor=WANG)))
    crew.staff.unban(key, actor=WANG)

    assert crew.status(key) == "left"
    crew.register(person, at=crew.beta)


def test_staff_end_a_registration_that_its_vendor_does_not_end(crew: Crew) -> None:
    person = someone()
    key = crew.qualified(person)

    crew.staff.leave(key, actor=WANG)
    crew.staff.leave(key, actor=WANG)

    assert (crew.status(key), voided(crew, key)) == ("left", 1)
    assert len(crew.entries("agent.changed", agent=key.agent_ref, change="left")) == 1
    assert crew.status(crew.register(person, at=crew.beta)) == "pending"


def test_no_agent_is_not_found(crew: Crew) -> None:
    nobody = AgentKey("alpha", "alpha-2026", "nobody")

    for decide in (crew.staff.qualify, crew.staff.suspend, crew.staff.ban, crew.staff.resume):
        with pytest.raises(NotFoundError):
            decide(nobody, actor=WANG)


def test_staff_see_the_same_person_wherever_he_was(crew: Crew) -> None:
    person = someone()
    here = crew.register(person)
    crew.vendors.leave(crew.alpha, here.agent_ref)
    there = crew.register(person, at=crew.beta)

    seen, cursor = [], None
    while True:
        page = crew.staff.agents(cursor=cursor, limit=7)
        seen += page.items
        cursor = page.next_cursor
        if cursor is None:
            break
    same = {item["agent_ref"] for item in seen if item["person"] == crew.vendors.asked(person)}

    assert same == {here.agent_ref, there.agent_ref}
    of_beta = crew.staff.agents(vendor="beta", contract="beta-2026", status="pending")
    assert {item["vendor"] for item in of_beta.items} == {"beta"}
    with pytest.raises(RequestInvalidError):
        crew.staff.agents(cursor="made-up")
