"""Re-wraps the keys of all cases and recordings by the present key-encryption key, in use.

No case is opened. Each batch is a transaction of its own: a run that was killed is run again and
finds what is left.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import psycopg

from audit.entry import EventType
from gateway.evidence import record_with_change
from keys.envelope import rewrap
from keys.errors import KeyRotationError
from keys.kek import KeyRing

BATCH = 500
_LOCK = 7310203
_MAX_PASSES = 5
_NOWHERE = UUID(int=0)

# What hangs on a key-encryption key: a case, and a recording until its key is destroyed.
_KINDS = (("case_record", "case_id"), ("recording", "recording_id"))
_LEFT = """
SELECT (SELECT count(*) FROM casegate.case_record WHERE kek_id <> %(key)s)
     + (SELECT count(*) FROM casegate.recording
         WHERE kek_id <> %(key)s AND wrapped_key IS NOT NULL)
"""
_USING = _LEFT.replace("<>", "=")
_BATCH = """
SELECT {id}, kek_id, wrapped_key FROM casegate.{table}
 WHERE kek_id <> %s AND {id} > %s AND wrapped_key IS NOT NULL ORDER BY {id} LIMIT %s FOR UPDATE
"""
# A row that an import or an erasure holds is left for the next pass.
_FREE_BATCH = _BATCH + " SKIP LOCKED"
_SET = """
UPDATE casegate.{table} r SET kek_id = %s, wrapped_key = n.wrapped
  FROM unnest(%s::uuid[], %s::bytea[], %s::bytea[]) AS n (id, was, wrapped)
 WHERE r.{id} = n.id AND r.wrapped_key = n.was
"""

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Rewrapping:
    """What a run did, to cases and recordings; `left` hang on another key still: 0, or run it."""

    key_id: str
    cases: int
    left: int
    log_index: int

    def document(self) -> dict[str, str | int]:
        """As JSON."""
        return {
            "key": self.key_id,
            "cases": self.cases,
            "left": self.left,
            "log_index": self.log_index,
        }


def rewrap_cases(
    connection: psycopg.Connection,
    ring: KeyRing,
    *,
    actor: str,
    at: datetime,
    progress: Progress = lambda _done, _total: None,
    batch: int = BATCH,
) -> Rewrapping:
    """Wraps every key of a case or recording by the ring's first; `progress` hears done and all.

    Raises:
        KeyRotationError: another run is under way.
        EnvelopeError: a case's key was wrapped by a key that is not in the ring.
    """
    row = connection.execute("SELECT pg_try_advisory_lock(%s)", (_LOCK,)).fetchone()
    assert row is not None
    if not row[0]:
        raise KeyRotationError("case keys are being re-wrapped already; wait for that run")
    try:
        total = left = _count(connection, _LEFT, ring.kek_id)
        done = 0
        for number in range(_MAX_PASSES):
            if not left:
                break
            select = _FREE_BATCH if number == 0 else _BATCH
            for kind in _KINDS:
                after: UUID | None = _NOWHERE
                while after is not None:
                    after, changed = _step(connection, ring, (select, *kind), after, batch)
                    done += changed
                    progress(done, max(total, done))
            left = _count(connection, _LEFT, ring.kek_id)
        with connection.transaction():
            index = record_with_change(
                connection,
                EventType.KEY_ROTATED,
                at=at,
                actor=actor,
                key="kek",
                key_id=ring.kek_id,
                rewrapped=done,
                left=left,
            )
    finally:
        connection.execute("SELECT pg_advisory_unlock(%s)", (_LOCK,))
    return Rewrapping(ring.kek_id, done, left, index)


def count_wrapped(connection: psycopg.Connection, kek_id: str) -> int:
    """How many cases and recordings hang on a key-encryption key."""
    return _count(connection, _USING, kek_id)


def _step(
    connection: psycopg.Connection,
    ring: KeyRing,
    kind: tuple[str, str, str],
    after: UUID,
    batch: int,
) -> tuple[UUID | None, int]:
    """One batch: where it ended (None at the end of the table), and how many keys it changed.

    `kind`: the statement that selects, the table and its key's column.
    """
    select, change = (text.format(table=kind[1], id=kind[2]).encode() for text in (kind[0], _SET))
    with connection.transaction():
        rows = connection.execute(select, (ring.kek_id, after, batch)).fetchall()
        if not rows:
            return None, 0
        old = [bytes(row[2]) for row in rows]
        new = [
            rewrap(wrapped, ring, kek_id=str(row[1]))
            for row, wrapped in zip(rows, old, strict=True)
        ]
        changed = connection.execute(
            change, (ring.kek_id, [row[0] for row in rows], old, new)
        ).rowcount
    return rows[-1][0], changed


def _count(connection: psycopg.Connection, query: str, kek_id: str) -> int:
    row = connection.execute(query.encode(), {"key": kek_id}).fetchone()
    assert row is not None
    return int(row[0])
