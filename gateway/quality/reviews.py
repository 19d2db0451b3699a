"""Access reviews: somebody has gone through who of a vendor may come in, once a month."""

from datetime import datetime

import psycopg
from psycopg.rows import dict_row

from audit.entry import EventType
from gateway.errors import AlreadyExistsError, RequestInvalidError
from gateway.evidence import record_with_change
from gateway.quality.checks import plain, verify_contract
from gateway.reports.periods import Period, ReportKind

# What there was to go through, counted at that moment.
_INSERT = """
INSERT INTO casegate.access_review
       (vendor_id, contract_id, period, credentials, agents, reviewed_at, reviewed_by)
SELECT %(vendor)s, %(contract)s, %(period)s,
       (SELECT count(*) FROM casegate.credential c WHERE c.vendor_id = %(vendor)s
           AND c.contract_id = %(contract)s AND c.status = 'active' AND c.not_after > %(at)s),
       (SELECT count(*) FROM casegate.agent a WHERE a.vendor_id = %(vendor)s
           AND a.contract_id = %(contract)s AND a.status = 'qualified'), %(at)s, %(actor)s
ON CONFLICT DO NOTHING
"""
_LISTED = """
SELECT vendor_id, contract_id, period, credentials, agents, reviewed_at, reviewed_by
  FROM casegate.access_review
 WHERE (%(vendor)s::text IS NULL OR vendor_id = %(vendor)s)
   AND (%(after)s = '' OR (period, vendor_id, contract_id) <
        (split_part(%(after)s, '/', 1), split_part(%(after)s, '/', 2),
         split_part(%(after)s, '/', 3)))
 ORDER BY period DESC, vendor_id DESC, contract_id DESC LIMIT %(limit)s
"""


def record_review(
    connection: psycopg.Connection,
    named: tuple[str, str],
    period: Period,
    *,
    actor: str,
    at: datetime,
) -> dict[str, object]:
    """Puts on record that access was gone through for a month that has begun.

    Raises:
        RequestInvalidError: the period is no month, or it has not begun.
        NotFoundError: there is no such contract.
        AlreadyExistsError: the month has its review.
    """
    if period.kind is not ReportKind.MONTHLY or at < period.begins:
        raise RequestInvalidError("period: a month that has begun, as 2026-05")
    verify_contract(connection, *named)
    with connection.transaction():
        given = {"vendor": named[0], "contract": named[1], "period": period.text}
        if not connection.execute(_INSERT, {**given, "at": at, "actor": actor}).rowcount:
            raise AlreadyExistsError("the review of this month is on record")
        found = list_reviews(connection, vendor=named[0], after="", limit=1000)
        made = next(
            one
            for _place, one in found
            if (one["contract_id"], one["period"]) == (named[1], period.text)
        )
        record_with_change(
            connection,
            EventType.REVIEW_RECORDED,
            at=at,
            actor=actor,
            **given,
            credentials=int(str(made["credentials"])),
            agents=int(str(made["agents"])),
        )
    return made


def list_reviews(
    connection: psycopg.Connection, *, vendor: str | None, after: str, limit: int
) -> list[tuple[str, dict[str, object]]]:
    """Reviews with their positions, newest month first."""
    named = {"vendor": vendor, "after": after, "limit": limit}
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(_LISTED, named).fetchall()
    return [
        (f"{row['period']}/{row['vendor_id']}/{row['contract_id']}", plain(row)) for row in rows
    ]
