from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.working_days import (
    end_of_day,
    is_working_day,
    last_day,
    working_day_after,
    working_days_left,
)

DAYS = st.dates(date(2024, 1, 1), date(2027, 12, 31))


@pytest.mark.parametrize(
    ("day", "is_work"),
    [
        (date(2026, 10, 1), False),  # National Day
        (date(2026, 10, 10), True),  # a Saturday made up for
        (date(2026, 9, 30), True),
        (date(2026, 11, 21), False),  # a plain Saturday
        (date(2026, 11, 23), True),
    ],
)
def test_holidays_are_none_and_make_up_saturdays_are(day: date, is_work: bool) -> None:  # noqa: FBT001  # a column of the table
    assert is_working_day(day) is is_work


def test_ten_working_days_from_the_eve_of_the_national_holiday() -> None:
    # 8, 9, 10 (make-up Saturday), 12 to 16, 19 and 20 October.
    assert working_day_after(date(2026, 9, 30), 10) == date(2026, 10, 20)


def test_a_term_that_ends_at_midnight_in_china_ended_on_the_day_before() -> None:
    midnight = datetime(2026, 12, 31, 16, tzinfo=UTC)

    assert last_day(midnight) == date(2026, 12, 31)
    assert end_of_day(date(2026, 12, 31)) == midnight


@given(DAYS, st.integers(1, 15))
def test_the_nth_working_day_is_a_working_day_with_n_left(day: date, count: int) -> None:
    due = working_day_after(day, count)

    assert is_working_day(due)
    assert working_days_left(day, due) == count
    assert last_day(end_of_day(due)) == due


@given(DAYS)
def test_on_the_day_itself_and_after_it_none_is_left(day: date) -> None:
    assert working_days_left(day, day) == 0
    assert working_days_left(day, date(2023, 1, 1)) == 0
