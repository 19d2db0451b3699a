"""The end of a month: the meeting about it is on record, its report is accepted, it is closed."""

import re
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import uuid4

import psycopg
from psycopg.rows import dict_row

from audit.entry import EventType
from gateway.clock import rfc3339
from gateway.errors import (
    AlreadyExistsError,
    IllegalTransitionError,
    NotFoundError,
    RequestInvalidError,
)
from gateway.evidence import record_with_change
from gateway.reports.periods import Period, ReportKind
from gateway.reports.store import newest_reports
from gateway.working_days import CHINA

_SHA256 = re.compile(r"[0-9a-f]{64}")
_MOST_ACTIONS = 1000
_MEETING = """
INSERT INTO casegate.vendor_meeting (meeting_id, vendor_id, contract_id, period, held_on,
       minutes_sha256, actions, recorded_at, recorded_by)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING
"""
_MEETINGS = """
SELECT count(*) FROM casegate.vendor_meeting
 WHERE vendor_id = %s AND contract_id = %s AND period = %s
"""
_WAIVED = """
SELECT 1 FROM casegate.report_waiver WHERE vendor_id = %s AND contract_id = %s AND period = %s
"""
_CLOSE = """
INSERT INTO casegate.closed_month (vendor_id, contract_id, period, closed_at, closed_by)
VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING
"""
_MONTHS = """
SELECT m.vendor_id, m.contract_id, m.period, count(v.meeting_id) AS meetings,
       max(v.held_on) AS held_on, coalesce(sum(v.actions), 0)::bigint AS actions,
       c.closed_at, c.closed_by
  FROM (SELECT vendor_id, contract_id, period FROM casegate.vendor_meeting
         UNION SELECT vendor_id, contract_id, period FROM casegate.closed_month) m
  LEFT JOIN casegate.vendor_meeting v USING (vendor_id, contract_id, period)
  LEFT JOIN casegate.closed_month c USING (vendor_id, contract_id, period)
 WHERE (%(vendor)s::text IS NULL OR m.vendor_id = %(vendor)s)
   AND (%(after)s = '' OR (m.period, m.vendor_id, m.contract_id) <
        (split_part(%(after)s, '/', 1), split_part(%(after)s, '/', 2),
         split_part(%(after)s, '/', 3)))
 GROUP BY m.vendor_id, m.contract_id, m.period, c.closed_at, c.closed_by
 ORDER BY m.period DESC, m.vendor_id DESC, m.contract_id DESC LIMIT %(limit)s
"""


@dataclass(frozen=True, slots=True)
class Meeting:
    """A meeting about a vendor's month; of its minutes the digest, of its actions the number."""

    vendor_id: str
    contract_id: str
    period: Period
    held_on: date
    minutes_sha256: str
    actions: int


def record_meeting(
    connection: psycopg.Connection, meeting: Meeting, *, actor: str, at: datetime
) -> dict[str, Any]:
    """Puts a meeting on record.

    Raises:
        RequestInvalidError: the period is no month, the day lies in the future or before the
            month, or the digest is none.
        NotFoundError: there is no such contract.
        AlreadyExistsError: the same minutes are on record for this month.
    """
    _verify_meeting(meeting, at)
    named = (meeting.vendor_id, meeting.contract_id, meeting.period.text)
    _verify_contract(connection, named)
    meeting_id = uuid4()
    with connection.transaction():
        digest = bytes.fromhex(meeting.minutes_sha256)
        row = (meeting_id, *named, meeting.held_on, digest, meeting.actions, at, actor)
        if not connection.execute(_MEETING, row).rowcount:
            raise AlreadyExistsError("these minutes are on record for this month")
        record_with_change(
            connection,
            EventType.MEETING_RECORDED,
            at=at,
            actor=actor,
            vendor=named[0],
            contract=named[1],
            period=named[2],
            meeting=str(meeting_id),
            held_on=meeting.held_on.isoformat(),
            minutes_sha256=meeting.minutes_sha256,
            actions=meeting.actions,
        )
    return {"meeting_id": str(meeting_id), "vendor_id": named[0], "period": named[2]}


