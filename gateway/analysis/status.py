"""How far the analysis of notes has come, in numbers alone."""

from collections.abc import Collection
from dataclasses import asdict, dataclass
from typing import Any

import psycopg
from psycopg.rows import dict_row

_COUNTS = """
SELECT count(*) FILTER (WHERE n.state = 'pending' AND n.vendor_id = ANY(%(vendors)s)) AS pending,
       count(*) FILTER (WHERE n.state = 'pending' AND n.rendered_by IS NOT NULL
                          AND n.vendor_id = ANY(%(vendors)s)) AS renewing,
       count(*) FILTER (WHERE n.is_withheld IS FALSE) AS ready,
       count(*) FILTER (WHERE n.is_withheld) AS withheld,
       count(*) FILTER (WHERE n.state = 'failed') AS failed,
       count(*) FILTER (WHERE n.rendered_by <> %(digest)s) AS outdated,
       count(*) FILTER (WHERE n.state = 'pending'
                          AND NOT coalesce(n.vendor_id = ANY(%(vendors)s), false)) AS resting
  FROM casegate.case_note n
"""
_REASONS = """
SELECT state, reason, count(*) FROM casegate.case_note
 WHERE reason IS NOT NULL AND state <> 'pending' GROUP BY state, reason ORDER BY reason
"""


@dataclass(frozen=True, slots=True)
class AnalysisStatus:
    """Numbers of cases with notes.

    `pending` wait for the worker, `renewing` of them have an older rendition that serves
    meanwhile; `ready` and `withheld` have a rendition; `failed` were given up, by `reasons`;
    `unread` of the withheld hung their analyser (`timed_out`) or killed it (`analyser_died`)
    twice; `outdated` have a rendition of other recognizers than `recognizers`; `resting` are not
    opened, since no policy in force releases their vendor's notes.
    """

    pending: int
    renewing: int
    ready: int
    withheld: int
    failed: int
    outdated: int
    resting: int
    reasons: dict[str, int]
    unread: dict[str, int]
    recognizers: str

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)


def read_status(
    connection: psycopg.Connection, digest: str, vendors: Collection[str]
) -> AnalysisStatus:
    """Counts, for recognizers of this digest and the vendors whose notes are released."""
    named = {"digest": digest, "vendors": list(vendors)}
    reasons: dict[str, int] = {}
    unread: dict[str, int] = {}
    for state, reason, count in connection.execute(_REASONS):
        (reasons if state == "failed" else unread)[reason] = count
    with connection.cursor(row_factory=dict_row) as cursor:
        counts = cursor.execute(_COUNTS, named).fetchone()
    assert counts is not None
    return AnalysisStatus(**counts, reasons=reasons, unread=unread, recognizers=digest)
