"""How many of the reports that fell due in a period were accepted by then."""

from datetime import datetime, timedelta

import psycopg

from gateway.reports.periods import DueTimes, Period, periods_between

# The longest time from a period's beginning to when its report is due: a month, its holidays.
_LONGEST = timedelta(days=62)
_ON_TIME = """
SELECT period FROM casegate.report
 WHERE vendor_id = %s AND contract_id = %s AND period = ANY(%s) AND revision = 1
   AND state = 'accepted' AND NOT is_late
"""
_WAIVED = """
SELECT period FROM casegate.report_waiver
 WHERE vendor_id = %s AND contract_id = %s AND period = ANY(%s)
"""


def count_punctual(
    connection: psycopg.Connection,
    named: tuple[str, str],
    term: tuple[datetime, datetime],
    period: Period,
    due: DueTimes,
) -> tuple[int, int]:
    """How many reports fell due from the period's first instant to its last, and were on time.

    What was waived was not due. A first revision that was accepted in time stays so, whatever is
    revised later: after the period's end the two numbers do not change but by a waiver.
    """
    since = max(period.begins - _LONGEST, term[0])
    owed = [
        one.text
        for one in periods_between(since, min(period.ends, term[1]))
        if period.begins <= due.due_at(one) < period.ends
    ]
    rows = connection.execute(_WAIVED, (*named, owed)).fetchall()
    owed = sorted(set(owed) - {row[0] for row in rows})
    rows = connection.execute(_ON_TIME, (*named, owed)).fetchall()
    return len(owed), len(rows)
