"""The checker of the simulated day finds what it is for: each forged row is a violation."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.promises.day_checker import SHANGHAI, Contact, Day, GivenConsent, check

TEN = datetime(2026, 11, 24, 10, tzinfo=SHANGHAI)
FIT = {"type": "agent.changed", "change": "qualified", "vendor": "alpha", "agent": "a-1"}


def contact(number: int, **changes: Any) -> Contact:
    at = TEN + timedelta(minutes=20 * number)
    made = Contact(
        f"permit-{number}", "alpha", "person", "point", "debtor", "a-1", "first/1", "interactive",
        at, at + timedelta(minutes=10), "used", "reveal_once", None, None, "RPC_PTP",
    )  # fmt: skip
    return replace(made, **changes)


def day(*contacts: Contact, before: tuple[Mapping[str, Any], ...] = (), **changes: Any) -> Day:
    """A day on which every contact has the entries that it should have; `before` come first."""
    entries: list[Mapping[str, Any]] = [FIT, *before]
    for one in contacts:
        name = {"permit": one.contact_id}
        if one.vendor is None:
            entries.append({"type": "contact.recorded", "contacts": [one.contact_id]})
            continue
        consents = changes.get("consents", {})
        entries.append({"type": "permit.issued", "consents": list(consents), **name})
        if one.dialed_at is not None:
            entries.append({"type": "permit.dialed", **name})
        if one.state == "used":
            entries.append({"type": "permit.closed", "result": one.result, **name})
        if one.void_reason is not None:
            entries.append({"type": "permit.voided", "permits": [one.contact_id]})
    return Day(
        {one.contact_id: one for one in contacts},
        list(enumerate(entries)),
        persons={"case": "person"},
        **{"consents": {}, **changes},
    )


def test_a_day_inside_all_caps_and_hours_is_clean() -> None:
    assert check(day(*(contact(number) for number in range(3)))) == []
    tried = (contact(number, result="NO_ANSWER") for number in range(6))
    assert check(day(*tried)) == []


@pytest.mark.parametrize(
    ("contacts", "found"),
    [
        ([contact(number) for number in range(4)], "more than 3 talks"),
        ([contact(n, vendor="alpha" if n else "beta") for n in range(4)], "more than 3 talks"),
        ([contact(n, kind="notify", result="VOICEMAIL") for n in range(4)], "3 notices"),
        ([contact(n, result="BUSY") for n in range(7)], "more than 6 unanswered calls"),
        (
            [*(contact(n) for n in range(3)), contact(3, state="granted", result=None)],
            "more than 3 talks",
        ),
    ],
)
def test_a_call_over_a_cap_is_found(contacts: list[Contact], found: str) -> None:
    assert any(found in line for line in check(day(*contacts)))


def test_the_lenders_own_call_counts_from_when_it_was_known() -> None:
    own = contact(9, vendor=None, handling="own", state="recorded", requested_at=TEN)
    calls = [contact(number) for number in range(1, 4)]

    assert check(day(own, *calls)) == []
    known = {own.contact_id: calls[2].requested_at - timedelta(seconds=1)}
    assert any("more than 3 talks" in line for line in check(day(own, *calls, own_known=known)))


@pytest.mark.parametrize(
    ("hour", "found"), [(7, "red"), (8, "amber"), (17.9, "amber"), (19, "amber"), (22, "red")]
)
def test_a_call_outside_of_the_hours_is_found(hour: float, found: str) -> None:
    at = TEN.replace(hour=0) + timedelta(hours=hour)
    late = contact(0, requested_at=at, expires_at=at + timedelta(minutes=10))

    assert any(found in line for line in check(day(late)))


def consent(**changes: Any) -> GivenConsent:
    six = TEN.replace(hour=18)
    given = GivenConsent("c-1", "person", "amber_time", TEN, six, six + timedelta(hours=3), None)
    return replace(given, **changes)


def test_a_consent_makes_an_evening_call_clean_and_only_its_own() -> None:
    at = TEN.replace(hour=19)
    evening = contact(0, requested_at=at, expires_at=at + timedelta(minutes=10))

    assert check(day(evening, consents={"c-1": consent()})) == []
    for forged in (
        consent(person="another"),
        consent(scope="extra_calls"),
        consent(captured_at=at),
        consent(ends=at + timedelta(minutes=5)),
        consent(revoked_at=at - timedelta(minutes=1)),
    ):
        assert check(day(evening, consents={"c-1": forged}))


@pytest.mark.parametrize(
    ("entry", "found"),
    [
        ({"type": "hold.placed", "cases": ["case"]}, "under a hold"),
        (
            {"type": "agent.changed", "change": "suspended", "vendor": "alpha", "agent": "a-1"},
            "by an agent who was taken out",
        ),
        (
            {"type": "script.changed", "change": "withdrawn", "script": "first", "version": 1},
            "with a withdrawn script",
        ),
    ],
)
def test_a_call_after_a_stop_is_found_unless_the_stop_ended_it(
    entry: Mapping[str, Any], found: str
) -> None:
    assert any(found in line for line in check(day(contact(0), before=(entry,))))
    ended = contact(0, state="voided", void_reason="STOP", result=None)
    assert check(day(ended, before=(entry,))) == []
    dialed = replace(ended, handling="dial_token", dialed_at=ended.requested_at)
    assert any(found in line for line in check(day(dialed, before=(entry,))))


def test_a_third_person_who_opted_out_is_not_called_again() -> None:
    first = contact(0, party="contact", result="THIRD_PARTY_REFUSE")
    again = contact(1, party="contact", result="THIRD_PARTY_RELAY", person="other")

    assert check(day(first)) == []
    assert any("after an opting out" in line for line in check(day(first, again)))


def test_an_agent_whom_nobody_qualified_is_found() -> None:
    assert any("never qualified" in line for line in check(day(contact(0, agent="a-2"))))


def test_a_state_without_its_entry_is_found() -> None:
    for one in (contact(0), contact(0, state="voided", void_reason="HOLD", result=None)):
        clean = day(one)
        silent = replace(clean, entries=clean.entries[:-1])
        assert check(clean) == []
        assert any("the log has no" in line for line in check(silent))


def test_a_row_that_the_log_never_heard_of_is_found() -> None:
    planted = replace(day(contact(0)), contacts={"permit-0": contact(0), "x": contact(1)})

    assert any("contact permit-1 is used, but the log has no" in line for line in check(planted))
