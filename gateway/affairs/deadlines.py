"""Until when an affair has to be settled, by the company's parameters and China's calendar."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta

from gateway.working_days import CHINA, end_of_day, is_working_day, working_day_after

# Of a complaint, beside the first answer (complaint.days): once more, and once more by two.
EXTENDED_DAYS = 30
LONGEST_DAYS = 60
# A critical matter is contained by then, whatever its deadline.
CONTAINMENT = timedelta(hours=24)


def complaint_due(received_at: datetime, days: int) -> datetime:
    """24:00 of the last day, counted in days; a last day off moves to the next working day."""
    last = _day(received_at) + timedelta(days=days)
    while not is_working_day(last):
        last += timedelta(days=1)
    return end_of_day(last)


def rectification_due(
    severity: str, parameters: Mapping[str, str | None], at: datetime
) -> datetime:
    """24:00 of the day of the deadline: working days, but plain days where it is minor."""
    count = int(parameters[f"rectify.deadline_{severity}_days"] or 1)
    if severity == "minor":
        return end_of_day(_day(at) + timedelta(days=count))
    return end_of_day(working_day_after(_day(at), count))


def working_days_after(moment: datetime, count: int) -> datetime:
    """24:00 of the `count`-th working day after a moment's; the moment itself when that is 0."""
    if count == 0:
        return moment
    # A deadline at 24:00 belongs to the day that it ends.
    day = _day(moment - timedelta(microseconds=1))
    return end_of_day(working_day_after(day, count))


def _day(moment: datetime) -> date:
    return moment.astimezone(CHINA).date()
