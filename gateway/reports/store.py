"""Reports on record: what was counted of a period, what was sent, which revision stands."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import args_row

from gateway.clock import rfc3339
from gateway.reports.metrics import CallTally, compute_metrics, uncounted_results
from gateway.reports.periods import Period
from policies.contact.results import ResultCodes

_CALLS = "SELECT * FROM casegate.report_calls(%s, %s, %s, %s, %s)"
_COUNTS = """
SELECT casegate.report_counts(%(vendor)s, %(contract)s, %(since)s, %(until)s, %(uncounted)s)
    || casegate.report_quality(%(vendor)s, %(contract)s, %(since)s, %(until)s)
"""
_COLUMNS = """
SELECT sequence, report_id, vendor_id, contract_id, kind, period, revision, schema_version, state,
       due_at, submitted_at, is_late, prepared_by, metrics, texts, differences, totals_sha256,
       EXISTS (SELECT FROM casegate.report_reopening o WHERE o.report_id = r.report_id),
       EXISTS (SELECT FROM casegate.report l
                WHERE l.vendor_id = r.vendor_id AND l.contract_id = r.contract_id
                  AND l.period = r.period AND l.state = 'accepted' AND l.revision > r.revision)
  FROM casegate.report r
"""


@dataclass(frozen=True, slots=True)
class Report:
    """What was sent for a period, and how it was taken.

    `state` is accepted or rejected; an accepted one may have been reopened by what came late, and
    superseded by a later revision.
    """

    sequence: int
    report_id: UUID
    vendor_id: str
    contract_id: str
    kind: str
    period: str
    revision: int
    schema_version: int
    state: str
    due_at: datetime
    submitted_at: datetime
    is_late: bool
    prepared_by: str
    metrics: Mapping[str, Any]
    texts: Mapping[str, Any]
    differences: list[dict[str, Any]]
    totals_sha256: bytes
    is_reopened: bool
    is_superseded: bool

    @property
    def standing(self) -> str:
        """accepted, rejected, reopened (a revision is due) or superseded."""
        if self.is_superseded and self.state == "accepted":
            return "superseded"
        return "reopened" if self.is_reopened else self.state

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "report_id": str(self.report_id),
            "vendor_id": self.vendor_id,
            "contract_id": self.contract_id,
            "kind": self.kind,
            "period": self.period,
            "revision": self.revision,
            "schema_version": self.schema_version,
            "state": self.standing,
            "due_at": rfc3339(self.due_at),
            "submitted_at": rfc3339(self.submitted_at),
            "is_late": self.is_late,
            "prepared_by": self.prepared_by,
            "metrics": dict(self.metrics),
            **self.texts,
            "differences": self.differences,
            "totals_sha256": bytes(self.totals_sha256).hex(),
        }


def count_period(
    connection: psycopg.Connection,
    vendor_id: str,
    contract_id: str,
    period: Period,
    *,
    results: ResultCodes,
    grace: timedelta,
    punctual: tuple[int, int],
) -> dict[str, Any]:
    """Every number of a period, from records, permits, refusals, requests and ledger as of now.

    `grace` is how long after a call its record may come without being late; `punctual` are the
    reports that fell due in the period and those of them that were on time.
    """
    within = (vendor_id, contract_id, period.begins, period.ends)
    with connection.cursor(row_factory=args_row(CallTally)) as cursor:
        tallies = cursor.execute(_CALLS, (*within, grace)).fetchall()
    named = {
        "vendor": vendor_id,
        "contract": contract_id,
        "since": period.begins,
        "until": period.ends,
        "uncounted": uncounted_results(results),
    }
    row = connection.execute(_COUNTS, named).fetchone()
    assert row is not None
    counts = {**row[0], "reports_due": punctual[0], "reports_on_time": punctual[1]}
    return compute_metrics(tallies, counts, results, period.kind)


def newest_reports(
    connection: psycopg.Connection, vendor_id: str, contract_id: str, period: str
) -> list[Report]:
    """All that was sent for a period, newest first."""
    with connection.cursor(row_factory=args_row(Report)) as cursor:
        return cursor.execute(
            _COLUMNS + " WHERE vendor_id = %s AND contract_id = %s AND period = %s"
            " ORDER BY sequence DESC",
            (vendor_id, contract_id, period),
        ).fetchall()


def report_page(
    connection: psycopg.Connection,
    *,
    vendor_id: str | None,
    contract_id: str | None = None,
    before: int | None,
    limit: int,
) -> list[Report]:
    """Reports, newest first, of sequences below `before`."""
    with connection.cursor(row_factory=args_row(Report)) as cursor:
        return cursor.execute(
            _COLUMNS + " WHERE (%(vendor)s::text IS NULL OR vendor_id = %(vendor)s)"
            " AND (%(contract)s::text IS NULL OR contract_id = %(contract)s)"
            " AND (%(before)s::bigint IS NULL OR sequence < %(before)s)"
            " ORDER BY sequence DESC LIMIT %(limit)s",
            {"vendor": vendor_id, "contract": contract_id, "before": before, "limit": limit},
        ).fetchall()


def repeated_report(
    connection: psycopg.Connection, vendor_id: str, contract_id: str, repeat_key: str
) -> tuple[Report, bytes] | None:
    """The report that an idempotency key was used for, with the digest of that request."""
    row = connection.execute(
        "SELECT period, report_id, repeat_sha256 FROM casegate.report"
        " WHERE vendor_id = %s AND contract_id = %s AND repeat_key = %s",
        (vendor_id, contract_id, repeat_key),
    ).fetchone()
    if row is None:
        return None
    found = newest_reports(connection, vendor_id, contract_id, row[0])
    return next(one for one in found if one.report_id == row[1]), bytes(row[2])
