"""The queue of notes in PostgreSQL: taken in batches, given back by themselves when a taker dies.

Who takes notes holds an advisory lock of the session for as long as it lives. A note whose taker
holds none any more is free, at once and without any clock.
"""

import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString
from uuid import UUID

import psycopg
from psycopg.rows import args_row

from gateway.cases.notes import NoteKey

MAX_ATTEMPTS = 3
REQUEUE_ROWS = 5_000
WORKER_DIED = "worker_died"
_LOCK_CLASS = 7310211  # as in casegate.is_taken
_MAX_TAKER = 2**31 - 1

_TAKE: LiteralString = """
WITH taken AS (
  SELECT n.case_id FROM casegate.case_note n
   WHERE n.state = 'pending' AND n.vendor_id = ANY(%(vendors)s) AND {tried}
     AND NOT casegate.is_taken(n.taken_by)
   ORDER BY n.place LIMIT %(wanted)s FOR UPDATE OF n SKIP LOCKED)
UPDATE casegate.case_note n SET taken_by = %(taker)s, attempts = n.attempts + 1
  FROM taken JOIN casegate.case_record r ON r.case_id = taken.case_id
 WHERE n.case_id = taken.case_id AND r.sealed_notes IS NOT NULL
RETURNING n.case_id, r.kek_id, r.wrapped_key, r.sealed, r.sealed_notes, n.reason
"""
_TAKE_FRESH = _TAKE.format(tried="n.attempts = 0")
# One alone: if it is the one that kills its analyser, no other note pays for it.
_TAKE_TRIED = _TAKE.format(tried="n.attempts BETWEEN 1 AND %(most)s - 1")
_GIVE_UP = """
UPDATE casegate.case_note n SET state = 'failed', reason = %s, tried_by = %s, taken_by = NULL
 WHERE n.state = 'pending' AND n.attempts >= %s AND NOT casegate.is_taken(n.taken_by)
"""
_FINISH = """
UPDATE casegate.case_note
   SET state = 'done', reason = %(reason)s, taken_by = NULL, attempts = 0, tried_by = %(digest)s,
       rendered_by = %(digest)s, is_withheld = %(withheld)s, sealed_spans = %(spans)s
 WHERE case_id = %(case)s AND taken_by = %(taker)s
"""
_GIVE_BACK = """
UPDATE casegate.case_note
   SET state = CASE WHEN attempts >= %(most)s THEN 'failed' ELSE 'pending' END,
       reason = %(reason)s, taken_by = NULL, tried_by = %(digest)s, place = DEFAULT
 WHERE case_id = %(case)s AND taken_by = %(taker)s
"""
_REQUEUE = """
UPDATE casegate.case_note n
   SET state = 'pending', attempts = 0, reason = NULL, taken_by = NULL, place = DEFAULT
  FROM (SELECT o.case_id FROM casegate.case_note o WHERE o.state <> 'pending' AND {which}
         LIMIT %(rows)s FOR UPDATE SKIP LOCKED) old
 WHERE n.case_id = old.case_id
"""
_REQUEUE_OUTDATED = _REQUEUE.format(
    which="(o.tried_by < %(digest)s OR o.tried_by > %(digest)s) AND o.vendor_id = ANY(%(vendors)s)"
)
_REQUEUE_FAILED = _REQUEUE.format(which="o.reason IS NOT NULL")
_IS_WORK = """
SELECT EXISTS (SELECT 1 FROM casegate.case_note n
                WHERE n.state = 'pending' AND n.vendor_id = ANY(%(vendors)s)
                  AND NOT casegate.is_taken(n.taken_by)),
       EXISTS (SELECT 1 FROM casegate.case_note n WHERE n.state <> 'pending'
                  AND (n.tried_by < %(digest)s OR n.tried_by > %(digest)s)
                  AND n.vendor_id = ANY(%(vendors)s))
   AND NOT EXISTS (SELECT 1 FROM casegate.recognizers r JOIN casegate.recognizers newer
                       ON newer.adopted_at > r.adopted_at WHERE r.digest = %(digest)s)
"""
_ADOPT = """
INSERT INTO casegate.recognizers (digest, adopted_at)
SELECT %(digest)s, greatest(%(at)s, (SELECT max(adopted_at) + interval '1 us'
                                       FROM casegate.recognizers))
ON CONFLICT (digest) DO NOTHING
"""
_NEWEST = "SELECT digest FROM casegate.recognizers ORDER BY adopted_at DESC LIMIT 1"


