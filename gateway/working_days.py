"""Working days in China, make-up days included."""

from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo

CHINA = ZoneInfo("Asia/Shanghai")
_DAY = timedelta(days=1)


def is_working_day(day: date) -> bool:
    """Whether people work on that day: a Saturday may be one, a weekday may be none."""
    return bool(_calendar()(day))


def working_day_after(day: date, count: int) -> date:
    """The `count`-th working day after a day, which is not counted itself; 1 or more."""
    while count:
        day += _DAY
        count -= is_working_day(day)
    return day


def working_days_left(today: date, until: date) -> int:
    """Working days after `today` up to and with `until`; 0 on the day itself and after it."""
    days = max(0, (until - today).days)
    return sum(is_working_day(today + number * _DAY) for number in range(1, days + 1))


def last_day(moment: datetime) -> date:
    """The day in China of the last instant before a moment: a term ends on its day at 24:00."""
    return (moment - timedelta(microseconds=1)).astimezone(CHINA).date()


def end_of_day(day: date) -> datetime:
    """24:00 in China."""
    return datetime.combine(day + _DAY, time(), CHINA)


@cache
def _calendar() -> Callable[[date], bool]:
    import holidays  # noqa: PLC0415  # only who counts days loads it: nobody else should wait

    return holidays.country_holidays("CN").is_working_day
