"""The numbers of a report: which there are, how they are computed, when two are equal."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from gateway.reports.periods import ReportKind
from policies.contact.model import CallKind, Measure
from policies.contact.results import ResultCodes

SCHEMA_VERSION = 2
# Rates are compared to so much, in their own unit (points, per mille, seconds).
_TOLERANCE = Decimal("0.1")
_TENTH = Decimal("0.1")
_PERCENT, _PER_MILLE, _ONE = Decimal(100), Decimal(1000), Decimal(1)

COUNTS = (
    *("cases_in_hand", "cases_received", "cases_returned", "cases_worked"),
    *("dial_attempts", "connected_calls", "effective_calls", "rpc_count"),
    *("ptp_count", "ptp_amount", "repaid_amount", "repaid_cases"),
    *("complaints_received", "late_records"),
)
RATES = (
    *("coverage_rate", "connect_rate", "rpc_rate", "avg_talk_s"),
    *("complaint_rate_per_1000_cases", "recording_coverage", "recovery_rate"),
)
LISTS = ("special_requests_by_type", "refused_permits_by_code")
# From the week on.
LATER_COUNTS = ("agents_active", "open_rectifications", "overdue_rectifications", "qc_sampled")
LATER_RATES = ("agents_trained_rate", "turnover", "ptp_kept_rate", "qc_fail_rate", "on_time_rate")
# Of a month alone; the second is true or false.
MONTHLY_COUNTS = ("incidents",)
MONTHLY_FLAGS = ("data_access_review_done",)


@dataclass(frozen=True, slots=True)
class CallTally:
    """Calls that went alike, as casegate.report_calls groups them."""

    direction: str
    call_kind: str
    result_code: str
    party_reached: str | None
    calls: int
    talked_s: int
    promises: int
    promised: int
    late: int
    recorded: int


@dataclass(frozen=True, slots=True)
class Difference:
    """A number that is not what was counted; `metric` may name a line of a list, after a dot."""

    metric: str
    reported: int | float | None
    counted: int | float | None

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {"metric": self.metric, "reported": self.reported, "counted": self.counted}


def metric_names(kind: ReportKind) -> tuple[str, ...]:
    """All numbers that a report of this kind has to hold."""
    daily = (*COUNTS, *RATES, *LISTS)
    if kind is ReportKind.DAILY:
        return daily
    weekly = (*daily, *LATER_COUNTS, *LATER_RATES)
    return weekly if kind is ReportKind.WEEKLY else (*weekly, *MONTHLY_COUNTS, *MONTHLY_FLAGS)


def uncounted_results(results: ResultCodes) -> list[str]:
    """The results that are no attempt."""
    return sorted(code.code for code in results if not code.counts & Measure.ATTEMPT)


def compute_metrics(
    tallies: Iterable[CallTally],
    counts: Mapping[str, Any],
    results: ResultCodes,
    kind: ReportKind,
) -> dict[str, Any]:
    """Every number of a report, from what the database has counted.

    Money is in minor units; rates have one decimal; a rate of nothing is None, never 0.
    """
    calls = _calls(tallies, results)
    in_hand = int(counts["cases_in_hand"])
    complaints = int(counts["complaints_received"])
    metrics: dict[str, Any] = {
        "cases_in_hand": in_hand,
        "cases_received": int(counts["cases_received"]),
        "cases_returned": int(counts["cases_returned"]),
        "cases_worked": int(counts["cases_worked"]),
        **{name: calls[name] for name in ("dial_attempts", "connected_calls")},
        **{name: calls[name] for name in ("effective_calls", "rpc_count")},
        **{name: calls[name] for name in ("ptp_count", "ptp_amount", "late_records")},
        "repaid_amount": int(counts["repaid_amount"]),
        "repaid_cases": int(counts["repaid_cases"]),
        "complaints_received": complaints,
        "coverage_rate": rate(int(counts["cases_worked"]), in_hand),
        "connect_rate": rate(calls["connected_calls"], calls["dial_attempts"]),
        "rpc_rate": rate(calls["rpc_count"], calls["connected_calls"]),
        "avg_talk_s": rate(calls["talked_s"], calls["connected_calls"], _ONE),
        "complaint_rate_per_1000_cases": rate(complaints, in_hand, _PER_MILLE),
        "recording_coverage": rate(calls["recorded"], calls["connected_calls"]),
        # Of cases whose amount is known, of which all that may have been repaid is counted.
        "recovery_rate": rate(int(counts["recovered"]), int(counts["placed"])),
        **{name: {key: int(n) for key, n in sorted(counts[name].items())} for name in LISTS},
    }
    if kind is not ReportKind.DAILY:
        metrics.update({name: int(counts[name]) for name in LATER_COUNTS})
        metrics["agents_trained_rate"] = rate(counts["agents_trained"], counts["agents_active"])
        metrics["turnover"] = rate(counts["agents_left"], counts["agents_at_start"])
        metrics["ptp_kept_rate"] = rate(counts["promises_kept"], counts["promises_due"])
        metrics["qc_fail_rate"] = rate(counts["qc_failed"], counts["qc_checked"])
        metrics["on_time_rate"] = rate(counts["reports_on_time"], counts["reports_due"])
    if kind is ReportKind.MONTHLY:
        metrics.update({name: int(counts[name]) for name in MONTHLY_COUNTS})
        metrics.update({name: bool(counts[name]) for name in MONTHLY_FLAGS})
    return metrics


def rate(part: int, whole: int, unit: Decimal = _PERCENT) -> float | None:
    """A share in per cent (or another unit) with one decimal, half up; None of nothing."""
    if whole == 0:
        return None
    return float((part * unit / whole).quantize(_TENTH, ROUND_HALF_UP))


def differences(reported: Mapping[str, Any], counted: Mapping[str, Any]) -> list[Difference]:
    """Where a report is not what was counted: counts and money exactly, rates within a tenth."""
    found: list[Difference] = []
    for name, expected in counted.items():
        told = reported.get(name)
        if isinstance(expected, dict):
            lines: Mapping[str, Any] = told if isinstance(told, Mapping) else {}
            found += [
                Difference(f"{name}.{key}", lines.get(key, 0), expected.get(key, 0))
                for key in sorted(expected.keys() | lines.keys())
                if lines.get(key, 0) != expected.get(key, 0)
            ]
        elif not _is_equal(told, expected, is_rate=name in (*RATES, *LATER_RATES)):
            found.append(Difference(name, told, expected))
    return found


def _is_equal(told: float | None, expected: float | None, *, is_rate: bool) -> bool:
    if told is None or expected is None or not is_rate:
        return told == expected
    return abs(Decimal(str(told)) - Decimal(str(expected))) <= _TOLERANCE


def _calls(tallies: Iterable[CallTally], results: ResultCodes) -> dict[str, int]:
    names = (*("dial_attempts", "connected_calls", "effective_calls", "rpc_count", "talked_s"),)
    sums = dict.fromkeys((*names, "ptp_count", "ptp_amount", "late_records", "recorded"), 0)
    for tally in tallies:
        code = results.code(tally.result_code)
        measures = code.measures(CallKind(tally.call_kind))
        sums["late_records"] += tally.late
        sums["ptp_count"] += tally.promises
        sums["ptp_amount"] += tally.promised
        if tally.direction != "outbound":
            continue
        sums["dial_attempts"] += tally.calls if measures & Measure.ATTEMPT else 0
        sums["effective_calls"] += tally.calls if measures & Measure.EFFECTIVE else 0
        if code.connected != "yes":
            continue
        sums["connected_calls"] += tally.calls
        sums["talked_s"] += tally.talked_s
        sums["recorded"] += tally.recorded
        is_self = code.party == "self" or (code.party == "any" and tally.party_reached == "self")
        sums["rpc_count"] += tally.calls if is_self else 0
    return sums