def close_month(
    connection: psycopg.Connection,
    named: tuple[str, str],
    period: Period,
    meetings: int,
    *,
    actor: str,
    at: datetime,
) -> dict[str, Any]:
    """Closes a vendor's month for good; `meetings` is how many have to be on record.

    Raises:
        RequestInvalidError: the period is no month.
        NotFoundError: there is no such contract.
        IllegalTransitionError: a meeting lacks, the month's report is neither accepted nor waived
            or has to be revised, or the month is closed.
    """
    _verify_month(period)
    key = (*named, period.text)
    _verify_contract(connection, key)
    with connection.transaction():
        row = connection.execute(_MEETINGS, key).fetchone()
        held = 0 if row is None else int(row[0])
        if held < meetings:
            raise IllegalTransitionError(
                f"{held} of {meetings} meetings about this month are on record; record one with"
                " `casegate report meeting`"
            )
        _verify_reported(connection, key)
        if not connection.execute(_CLOSE, (*key, at, actor)).rowcount:
            raise IllegalTransitionError("the month is closed already")
        record_with_change(
            connection,
            EventType.MONTH_CLOSED,
            at=at,
            actor=actor,
            vendor=key[0],
            contract=key[1],
            period=key[2],
            meetings=held,
        )
    return {
        "vendor_id": key[0],
        "contract_id": key[1],
        "period": key[2],
        "closed_at": rfc3339(at),
    }


def list_months(
    connection: psycopg.Connection, *, vendor: str | None, after: str, limit: int
) -> list[tuple[str, dict[str, Any]]]:
    """Months that have a meeting or are closed, with their positions, newest first."""
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(
            _MONTHS, {"vendor": vendor, "after": after, "limit": limit}
        ).fetchall()
    for row in rows:
        row["held_on"] = None if row["held_on"] is None else row["held_on"].isoformat()
        row["closed_at"] = None if row["closed_at"] is None else rfc3339(row["closed_at"])
        row["state"] = "open" if row["closed_at"] is None else "closed"
    return [
        (f"{row['period']}/{row['vendor_id']}/{row['contract_id']}", dict(row)) for row in rows
    ]


def _verify_month(period: Period) -> None:
    if period.kind is not ReportKind.MONTHLY:
        raise RequestInvalidError("period: a month, as 2026-05")


def _verify_meeting(meeting: Meeting, at: datetime) -> None:
    _verify_month(meeting.period)
    if not meeting.period.first <= meeting.held_on <= at.astimezone(CHINA).date():
        raise RequestInvalidError("held_on: a day of the month or after it, and not to come")
    if not _SHA256.fullmatch(meeting.minutes_sha256):
        raise RequestInvalidError("minutes_sha256: 64 hexadecimal digits, small letters")
    if not 0 <= meeting.actions <= _MOST_ACTIONS:
        raise RequestInvalidError(f"actions: 0 to {_MOST_ACTIONS}")


def _verify_contract(connection: psycopg.Connection, named: tuple[str, str, str]) -> None:
    if not connection.execute(
        "SELECT 1 FROM casegate.contract WHERE vendor_id = %s AND contract_id = %s", named[:2]
    ).fetchone():
        raise NotFoundError("there is no such contract")


def _verify_reported(connection: psycopg.Connection, key: tuple[str, str, str]) -> None:
    if connection.execute(_WAIVED, key).fetchone() is not None:
        return
    accepted = [one for one in newest_reports(connection, *key) if one.state == "accepted"]
    if not accepted:
        raise IllegalTransitionError("the month's report is neither accepted nor waived")
    if accepted[0].is_reopened and not accepted[0].is_superseded:
        raise IllegalTransitionError(
            "records came in after the month's report; its revision is due"
        )
