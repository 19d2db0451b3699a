"""The calendar of all contracts, read from the database."""

from datetime import datetime

import psycopg
from psycopg.rows import args_row

from gateway.reports.calendar import Owed, Sent, Term, owed_reports
from gateway.reports.periods import DueTimes
from gateway.working_days import CHINA

# Nothing is owed here for the time before a vendor could come in at all.
_TERMS = """
SELECT k.vendor_id, k.contract_id, greatest(k.starts_at, first.not_before), k.ends_at
  FROM casegate.contract k
 CROSS JOIN LATERAL (
   SELECT min(c.not_before) AS not_before FROM casegate.credential c
    WHERE c.contract_id = k.contract_id AND c.vendor_id = k.vendor_id) first
 WHERE k.starts_at < %(until)s AND k.ends_at > %(since)s AND first.not_before < %(until)s
   AND (%(vendor)s::text IS NULL OR k.vendor_id = %(vendor)s)
 ORDER BY k.vendor_id, k.contract_id
"""
# Of each period what counts: the newest accepted one, else the newest that was sent.
_SENT = """
SELECT DISTINCT ON (r.vendor_id, r.contract_id, r.period)
       r.vendor_id, r.contract_id, r.period, r.state, r.revision, first.is_late,
       EXISTS (SELECT FROM casegate.report_reopening o WHERE o.report_id = r.report_id)
  FROM casegate.report r
  LEFT JOIN casegate.report first ON first.vendor_id = r.vendor_id
       AND first.contract_id = r.contract_id AND first.period = r.period
       AND first.state = 'accepted' AND first.revision = 1
 WHERE r.period_to >= %(first)s AND r.period_from <= %(last)s
   AND (%(vendor)s::text IS NULL OR r.vendor_id = %(vendor)s)
 ORDER BY r.vendor_id, r.contract_id, r.period, r.state, r.sequence DESC
"""
_WAIVED = """
SELECT vendor_id, contract_id, period FROM casegate.report_waiver
 WHERE %(vendor)s::text IS NULL OR vendor_id = %(vendor)s
"""


def read_grid(
    connection: psycopg.Connection,
    due: DueTimes,
    *,
    vendor: str | None,
    since: datetime,
    until: datetime,
    now: datetime,
) -> list[Owed]:
    """Every report that is owed for the time from `since` to `until`, and where it stands."""
    named = {
        "vendor": vendor,
        "since": since,
        "until": until,
        "first": since.astimezone(CHINA).date(),
        "last": until.astimezone(CHINA).date(),
    }
    with connection.cursor(row_factory=args_row(Term)) as cursor:
        terms = cursor.execute(_TERMS, named).fetchall()
    sent = {
        (row[0], row[1], row[2]): Sent(row[3], row[4], bool(row[5]), row[6])
        for row in connection.execute(_SENT, named)
    }
    for row in connection.execute(_WAIVED, named):
        sent[(row[0], row[1], row[2])] = Sent(is_waived=True)
    return list(owed_reports(terms, sent, due, since=since, until=until, now=now))
