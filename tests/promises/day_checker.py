"""Goes through a day's log and contacts and says which calls should never have begun.

Written apart from the engine: it imports nothing of the gateway, has its own table of results and
its own numbers, and knows the rules as a reader of the standard knows them.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

SHANGHAI = ZoneInfo("Asia/Shanghai")
RED_ENDS, RED_BEGINS = time(8), time(22)
GREEN_BEGINS, GREEN_ENDS = time(9), time(18)
MOST_TALKS, MOST_NOTICES, MOST_UNANSWERED = 3, 3, 6
_NOBODY = {"INVALID_NUMBER", "SWITCHED_OFF", "NO_ANSWER", "BUSY", "REJECTED", "VOICEMAIL"}
_TALKS = {
    *("RPC_NO_COMMIT", "RPC_CALLBACK", "RPC_PTP", "RPC_CLAIM_PAID", "RPC_REFUSE", "RPC_DISPUTE"),
    *("RPC_HARDSHIP", "RPC_COMPLAINT", "RPC_STOP", "FRAUD_CLAIM", "LAWYER", "BANKRUPT"),
}
_NOTICES = _TALKS | {
    *("VOICEMAIL", "CONNECT_DROP", "WRONG_NUMBER", "THIRD_PARTY_RELAY", "THIRD_PARTY_REFUSE"),
    *("DECEASED", "INCAPACITY"),
}
_STOPS = {"suspended", "banned", "left"}


@dataclass(frozen=True, slots=True)
class Contact:
    """A row of the contacts, as the company reads it; keys are in hex. No vendor: the lender's."""

    contact_id: str
    vendor: str | None
    person: str
    point: str
    party: str
    agent: str | None
    script: str | None
    kind: str
    requested_at: datetime
    expires_at: datetime
    state: str
    handling: str
    dialed_at: datetime | None
    void_reason: str | None
    result: str | None

    def may_have_been_called(self) -> bool:
        """Whether somebody had the number."""
        if self.state == "unused":
            return False
        return self.handling == "reveal_once" or self.dialed_at is not None

    def may_be_talk(self) -> bool:
        """An interactive call that reached the debtor, or of which nobody said that it did not."""
        if self.kind != "interactive":
            return False
        return self.may_have_been_called() if self.result is None else self.result in _TALKS

    def may_be_notice(self) -> bool:
        """A notice that was heard, or of which nobody said that it was not."""
        if self.kind != "notify":
            return False
        return self.may_have_been_called() if self.result is None else self.result in _NOTICES

    def may_be_unanswered(self) -> bool:
        """A try at the number that reached nobody, or of which nobody said anything."""
        return self.may_have_been_called() if self.result is None else self.result in _NOBODY


@dataclass(frozen=True, slots=True)
class GivenConsent:
    """A consent as the company reads it; `revoked_at` None while it stands."""

    consent_id: str
    person: str
    scope: str
    captured_at: datetime
    begins: datetime
    ends: datetime
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class Day:
    """What is checked. Entries are in the order of the log, index and fields each.

    `persons` tells whose case a commitment stands for; `own_known` by when the gateway had
    certainly taken in a contact of the lender's own, by its id.
    """

    contacts: Mapping[str, Contact]
    entries: Sequence[tuple[int, Mapping[str, Any]]]
    consents: Mapping[str, GivenConsent]
    persons: Mapping[str, str]
    own_known: Mapping[str, datetime] = field(default_factory=dict)


def check(day: Day) -> list[str]:
    """Every violation as one line; empty when the day was clean."""
    return sorted(
        {*_over_caps(day), *_outside_of_hours(day), *_after_a_stop(day), *_unlogged(day)}
    )


def _over_caps(day: Day) -> Iterator[str]:
    groups: dict[tuple[str, str], list[Contact]] = defaultdict(list)
    for one in day.contacts.values():
        date = str(one.requested_at.astimezone(SHANGHAI).date())
        if one.party == "debtor":
            groups[f"person {one.person}", date].append(one)
        groups[f"point {one.point}", date].append(one)
    caps: list[tuple[str, str, int, Callable[[Contact], bool]]] = [
        ("person", "talks", MOST_TALKS, Contact.may_be_talk),
        ("person", "notices", MOST_NOTICES, Contact.may_be_notice),
        ("point", "unanswered calls", MOST_UNANSWERED, Contact.may_be_unanswered),
    ]
    for (subject, date), contacts in groups.items():
        for kind, what, most, counts in caps:
            if subject.startswith(kind) and _is_over(day, contacts, most, counts):
                yield f"more than {most} {what} with {subject} on {date}"


def _is_over(
    day: Day, contacts: list[Contact], most: int, counts: Callable[[Contact], bool]
) -> bool:
    """Whether a permit was given although so many were known; the lender's own need none."""
    counted = [one for one in contacts if counts(one)]
    for permit in counted:
        if permit.vendor is None:
            continue
        before = sum(
            one.requested_at <= permit.requested_at
            if one.vendor is not None
            else day.own_known.get(one.contact_id, permit.expires_at) < permit.requested_at
            for one in counted
        )
        if before > most:
            return True
    return False


