"""What the company is told while a destruction certificate is awaited: asked, soon, late."""

from dataclasses import dataclass
from datetime import date, datetime

import psycopg
from psycopg.rows import args_row

from audit.entry import EventType
from gateway.errors import RequestInvalidError
from gateway.evidence import record_with_change
from gateway.working_days import CHINA, last_day, working_days_left

ASKED, THREE_DAYS, ONE_DAY, OVERDUE = "asked", "three-days", "one-day", "overdue"
REMINDER = "service:clockwork"
_AWAITED = """
SELECT o.contract_id, o.vendor_id, o.due_at FROM casegate.offboarding o
 WHERE o.step = 'requested' AND NOT EXISTS (
   SELECT FROM casegate.destruction_certificate d
    WHERE d.contract_id = o.contract_id AND d.status <> 'contested')
 ORDER BY o.due_at, o.contract_id
"""
MAX_PAGE = 200
_OUTBOX = """
SELECT n.notice_id, n.contract_id, o.vendor_id, n.kind, n.day, o.due_at, n.noted_at
  FROM casegate.offboarding_notice n JOIN casegate.offboarding o USING (contract_id)
 WHERE %(after)s::bigint IS NULL OR n.notice_id < %(after)s
 ORDER BY n.notice_id DESC LIMIT %(limit)s
"""
_NOTE = """
INSERT INTO casegate.offboarding_notice (contract_id, kind, day, noted_at) VALUES (%s, %s, %s, %s)
ON CONFLICT DO NOTHING
"""


@dataclass(frozen=True, slots=True)
class Notice:
    """That a deadline was told: `day` is the deadline's, of `overdue` the day itself."""

    kind: str
    day: date
    noted_at: datetime


def remind(connection: psycopg.Connection, at: datetime) -> int:
    """Notes every reminder and escalation that is due now; returns how many were new.

    Three and one working days before the deadline, then on each day after it until a certificate
    is there. Several hosts may do so at once: each notice is made once.
    """
    made = 0
    today = at.astimezone(CHINA).date()
    for contract_id, vendor_id, due_at in connection.execute(_AWAITED).fetchall():
        found = notice_due(today, last_day(due_at))
        if found is not None:
            kind, day = found
            with connection.transaction():
                made += note(connection, vendor_id, contract_id, kind=kind, day=day, at=at)
    return made


def notice_due(today: date, due: date) -> tuple[str, date] | None:
    """The notice of a day and the day that it is kept under; None while there is time."""
    if today > due:
        return OVERDUE, today
    left = working_days_left(today, due)
    if left <= 1:
        return ONE_DAY, due
    return (THREE_DAYS, due) if left <= 3 else None  # noqa: PLR2004  # the word says it


def note(
    connection: psycopg.Connection,
    vendor_id: str,
    contract_id: str,
    *,
    kind: str,
    day: date,
    at: datetime,
) -> bool:
    """Makes a notice with its entry, in the caller's transaction; False when it is there."""
    if not connection.execute(_NOTE, (contract_id, kind, day, at)).rowcount:
        return False
    record_with_change(
        connection,
        EventType.OFFBOARDING_ADVANCED,
        at=at,
        actor=REMINDER,
        vendor=vendor_id,
        contract=contract_id,
        notice=kind,
        day=day.isoformat(),
    )
    return True


@dataclass(frozen=True, slots=True)
class OutboxNotice:
    """A notice among those of all contracts; `notice_id` grows in the order of making."""

    notice_id: int
    contract_id: str
    vendor_id: str
    kind: str
    day: date
    due_at: datetime
    noted_at: datetime


def list_notices(
    connection: psycopg.Connection, *, after: int | None = None, limit: int = 50
) -> list[OutboxNotice]:
    """A page of the notices of all contracts, the newest first.

    Raises:
        RequestInvalidError: the page is too large.
    """
    if not 1 <= limit <= MAX_PAGE:
        raise RequestInvalidError(f"limit is between 1 and {MAX_PAGE}")
    with connection.cursor(row_factory=args_row(OutboxNotice)) as cursor:
        return cursor.execute(_OUTBOX, {"after": after, "limit": limit}).fetchall()


def notices_of(connection: psycopg.Connection, contract_id: str) -> list[Notice]:
    """All notices of a contract's end, the oldest first."""
    with connection.cursor(row_factory=args_row(Notice)) as cursor:
        return cursor.execute(
            "SELECT kind, day, noted_at FROM casegate.offboarding_notice WHERE contract_id = %s"
            " ORDER BY noted_at, day, kind",
            (contract_id,),
        ).fetchall()
