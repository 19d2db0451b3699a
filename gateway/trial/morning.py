"""When a trial's day begins: a working morning, whatever the hour at which it is tried."""

from datetime import UTC, datetime, time, timedelta

from policies.contact.calendar import china_calendar
from policies.elements import SHANGHAI

_OPENING = time(10, 2)


def next_working_morning(now: datetime) -> datetime:
    """10:02 in Shanghai on the first working day after today.

    Later than now, so that what was made before it, certificates first of all, is valid.
    """
    calendar = china_calendar()
    day = now.astimezone(SHANGHAI).date() + timedelta(days=1)
    while not calendar.is_working_day(day):
        day += timedelta(days=1)
    return datetime.combine(day, _OPENING, SHANGHAI).astimezone(UTC)
