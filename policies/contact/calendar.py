"""Working days: weekends, holidays and make-up days of a country, and days the company adds."""

import functools
from collections.abc import Mapping
from datetime import date
from importlib.resources.abc import Traversable
from types import MappingProxyType
from typing import Protocol

from policies.contact.errors import UnknownCalendarError
from policies.documents import Document, Node, read_document

_NO_DAYS: Mapping[date, bool] = MappingProxyType({})
_CALENDARS = {"CN": "CN"}
_REMEMBERED_DAYS = 4_096


class WorkCalendar(Protocol):
    """What is asked of a calendar."""

    def is_working_day(self, day: date, /) -> bool:
        """Whether people work on that day."""
        ...


class NationalCalendar:
    """The public holidays of one country, with make-up days as far as they were announced.

    `extra` overrules it for single days: true for a working day, false for a day of rest. A half
    holiday is a working day unless it is named there. Years whose make-up days nobody has
    announced have none: a make-up Saturday is then a day of rest, which only refuses more.
    """

    def __init__(self, country: str, extra: Mapping[date, bool] = _NO_DAYS) -> None:
        import holidays  # noqa: PLC0415  # slow to import: only where a calendar is made

        self._known: WorkCalendar = holidays.country_holidays(country)
        self._extra = dict(extra)
        self._remembered: dict[date, bool] = {}

    def is_working_day(self, day: date, /) -> bool:
        """Whether people work on that day: a Saturday may be one, a weekday may be none."""
        remembered = self._remembered.get(day)
        if remembered is None:
            if len(self._remembered) >= _REMEMBERED_DAYS:
                self._remembered.clear()
            remembered = self._extra.get(day)
            if remembered is None:
                remembered = bool(self._known.is_working_day(day))
            self._remembered[day] = remembered
        return remembered


@functools.cache
def _shared(country: str) -> NationalCalendar:
    return NationalCalendar(country)


def china_calendar(extra: Mapping[date, bool] = _NO_DAYS) -> WorkCalendar:
    """The calendar of mainland China, overruled by `extra` (true: people work on that day)."""
    return calendar_of("CN", extra)


def calendar_of(calendar_id: str | None, extra: Mapping[date, bool] = _NO_DAYS) -> WorkCalendar:
    """The calendar that the parameter `calendar.id` names; UnknownCalendarError if none."""
    country = _CALENDARS.get(calendar_id or "")
    if country is None:
        raise UnknownCalendarError
    return NationalCalendar(country, extra) if extra else _shared(country)


def read_extra_days(directory: Traversable) -> dict[date, bool]:
    """Read `calendar.yaml` of a directory of policies: lists `working` and `resting` of dates.

    A directory without the file adds none. PolicyFileError when a date is wrong or named twice.
    """
    source = directory.joinpath("calendar.yaml")
    if not source.is_file():
        return {}
    document = read_document(source, source.name)
    top = document.entries(
        document.root, known=frozenset({"working", "resting"}), what="the calendar"
    )
    found: dict[date, bool] = {}
    for key, node in top.items():
        for item in document.items(node, f"`{key}`"):
            day = _day(document, item)
            if day in found:
                document.fail(item.line, "The date is named twice.", "Keep one of the two.")
            found[day] = key == "working"
    return found


def _day(document: Document, node: Node) -> date:
    try:
        return date.fromisoformat(document.text(node, "A date"))
    except ValueError:
        return document.fail(node.line, "This is not a date.", "Write 2026-01-31.")
