"""Recomputes the whole log out of the database and says so in the log."""

from collections.abc import Callable, Iterable
from contextlib import closing
from datetime import datetime

import psycopg

from audit.entry import EventType
from audit.store import read_batches, read_signed_heads
from audit.verify import VerificationReport, verify_batches
from gateway.evidence import record_with_change


def verify_log(
    connection: psycopg.Connection,
    *,
    vkey: str,
    origin: str,
    former_keys: Iterable[str] = (),
    progress: Callable[[int], None] | None = None,
) -> VerificationReport:
    """Checks every entry, batch and signed head at one moment of the database.

    `former_keys` signed heads before a change of key.

    Raises:
        TamperedError: something was changed; it names the index and how.
    """
    # One snapshot for batches and heads: a head signed meanwhile must not look like a lost tail.
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        heads = list(read_signed_heads(connection))
        # Closed before the transaction is left: a refusal's traceback would keep the reader, and
        # with it a savepoint, open, and the driver's complaint would hide what was found.
        with closing(read_batches(connection)) as batches:
            return verify_batches(
                batches, heads, vkey, origin=origin, former_keys=former_keys, progress=progress
            )


def record_verification(
    connection: psycopg.Connection,
    report: VerificationReport,
    *,
    actor: str,
    at: datetime,
) -> None:
    """Notes in the log that it was verified, by whom, and how far."""
    with connection.transaction():
        record_with_change(
            connection,
            EventType.LOG_VERIFIED,
            at=at,
            actor=actor,
            entries=report.entries,
            signed_size=report.signed_size,
            root=report.signed_root.hex(),
        )


def read_checkpoint(connection: psycopg.Connection, *, actor: str, at: datetime) -> str | None:
    """The newest signed checkpoint, after noting who asked; None before the first."""
    with connection.transaction():
        record_with_change(
            connection, EventType.LOG_SEARCHED, at=at, actor=actor, query={"checkpoint": "newest"}
        )
    row = connection.execute(
        "SELECT note FROM audit.signed_head ORDER BY size DESC LIMIT 1"
    ).fetchone()
    return None if row is None else str(row[0])
