from datetime import timedelta

import pytest

from gateway.errors import AlreadyExistsError, NotFoundError, RequestInvalidError
from tests.gateway.people.crew import LI, WANG, Crew
from tests.gateway.store.lender import START, Lender


@pytest.fixture(scope="module")
def crew(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Crew:
    return Crew(Lender.fresh(postgres_url, tmp_path_factory.mktemp("lender")))


def numbers(crew: Crew, vendor: str) -> list[object]:
    principal = crew.alpha if vendor == "alpha" else crew.beta
    found, cursor = [], None
    while True:
        page = crew.vendors.caller_numbers(principal, cursor=cursor, limit=2)
        found += [item["number"] for item in page.items]
        cursor = page.next_cursor
        if cursor is None:
            return found


def test_a_vendor_sees_the_numbers_of_its_contract_alone(crew: Crew) -> None:
    for number in ("+862110000001", "+862110000002", "+862110000003"):
        crew.staff.add_caller("alpha", "alpha-2026", number, actor=WANG)
    crew.staff.add_caller("beta", "beta-2026", "+864001234567", actor=WANG)

    assert numbers(crew, "alpha") == ["+862110000001", "+862110000002", "+862110000003"]
    assert numbers(crew, "beta") == ["+864001234567"]


def test_a_number_is_one_contracts_until_it_ends_there(crew: Crew) -> None:
    number = "+862120000001"
    crew.staff.add_caller("alpha", "alpha-2026", number, actor=WANG)
    crew.staff.add_caller("alpha", "alpha-2026", number, actor=LI)
    with pytest.raises(AlreadyExistsError):
        crew.staff.add_caller("beta", "beta-2026", number, actor=WANG)

    crew.staff.end_caller("alpha", "alpha-2026", number, actor=LI)
    crew.staff.add_caller("beta", "beta-2026", number, actor=WANG)

    assert number not in numbers(crew, "alpha")
    assert number in numbers(crew, "beta")
    told = [(e["vendor"], e["change"], e["actor"]) for e in crew.entries("caller.changed")]
    mine = [entry for entry in told if entry[1] == "ended"]
    assert mine == [("alpha", "ended", LI)]
    assert len(crew.entries("caller.changed", number=number)) == 3


def test_a_number_comes_back_and_its_past_stays(crew: Crew) -> None:
    number = "+862130000001"
    crew.staff.add_caller("alpha", "alpha-2026", number, actor=WANG)
    crew.staff.end_caller("alpha", "alpha-2026", number, actor=WANG)
    crew.lender.clock.at = START + timedelta(days=1)
    try:
        crew.staff.add_caller("alpha", "alpha-2026", number, actor=WANG)
    finally:
        crew.lender.clock.at = START

    seen, cursor = [], None
    while True:
        page = crew.staff.callers(vendor="alpha", with_ended=True, cursor=cursor, limit=1)
        seen += [item["ended_at"] for item in page.items if item["number"] == number]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert seen == ["2026-05-01T08:00:00.000Z", None]


@pytest.mark.parametrize("number", ["02112345678", "+0212345", "862112345678", "+86-21-1", "+1"])
def test_a_number_is_written_as_e164(crew: Crew, number: str) -> None:
    with pytest.raises(RequestInvalidError):
        crew.staff.add_caller("alpha", "alpha-2026", number, actor=WANG)


def test_no_contract_and_no_number_are_not_found(crew: Crew) -> None:
    with pytest.raises(NotFoundError):
        crew.staff.add_caller("alpha", "beta-2026", "+862140000001", actor=WANG)
    with pytest.raises(NotFoundError):
        crew.staff.end_caller("alpha", "alpha-2026", "+862149999999", actor=WANG)
