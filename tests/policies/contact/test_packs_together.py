"""Several packs and several zones at once: the narrower reading wins, whichever it is."""

from datetime import timedelta

import pytest

from policies.contact.calendar import china_calendar
from policies.contact.model import ConsentScope, PartyRole
from policies.contact.rules import compile_contact_rules
from tests.policies.contact.scene import (
    FRIEND,
    MONDAY,
    agreed,
    at,
    chinese,
    made_up,
    past,
    situation,
    wish,
)

THIRD = ("THIRD_PARTY_NOT_ALLOWED",)
EASTERN = "America/New_York"
HOUR = timedelta(hours=1)


def _lost(failures: int, name: str) -> tuple[str, ...]:
    test = f"any: [own_number_invalid, consecutive_failed_contacts_gte_{failures}]"
    return (
        f"id: {name}.lost, kind: definition, name: lost, {test}",
        f"id: {name}.party, kind: party, party: contact, unless: {{ any: [lost] }}",
    )


@pytest.mark.parametrize("order", [1, -1])
def test_every_definition_of_a_term_has_to_hold(order: int) -> None:
    packs = [made_up(*_lost(2, "a"), name="a"), made_up(*_lost(4, "b"), name="b")][::order]
    tries = tuple(past(MONDAY - number * HOUR, "NO_ANSWER") for number in (4, 3, 2, 1))
    asked = wish(party=PartyRole.CONTACT, point=FRIEND)
    alone = compile_contact_rules([made_up(*_lost(2, "a"), name="a")], china_calendar())
    both = compile_contact_rules(packs, china_calendar())

    assert alone.codes(asked, situation(history=tries[1:])) == ()
    assert both.codes(asked, situation(history=tries[1:])) == THIRD
    assert both.codes(asked, situation(history=tries)) == ()


@pytest.mark.parametrize("order", [1, -1])
def test_the_shortest_life_of_a_consent_counts(order: int) -> None:
    night = (
        'id: w, kind: time_window, from: "00:00:00", to: "23:00:00",'
        " unless: { consent_scope: [red_time] }"
    )
    packs = [
        made_up(
            night, f"id: c, kind: consent, max_days: {days}, first_day: capture_day", name=name
        )
        for name, days in (("a", 5), ("b", 2))
    ][::order]
    rules = compile_contact_rules(packs, china_calendar())
    said = agreed(ConsentScope.RED_TIME, MONDAY, captured=MONDAY - HOUR, ends=MONDAY + 99 * HOUR)
    known = situation(consents=(said,))

    assert rules.decide(wish(MONDAY), known).consents == ("consent-1",)
    assert rules.codes(wish(at("2026-11-24 22:59")), known) == ()
    assert rules.codes(wish(at("2026-11-25 00:00")), known) == ("OUTSIDE_WINDOW_RED",)


def test_a_day_lasts_as_long_as_it_is_that_day_in_any_zone() -> None:
    cap = "id: c, kind: cap, subject: debtor, counts: [attempt], max: 1, per: calendar_day"
    rules = compile_contact_rules([made_up(cap)], china_calendar())
    called = situation(history=(past(at("2026-11-23 23:00", EASTERN), "NO_ANSWER"),))
    # Ten past midnight in New York is still the same day in Chicago.
    zones = (EASTERN, "America/Chicago")
    moment = at("2026-11-24 00:10", EASTERN)

    assert rules.codes(wish(moment, zones=(EASTERN,)), called) == ()
    for order in (zones, zones[::-1]):
        decision = rules.decide(wish(moment, zones=order), called)
        assert decision.codes == ("DAILY_CAP_REACHED",)
        assert decision.allowed_from == at("2026-11-24 01:00", EASTERN)


def test_the_seventh_of_seven_days_is_the_last_whatever_the_hour() -> None:
    cap = "id: c, kind: cap, subject: debtor, counts: [attempt], max: 1, per: rolling_7_days"
    rules = compile_contact_rules([made_up(cap)], china_calendar())
    called = situation(history=(past(at("2026-11-16 23:00"), "NO_ANSWER"),))
    assert rules.codes(wish(at("2026-11-22 23:59:59.999999")), called) == ("ROLLING_CAP_REACHED",)
    assert rules.codes(wish(at("2026-11-23 00:00")), called) == ()


def test_a_month_is_the_calendars() -> None:
    cap = "id: c, kind: cap, subject: debtor, counts: [attempt], max: 2, per: calendar_month"
    rules = compile_contact_rules([made_up(cap)], china_calendar())
    called = situation(
        history=(past(at("2028-02-01 00:00"), "BUSY"), past(at("2028-02-29 23:59"), "BUSY"))
    )
    decision = rules.decide(wish(at("2028-02-29 23:59:59")), called)
    assert decision.codes == ("ROLLING_CAP_REACHED",)
    assert decision.allowed_from == at("2028-03-01 00:00")


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        ("2026-11-23 22:00", "2026-11-24 09:00"),
        ("2026-11-20 18:00", "2026-11-23 09:00"),
        ("2026-10-01 10:00", "2026-10-08 09:00"),
        ("2026-10-09 18:00", "2026-10-10 09:00"),
        ("2026-11-23 06:00", "2026-11-23 09:00"),
    ],
)
def test_the_next_green_hour_is_named(asked: str, named: str) -> None:
    assert chinese().decide(wish(at(asked)), situation()).allowed_from == at(named)


def test_a_consent_to_come_is_earlier_than_the_green_hour() -> None:
    said = agreed(ConsentScope.AMBER_TIME, at("2026-11-23 20:00"), captured=MONDAY)
    known = situation(consents=(said,))
    asked = wish(at("2026-11-23 18:30"), reason="RING_ME_THEN")
    assert chinese().decide(asked, known).allowed_from == at("2026-11-23 20:00")
    silent = wish(at("2026-11-23 18:30"))
    assert chinese().decide(silent, known).allowed_from == at("2026-11-24 09:00")


def test_time_alone_lifts_no_hold() -> None:
    known = situation(holds=frozenset({"fraud_claim"}))
    assert chinese().decide(wish(at("2026-11-23 22:00")), known).allowed_from is None


def test_what_is_left_is_told_of_the_smallest_cap_of_a_kind() -> None:
    history = tuple(past(MONDAY - number * HOUR) for number in (2, 1))
    cap = "id: c, kind: cap, subject: debtor, counts: [effective_call], per: calendar_day"
    packs = [made_up(f"{cap}, max: {most}", name=f"p{most}") for most in (9, 4, 6)]
    rules = compile_contact_rules(packs, china_calendar())
    decision = rules.decide(wish(), situation(history=history))
    assert decision.remaining == {"effective_per_debtor_day": 1}


def test_a_call_lasts_no_longer_than_the_consent_that_opens_a_full_cap() -> None:
    cap = "id: a.cap, kind: cap, subject: debtor, counts: [effective_call], max: 1,"
    pack = made_up(f"{cap} per: calendar_day, unless: {{ consent_scope: [extra_calls] }}")
    rules = compile_contact_rules([pack], china_calendar())
    consent = agreed(
        ConsentScope.EXTRA_CALLS, MONDAY - 4 * HOUR + HOUR / 12, captured=MONDAY - 5 * HOUR
    )
    known = situation(history=(past(MONDAY - HOUR),), consents=(consent,))

    assert rules.codes(wish(), known) == ()
    assert rules.is_open_later(wish(), known, MONDAY + HOUR / 15)
    assert not rules.is_open_later(wish(), known, MONDAY + HOUR / 12)
