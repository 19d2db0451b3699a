"""Rules on the hour and the day: a window that is closed, by the debtor's local time."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from functools import lru_cache
from zoneinfo import ZoneInfo

from policies.contact.calendar import WorkCalendar
from policies.contact.excuses import Excuse
from policies.contact.hours import Days, Hours
from policies.contact.inquiry import ONE_DAY, Inquiry
from policies.contact.model import Channel, DenyCode

_MIDNIGHT = time()


@dataclass(frozen=True, slots=True)
class TimeWindow:
    """No contact at these hours, but for `spared` ones inside them, and with an excuse.

    Where the debtor may be in several zones, one in which the window is closed is enough.
    """

    rule_id: str
    closed: Hours
    channels: tuple[Channel, ...]
    code: DenyCode = DenyCode.OUTSIDE_WINDOW_RED
    spared: Hours | None = None
    excuse: Excuse | None = None

    def fires(self, inquiry: Inquiry) -> DenyCode | None:
        """Why it says no to the inquiry; None when it does not."""
        if inquiry.request.channel not in self.channels:
            return None
        for local in inquiry.local:
            if self._is_closed(local, inquiry.calendar):
                break
        else:
            return None
        if self.excuse is not None:

            def was_closed(moment: datetime) -> bool:
                return any(
                    self._is_closed(moment.astimezone(zone), inquiry.calendar)
                    for zone in inquiry.zones
                )

            if self.excuse.is_given(inquiry, was_closed):
                return None
        return self.code

    def clears(self, inquiry: Inquiry) -> datetime | None:
        """The next edge in any zone; it may still be closed in another."""
        edges = self._edges(inquiry)
        if self.excuse is not None:
            given = self.excuse.next(inquiry)
            edges += [] if given is None else [given]
        return min(edges, default=None)

    def _is_closed(self, local: datetime, calendar: WorkCalendar) -> bool:
        return self.closed.covers(local, calendar) and not (
            self.spared is not None and self.spared.covers(local, calendar)
        )

    def _edges(self, inquiry: Inquiry) -> list[datetime]:
        times: tuple[time, ...] = (self.closed.begins, self.closed.ends)
        if self.spared is not None:
            times += (_MIDNIGHT, self.spared.begins, self.spared.ends)
        elif self.closed.days is not Days.EVERY:
            times += (_MIDNIGHT,)
        return next_edges(inquiry, times)


def next_edges(inquiry: Inquiry, times: tuple[time, ...]) -> list[datetime]:
    """The next of these local times after the inquiry's moment, in each zone."""
    found = []
    for zone, local in zip(inquiry.zones, inquiry.local, strict=True):
        day = local.date()
        found += [
            next((edge for edge in _moments(zone, day, times) if edge > inquiry.at), None)
            or _moments(zone, day + ONE_DAY, times)[0]
        ]
    return found


@lru_cache(maxsize=4_096)
def _moments(zone: ZoneInfo, day: date, times: tuple[time, ...]) -> tuple[datetime, ...]:
    """These local times of a day, in UTC and in order; what comes twice that day, twice."""
    found = {
        datetime.combine(day, moment.replace(fold=fold), zone).astimezone(UTC)
        for moment in times
        for fold in (0, 1)
    }
    return tuple(sorted(found))
