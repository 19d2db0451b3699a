from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import (
    ContentMismatchError,
    IdempotencyKeyReusedError,
    IllegalTransitionError,
    NotFoundError,
    PeriodNotEndedError,
    PersonalDataError,
    ReportMismatchError,
)
from gateway.identity.principal import StaffRole
from gateway.reports.metrics import metric_names
from gateway.reports.periods import parse_period
from tests.gateway.reports.lies import PLANTED, REPORTED
from tests.gateway.reports.month import BEGIN, NOW, Month


@pytest.fixture(scope="module")
def month(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Month:
    return Month.make(postgres_url, tmp_path_factory.mktemp("month"))


def test_of_an_honest_month_every_report_is_taken_and_nothing_is_found(month: Month) -> None:
    for period in ("2026-04-02", "2026-04-05", "2026-W15", "2026-W16", "2026-04"):
        filing = month.filing(period)
        assert set(filing.metrics) == set(metric_names(parse_period(period).kind))
        taken = month.submit(filing)
        assert (taken["state"], taken["metrics"]) == ("accepted", filing.metrics)

    assert month.look() == 0
    assert month.findings() == []


def test_what_is_counted_is_what_was_done(month: Month) -> None:
    counted = month.counted("2026-04")

    assert (counted["dial_attempts"], counted["connected_calls"]) == (630, 270)
    assert counted["connect_rate"] == 42.9
    assert counted["refused_permits_by_code"] == {"DAILY_CAP_REACHED": 13}
    assert counted["special_requests_by_type"] == {"hardship": 3}
    assert (counted["repaid_amount"], counted["repaid_cases"]) == (1_000_000, 10)
    # 60 cases of 5123.45 were placed.
    assert counted["recovery_rate"] == 3.3
    # Three calls were drawn, of which two were listened to and are in order.
    assert (counted["qc_sampled"], counted["qc_fail_rate"]) == (3, 0.0)
    assert (counted["incidents"], counted["data_access_review_done"]) == (1, True)
    # One of 30 days, 4 weeks and a month that were due.
    assert counted["on_time_rate"] == 2.9
    # A Sunday: nobody called, and a share of nothing is nothing.
    assert month.counted("2026-04-05")["connect_rate"] is None
    assert (
        month.desk().preview(month.principal("beta"), "2026-04")["metrics"]["dial_attempts"] == 0
    )


@pytest.mark.parametrize(("metric", "lie"), REPORTED)
def test_a_number_that_is_not_what_was_counted_is_named(
    month: Month, metric: str, lie: float
) -> None:
    true = month.counted("2026-04")[metric]
    filing = month.filing("2026-04", 2, **{metric: round(true + lie, 1)})

    with pytest.raises(ReportMismatchError) as refused:
        month.submit(filing)

    assert [gap["metric"] for gap in refused.value.differences] == [metric]
    assert refused.value.differences[0]["counted"] == true


@pytest.mark.parametrize("period", ["2026-04", "2026-W15", "2026-04-02"])
def test_each_number_of_a_report_that_is_off_by_one_is_named_beside_all_others(
    month: Month, period: str
) -> None:
    true = month.counted(period)
    lies = {metric: _off_by_one(value) for metric, value in true.items()}

    with pytest.raises(ReportMismatchError) as refused:
        month.submit(month.filing(period, 2, **lies))

    named = {gap["metric"].partition(".")[0]: gap for gap in refused.value.differences}
    assert set(named) == set(true) == set(metric_names(parse_period(period).kind))
    for metric, value in true.items():
        if not isinstance(value, dict):
            gap = (named[metric]["reported"], named[metric]["counted"])
            assert gap == (lies[metric], value)


def _off_by_one(value: Any) -> Any:
    if value is None:
        return 0.0
    if isinstance(value, bool):
        return not value
    if isinstance(value, dict):
        return {**value, "CODE": 1}
    return value + 1


def test_requests_left_out_refusals_left_out_and_a_rate_of_nothing_are_named(
    month: Month,
) -> None:
    lies: dict[str, dict[str, Any]] = {
        "special_requests_by_type.hardship": {"special_requests_by_type": {}},
        "refused_permits_by_code.DAILY_CAP_REACHED": {"refused_permits_by_code": {}},
        "ptp_kept_rate": {"ptp_kept_rate": 0.0},
    }
    for metric, lie in lies.items():
        with pytest.raises(ReportMismatchError) as refused:
            month.submit(month.filing("2026-04", 2, **lie))
        assert [gap["metric"] for gap in refused.value.differences] == [metric]


def test_totals_of_the_period_before_are_a_finding(month: Month) -> None:
    copied = replace(month.filing("2026-04-08"), period="2026-04-09")
    month.submit(month.filing("2026-04-08"))

    with pytest.raises(ReportMismatchError):
        month.submit(copied)

    assert ("REPORT_COPIED", {"period": "2026-04-09"}) in month.findings()


def test_a_report_is_refused_before_its_time_outside_the_contract_and_with_other_totals(
    month: Month,
) -> None:
    filing = month.filing("2026-05")
    with pytest.raises(PeriodNotEndedError):
        month.submit(filing)
    with pytest.raises(NotFoundError):
        month.submit(replace(filing, period="2025-12"))
    with pytest.raises(ContentMismatchError):
        month.submit(replace(filing, totals_sha256="0" * 64))


@pytest.mark.parametrize(
    "text",
    ["电话13812345678未接", "案件ABCDEFGHIJKLMNOPQRSTUVWXYZ有误", "身份证11010519491231002X"],
)
def test_a_text_about_one_person_or_case_is_refused(month: Month, text: str) -> None:
    filing = replace(month.filing("2026-04-13"), texts={"problems": [text]})

    with pytest.raises(PersonalDataError, match="problems"):
        month.submit(filing)


def test_a_repeated_report_is_answered_again_and_an_accepted_one_needs_its_next_revision(
    month: Month,
) -> None:
    filing = replace(month.filing("2026-04-14"), repeat_key="k1", repeat_sha256=bytes(32))
    first = month.submit(filing)

    assert month.submit(filing) == first
    with pytest.raises(IdempotencyKeyReusedError):
        month.submit(replace(filing, repeat_sha256=b"1" * 32))
    with pytest.raises(IllegalTransitionError, match="next is 2"):
        month.submit(month.filing("2026-04-14"))
    with pytest.raises(IllegalTransitionError, match="first is revision 1"):
        month.submit(replace(month.filing("2026-04-15"), revision=2))


def test_a_record_that_comes_late_reopens_its_report_as_a_revision(month: Month) -> None:
    month.submit(month.filing("2026-04-16"))
    month.run(
        "UPDATE casegate.call_record SET received_at = %s WHERE call_id ="
        " (SELECT min(call_id) FROM planned WHERE (started_at AT TIME ZONE 'Asia/Shanghai')::date"
        " = '2026-04-16')",
        NOW + timedelta(minutes=1),
    )
    month.lender.clock.at = NOW + timedelta(minutes=2)
    month.lender.office().report_sweep().keep_time()

    sent = month.desk().one(month.principal(), "2026-04-16")
    assert sent["state"] == "reopened"
    second = month.submit(replace(month.filing("2026-04-16"), revision=2))
    assert (second["state"], second["metrics"]["late_records"]) == ("accepted", 1)
    known = month.desk().one(month.principal(), "2026-04-16")
    assert [one["state"] for one in known["earlier"]] == ["superseded"]


def test_a_report_that_nobody_sent_is_missing_and_one_that_two_have_waived_is_not(
    month: Month,
) -> None:
    office = month.lender.office()
    desk = office.reports()
    proposal = desk.waive("alpha", "alpha-2026", "2026-05-06", actor="staff:li")
    assert proposal is not None
    office.scopes().approve(proposal, role=StaffRole.COMPLIANCE, actor="staff:wang")
    assert desk.waive("alpha", "alpha-2026", "2026-05-06", actor="staff:li") is None
    month.lender.clock.at = NOW + timedelta(days=4)
    office.report_sweep().keep_time()

    grid = {
        one["period"]: one["state"]
        for one in desk.grid(vendor="alpha", first=BEGIN.date(), last=date(2026, 5, 12))
    }
    assert grid["2026-05-06"] == "waived"
    assert (grid["2026-05-07"], grid["2026-05-12"]) == ("missing", "scheduled")
    assert grid["2026-05"] == "scheduled"
    missing = [
        row[0]
        for row in month.lender.query(
            "SELECT evidence ->> 'period' FROM casegate.finding"
            " WHERE rule = 'REPORT_MISSING' AND vendor_id = 'alpha'"
        )
    ]
    assert "2026-05-07" in missing
    assert "2026-05-06" not in missing
    with pytest.raises(IllegalTransitionError):
        desk.waive("alpha", "alpha-2026", "2026-05-06", actor="staff:li")


def test_every_planted_lie_is_found_once_and_nothing_else(
    postgres_url: str, tmp_path: Path
) -> None:
    month = Month.make(postgres_url, tmp_path)
    for _, plant, _, _ in PLANTED:
        plant(month)

    month.look()

    found = {
        (rule, said.get("call")) if "call" in said else (rule, None)
        for rule, said in month.findings()
    }
    expected = {(rule, call) for _, _, rule, call in PLANTED}
    assert (found - expected, expected - found) == (set(), set())
    before = len(month.findings())
    assert month.look() == 0
    assert len(month.findings()) == before
    own = month.lender.office().findings()
    assert own.findings(vendor="beta", only_open=True, after=None, limit=50) == []
