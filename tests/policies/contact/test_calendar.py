"""Working days: the country's, and those that the company adds."""

from datetime import date
from pathlib import Path

import pytest

from policies.contact.calendar import calendar_of, china_calendar, read_extra_days
from policies.contact.errors import UnknownCalendarError
from policies.contact.rules import compile_contact_rules
from policies.errors import PolicyFileError
from tests.policies.contact.scene import at, packaged, situation, wish


@pytest.mark.parametrize(
    ("day", "works"),
    [
        (date(2026, 10, 1), False),
        (date(2026, 10, 10), True),
        (date(2026, 11, 21), False),
        (date(2026, 11, 23), True),
        (date(2026, 2, 17), False),
        (date(2026, 2, 28), True),
    ],
)
def test_make_up_days_are_worked_and_holidays_are_not(day: date, *, works: bool) -> None:
    assert china_calendar().is_working_day(day) is works


def test_the_company_may_name_days_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "calendar.yaml").write_text("resting: [2026-11-23]\nworking: [2026-11-21]\n")
    extra = read_extra_days(tmp_path)
    assert extra == {date(2026, 11, 23): False, date(2026, 11, 21): True}

    rules = compile_contact_rules([packaged()["company-seed"]], china_calendar(extra))
    assert rules.codes(wish(at("2026-11-21 10:00")), situation()) == ()
    assert rules.codes(wish(at("2026-11-23 10:00")), situation()) == ("HOLIDAY_NO_CONSENT",)
    assert china_calendar().is_working_day(date(2026, 11, 23))


@pytest.mark.parametrize(
    "text",
    [
        "resting: [2026-02-30]\n",
        "resting: [2026-11-23]\nworking: [2026-11-23]\n",
        "sleeping: [2026-11-23]\n",
    ],
)
def test_a_wrong_day_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "calendar.yaml").write_text(text)
    with pytest.raises(PolicyFileError):
        read_extra_days(tmp_path)


def test_no_file_adds_no_days_and_no_calendar_is_guessed(tmp_path: Path) -> None:
    assert read_extra_days(tmp_path) == {}
    with pytest.raises(UnknownCalendarError):
        calendar_of(None)
    with pytest.raises(UnknownCalendarError):
        calendar_of("XX")
