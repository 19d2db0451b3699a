"""Periods that are reported on, and until when: days, ISO weeks and months in China."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum

from gateway.errors import ConfigurationError, RequestInvalidError
from gateway.working_days import CHINA, working_day_after

_DAY = timedelta(days=1)
_WEEK_DAYS = 7
_DECEMBER = 12
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_RULES = {
    "daily": re.compile(r"T\+([1-9]) ([01][0-9]|2[0-3]):([0-5][0-9])"),
    "weekly": re.compile(rf"({'|'.join(_WEEKDAYS)}) ([01][0-9]|2[0-3]):([0-5][0-9])"),
    "monthly": re.compile(r"([1-9])(?:st|nd|rd|th) working day ([01][0-9]|2[0-3]):([0-5][0-9])"),
}


class ReportKind(StrEnum):
    """How often a report is owed."""

    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"


@dataclass(frozen=True, slots=True, order=True)
class Period:
    """A day, an ISO week or a month; `first` and `last` are days in China."""

    first: date
    last: date
    kind: ReportKind

    @property
    def text(self) -> str:
        """2026-05-07, 2026-W19 or 2026-05."""
        if self.kind is ReportKind.DAILY:
            return self.first.isoformat()
        if self.kind is ReportKind.WEEKLY:
            return self.first.strftime("%G-W%V")
        return self.first.strftime("%Y-%m")

    @property
    def begins(self) -> datetime:
        """The first instant."""
        return datetime.combine(self.first, time(), CHINA)

    @property
    def ends(self) -> datetime:
        """The first instant after it."""
        return datetime.combine(self.last + _DAY, time(), CHINA)

    def before(self) -> "Period":
        """The period of this kind that ends where this one begins."""
        return period_of(self.first - _DAY, self.kind)


@dataclass(frozen=True, slots=True)
class DueTimes:
    """When reports are due; read from parameters report.*_due.

    A day's report is due so many working days after it, a week's on a day of the next week (or
    the first working day from there), a month's on a working day of the next month.
    """

    daily: tuple[int, time]
    weekly: tuple[int, time]
    monthly: tuple[int, time]

    def due_at(self, period: Period) -> datetime:
        """Until when the report of a period is owed."""
        if period.kind is ReportKind.WEEKLY:
            weekday, at = self.weekly
            day = period.last + timedelta(days=1 + weekday)
            return datetime.combine(working_day_after(day - _DAY, 1), at, CHINA)
        count, at = self.daily if period.kind is ReportKind.DAILY else self.monthly
        return datetime.combine(working_day_after(period.last, count), at, CHINA)


def due_times(parameters: Mapping[str, str | None]) -> DueTimes:
    """Reads the three parameters.

    Raises:
        ConfigurationError: one is written in a way that is not known.
    """
    found: dict[str, tuple[int, time]] = {}
    for kind, rule in _RULES.items():
        match = rule.fullmatch(parameters.get(f"report.{kind}_due") or "")
        if match is None:
            raise ConfigurationError(
                f"the parameter report.{kind}_due is not understood; write it as"
                " `T+1 10:00`, `Monday 12:00` and `3rd working day 18:00`"
            )
        when, hour, minute = match.groups()
        number = _WEEKDAYS.index(when) if kind == "weekly" else int(when)
        found[kind] = number, time(int(hour), int(minute))
    return DueTimes(**found)


def missing_at(due: datetime, days: int = 2) -> datetime:
    """From when a late report is missing: so many working days after it was due."""
    day = working_day_after(due.astimezone(CHINA).date(), days)
    return datetime.combine(day, due.timetz().replace(tzinfo=None), CHINA)


def parse_period(text: str) -> Period:
    """The period that a text names.

    Raises:
        RequestInvalidError: it names none.
    """
    try:
        if re.fullmatch(r"2[0-9]{3}-[0-9]{2}-[0-9]{2}", text):
            return period_of(date.fromisoformat(text), ReportKind.DAILY)
        if re.fullmatch(r"2[0-9]{3}-W[0-9]{2}", text):
            first = date.fromisocalendar(int(text[:4]), int(text[6:]), 1)
            return period_of(first, ReportKind.WEEKLY)
        if re.fullmatch(r"2[0-9]{3}-[0-9]{2}", text):
            return period_of(date(int(text[:4]), int(text[5:]), 1), ReportKind.MONTHLY)
    except (ValueError, OverflowError) as error:
        raise RequestInvalidError("period: there is no such day, week or month") from error
    raise RequestInvalidError("period: write 2026-05-07, 2026-W19 or 2026-05")


def period_of(day: date, kind: ReportKind) -> Period:
    """The period of a kind in which a day lies."""
    if kind is ReportKind.DAILY:
        return Period(day, day, kind)
    if kind is ReportKind.WEEKLY:
        first = day - timedelta(days=day.weekday())
        return Period(first, first + timedelta(days=_WEEK_DAYS - 1), kind)
    first = day.replace(day=1)
    following = (
        date(first.year + 1, 1, 1)
        if first.month == _DECEMBER
        else first.replace(month=first.month + 1)
    )
    return Period(first, following - _DAY, kind)


def periods_between(since: datetime, until: datetime) -> Iterator[Period]:
    """All periods, of every kind, that overlap a stretch of time; by kind, then in order."""
    if until <= since:
        return
    first = since.astimezone(CHINA).date()
    last = (until.astimezone(CHINA) - timedelta(microseconds=1)).date()
    for kind in ReportKind:
        day = first
        while day <= last:
            period = period_of(day, kind)
            yield period
            day = period.last + _DAY
