"""Rotates a key under load: every worker knows the next one before anything is made with it.

The steps are files (keys.key_slot) and words to the workers. A run that was killed is run again:
it goes on with the key that was announced.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path

import psycopg

from audit.checkpoint import open_checkpoint
from audit.entry import EventType
from audit.errors import NoteError
from audit.note import Ed25519Verifier
from gateway.evidence import record_with_change
from gateway.identity.feed import ACK_CHANNEL
from keys.errors import KeyRotationError
from keys.key_slot import KeySlot

_PATIENCE = timedelta(seconds=5)
_POLL_SECONDS = 0.1

_TELL = "SELECT epoch, told_at FROM casegate.tell_workers()"
_HEARD = """
SELECT count(DISTINCT w.worker_id), count(DISTINCT a.worker_id), clock_timestamp()
  FROM casegate.worker w
  LEFT JOIN casegate.trust_acknowledgement a ON a.worker_id = w.worker_id AND a.epoch >= %s
 WHERE w.heard_at > clock_timestamp() - interval '3 seconds'
"""
_NEWEST_HEAD = "SELECT note FROM audit.signed_head ORDER BY size DESC LIMIT 1"
_FIRST_USED = """
INSERT INTO casegate.key_age (purpose, key_id, first_used) VALUES (%s, %s, %s)
ON CONFLICT (purpose, key_id) DO NOTHING
"""
_RETIRED = """
UPDATE casegate.key_age SET retired_at = %s
 WHERE purpose = %s AND key_id = %s AND retired_at IS NULL
"""
_RETIRED_AT = "SELECT retired_at FROM casegate.key_age WHERE purpose = %s AND key_id = %s"


class KeyPurpose(StrEnum):
    """The keys that rotate by command."""

    TOKEN_SIGNING = "token-signing"  # noqa: S105  # the name of a key
    LOG_SIGNING = "log-signing"
    KEK = "kek"


@dataclass(frozen=True, slots=True)
class RotatingKey:
    """A key: what it is for, its files, how to make one, and the public id of a file."""

    purpose: KeyPurpose
    slot: KeySlot
    make: Callable[[], bytes]
    id_of: Callable[[Path], str]


@dataclass(frozen=True, slots=True)
class Rotation:
    """What a rotation did: public ids of both keys, the workers that use the new one."""

    purpose: KeyPurpose
    key_id: str
    previous_id: str
    workers: int
    log_index: int

    def document(self) -> dict[str, str | int]:
        """As JSON."""
        return {
            "purpose": self.purpose.value,
            "key": self.key_id,
            "previous": self.previous_id,
            "workers": self.workers,
            "log_index": self.log_index,
        }


def rotate_key(
    connection: psycopg.Connection, key: RotatingKey, *, actor: str, at: datetime
) -> Rotation:
    """Announces a new key, waits until every worker has loaded it, and puts it into use.

    The old one retires: it makes nothing more, but what it made is still good.

    Raises:
        KeyFileError: a file cannot be read or written.
        KeyRotationError: a worker has not loaded the new key; nothing is made with it yet.
    """
    slot = key.slot
    previous_id = key.id_of(slot.active)
    slot.announce(key.make())
    key_id = key.id_of(slot.announced)
    tell_workers(connection)
    slot.promote(previous_id)
    with connection.transaction():
        connection.execute(_FIRST_USED, (key.purpose, previous_id, at))
        connection.execute(_RETIRED, (at, key.purpose, previous_id))
        connection.execute(_FIRST_USED, (key.purpose, key_id, at))
        index = record_with_change(
            connection,
            EventType.KEY_ROTATED,
            at=at,
            actor=actor,
            key=key.purpose.value,
            key_id=key_id,
            previous=previous_id,
        )
    workers = tell_workers(connection)
    return Rotation(key.purpose, key_id, previous_id, workers, index)


def verify_overlap(
    connection: psycopg.Connection,
    purpose: KeyPurpose,
    key_id: str,
    *,
    overlap: timedelta,
    at: datetime,
) -> None:
    """Checks that a key has been out of use for as long as what it made may live.

    Raises:
        KeyRotationError: it has not, or nobody knows since when.
    """
    connection.execute(_FIRST_USED, (purpose, key_id, at))
    connection.execute(_RETIRED, (at, purpose, key_id))
    row = connection.execute(_RETIRED_AT, (purpose, key_id)).fetchone()
    assert row is not None
    left = row[0] + overlap - at
    if left > timedelta(0):
        raise KeyRotationError(
            f"what {purpose} key {key_id} made may still be in use;"
            f" try again in {left.total_seconds():.0f} s"
        )


def verify_head_signed_by(connection: psycopg.Connection, vkey: str, *, origin: str) -> None:
    """Checks that the newest signed head stands under a key, so that the others may go.

    Raises:
        KeyRotationError: the publisher has not signed with it yet.
    """
    row = connection.execute(_NEWEST_HEAD).fetchone()
    try:
        if row is not None:
            open_checkpoint(str(row[0]), [Ed25519Verifier.from_text(vkey)], origin=origin)
    except NoteError as error:
        raise KeyRotationError(
            "the publisher has not signed with the new key yet; is the gateway running?"
        ) from error


def note_retirement(
    connection: psycopg.Connection, purpose: KeyPurpose, key_id: str, *, actor: str, at: datetime
) -> int:
    """Logs that a key is known no more and has the workers forget it; returns the log index."""
    with connection.transaction():
        index = record_with_change(
            connection,
            EventType.KEY_ROTATED,
            at=at,
            actor=actor,
            key=purpose.value,
            key_id=None,
            previous=key_id,
        )
    tell_workers(connection)
    return index


def tell_workers(connection: psycopg.Connection) -> int:
    """Has every worker look at its keys; returns how many did, which is all of them.

    Raises:
        KeyRotationError: one has not answered in five seconds.
    """
    connection.execute(f"LISTEN {ACK_CHANNEL}")
    row = connection.execute(_TELL).fetchone()
    assert row is not None
    epoch, told_at = row
    while True:
        heard = connection.execute(_HEARD, (epoch,)).fetchone()
        assert heard is not None
        workers, acknowledged, now = heard
        if acknowledged >= workers:
            return int(workers)
        if now - told_at > _PATIENCE:
            raise KeyRotationError(
                f"{workers - acknowledged} of {workers} workers have not loaded the keys;"
                " their log says why (keys.unread); then run the command again"
            )
        # The generator holds the connection until it ends: nothing may be asked inside the loop.
        for _notice in connection.notifies(timeout=_POLL_SECONDS, stop_after=1):
            pass
