"""The clockwork's part of reports: what is missing, and what came in after it was reported on."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta

import psycopg

from audit.entry import EventType
from gateway.clock import Clock
from gateway.evidence import record_with_change
from gateway.findings.detection import raise_once
from gateway.findings.record import Fault, Severity
from gateway.reports.calendar import Owed, Standing
from gateway.reports.grid import read_grid
from gateway.reports.periods import DueTimes

_LOOK_BACK = timedelta(days=62)
_ROUND = timedelta(minutes=5)
# Records that came after a report was accepted and belong into its period, in China's days.
_LATE = """
SELECT r.report_id, r.vendor_id, r.contract_id, r.period, r.revision, late.records
  FROM casegate.report r
 CROSS JOIN LATERAL (
   SELECT count(*) AS records FROM casegate.call_record c
    WHERE c.vendor_id = r.vendor_id AND c.contract_id = r.contract_id
      AND c.started_at >= r.period_from::timestamp AT TIME ZONE 'Asia/Shanghai'
      AND c.started_at < (r.period_to + 1)::timestamp AT TIME ZONE 'Asia/Shanghai'
      AND c.received_at > r.submitted_at) late
 WHERE r.state = 'accepted' AND r.submitted_at > %s AND late.records > 0
   AND EXISTS (SELECT FROM casegate.call_record c
                WHERE c.received_at > r.submitted_at AND c.vendor_id = r.vendor_id
                  AND c.contract_id = r.contract_id)
   AND NOT EXISTS (SELECT FROM casegate.report_reopening o WHERE o.report_id = r.report_id)
   AND NOT EXISTS (SELECT FROM casegate.report l WHERE l.vendor_id = r.vendor_id
                      AND l.contract_id = r.contract_id AND l.period = r.period
                      AND l.state = 'accepted' AND l.revision > r.revision)
 LIMIT 100
"""
_REOPEN = """
INSERT INTO casegate.report_reopening (report_id, vendor_id, contract_id, reopened_at, records)
VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING
"""


@dataclass(slots=True)
class ReportSweep:
    """Fits serving.clockwork.TimeKeeper; it looks each five minutes, whoever else does."""

    connection: Callable[[], AbstractContextManager[psycopg.Connection]]
    clock: Clock
    due: DueTimes
    looked_at: datetime | None = None

    def keep_time(self) -> int:
        """Raises what is missing, reopens what is not complete any more; returns how many.

        Raises:
            DatabaseUnavailableError, psycopg.Error: what is due stays due.
        """
        now = self.clock.now()
        if self.looked_at is not None and self.looked_at <= now < self.looked_at + _ROUND:
            return 0
        with self.connection() as connection:
            done = self._reopen(connection, now) + self._raise_missing(connection, now)
        self.looked_at = now
        return done

    def next_end(self) -> datetime | None:
        """Nothing here is due to the second."""
        return None

    def _reopen(self, connection: psycopg.Connection, now: datetime) -> int:
        done = 0
        for report_id, vendor, contract, period, revision, records in connection.execute(
            _LATE, (now - _LOOK_BACK,)
        ).fetchall():
            with connection.transaction():
                row = (report_id, vendor, contract, now, records)
                if not connection.execute(_REOPEN, row).rowcount:
                    continue
                record_with_change(
                    connection,
                    EventType.REPORT_REOPENED,
                    at=now,
                    vendor=vendor,
                    contract=contract,
                    report=str(report_id),
                    period=period,
                    revision=revision,
                    records=records,
                )
            done += 1
        return done

    def _raise_missing(self, connection: psycopg.Connection, now: datetime) -> int:
        grid = read_grid(
            connection, self.due, vendor=None, since=now - _LOOK_BACK, until=now, now=now
        )
        missing = [one for one in grid if one.standing is Standing.MISSING]
        return sum(raise_once(connection, _fault(one), _subject(one), at=now) for one in missing)


def _fault(owed: Owed) -> Fault:
    evidence = {"period": owed.period.text}
    return Fault("REPORT_MISSING", Severity.MAJOR, owed.vendor_id, evidence, owed.contract_id)


def _subject(owed: Owed) -> str:
    return f"{owed.vendor_id}/{owed.contract_id}/{owed.period.text}"
