"""Shuts a certificate or a vendor out, and measures when the last worker obeyed."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import psycopg
from cryptography.x509 import ReasonFlags

from audit.entry import EventType
from gateway.errors import NotFoundError
from gateway.evidence import record_with_change
from gateway.identity.feed import ACK_CHANNEL

ACKNOWLEDGE_TIME = timedelta(seconds=3)
_POLL_SECONDS = 0.1

_LIVE_WORKERS = """
SELECT count(*) FROM casegate.worker WHERE heard_at > clock_timestamp() - interval '3 seconds'
"""
_ACKNOWLEDGED = """
SELECT count(DISTINCT a.worker_id), coalesce(sum(a.connections_closed), 0),
       extract(epoch FROM max(a.acknowledged_at) - %(revoked_at)s::timestamptz)
  FROM casegate.trust_acknowledgement a JOIN casegate.worker w USING (worker_id)
 WHERE a.epoch >= %(epoch)s AND w.heard_at > clock_timestamp() - interval '3 seconds'
"""


@dataclass(frozen=True, slots=True)
class RevocationEffect:
    """What a revocation did, measured by the database's clock.

    `seconds` runs from before the change to the last worker's acknowledgement; None when no
    worker is running. `is_complete` is False when a worker has not acknowledged in time: it will
    refuse everybody 5 s after it last heard.
    """

    credentials: int
    workers: int
    acknowledged: int
    connections_closed: int
    seconds: float | None
    log_index: int

    @property
    def is_complete(self) -> bool:
        """Whether every live worker has acknowledged."""
        return self.acknowledged >= self.workers


def revoke_vendor(
    connection: psycopg.Connection,
    vendor_id: str,
    *,
    reason: ReasonFlags,
    actor: str,
    at: datetime,
) -> RevocationEffect:
    """Revokes a vendor with all its certificates. Doing it twice changes nothing more.

    Raises:
        NotFoundError: there is no such vendor.
    """
    connection.execute(f"LISTEN {ACK_CHANNEL}")
    with connection.transaction():
        revoked_at = _clock(connection)
        found = connection.execute(
            "UPDATE casegate.vendor SET status = 'revoked' WHERE vendor_id = %s", (vendor_id,)
        ).rowcount
        if not found:
            raise NotFoundError(f"there is no vendor {vendor_id}")
        credentials = connection.execute(
            "UPDATE casegate.credential SET status = 'revoked', revoked_at = %s,"
            " revocation_reason = %s WHERE vendor_id = %s AND status <> 'revoked'",
            (at, reason.value, vendor_id),
        ).rowcount
        epoch = _epoch(connection)
        index = record_with_change(
            connection,
            EventType.VENDOR_REVOKED,
            at=at,
            actor=actor,
            vendor=vendor_id,
            reason=reason.value,
            credentials=credentials,
        )
    return _await_workers(connection, credentials, epoch, revoked_at, index)


def revoke_certificate(
    connection: psycopg.Connection,
    thumbprint: bytes,
    *,
    reason: ReasonFlags,
    actor: str,
    at: datetime,
) -> RevocationEffect:
    """Revokes one certificate, a vendor's or a staff member's.

    Raises:
        NotFoundError: no certificate with this thumbprint is registered.
    """
    connection.execute(f"LISTEN {ACK_CHANNEL}")
    with connection.transaction():
        revoked_at = _clock(connection)
        row = connection.execute(
            "UPDATE casegate.credential SET status = 'revoked',"
            " revoked_at = coalesce(revoked_at, %s),"
            " revocation_reason = coalesce(revocation_reason, %s)"
            " WHERE thumbprint = %s RETURNING vendor_id",
            (at, reason.value, thumbprint),
        ).fetchone()
        if row is None:
            raise NotFoundError("no certificate with this thumbprint is registered")
        epoch = _epoch(connection)
        index = record_with_change(
            connection,
            EventType.CREDENTIAL_REVOKED,
            at=at,
            actor=actor,
            vendor=row[0],
            certificate=thumbprint.hex(),
            reason=reason.value,
        )
    return _await_workers(connection, 1, epoch, revoked_at, index)


def _clock(connection: psycopg.Connection) -> datetime:
    row = connection.execute("SELECT clock_timestamp()").fetchone()
    assert row is not None
    moment: datetime = row[0]
    return moment


def _epoch(connection: psycopg.Connection) -> int:
    row = connection.execute("SELECT epoch FROM casegate.trust").fetchone()
    assert row is not None
    return int(row[0])


def _await_workers(
    connection: psycopg.Connection, credentials: int, epoch: int, revoked_at: datetime, index: int
) -> RevocationEffect:
    live = connection.execute(_LIVE_WORKERS).fetchone()
    assert live is not None
    workers = int(live[0])
    effect = _effect(connection, credentials, workers, epoch, revoked_at, index)
    while not effect.is_complete and (_clock(connection) - revoked_at) < ACKNOWLEDGE_TIME:
        # Each acknowledgement is notified. The generator holds the connection until it ends, so
        # nothing may be asked inside the loop.
        for _notice in connection.notifies(timeout=_POLL_SECONDS, stop_after=1):
            pass
        effect = _effect(connection, credentials, workers, epoch, revoked_at, index)
    return effect


def _effect(
    connection: psycopg.Connection,
    credentials: int,
    workers: int,
    epoch: int,
    revoked_at: datetime,
    index: int,
) -> RevocationEffect:
    row = connection.execute(_ACKNOWLEDGED, {"epoch": epoch, "revoked_at": revoked_at}).fetchone()
    assert row is not None
    acknowledged, closed, seconds = row
    return RevocationEffect(
        credentials=credentials,
        workers=workers,
        acknowledged=int(acknowledged),
        connections_closed=int(closed),
        seconds=None if seconds is None else float(seconds),
        log_index=index,
    )
