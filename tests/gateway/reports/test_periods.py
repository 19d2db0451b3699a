from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import ConfigurationError, RequestInvalidError
from gateway.reports.calendar import Sent, Standing, Term, owed_reports, standing_of
from gateway.reports.periods import (
    ReportKind,
    due_times,
    missing_at,
    parse_period,
    period_of,
    periods_between,
)
from gateway.working_days import CHINA
from policies.parameters import PARAMETERS

DUE = due_times({name: each.default for name, each in PARAMETERS.items()})


@given(st.dates(date(2020, 1, 1), date(2035, 12, 31)), st.sampled_from(ReportKind))
def test_a_period_is_read_as_it_is_written_and_touches_its_neighbour(
    day: date, kind: ReportKind
) -> None:
    period = period_of(day, kind)

    assert period.first <= day <= period.last
    assert parse_period(period.text) == period
    assert period.before().last == period.first - timedelta(days=1)
    assert period.before().ends == period.begins


@pytest.mark.parametrize(
    "text",
    ["2026-13", "2026-W54", "2026-02-30", "2026", "x", "0000-00", "9999-12-31", "0001-01-01"],
)
def test_what_is_no_period_is_refused(text: str) -> None:
    with pytest.raises(RequestInvalidError, match="period"):
        parse_period(text)


@pytest.mark.parametrize(
    ("period", "due"),
    [
        ("2026-05-06", "2026-05-07T10:00"),  # a Wednesday
        ("2026-05-08", "2026-05-09T10:00"),  # the Saturday is a make-up day
        ("2026-04-30", "2026-05-06T10:00"),  # before the Labour Day holidays
        ("2026-W17", "2026-04-27T12:00"),
        ("2026-W18", "2026-05-06T12:00"),  # its Monday is a holiday
        ("2026-04", "2026-05-08T18:00"),  # the third working day of May
    ],
)
def test_due_times_go_by_working_days(period: str, due: str) -> None:
    assert DUE.due_at(parse_period(period)) == datetime.fromisoformat(due).replace(tzinfo=CHINA)


def test_a_due_time_that_is_not_understood_stops_the_start() -> None:
    with pytest.raises(ConfigurationError, match=r"report\.weekly_due"):
        due_times({"report.daily_due": "T+1 10:00", "report.weekly_due": "Mondays"})


def test_a_report_goes_from_scheduled_to_missing_by_the_clock() -> None:
    period = parse_period("2026-05-06")
    due = DUE.due_at(period)
    moments = [
        (period.ends - timedelta(microseconds=1), Standing.SCHEDULED),
        (period.ends, Standing.OPEN),
        (due - timedelta(hours=2), Standing.DUE_SOON),
        (due, Standing.DUE_SOON),
        (due + timedelta(seconds=1), Standing.LATE),
        (missing_at(due), Standing.LATE),
        (missing_at(due) + timedelta(seconds=1), Standing.MISSING),
    ]
    assert [standing_of(period, Sent(), due, at) for at, _ in moments] == [
        state for _, state in moments
    ]
    rejected = Sent("rejected", 1)
    assert standing_of(period, rejected, due, due) is Standing.REJECTED
    assert standing_of(period, rejected, due, due + timedelta(1)) is Standing.LATE
    reopened = Sent("accepted", 1, is_reopened=True)
    assert standing_of(period, reopened, due, due) is Standing.REOPENED


def test_reports_are_owed_for_the_days_of_the_contract_alone() -> None:
    begin = datetime(2026, 5, 7, tzinfo=CHINA)
    term = Term("alpha", "alpha-2026", begin, begin + timedelta(days=2))
    owed = list(
        owed_reports(
            [term],
            {},
            DUE,
            since=datetime(2026, 1, 1, tzinfo=UTC),
            until=datetime(2027, 1, 1, tzinfo=UTC),
            now=begin,
        )
    )

    assert [one.period.text for one in owed] == ["2026-05-07", "2026-05-08", "2026-W19", "2026-05"]
    assert list(periods_between(begin, begin)) == []
    assert missing_at(datetime.combine(date(2026, 5, 7), time(10), CHINA)).day == 9
