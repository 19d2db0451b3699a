"""Hours that a debtor asked for, from the request over its answer to the refused permit."""

from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest

from gateway.call_office import CompanyArchive
from gateway.contact.answers import MOST_HOURS, Answer
from gateway.contact.note_seal import NoteSeal
from gateway.contact.permits import Granted, Refused
from gateway.contact.requests import RequestDesk, RequestWish
from gateway.contact.simulation import TriedPack, simulate_pack
from gateway.errors import RequestInvalidError
from gateway.installation import read_key
from gateway.redaction.identifiers import IdentifierFinder
from gateway.release.cursor import CursorCipher
from policies.contact.model import DenyCode
from policies.requests import load_request_catalog
from tests.gateway.contact.centre import MORNING, CallCentre, id_number
from tests.gateway.store.lender import ACTOR, HEADER, case_row

OUTSIDE = (DenyCode.OUTSIDE_PREFERRED_HOURS,)
AFTERNOONS = ("every day 14:00-16:00",)
_PARAMETERS = {"special.answer_days": "3", "routing.special": None}
_PACK = """\
pack: {id: tried, version: "1", source: "Made up", effective_from: 2020-01-01, effective_to: null,
       status: unverified}
rules:
  - {id: tried.hours, kind: preference}
"""


def asked_for(centre: CallCentre, case_ref: str, kind: str = "time_preference") -> UUID:
    """A special request of a case, as its vendor raises it."""
    settings = centre.lender.database.settings
    index = read_key(settings, settings.keys.index)
    desk = RequestDesk(
        lambda: centre.lender.role("vendor"),
        centre.lender.clock,
        load_request_catalog(),
        _PARAMETERS,
        NoteSeal(index),
        IdentifierFinder(),
        CursorCipher(index),
    )
    wish = RequestWish(case_ref, kind, "alpha-001")
    request_id: UUID = desk.submit(centre.principal(), wish)["request_id"]
    return request_id


def answer(
    centre: CallCentre, case_ref: str, decision: str = "granted", hours: tuple[str, ...] = ()
) -> dict[str, object]:
    given = Answer(decision, instruction_code="resume", preferred_hours=hours)
    desk = centre.lender.office().protection()
    return desk.answer(asked_for(centre, case_ref), given, actor=ACTOR)


def codes(answer: Granted | Refused) -> tuple[DenyCode, ...]:
    return answer.codes if isinstance(answer, Refused) else ()


def test_a_debtors_hours_bind_all_his_cases_from_the_answer_on(
    centre: CallCentre, tmp_path: Path
) -> None:
    case_ref = centre.case()
    row = case_row(910, id_number=id_number(centre.next_case - 1))
    other = centre.lender.put(tmp_path / "more.csv", f"{HEADER}\n{row}")
    second = str(
        centre.lender.query(
            "SELECT case_ref FROM casegate.assigned_case ORDER BY sequence DESC LIMIT 1"
        )[0][0]
    )
    open_permit = centre.ask(second)
    kept = answer(centre, case_ref, hours=AFTERNOONS)
    refused = centre.ask(second)
    centre.lender.clock.at = MORNING + timedelta(hours=4)

    assert other.assigned == 1
    assert kept["preferred_hours"] == list(AFTERNOONS)
    assert centre.row(open_permit)["void_reason"] == "PREFERENCE"
    assert codes(refused) == OUTSIDE
    assert isinstance(refused, Refused)
    assert refused.allowed_from == MORNING + timedelta(hours=4)
    assert isinstance(centre.ask(second), Granted)


def test_the_newest_hours_stand_and_can_be_taken_back(centre: CallCentre) -> None:
    case_ref = centre.case()
    answer(centre, case_ref, hours=AFTERNOONS)
    centre.lender.clock.at = MORNING + timedelta(minutes=1)
    answer(centre, case_ref, "partly_granted", ("working days 10:00-11:00",))
    assert isinstance(centre.ask(case_ref), Granted)

    centre.lender.clock.at = MORNING + timedelta(minutes=2)
    answer(centre, case_ref, hours=AFTERNOONS)
    answer(centre, case_ref, "declined")
    assert codes(centre.ask(case_ref)) == OUTSIDE
    centre.lender.clock.at = MORNING + timedelta(minutes=3)
    answer(centre, case_ref, "withdrawn")

    assert isinstance(centre.ask(case_ref), Granted)


@pytest.mark.parametrize(
    ("kind", "decision", "hours", "reason"),
    [
        ("hardship", "granted", AFTERNOONS, "type time_preference"),
        ("time_preference", "declined", AFTERNOONS, "that is granted"),
        ("time_preference", "granted", ("in the evening",), "written as"),
        ("time_preference", "granted", AFTERNOONS * (MOST_HOURS + 1), "at most"),
    ],
)
def test_hours_that_would_not_be_heeded_are_refused(
    kind: str, decision: str, hours: tuple[str, ...], reason: str
) -> None:
    with pytest.raises(RequestInvalidError, match=reason):
        Answer(decision, preferred_hours=hours).hours_for(kind)


def test_a_pack_is_tried_with_the_hours_and_the_calls_of_their_time(centre: CallCentre) -> None:
    before, after = centre.case(), centre.case()
    granted = [centre.ask(ref) for ref in (before, after)]
    centre.lender.clock.at = MORNING + timedelta(minutes=30)
    later = centre.ask(after)
    # As if it had been answered in between: what was granted then would not be today.
    centre.lender.clock.at = MORNING + timedelta(minutes=20)
    answer(centre, after, hours=AFTERNOONS)
    centre.lender.clock.at = MORNING + timedelta(hours=8)
    found = simulate_pack(
        CompanyArchive(centre.lender.database),
        TriedPack(_PACK, "packs/tried.yaml", {}),
        since=MORNING,
        until=MORNING + timedelta(hours=1),
    )

    assert all(isinstance(one, Granted) for one in granted)
    assert isinstance(later, Granted)
    assert str(later.permit_id) in found.document()["examples"]
    assert str(granted[0].permit_id) not in found.document()["examples"]  # type: ignore[union-attr]