@dataclass(frozen=True, slots=True)
class TakenNote:
    """A note that this taker has until it is finished, given back, or its session ends.

    `reason` is why an earlier attempt failed, None for none.
    """

    case_id: UUID
    kek_id: str
    wrapped_key: bytes
    sealed: bytes
    sealed_notes: bytes
    reason: str | None

    @property
    def key(self) -> NoteKey:
        """What opens it."""
        return NoteKey(self.case_id, self.kek_id, self.wrapped_key)


class NoteQueue:
    """One taker's way to the queue, on a connection that stays its own."""

    def __init__(self, connection: psycopg.Connection, digest: str) -> None:
        """Takes a connection in autocommit and the digest of the taker's recognizers."""
        self._connection = connection
        self._digest = digest
        self._taker = secrets.randbelow(_MAX_TAKER) + 1
        connection.execute("SELECT pg_advisory_lock(%s, %s)", (_LOCK_CLASS, self._taker))

    def take(self, vendors: Collection[str], wanted: int) -> list[TakenNote]:
        """Up to `wanted` notes that nobody has tried, else a single one that somebody has.

        A note is counted as tried now, so that one that kills its analyser is given up in the
        end.
        """
        named = {
            "vendors": list(vendors),
            "wanted": wanted,
            "taker": self._taker,
            "most": MAX_ATTEMPTS,
        }
        taken = self._take(_TAKE_FRESH, named)
        if taken:
            return taken
        self._connection.execute(_GIVE_UP, (WORKER_DIED, self._digest, MAX_ATTEMPTS))
        return self._take(_TAKE_TRIED, named | {"wanted": 1})

    def finish(
        self, note: TakenNote, sealed_spans: bytes | None, *, reason: str | None = None
    ) -> bool:
        """Stores a rendition, None for a withheld note; `reason` where it was never read through.

        False when the case has changed or gone meanwhile: the result is void.
        """
        return self._change(
            _FINISH, note, withheld=sealed_spans is None, spans=sealed_spans, reason=reason
        )

    def give_back(self, note: TakenNote, reason: str) -> bool:
        """Notes a failure by a word that holds no text; the last attempt makes it final."""
        return self._change(_GIVE_BACK, note, reason=reason)

    def _take(self, query: LiteralString, named: dict[str, object]) -> list[TakenNote]:
        with self._connection.cursor(row_factory=args_row(TakenNote), binary=True) as cursor:
            return cursor.execute(query, named).fetchall()

    def _change(self, query: LiteralString, note: TakenNote, **values: object) -> bool:
        named = {
            "case": note.case_id,
            "taker": self._taker,
            "digest": self._digest,
            "most": MAX_ATTEMPTS,
            **values,
        }
        return bool(self._connection.execute(query, named).rowcount)


def adopt(connection: psycopg.Connection, digest: str, at: datetime) -> bool:
    """Makes unknown recognizers this installation's newest; whether these are the newest now.

    A host that runs an earlier version for a while analyses what is new, and queues nothing again
    that a newer version has done.
    """
    connection.execute(_ADOPT, {"digest": digest, "at": at})
    row = connection.execute(_NEWEST).fetchone()
    return row is not None and row[0] == digest


def requeue_outdated(connection: psycopg.Connection, digest: str, vendors: Collection[str]) -> int:
    """Queues up to REQUEUE_ROWS notes again that other recognizers saw; their renditions stay."""
    named = {"digest": digest, "vendors": list(vendors), "rows": REQUEUE_ROWS}
    return connection.execute(_REQUEUE_OUTDATED, named).rowcount


def retry_failed(connection: psycopg.Connection) -> int:
    """Queues again all notes that failed or were never read through; returns how many."""
    queued = 0
    while done := connection.execute(_REQUEUE_FAILED, {"rows": REQUEUE_ROWS}).rowcount:
        queued += done
    return queued


def is_work(connection: psycopg.Connection, digest: str, vendors: Collection[str]) -> bool:
    """Whether a taker would find anything: what waits, and what earlier recognizers saw.

    Looks into indexes only.
    """
    named = {"digest": digest, "vendors": list(vendors)}
    row = connection.execute(_IS_WORK, named).fetchone()
    return row is not None and any(row)
