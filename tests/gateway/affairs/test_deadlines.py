from datetime import UTC, datetime

from gateway.affairs.deadlines import complaint_due, rectification_due, working_days_after
from tests.gateway.affairs.settling import PARAMETERS


def test_the_last_day_of_a_complaint_moves_out_of_a_holiday() -> None:
    # 15 days after the 16th of September 2026 is the 1st of October, the first of a week off.
    due = complaint_due(datetime(2026, 9, 16, 3, tzinfo=UTC), 15)

    assert due.isoformat() == "2026-10-09T00:00:00+08:00"


def test_a_complaint_of_the_evening_counts_from_its_day_in_china() -> None:
    assert complaint_due(datetime(2026, 6, 1, 20, tzinfo=UTC), 15) == complaint_due(
        datetime(2026, 6, 2, 1, tzinfo=UTC), 15
    )


def test_a_notice_has_working_days_and_a_minor_one_plain_days() -> None:
    friday = datetime(2026, 6, 5, 3, tzinfo=UTC)

    days = {
        severity: rectification_due(severity, PARAMETERS, friday).date().isoformat()
        for severity in ("critical", "major", "minor")
    }

    assert days == {"critical": "2026-06-13", "major": "2026-06-23", "minor": "2026-07-06"}


def test_a_deadline_at_midnight_belongs_to_the_day_it_ends() -> None:
    midnight = datetime(2026, 6, 12, 16, tzinfo=UTC)  # Friday, 24:00 in China

    assert working_days_after(midnight, 0) == midnight
    assert working_days_after(midnight, 1).isoformat() == "2026-06-16T00:00:00+08:00"
