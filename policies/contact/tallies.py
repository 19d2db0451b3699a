"""Rules that count: caps on what has happened in a number of days, and rest after an event."""

from bisect import bisect_left
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from policies.contact.excuses import Excuse
from policies.contact.inquiry import Inquiry, utc
from policies.contact.model import (
    Channel,
    DenyCode,
    Measure,
    PartyRole,
)

MONTH = 0


class Subject(StrEnum):
    """Whose contacts are counted together: of all vendors and the lender, whatever it is."""

    DEBTOR = "debtor"
    DEBTOR_DEBT = "debtor_debt"
    CONTACT_POINT = "contact_point"


@dataclass(frozen=True, slots=True)
class Tally:
    """What is counted: contacts with one of these measures or results, in so many local days.

    `days` counts today; MONTH is the calendar month. A contact of another channel or party is not
    counted, nor one that was agreed beforehand where `spares_exempt`, nor one with a result of
    `spared`.
    """

    subject: Subject
    measures: int
    days: int
    channels: tuple[Channel, ...]
    parties: tuple[PartyRole, ...]
    results: frozenset[str] = frozenset()
    spared: frozenset[str] = frozenset()
    spares_exempt: bool = False

    def asks(self, inquiry: Inquiry) -> bool:
        """Whether the request is of a channel and a party that are counted."""
        request = inquiry.request
        return request.channel in self.channels and request.party in self.parties

    def count(self, inquiry: Inquiry) -> int:
        """How many are counted now."""
        moments = self._moments(inquiry)
        return len(moments) - bisect_left(moments, inquiry.since(self.days))

    def drops_below(self, inquiry: Inquiry, most: int) -> datetime | None:
        """When fewer than `most` are counted, if no more are added; None when it never is so."""
        count = self.count(inquiry)
        if not 0 < most <= count:
            return None
        return inquiry.leaves(self._moments(inquiry)[-most], self.days)

    def _moments(self, inquiry: Inquiry) -> list[datetime]:
        """When the contacts were, whatever their day, oldest first; in UTC."""
        known = inquiry.tallied.get(id(self))
        if known is not None:
            return known
        # One pass without a call for each contact: this is where a decision spends its time.
        measures, results, spared = self.measures, self.results, self.spared
        channels, parties, spares_exempt = self.channels, self.parties, self.spares_exempt
        request = inquiry.request
        point = request.point if self.subject is Subject.CONTACT_POINT else None
        debt = request.debt if self.subject is Subject.DEBTOR_DEBT else None
        moments = [
            contact.at
            for contact in inquiry.situation.history
            if (contact.counts & measures or (results and contact.result in results))
            and (point is None or contact.point == point or contact.point is None)
            and (debt is None or contact.debt == debt or contact.debt is None)
            and contact.channel in channels
            and contact.party in parties
            and not (spares_exempt and contact.is_exempt)
            and not (spared and contact.result in spared)
        ]
        known = inquiry.tallied[id(self)] = sorted(map(utc, moments)) if moments else moments
        return known


@dataclass(frozen=True, slots=True)
class Cap:
    """At most so many of a tally; the request counts as what it may become."""

    rule_id: str
    tally: Tally
    most: int
    excuse: Excuse | None = None

    @property
    def code(self) -> DenyCode:
        """What a full cap is called: by the number, by the day, by any longer time."""
        if self.tally.subject is Subject.CONTACT_POINT:
            return DenyCode.NUMBER_CAP_REACHED
        if self.tally.days == 1:
            return DenyCode.DAILY_CAP_REACHED
        return DenyCode.ROLLING_CAP_REACHED

    @property
    def kind(self) -> str:
        """The name under which ContactDecision.remaining counts, as effective_per_debtor_day."""
        measures = "_or_".join(
            str(measure.name).lower() for measure in Measure(self.tally.measures)
        )
        spans = {MONTH: "month", 1: "day"}
        span = spans.get(self.tally.days, f"{self.tally.days}_days")
        return f"{measures}_per_{self.tally.subject}_{span}"

    def fires(self, inquiry: Inquiry) -> DenyCode | None:
        """Why it says no to the inquiry; None when it does not."""
        if not self.is_full(inquiry):
            return None
        if self.excuse is not None and self.excuse.is_given(inquiry):
            return None
        return self.code

    def clears(self, inquiry: Inquiry) -> datetime | None:
        """A moment until which it goes on saying no; None when time alone does not help."""
        return _sooner(self.tally.drops_below(inquiry, self.most), self.excuse, inquiry)

    def is_full(self, inquiry: Inquiry) -> bool:
        """Whether it would say no without an excuse; if not, then never later by time alone."""
        return self._is_concerned(inquiry) and self.tally.count(inquiry) >= self.most

    def left(self, inquiry: Inquiry) -> int | None:
        """How many it still allows after this one; None where it does not concern it."""
        if not self._is_concerned(inquiry):
            return None
        return max(0, self.most - self.tally.count(inquiry) - 1)

    def _is_concerned(self, inquiry: Inquiry) -> bool:
        return bool(inquiry.wished & self.tally.measures) and self.tally.asks(inquiry)


@dataclass(frozen=True, slots=True)
class Cooldown:
    """No contact after an event until its tally's days are over; the event's day is the first.

    An event is any contact of the tally, whoever began it and whatever this one may become.
    """

    rule_id: str
    tally: Tally
    excuse: Excuse | None = None

    def fires(self, inquiry: Inquiry) -> DenyCode | None:
        """Why it says no to the inquiry; None when it does not."""
        if not self.is_full(inquiry):
            return None
        if self.excuse is not None and self.excuse.is_given(inquiry):
            return None
        return DenyCode.COOLDOWN

    def is_full(self, inquiry: Inquiry) -> bool:
        """Whether an event is not over; if none is, then none later by time alone."""
        return self.tally.asks(inquiry) and self.tally.count(inquiry) > 0

    def clears(self, inquiry: Inquiry) -> datetime | None:
        """A moment until which it goes on saying no; None when time alone does not help."""
        return _sooner(self.tally.drops_below(inquiry, 1), self.excuse, inquiry)


def _sooner(moment: datetime | None, excuse: Excuse | None, inquiry: Inquiry) -> datetime | None:
    given = None if excuse is None else excuse.next(inquiry)
    return min((found for found in (moment, given) if found is not None), default=None)
