"""The clockwork's part of recordings: what ran out of time, what is due to be erased, compared."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from uuid import UUID

import psycopg

from audit.entry import EventType
from gateway.clock import Clock
from gateway.evidence import record_with_change
from gateway.intake.recording_store import RecordingStore, remove_incoming
from gateway.intake.recordings import TOLERANCE_SECONDS, note_findings

_BATCH = 200
# By the reason: which recordings are due.
_DUE = {
    "expired": "state IN ('expected', 'receiving') AND expires_at <= %(now)s",
    # The longer of what was told when it came and what the company's parameter says now; and not
    # while a complaint that asked for the call is open.
    "retention": """
state = 'verified' AND NOT legal_hold AND retention_until <= %(now)s
   AND ended_at + make_interval(years => %(years)s) <= %(now)s
   AND NOT EXISTS (SELECT FROM casegate.affair f
                    WHERE f.kind = 'complaint' AND f.state NOT IN ('closed', 'withdrawn')
                      AND f.vendor_id = recording.vendor_id
                      AND f.contract_id = recording.contract_id
                      AND f.call_ids @> ARRAY[recording.call_id])""",
}
_ERASE = """
UPDATE casegate.recording
   SET state = 'erased', erased_at = %(now)s, erased_why = %(why)s, wrapped_key = NULL
 WHERE recording_id IN (SELECT recording_id FROM casegate.recording WHERE {due}
                         ORDER BY sequence LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
RETURNING recording_id, vendor_id, contract_id
"""
_COMPARABLE = """
SELECT r.recording_id, r.vendor_id, r.contract_id
  FROM casegate.recording r JOIN casegate.call_record c USING (vendor_id, contract_id, call_id)
 WHERE r.state = 'verified' AND r.compared_at IS NULL ORDER BY r.sequence LIMIT %s
"""
_COMPARE = "SELECT * FROM casegate.compare_recording(%s, %s, %s)"
_LEFT_OVER = """
SELECT recording_id FROM casegate.recording
 WHERE state IN ('mismatch', 'erased') AND removed_at IS NULL ORDER BY sequence LIMIT %s
"""
_REMOVED = "UPDATE casegate.recording SET removed_at = %s WHERE recording_id = %s"


@dataclass(frozen=True, slots=True)
class RecordingSweep:
    """Fits serving.clockwork.TimeKeeper; two hosts that sweep at a time do no harm."""

    connection: Callable[[], AbstractContextManager[psycopg.Connection]]
    clock: Clock
    store: Callable[[], RecordingStore]
    directory: Path
    retention_years: int = 5

    def keep_time(self) -> int:
        """Erases what is due, compares lengths, removes content without a key; returns how many.

        The key goes first, in a transaction with its entry: what is left of the content opens no
        more. A legal hold keeps a recording whatever its time.

        Raises:
            DatabaseUnavailableError, psycopg.Error: what is due stays due.
        """
        at = self.clock.now()
        with self.connection() as connection:
            done = sum(_erase(connection, why, self.retention_years, at) for why in _DUE)
            done += _compare(connection, at)
            done += self._remove(connection, at)
        return done

    def next_end(self) -> datetime | None:
        """Nothing here is due to the second."""
        return None

    def _remove(self, connection: psycopg.Connection, at: datetime) -> int:
        found = connection.execute(_LEFT_OVER, (_BATCH,)).fetchall()
        if not found:
            return 0
        store = self.store()
        for (recording_id,) in found:
            store.remove(recording_id)
            remove_incoming(self.directory, recording_id)
            connection.execute(_REMOVED, (at, recording_id))
        return len(found)


def _erase(connection: psycopg.Connection, why: str, years: int, at: datetime) -> int:
    query = _ERASE.format(due=_DUE[why]).encode()
    with connection.transaction():
        rows: list[tuple[UUID, str, str]] = connection.execute(
            query, {"now": at, "why": why, "years": years, "limit": _BATCH}
        ).fetchall()
        for recording_id, vendor_id, contract_id in rows:
            record_with_change(
                connection,
                EventType.RECORDING_ERASED,
                at=at,
                vendor=vendor_id,
                contract=contract_id,
                recording=str(recording_id),
                why=why,
            )
    return len(rows)


def _compare(connection: psycopg.Connection, at: datetime) -> int:
    found = connection.execute(_COMPARABLE, (_BATCH,)).fetchall()
    for recording_id, vendor_id, contract_id in found:
        with connection.transaction():
            raised = connection.execute(_COMPARE, (recording_id, TOLERANCE_SECONDS, at)).fetchall()
            note_findings(
                connection,
                [(row[0], row[1], row[2], row[3]) for row in raised],
                vendor_id=vendor_id,
                contract_id=contract_id,
                evidence={},
                at=at,
            )
    return len(found)
