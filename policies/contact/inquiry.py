"""One question put to all rules: the request at a moment, in every zone it may be for the debtor.

What several rules need, such as local dates and the consents that hold, is worked out once.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from operator import attrgetter
from zoneinfo import ZoneInfo

from policies.contact.calendar import WorkCalendar
from policies.contact.model import (
    CallKind,
    Consent,
    ConsentScope,
    ContactRequest,
    Measure,
    PartyRole,
    Situation,
)

ONE_DAY = timedelta(days=1)
INSTANT = timedelta(microseconds=1)
# What a wish may become, by its kind: a cap counts it before it has happened.
_AS_NOTICE = int(Measure.ATTEMPT | Measure.UNANSWERED | Measure.CONNECTED_NOTIFY)
_AS_TALK = int(Measure.ATTEMPT | Measure.UNANSWERED | Measure.EFFECTIVE)


@lru_cache(maxsize=256)
def zone_of(name: str) -> ZoneInfo | None:
    """The zone of an IANA name, None when there is none."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # not found, not a name, a folder
        return None


@lru_cache(maxsize=8_192)
def day_begins(zone: ZoneInfo, day: date) -> datetime:
    """The first instant of a local day, in UTC."""
    return datetime.combine(day, time(), zone).astimezone(UTC)


def utc(moment: datetime) -> datetime:
    """The same moment in UTC: two times of one zone compare by the clock on the wall."""
    return moment if moment.tzinfo is UTC else moment.astimezone(UTC)


class Inquiry:
    """A request and a situation at the moment `at`, which may lie after the request's own.

    `zones` are those that exist, `local` the moment in each; `wished` are the bits of Measure that
    the request may become. Rules leave what they have found: `used`, the consents that excused
    one, and `tallied`, by the identity of a tally, when the contacts were that it counts.
    `consent_days` are, by scope, the days that a consent holds at most, its own day counted.
    """

    __slots__ = (
        "_consents",
        "_starts",
        "at",
        "calendar",
        "consent_days",
        "definitions",
        "local",
        "request",
        "situation",
        "tallied",
        "used",
        "wished",
        "zones",
    )

    def __init__(
        self,
        request: ContactRequest,
        situation: Situation,
        at: datetime,
        zones: tuple[ZoneInfo, ...],
        calendar: WorkCalendar,
        definitions: Mapping[str, bool],
        consent_days: Mapping[ConsentScope, int],
    ) -> None:
        self.request = request
        self.situation = situation
        self.at = at
        self.zones = zones
        self.calendar = calendar
        self.definitions = definitions
        self.consent_days = consent_days
        self.local = [at.astimezone(zone) for zone in zones]
        self.wished = _AS_NOTICE if request.kind is CallKind.NOTIFY else _AS_TALK
        self.tallied: dict[int, list[datetime]] = {}
        self.used: list[str] = []
        self._starts: dict[int, datetime] = {}
        self._consents: list[Consent] | None = None

    def since(self, days: int) -> datetime:
        """The first instant of the last `days` local days, today counted; 0: of this month.

        Where the debtor may be in several zones it is the earliest, so that more is counted.
        """
        start = self._starts.get(days)
        if start is None:
            starts = [
                day_begins(zone, _first_day(local.date(), days))
                for zone, local in zip(self.zones, self.local, strict=True)
            ]
            start = starts[0] if len(starts) == 1 else min(starts)
            self._starts[days] = start
        return start

    def leaves(self, moment: datetime, days: int) -> datetime:
        """When what happened at `moment` lies before `since(days)`, in every zone."""
        return max(
            day_begins(zone, _first_day_after(moment.astimezone(zone).date(), days))
            for zone in self.zones
        )

    def consent(
        self,
        scopes: tuple[ConsentScope, ...],
        *,
        is_closed: Callable[[datetime], bool] | None = None,
    ) -> Consent | None:
        """The earliest consent of these scopes that holds now, None when there is none.

        One that was captured at a moment of which `is_closed` is true is passed by: it would have
        been given in the very contact that was forbidden without it.
        """
        if not self.situation.consents:
            return None
        if self._consents is None:
            self._consents = sorted(
                (found for found in self.situation.consents if self._holds(found)),
                key=attrgetter("captured_at", "consent_id"),
            )
        for found in self._consents:
            if found.scope in scopes and not (is_closed and is_closed(found.captured_at)):
                return found
        return None

    def next_consent(self, scopes: tuple[ConsentScope, ...]) -> datetime | None:
        """The first moment after this one at which a consent of these scopes may begin to hold."""
        moments = (
            utc(moment)
            for found in self.situation.consents
            if found.scope in scopes
            for moment in (found.begins, found.captured_at + INSTANT)
        )
        return min((moment for moment in moments if moment > self.at), default=None)

    def _holds(self, consent: Consent) -> bool:
        request = self.request
        is_about_this = (
            (consent.point is None or consent.point == request.point)
            and (consent.debt is None or consent.debt == request.debt)
            and (consent.channel is None or consent.channel == request.channel)
            # What the debtor agreed to for himself does not reach a third person's number.
            and (
                request.party is not PartyRole.CONTACT
                or consent.point is not None
                or consent.scope is ConsentScope.THIRD_PARTY
            )
        )
        if not is_about_this or not utc(consent.captured_at) < self.at:
            return False
        if not utc(consent.begins) <= self.at < utc(consent.ends):
            return False
        days = self.consent_days.get(consent.scope)
        return days is None or utc(consent.captured_at) >= max(
            day_begins(zone, local.date() - (days - 1) * ONE_DAY)
            for zone, local in zip(self.zones, self.local, strict=True)
        )


def _first_day(day: date, days: int) -> date:
    return day - (days - 1) * ONE_DAY if days else day.replace(day=1)


def _first_day_after(day: date, days: int) -> date:
    if days:
        return day + days * ONE_DAY
    return (day.replace(day=1) + 32 * ONE_DAY).replace(day=1)
