"""Hours of the day on some days, as packs, parameters and debtors name them."""

import re
from dataclasses import dataclass
from datetime import date, datetime, time
from enum import StrEnum

from policies.contact.calendar import WorkCalendar

_TIME = "([01][0-9]|2[0-3]):([0-5][0-9])"
_HOURS = re.compile(f"(working days|rest days|every day) {_TIME}-{_TIME}")
# The company's window may be narrower than the law's hours, never wider (rules 4.2.2).
_EARLIEST, _LATEST = time(8), time(22)


class Days(StrEnum):
    """On which days a window is closed."""

    EVERY = "every"
    WORKING = "working"
    RESTING = "resting"

    def covers(self, day: date, calendar: WorkCalendar) -> bool:
        """Whether the day is one of these."""
        return self is Days.EVERY or calendar.is_working_day(day) == (self is Days.WORKING)


@dataclass(frozen=True, slots=True)
class Hours:
    """Hours of some days, from `begins` up to but not with `ends`; past midnight if ends is less.

    What lies past midnight belongs to the day on which it lies.
    """

    begins: time
    ends: time
    days: Days = Days.EVERY

    def covers(self, local: datetime, calendar: WorkCalendar) -> bool:
        """Whether a local time lies inside."""
        moment = local.time()  # of one zone, so that no offset is compared
        if self.begins < self.ends:
            is_inside = self.begins <= moment < self.ends
        else:
            is_inside = moment >= self.begins or moment < self.ends
        return is_inside and self.days.covers(local.date(), calendar)


_WORDS = {"working days": Days.WORKING, "rest days": Days.RESTING, "every day": Days.EVERY}


def hours_of(text: str) -> Hours | None:
    """Read hours in words, as `every day 18:00-20:00`; None if these are none.

    The days are `working days`, `rest days` or `every day`; 00:00 as the end is midnight.
    """
    found = _HOURS.fullmatch(text.strip())
    if found is None:
        return None
    days, *numbers = found.groups()
    hour, minute, last_hour, last_minute = map(int, numbers)
    begins, ends = time(hour, minute), time(last_hour, last_minute)
    return None if begins == ends else Hours(begins, ends, _WORDS[days])


def green_hours(text: str) -> Hours | None:
    """Read the parameter `window.green`, as `working days 09:00-18:00`; None if it is not one.

    It has to lie inside 08:00-22:00, and rest days alone are no working hours.
    """
    hours = hours_of(text)
    if hours is None or hours.days is Days.RESTING:
        return None
    return hours if _EARLIEST <= hours.begins < hours.ends <= _LATEST else None
