"""Where each owed report stands: scheduled, open, due soon, late, missing, accepted, waived."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from gateway.clock import rfc3339
from gateway.reports.periods import DueTimes, Period, missing_at, periods_between

# So long before the end of its time a report is due soon.
_SOON = {"daily": timedelta(hours=2), "weekly": timedelta(hours=4), "monthly": timedelta(days=1)}


class Standing(StrEnum):
    """States of a report that is owed."""

    SCHEDULED = "scheduled"
    OPEN = "open"
    DUE_SOON = "due_soon"
    REJECTED = "rejected"
    LATE = "late"
    MISSING = "missing"
    ACCEPTED = "accepted"
    ACCEPTED_LATE = "accepted_late"
    REOPENED = "reopened"
    WAIVED = "waived"


@dataclass(frozen=True, slots=True)
class Sent:
    """What is known of a period: the newest report's state and revision, and whether waived."""

    state: str | None = None
    revision: int = 0
    is_late: bool = False
    is_reopened: bool = False
    is_waived: bool = False


@dataclass(frozen=True, slots=True)
class Owed:
    """One field of the grid."""

    vendor_id: str
    contract_id: str
    period: Period
    due_at: datetime
    standing: Standing
    revision: int

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "vendor_id": self.vendor_id,
            "contract_id": self.contract_id,
            "kind": self.period.kind.value,
            "period": self.period.text,
            "due_at": rfc3339(self.due_at),
            "state": self.standing.value,
            "revision": self.revision,
        }


@dataclass(frozen=True, slots=True)
class Term:
    """A contract and when it runs; a suspended vendor owes its reports all the same."""

    vendor_id: str
    contract_id: str
    starts_at: datetime
    ends_at: datetime


def standing_of(period: Period, sent: Sent, due_at: datetime, now: datetime) -> Standing:
    """The state of one report; a rejected one does not stop its clock."""
    if sent.is_waived:
        return Standing.WAIVED
    if sent.state == "accepted":
        if sent.is_reopened:
            return Standing.REOPENED
        return Standing.ACCEPTED_LATE if sent.is_late else Standing.ACCEPTED
    if now > due_at:
        return Standing.MISSING if now > missing_at(due_at) else Standing.LATE
    return _before_due(period, sent, due_at, now)


def _before_due(period: Period, sent: Sent, due_at: datetime, now: datetime) -> Standing:
    if now < period.ends:
        return Standing.SCHEDULED
    if sent.state == "rejected":
        return Standing.REJECTED
    return Standing.DUE_SOON if now >= due_at - _SOON[period.kind.value] else Standing.OPEN


def owed_reports(
    terms: Iterable[Term],
    sent: dict[tuple[str, str, str], Sent],
    due: DueTimes,
    *,
    since: datetime,
    until: datetime,
    now: datetime,
) -> Iterator[Owed]:
    """Every report that is owed for a stretch of time; `sent` by vendor, contract and period."""
    for term in terms:
        begin, end = max(since, term.starts_at), min(until, term.ends_at)
        for period in periods_between(begin, end):
            known = sent.get((term.vendor_id, term.contract_id, period.text), Sent())
            due_at = due.due_at(period)
            standing = standing_of(period, known, due_at, now)
            yield Owed(term.vendor_id, term.contract_id, period, due_at, standing, known.revision)
