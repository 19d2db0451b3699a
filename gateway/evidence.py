"""Puts what happens into the tamper-evident log, in the form each kind of caller needs."""

import hashlib
import hmac
from datetime import datetime
from typing import Protocol
from uuid import uuid4

import psycopg

from audit.bundle import encode_bundle
from audit.entry import EntryValue, EventType, encode_entry
from audit.errors import AuditUnavailableError
from audit.log import Receipt
from audit.merkle import leaf_hash
from gateway.clock import Clock
from keys.secret import Secret

# The order of the log is its index; these only tell that a time of day is not to be believed.
_BACK_SECONDS = 1.0
_FORWARD_SECONDS = 5.0
_APPEND = (
    "SELECT audit.append_batch(%s, %s, %s),"
    " set_config('idle_in_transaction_session_timeout', '2s', true)"
)


class Evidence(Protocol):
    """Makes an event durable before the caller goes on."""

    async def record(self, event: EventType, **fields: EntryValue) -> Receipt:
        """Returns once the entry is durable.

        Raises:
            AuditUnavailableError: it is not known to be durable within the deadline.
        """
        ...


class AppendingLog(Protocol):
    """The appending end of the log: audit.log.AuditLog fits."""

    async def append(self, entry: bytes) -> Receipt:
        """Makes one entry durable.

        Raises:
            AuditUnavailableError: it is not known to be durable within the deadline.
        """
        ...


class LoggedEvidence:
    """Evidence in the group-committed log of this process."""

    def __init__(self, log: AppendingLog, clock: Clock) -> None:
        self._log = log
        self._clock = clock
        self._last: tuple[datetime, float] | None = None
        self._unlogged = 0
        self._unlogged_since = 0.0

    async def record(self, event: EventType, **fields: EntryValue) -> Receipt:
        """See Evidence.

        A wall clock that leapt since the last entry gets an entry of its own, and so does a log
        that answers again after it did not.
        """
        now, monotonic = self._clock.now(), self._clock.monotonic()
        last, self._last = self._last, (now, monotonic)
        if last is not None:
            leap = (now - last[0]).total_seconds() - (monotonic - last[1])
            if not -_BACK_SECONDS <= leap <= _FORWARD_SECONDS:
                milliseconds = round(leap * 1000)
                entry = encode_entry(EventType.CLOCK_ANOMALY, time=now, leap_ms=milliseconds)
                await self._append(entry)
        receipt = await self._append(encode_entry(event, time=now, **fields))
        if self._unlogged:
            await self._note_recovery()
        return receipt

    async def _append(self, entry: bytes) -> Receipt:
        try:
            return await self._log.append(entry)
        except AuditUnavailableError:
            if not self._unlogged:
                self._unlogged_since = self._clock.monotonic()
            self._unlogged += 1
            raise

    async def _note_recovery(self) -> None:
        """How many entries were not known to be durable, and for how long none was."""
        unlogged, self._unlogged = self._unlogged, 0
        milliseconds = round((self._clock.monotonic() - self._unlogged_since) * 1000)
        entry = encode_entry(
            EventType.LOG_RECOVERED,
            time=self._clock.now(),
            unconfirmed=unlogged,
            outage_ms=milliseconds,
        )
        try:
            await self._log.append(entry)
        except AuditUnavailableError:
            self._unlogged += unlogged  # the next entry that lands tells of it


def record_with_change(
    connection: psycopg.Connection, event: EventType, *, at: datetime, **fields: EntryValue
) -> int:
    """Appends an entry in the transaction of the change that it reports; returns its index.

    The change is made if and only if it is logged. Call it last: the log's tail stays locked
    until the transaction ends. A caller that stands still with it for two seconds is cut off by
    the server and nothing has happened: a stopped command must not stop the log.
    """
    entry = encode_entry(event, time=at, **fields)
    row = connection.execute(
        _APPEND, (uuid4(), leaf_hash(entry), encode_bundle([entry]))
    ).fetchone()
    assert row is not None
    return int(row[0])


def keyed_commitment(key: Secret, kind: str, value: str) -> str:
    """16 bytes of HMAC-SHA256 in hex: stands for a value in the log without revealing it."""
    message = kind.encode() + b"\x00" + value.encode()
    return hmac.digest(key.reveal(), message, hashlib.sha256)[:16].hex()