def _outside_of_hours(day: Day) -> Iterator[str]:
    used = {
        str(entry["permit"]): [str(consent) for consent in entry.get("consents", ())]
        for _index, entry in day.entries
        if entry["type"] == "permit.issued"
    }
    instant = timedelta(microseconds=1)
    for one in day.contacts.values():
        if one.vendor is None:
            continue
        for moment in (one.requested_at, one.expires_at - instant, one.dialed_at):
            if moment is None:
                continue
            hour = moment.astimezone(SHANGHAI).time()
            if not RED_ENDS <= hour < RED_BEGINS:
                yield f"permit {one.contact_id} at {hour}: red"
            elif not GREEN_BEGINS <= hour < GREEN_ENDS and not any(
                _allows(day.consents.get(consent), one, moment)
                for consent in used.get(one.contact_id, ())
            ):
                yield f"permit {one.contact_id} at {hour}: amber without consent"


def _allows(consent: GivenConsent | None, contact: Contact, moment: datetime) -> bool:
    return (
        consent is not None
        and consent.person == contact.person
        and consent.scope in {"amber_time", "red_time"}
        and consent.captured_at < contact.requested_at
        and consent.begins <= moment < consent.ends
        and (consent.revoked_at is None or consent.revoked_at > contact.requested_at)
    )


class _Stops:
    """What had stopped calls so far, as the log tells it entry by entry."""

    def __init__(self, day: Day) -> None:
        self._day = day
        self._held: set[str] = set()
        self._opted_out: set[str] = set()
        self._out: set[tuple[str, str]] = set()
        self._fit: set[tuple[str, str]] = set()
        self._withdrawn: set[str] = set()

    def hear(self, entry: Mapping[str, Any]) -> None:
        """Takes in one entry."""
        match entry["type"]:
            case "hold.placed":
                self._held |= {self._day.persons[case] for case in entry["cases"]}
            case "permit.closed":
                closed = self._day.contacts[entry["permit"]]
                if entry.get("hold"):
                    self._held.add(closed.person)
                if entry.get("result") == "THIRD_PARTY_REFUSE":
                    self._opted_out.add(closed.point)
            case "agent.changed":
                agents = self._out if entry["change"] in _STOPS else self._fit
                if entry["change"] in _STOPS | {"qualified"}:
                    agents.add((str(entry["vendor"]), str(entry["agent"])))
            case "script.changed" if entry["change"] == "withdrawn":
                self._withdrawn.add(f"{entry['script']}/{entry['version']}")
            case _:
                pass

    def causes(self, contact: Contact) -> Iterator[str]:
        """Why the contact may not begin now."""
        agent = str(contact.vendor), str(contact.agent)
        if contact.person in self._held:
            yield "under a hold"
        if contact.party != "debtor" and contact.point in self._opted_out:
            yield "after an opting out"
        if agent in self._out:
            yield "by an agent who was taken out"
        if agent not in self._fit:
            yield "by an agent who never qualified"
        if contact.script in self._withdrawn:
            yield "with a withdrawn script"


def _after_a_stop(day: Day) -> Iterator[str]:
    """Calls whose entry stands in the log after that of what stops them."""
    stops = _Stops(day)
    for _index, entry in day.entries:
        stops.hear(entry)
        if entry["type"] not in {"permit.issued", "permit.repeated", "permit.dialed"}:
            continue
        contact = day.contacts[entry["permit"]]
        # What was granted a moment before the stop was ended by it, in its own transaction.
        if contact.void_reason is None or entry["type"] == "permit.dialed":
            for cause in stops.causes(contact):
                yield f"permit {contact.contact_id}: {entry['type']} {cause}"


def _unlogged(day: Day) -> Iterator[str]:
    """Every state of a permit that no entry accounts for."""
    told: dict[str, set[str]] = defaultdict(set)
    for _index, entry in day.entries:
        for permit in (entry.get("permit"), *entry.get("permits", ()), *entry.get("contacts", ())):
            if permit is not None:
                told[str(permit)].add(str(entry["type"]))
    expected = {
        "granted": set[str](),
        "used": {"permit.closed"},
        "unused": {"permit.closed"},
        "expired": {"permit.expired"},
        "voided": {"permit.voided"},
    }
    for one in day.contacts.values():
        if one.vendor is None:
            missing = {"contact.recorded"} - told[one.contact_id]
        else:
            needed = {"permit.issued", *expected[one.state]}
            needed |= {"permit.dialed"} if one.dialed_at is not None else set()
            needed |= {"permit.voided"} if one.void_reason is not None else set()
            missing = needed - told[one.contact_id]
        for event in sorted(missing):
            yield f"contact {one.contact_id} is {one.state}, but the log has no {event}"
