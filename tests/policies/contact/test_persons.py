"""Who is called, by whom and with which words: a sentence, the wish, what is known, the codes."""

from dataclasses import replace
from datetime import timedelta

import pytest

from policies.contact.model import (
    Channel,
    PartyRole,
    PointValidity,
    ScriptStanding,
)
from tests.policies.contact.scene import (
    AGENT,
    COURSES,
    FRIEND,
    MONDAY,
    SCRIPT,
    Case,
    at,
    chinese,
    only,
    past,
    situation,
    wish,
)

HOUR = timedelta(hours=1)
RED = "OUTSIDE_WINDOW_RED"
THIRD = "THIRD_PARTY_NOT_ALLOWED"
TO_FRIEND = wish(party=PartyRole.CONTACT, point=FRIEND)
LOST = tuple(past(MONDAY - number * HOUR, "NO_ANSWER") for number in (3, 2, 1))
OPEN = replace(LOST[0], at=MONDAY - HOUR / 2, result=None, is_failed=False)
UNFIT, UNAPPROVED = ("AGENT_NOT_QUALIFIED",), ("SCRIPT_NOT_APPROVED",)

PERSONS = (
    Case("A friend, and nothing has been tried", TO_FRIEND, codes=(THIRD,)),
    Case("Three tries in a row reached nobody", TO_FRIEND, situation(history=LOST)),
    Case("Only two did", TO_FRIEND, situation(history=LOST[1:]), (THIRD,)),
    Case(
        "One of three was a number that is none",
        TO_FRIEND,
        situation(history=(past(MONDAY - 3 * HOUR, "INVALID_NUMBER"), *LOST[1:])),
    ),
    Case(
        "The debtor took the second",
        TO_FRIEND,
        situation(history=(LOST[0], past(LOST[1].at), LOST[2])),
        (THIRD,),
    ),
    Case(
        "Nobody has said how the last went", TO_FRIEND, situation(history=(*LOST, OPEN)), (THIRD,)
    ),
    Case(
        "A busy line is no proof",
        TO_FRIEND,
        situation(history=(*LOST[:2], past(LOST[2].at, "BUSY"))),
        (THIRD,),
    ),
    Case(
        "Tries at the friend's number prove nothing",
        TO_FRIEND,
        situation(
            history=tuple(
                past(one.at, "NO_ANSWER", party=PartyRole.CONTACT, point=FRIEND) for one in LOST
            )
        ),
        (THIRD,),
    ),
    Case("The own number is none", TO_FRIEND, situation(facts=frozenset({"own_number_invalid"}))),
    Case("The debtor is dead", TO_FRIEND, situation(facts=frozenset({"debtor_deceased"}))),
    Case(
        "The friend has said no",
        TO_FRIEND,
        situation(history=LOST, is_point_opted_out=True),
        ("CONTACT_OPTED_OUT",),
    ),
    Case(
        "A year later, still no",
        wish(at("2027-11-23 10:00"), party=PartyRole.CONTACT, point=FRIEND),
        situation(facts=frozenset({"debtor_deceased"}), is_point_opted_out=True),
        ("CONTACT_OPTED_OUT",),
    ),
    Case("Who is liable as well is no third person", wish(party=PartyRole.JOINT)),
)
STANDINGS = (
    Case("A hold of any kind", wish(), situation(holds=frozenset({"anything"})), ("HOLD",)),
    Case("A case that is paid", wish(), situation(case_status="paid"), ("CASE_PAID",)),
    Case(
        "A case that is going back",
        wish(),
        situation(case_status="recall_pending"),
        ("RECALL_PENDING",),
    ),
    Case(
        "A number that is none",
        wish(),
        situation(validity=PointValidity.INVALID),
        ("NUMBER_INVALID",),
    ),
    Case(
        "A number of somebody else",
        wish(),
        situation(validity=PointValidity.WRONG),
        ("NUMBER_INVALID",),
    ),
    Case("A phone that was off", wish(), situation(validity=PointValidity.SWITCHED_OFF)),
    Case(
        "A medium that was refused",
        wish(),
        situation(refused_channels=frozenset({Channel.VOICE_HUMAN})),
        ("MEDIUM_OPTED_OUT",),
    ),
    Case(
        "Another medium that was refused",
        wish(),
        situation(refused_channels=frozenset({Channel.SMS})),
    ),
    Case(
        "An agent whose course is over",
        wish(),
        situation(agent=replace(AGENT, courses=COURSES - {"law"})),
        UNFIT,
    ),
    Case(
        "An agent who has not read the script",
        wish(),
        situation(agent=replace(AGENT, has_acknowledged_script=False)),
        UNFIT,
    ),
    Case(
        "An agent who is suspended",
        wish(),
        situation(agent=replace(AGENT, status="suspended")),
        ("AGENT_SUSPENDED",),
    ),
    Case("An agent who has left", wish(), situation(agent=replace(AGENT, status="left")), UNFIT),
    Case(
        "A script that was withdrawn",
        wish(),
        situation(script=replace(SCRIPT, status="withdrawn")),
        UNAPPROVED,
    ),
    Case(
        "A script of another channel",
        wish(),
        situation(script=replace(SCRIPT, channel=Channel.SMS)),
        UNAPPROVED,
    ),
    Case(
        "A script before its term",
        wish(),
        situation(script=replace(SCRIPT, is_in_term=False)),
        UNAPPROVED,
    ),
    Case("No such script", wish(), situation(script=ScriptStanding(None)), UNAPPROVED),
    Case(
        "A caller number that nobody has registered",
        wish(),
        situation(is_caller_registered=False),
        ("CALLER_NUMBER_UNREGISTERED",),
    ),
    Case(
        "All at once, in one order",
        wish(at("2026-11-21 23:00")),
        situation(
            holds=frozenset({"x"}), agent=replace(AGENT, status="banned"), case_status="paid"
        ),
        (RED, "HOLD", "CASE_PAID", "AGENT_SUSPENDED"),
    ),
)


@pytest.mark.parametrize("case", [*PERSONS, *STANDINGS], ids=lambda case: case.sentence)
def test_each_person_is_called_only_as_the_rules_have_it(case: Case) -> None:
    case.verify()


def test_a_third_person_is_asked_and_never_told() -> None:
    known = situation(history=LOST)
    assert chinese().decide(TO_FRIEND, known).topics == ("ask_contact_details", "relay_message")
    assert chinese().decide(wish(), known).topics == ()
    abroad = only("cn-gbt45251-2025", "us-regf")
    assert abroad.decide(TO_FRIEND, known).topics == ("ask_contact_details",)
