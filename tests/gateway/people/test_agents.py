from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta

import psycopg
import pytest
from psycopg import sql

from gateway.errors import (
    AgentNotAcceptedError,
    AlreadyExistsError,
    GatewayError,
    IllegalTransitionError,
    NotFoundError,
    PersonalDataError,
    RequestInvalidError,
)
from gateway.people.agents import Registration
from tests.gateway.operations.enrolling import add_vendor
from tests.gateway.people.crew import TODAY, WANG, Crew, passed, someone
from tests.gateway.store.lender import ACTOR, START, Lender


@pytest.fixture(scope="module")
def crew(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Crew:
    return Crew(Lender.fresh(postgres_url, tmp_path_factory.mktemp("lender")))


def test_a_registration_is_in_the_log_without_the_hash_and_only_once(crew: Crew) -> None:
    person = someone()

    key = crew.register(person)
    again = crew.vendors.register(crew.alpha, Registration(key.agent_ref, person, TODAY))

    assert again["status"] == "pending"
    (entry,) = crew.entries("agent.registered", agent=key.agent_ref)
    assert entry["person"] == crew.vendors.asked(person)
    assert person.hex() not in str(entry)
    stored = crew.lender.query(
        "SELECT id_hash FROM casegate.agent WHERE agent_ref = %s", (key.agent_ref,)
    )
    assert stored[0][0] != person
    assert not crew.entries("agent.changed", agent=key.agent_ref)


def test_a_later_promise_of_secrecy_corrects_a_registration(crew: Crew) -> None:
    person = someone()
    key = crew.register(person, nda=None)

    corrected = crew.vendors.register(crew.alpha, Registration(key.agent_ref, person, TODAY, 50))
    kept = crew.vendors.register(crew.alpha, Registration(key.agent_ref, person))

    assert (corrected["nda_signed_on"], corrected["max_cases"]) == (TODAY, 50)
    assert (kept["nda_signed_on"], kept["max_cases"]) == (TODAY, 50)
    assert len(crew.entries("agent.changed", agent=key.agent_ref, change="corrected")) == 1


def test_a_person_has_one_reference_and_a_reference_one_person(crew: Crew) -> None:
    person = someone()
    key = crew.register(person)

    with pytest.raises(AgentNotAcceptedError):
        crew.register(person)
    with pytest.raises(AlreadyExistsError):
        crew.register(someone(), ref=key.agent_ref)


def test_the_refusal_is_the_same_whatever_its_ground(crew: Crew) -> None:
    elsewhere, banned, suspended = someone(), someone(), someone()
    crew.register(elsewhere, at=crew.beta)
    crew.staff.ban(crew.register(banned, at=crew.beta), actor=WANG)
    gone = crew.register(suspended, at=crew.beta)
    crew.staff.suspend(gone, actor=WANG)
    crew.vendors.leave(crew.beta, gone.agent_ref)

    answers = set()
    for person in (elsewhere, banned, suspended):
        with pytest.raises(AgentNotAcceptedError) as caught:
            crew.register(person)
        answers.add(str(caught.value))

    assert len(answers) == 1


def test_who_has_left_may_work_elsewhere_and_come_back(crew: Crew) -> None:
    person = someone()
    key = crew.register(person)
    crew.vendors.leave(crew.alpha, key.agent_ref)

    there = crew.register(person, at=crew.beta)
    with pytest.raises(AgentNotAcceptedError):
        crew.register(person, ref=key.agent_ref)
    crew.vendors.leave(crew.beta, there.agent_ref)
    crew.register(person, ref=key.agent_ref)

    assert crew.status(key) == "pending"


def test_a_vendors_next_contract_takes_the_same_agent_and_an_ended_one_holds_nobody(
    crew: Crew,
) -> None:
    person = someone()
    with crew.lender.role() as connection:
        for vendor in ("gamma", "delta"):
            add_vendor(connection, vendor)
        connection.execute(
            "INSERT INTO casegate.contract (contract_id, vendor_id, starts_at, ends_at)"
            " VALUES ('gamma-2027', 'gamma', %s, %s)",
            (START, START + timedelta(days=400)),
        )
    first = crew.register(person, at=crew.principal("gamma"))

    crew.register(person, at=crew.principal("gamma", "gamma-2027"), ref=first.agent_ref)
    with pytest.raises(AgentNotAcceptedError):
        crew.register(person, at=crew.principal("gamma", "gamma-2027"), ref="B-1")
    with crew.lender.owner() as connection:
        connection.execute(
            "UPDATE casegate.contract SET status = 'ended' WHERE vendor_id = 'gamma'"
        )

    crew.register(person, at=crew.principal("delta"))


def test_two_vendors_cannot_take_one_person_at_the_same_moment(crew: Crew) -> None:
    def ask(person: bytes, number: int) -> bool:
        principal = crew.alpha if number % 2 else crew.beta
        try:
            crew.register(person, at=principal, ref=f"R-{number}-{person.hex()[:6]}")
        except AgentNotAcceptedError:
            return False
        return True

    for is_known in (False, True, True, True):
        person = someone()
        if is_known:
            crew.vendors.leave(crew.alpha, crew.register(person).agent_ref)
        with ThreadPoolExecutor(8) as pool:
            taken = list(pool.map(lambda number, who=person: ask(who, number), range(8)))
        assert taken.count(True) == 1


def test_the_newest_pass_of_a_course_counts_and_is_noted_once(crew: Crew) -> None:
    key = crew.register()
    desk, principal, ref = crew.vendors, crew.alpha, key.agent_ref

    desk.record_course(principal, ref, passed("law", on=TODAY - timedelta(days=30)))
    newest = desk.record_course(principal, ref, passed("law", score=95))
    desk.record_course(principal, ref, passed("law", score=95))
    older = desk.record_course(principal, ref, passed("law", on=TODAY - timedelta(days=90)))

    assert newest["courses"] == older["courses"]
    assert [entry["passed"] for entry in crew.entries("agent.changed", agent=ref)] == [
        "2026-04-01",
        "2026-05-01",
    ]


@pytest.mark.parametrize(
    "wrong",
    [
        passed("law", on=TODAY + timedelta(days=1)),
        passed("law", valid_to=TODAY + timedelta(days=367)),
        passed("law", valid_to=TODAY - timedelta(days=1)),
        passed("law", score=101),
        passed("Law of 2026"),
    ],
)
def test_a_course_that_cannot_be_is_refused(crew: Crew, wrong: object) -> None:
    key = crew.register()

    with pytest.raises(RequestInvalidError):
        crew.vendors.record_course(crew.alpha, key.agent_ref, wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("ref", "error"),
    [
        ("11010519491231002X", PersonalDataError),
        ("A110105-19491231.0021", PersonalDataError),
        ("138-0013-8000", PersonalDataError),
        ("１３８００１３８０００", PersonalDataError),
        ("张三", RequestInvalidError),
        ("", RequestInvalidError),
        ("A" * 33, RequestInvalidError),
        ("A/1", RequestInvalidError),
    ],
)
def test_a_reference_is_neither_a_name_nor_a_number_of_a_person(
    crew: Crew, ref: str, error: type[GatewayError]
) -> None:
    with pytest.raises(error) as caught:
        crew.vendors.register(crew.alpha, Registration(ref, someone(), TODAY))

    assert not ref or ref not in str(caught.value)
    with pytest.raises(error):
        crew.vendors.leave(crew.alpha, ref)


def test_a_promise_of_tomorrow_and_no_cases_at_all_are_refused(crew: Crew) -> None:
    for wrong in (
        Registration("A-x", someone(), TODAY + timedelta(days=1)),
        Registration("A-x", someone(), TODAY, 0),
    ):
        with pytest.raises(RequestInvalidError):
            crew.vendors.register(crew.alpha, wrong)


def test_an_agent_leaves_once_and_then_nothing_more_is_told_of_him(crew: Crew) -> None:
    key = crew.register()

    crew.vendors.leave(crew.alpha, key.agent_ref)
    again = crew.vendors.leave(crew.alpha, key.agent_ref)

    assert again["status"] == "left"
    assert len(crew.entries("agent.changed", agent=key.agent_ref, change="left")) == 1
    with pytest.raises(NotFoundError):
        crew.vendors.record_course(crew.alpha, key.agent_ref, passed("law"))


def test_a_banned_agent_does_not_leave(crew: Crew) -> None:
    key = crew.register()
    crew.staff.ban(key, actor=WANG)

    with pytest.raises(IllegalTransitionError):
        crew.vendors.leave(crew.alpha, key.agent_ref)


def test_one_vendor_cannot_touch_anothers_agent(crew: Crew) -> None:
    key = crew.register(at=crew.beta, ref="B-only")

    attempts: list[Callable[[], object]] = [
        lambda: crew.vendors.leave(crew.alpha, key.agent_ref),
        lambda: crew.vendors.record_course(crew.alpha, key.agent_ref, passed("law")),
        lambda: crew.vendors.acknowledge(crew.alpha, key.agent_ref, *crew.active_script()),
    ]
    for attempt in attempts:
        with pytest.raises(NotFoundError):
            attempt()
    listed = crew.vendors.agents(crew.alpha, cursor=None, limit=500)
    assert key.agent_ref not in {item["agent_ref"] for item in listed.items}


def test_the_listing_pages_and_its_cursor_is_of_one_vendor_alone(crew: Crew) -> None:
    for _agent in range(3):
        crew.register(at=crew.beta)
    seen, cursor = [], None
    while True:
        page = crew.vendors.agents(crew.beta, cursor=cursor, limit=2)
        seen += [str(item["agent_ref"]) for item in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
        with pytest.raises(RequestInvalidError):
            crew.vendors.agents(crew.alpha, cursor=cursor, limit=2)

    assert len(seen) == len(set(seen)) >= 3


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE casegate.agent SET status = 'qualified'",
        "INSERT INTO casegate.agent_course SELECT * FROM casegate.agent_course",
        "DELETE FROM casegate.script_acknowledgement",
        "UPDATE casegate.script SET status = 'active'",
        "SELECT * FROM casegate.agent_person",
        "INSERT INTO casegate.caller_number SELECT * FROM casegate.caller_number",
    ],
)
def test_the_vendors_role_writes_through_functions_only(crew: Crew, statement: str) -> None:
    with (
        crew.lender.role("vendor") as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute(statement.encode())


@pytest.mark.parametrize("table", ["agent", "agent_course", "agent_page", "caller_number"])
def test_the_vendors_role_sees_one_vendor_at_a_time(crew: Crew, table: str) -> None:
    crew.train(crew.register(at=crew.beta))
    crew.staff.add_caller("beta", "beta-2026", "+862112345678", actor=ACTOR)
    query = sql.SQL("SELECT DISTINCT vendor_id FROM casegate.{}").format(sql.Identifier(table))

    with crew.lender.role("vendor") as connection:
        assert connection.execute(query).fetchall() == []
        with connection.transaction():
            connection.execute("SELECT set_config('casegate.vendor_id', 'beta', true)")
            assert connection.execute(query).fetchall() == [("beta",)]


def test_text_that_cannot_be_stored_names_no_agent(crew: Crew) -> None:
    key = crew.register()

    with pytest.raises(NotFoundError):
        crew.vendors.acknowledge(crew.alpha, key.agent_ref, "a\x00b", 1)


def test_days_are_those_of_shanghai() -> None:
    from gateway.people.agents import day_of

    assert day_of(START.replace(hour=15, minute=59)) == date(2026, 5, 1)
    assert day_of(START.replace(hour=16)) == date(2026, 5, 2)
