"""The hours that a debtor asked for: a sentence, the wish, what is known, the codes."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from policies.contact.hours import hours_of
from policies.contact.model import ConsentScope, PartyRole, Preference, Situation
from tests.policies.contact.scene import (
    CHINA,
    FRIEND,
    MONDAY,
    Case,
    agreed,
    at,
    chinese,
    only,
    past,
    situation,
    wish,
)

OUTSIDE = ("OUTSIDE_PREFERRED_HOURS",)
AMBER = "OUTSIDE_WINDOW_AMBER_NO_CONSENT"
DAY = timedelta(days=1)


def preferring(*hours: str, last_day: date | None = None, **changes: object) -> Situation:
    found = tuple(read for text in hours if (read := hours_of(text)) is not None)
    assert len(found) == len(hours)
    return situation(preference=Preference(found, MONDAY - DAY, last_day), **changes)


AFTERNOONS = preferring("every day 14:00-16:00")
EVENINGS = preferring("every day 18:00-20:00")
SHIFTS = preferring("working days 14:00-16:00", "rest days 10:00-12:00")
EVENING = at("2026-11-23 19:00")
FRIDAY_CONSENT = agreed(ConsentScope.AMBER_TIME, EVENING, captured=MONDAY - 3 * DAY)
LATER_CONSENT = agreed(ConsentScope.AMBER_TIME, MONDAY, captured=MONDAY - DAY / 2)

CASES = (
    Case("In the morning, who asked for afternoons", wish(), AFTERNOONS, OUTSIDE),
    Case("The second before two", wish(at("2026-11-23 13:59:59.999")), AFTERNOONS, OUTSIDE),
    Case("At two sharp", wish(at("2026-11-23 14:00")), AFTERNOONS),
    Case("At four sharp it is over", wish(at("2026-11-23 16:00")), AFTERNOONS, OUTSIDE),
    Case("Hours in the evening open no evening", wish(EVENING), EVENINGS, (AMBER,)),
    Case(
        "A consent from before opens the evening, for the hours that were asked for",
        wish(EVENING, reason="ASKED"),
        replace(EVENINGS, consents=(FRIDAY_CONSENT,)),
    ),
    Case(
        "It opens nothing outside of them",
        wish(EVENING + DAY / 12, reason="ASKED"),
        replace(EVENINGS, consents=(FRIDAY_CONSENT,)),
        OUTSIDE,
    ),
    Case(
        "What was agreed to afterwards goes before",
        wish(),
        replace(AFTERNOONS, consents=(LATER_CONSENT,)),
    ),
    Case(
        "A third person is not bound by the debtor's hours",
        wish(party=PartyRole.CONTACT, point=FRIEND),
        replace(AFTERNOONS, facts=frozenset({"debtor_deceased"})),
    ),
    Case(
        "On its last day it holds",
        wish(),
        preferring("every day 14:00-16:00", last_day=MONDAY.date()),
        OUTSIDE,
    ),
    Case(
        "The day after it does not",
        wish(),
        preferring("every day 14:00-16:00", last_day=(MONDAY - DAY).date()),
    ),
    Case("Working days and rest days have their own", wish(), SHIFTS, OUTSIDE),
    Case(
        "Either zone outside is outside",
        wish(at("2026-11-23 15:00"), zones=(CHINA, "Asia/Urumqi")),
        AFTERNOONS,
        OUTSIDE,
    ),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.sentence)
def test_nobody_is_called_outside_the_hours_that_he_asked_for(case: Case) -> None:
    case.verify()


def test_the_refusal_names_the_moment_at_which_the_hours_begin() -> None:
    decision = chinese().decide(wish(), AFTERNOONS)

    assert decision.allowed_from == at("2026-11-23 14:00")
    assert {rule.rule_id for rule in decision.fired} == {"seed.preference"}


@pytest.mark.parametrize("pack", ["us-regf", "uk-conc7"])
def test_packs_of_other_countries_keep_the_debtors_hours_too(pack: str) -> None:
    assert only(pack).codes(wish(), AFTERNOONS) == OUTSIDE


@pytest.mark.parametrize(
    ("text", "is_read"),
    [
        ("every day 18:00-20:00", True),
        ("rest days 22:00-00:00", True),
        ("working days 9:00-18:00", False),
        ("every day 18:00-18:00", False),
        ("sundays 10:00-12:00", False),
        ("every day 18:00-24:00", False),
    ],
)
def test_hours_are_written_in_one_way(text: str, *, is_read: bool) -> None:
    assert (hours_of(text) is not None) == is_read


def test_a_third_person_in_the_united_states_is_talked_to_once() -> None:
    rules = only("us-regf")
    to_friend = wish(at("2026-11-23 12:00"), party=PartyRole.CONTACT, point=FRIEND)
    asked_back = agreed(
        ConsentScope.THIRD_PARTY, MONDAY, captured=MONDAY - DAY, point=FRIEND, debt=None
    )
    reached = situation(is_point_reached=True)

    assert rules.codes(to_friend, situation()) == ()
    assert rules.codes(to_friend, reached) == ("THIRD_PARTY_NOT_ALLOWED",)
    assert rules.codes(to_friend, replace(reached, consents=(asked_back,))) == ()
    assert rules.codes(wish(), reached) == ()


def test_whom_an_attorney_represents_is_not_called_in_the_united_states() -> None:
    decision = only("us-regf").decide(wish(), situation(holds=frozenset({"represented"})))

    assert decision.codes == ("HOLD",)
    assert [rule.rule_id for rule in decision.fired] == ["regf.represented"]


def test_a_call_of_no_known_debt_or_number_counts_for_each() -> None:
    unknown = tuple(past(MONDAY - DAY, "NO_ANSWER", debt=None, point=None) for _call in range(7))

    assert "ROLLING_CAP_REACHED" in only("us-regf").codes(wish(), situation(history=unknown))
