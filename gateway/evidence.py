"""Puts what happens into the tamper-evident log, in the form each kind of caller needs."""

import hashlib
import hmac
from datetime import datetime
from typing import Protocol
from uuid import uuid4

import psycopg

from audit.bundle import encode_bundle
from audit.entry import EntryValue, EventType, encode_entry
from audit.log import AuditLog, Receipt
from audit.merkle import leaf_hash
from gateway.clock import Clock
from keys.secret import Secret


class Evidence(Protocol):
    """Makes an event durable before the caller goes on."""

    async def record(self, event: EventType, **fields: EntryValue) -> Receipt:
        """Returns once the entry is durable.

        Raises:
            AuditUnavailableError: it is not known to be durable within the deadline.
        """
        ...


class LoggedEvidence:
    """Evidence in the group-committed log of this process."""

    def __init__(self, log: AuditLog, clock: Clock) -> None:
        self._log = log
        self._clock = clock

    async def record(self, event: EventType, **fields: EntryValue) -> Receipt:
        """See Evidence."""
        return await self._log.append(encode_entry(event, time=self._clock.now(), **fields))


def record_with_change(
    connection: psycopg.Connection, event: EventType, *, at: datetime, **fields: EntryValue
) -> int:
    """Appends an entry in the transaction of the change that it reports; returns its index.

    The change is made if and only if it is logged. Call it last: the log's tail stays locked
    until the transaction ends.
    """
    entry = encode_entry(event, time=at, **fields)
    row = connection.execute(
        "SELECT audit.append_batch(%s, %s, %s)",
        (uuid4(), leaf_hash(entry), encode_bundle([entry])),
    ).fetchone()
    assert row is not None
    return int(row[0])


def keyed_commitment(key: Secret, kind: str, value: str) -> str:
    """16 bytes of HMAC-SHA256 in hex: stands for a value in the log without revealing it."""
    message = kind.encode() + b"\x00" + value.encode()
    return hmac.digest(key.reveal(), message, hashlib.sha256)[:16].hex()
