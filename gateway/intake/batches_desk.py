"""Takes batches in: a small one is done when it is answered, a large one waits in parts."""

import itertools
import zlib
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID, uuid4

import orjson
import psycopg

from audit.bundle import encode_bundle
from audit.entry import EventType, encode_entry
from audit.log import Receipt
from audit.merkle import leaf_hash
from gateway.clock import Clock, rfc3339
from gateway.errors import (
    DatabaseUnavailableError,
    IdempotencyKeyReusedError,
    NotFoundError,
    PermitStateError,
)
from gateway.identity.principal import VendorPrincipal
from gateway.intake.batches import PartIntake, PartOutcome, Rules, part_fields
from gateway.intake.batches_spool import Spool
from gateway.intake.parsing import Content, read_rows
from gateway.intake.records_store import ContendedError, Owner, RecordStore

# So many rows are done at once, and are a part of a larger batch.
PART_ROWS = 1_000
_ATTEMPTS = 6
_ENTRIES_AT_ONCE = 500
_COMPRESSION = 1
# On which workers are told that a large batch waits.
CHANNEL = "casegate_intake"
_NOTIFY = f"NOTIFY {CHANNEL}"

_LOCK_KEY = "SELECT pg_advisory_xact_lock(hashtextextended(%s, 7310217))"
_REPEATED = """
SELECT batch_id, content_sha256 FROM casegate.record_batch
 WHERE vendor_id = %s AND contract_id = %s AND repeat_key = %s
"""
_APPEND = """
SELECT audit.append_batch(%s, %s, %s),
       set_config('idle_in_transaction_session_timeout', '2s', true)
"""
_BATCH = """
INSERT INTO casegate.record_batch
       (batch_id, vendor_id, contract_id, thumbprint, repeat_key, content_sha256, rows, parts,
        received_at, log_index, leaf_hash)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
"""
_DONE_PART = """
INSERT INTO casegate.record_batch_part (batch_id, number, vendor_id, contract_id, rows, accepted,
       duplicates, rejected, outcomes, done_at) VALUES (%s, 0, %s, %s, %s, %s, %s, %s, %s, %s)
"""
_WAITING_PART = """
INSERT INTO casegate.record_batch_part (batch_id, number, vendor_id, contract_id, rows, sealed)
VALUES (%s, %s, %s, %s, %s, %s)
"""
_STATUS = """
SELECT b.rows, b.parts, b.received_at, b.log_index, b.leaf_hash, sum(p.accepted),
       sum(p.duplicates), sum(p.rejected),
       coalesce(sum(p.rows) FILTER (WHERE p.done_at IS NOT NULL), 0), max(p.done_at)
  FROM casegate.record_batch b JOIN casegate.record_batch_part p USING (batch_id)
 WHERE b.batch_id = %s AND b.vendor_id = %s AND b.contract_id = %s
 GROUP BY b.batch_id
"""
_PAGE = "SELECT outcomes FROM casegate.record_batch_part WHERE batch_id = %s AND number = %s"

Given = TypeVar("Given")


@dataclass(frozen=True, slots=True)
class BatchAnswer:
    """What a batch is answered with. One that is not `is_inline` is done later, in parts.

    The same batch sent again is answered as it was, whether it is done meanwhile or not.
    """

    batch_id: UUID
    is_inline: bool
    is_done: bool
    receipt: Receipt
    document: dict[str, Any]


@dataclass(frozen=True, slots=True)
class RecordDesk:
    """The vendor's side; each call runs in a thread, with a connection of a pool."""

    connect: Callable[[], AbstractContextManager[psycopg.Connection]]
    clock: Clock
    rules: Rules

    def submit(
        self, principal: VendorPrincipal, spool: Spool, content: Content, key: str | None
    ) -> BatchAnswer:
        """Takes in a body that has come whole.

        Raises:
            ContentMismatchError: it is not what its digest says; nothing was looked at.
            RequestInvalidError: it cannot be read.
            IdempotencyKeyReusedError: the key was used for another body.
            PermitStateError: CONTENDED, others write the same records all the time.
            DatabaseUnavailableError: it is not known whether it was taken; send it again.
        """
        owner = Owner(principal.vendor_id, principal.contract_id, principal.thumbprint)
        file = spool.whole()

        def take(connection: psycopg.Connection) -> UUID:
            file.seek(0)
            rows = read_rows(file, content)
            return self._take(connection, owner, spool.sha256, key, rows)

        batch_id = self._run(take)
        return self.status(principal, batch_id, page=0)

    def status(self, principal: VendorPrincipal, batch_id: UUID, *, page: int) -> BatchAnswer:
        """How far a batch is, with a page of outcomes once those are known.

        Raises:
            NotFoundError: the vendor has no such batch.
            DatabaseUnavailableError: the store does not answer.
        """
        owner = Owner(principal.vendor_id, principal.contract_id, principal.thumbprint)

        def read(connection: psycopg.Connection) -> BatchAnswer:
            RecordStore(connection, owner)
            named = (batch_id, owner.vendor_id, owner.contract_id)
            found = connection.execute(_STATUS, named).fetchone()
            if found is None or not 0 <= page < found[1]:
                raise NotFoundError("no such batch of this vendor")
            outcomes = connection.execute(_PAGE, (batch_id, page)).fetchone()
            packed = None if outcomes is None else outcomes[0]
            return _answer(batch_id, found, packed, page)

        return self._run(read)

    def _run(self, act: Callable[[psycopg.Connection], Given]) -> Given:
        for _attempt in range(_ATTEMPTS):
            try:
                with self.connect() as connection, connection.transaction():
                    return act(connection)
            except (
                ContendedError,
                psycopg.errors.DeadlockDetected,
                psycopg.errors.UniqueViolation,
            ):
                continue
            except psycopg.OperationalError as error:
                raise DatabaseUnavailableError("the store does not answer") from error
        raise PermitStateError("CONTENDED")

    def _take(
        self,
        connection: psycopg.Connection,
        owner: Owner,
        sha256: bytes,
        key: str | None,
        rows: Any,  # noqa: ANN401  # an iterator of lines
    ) -> UUID:
        store = RecordStore(connection, owner)
        named = (owner.vendor_id, owner.contract_id)
        if key is not None:
            connection.execute(_LOCK_KEY, ("\n".join((*named, key)),))
            found = connection.execute(_REPEATED, (*named, key)).fetchone()
            if found is not None:
                if bytes(found[1]) != sha256:
                    raise IdempotencyKeyReusedError("the key belongs to something else")
                return UUID(str(found[0]))
        batch = _Batch(owner, uuid4(), sha256, key, self.clock.now())
        lines = list(itertools.islice(rows, PART_ROWS))
        following = next(rows, None)
        if following is not None:
            self._queue(connection, batch, lines, itertools.chain((following,), rows))
            return batch.batch_id
        part = PartIntake(self.rules, owner, batch.batch_id, batch.at)
        outcome = part.take(store, lines, first=0)
        receipt = append(
            connection,
            [
                encode_entry(
                    EventType.RECORD_RECEIVED,
                    time=batch.at,
                    **batch.fields(len(lines)),
                    **part_fields(outcome),
                ),
                *outcome.entries,
            ],
        )
        batch.write(connection, len(lines), 1, receipt)
        connection.execute(
            _DONE_PART,
            (batch.batch_id, *named, len(lines), *sums(outcome), packed(outcome), batch.at),
        )
        return batch.batch_id

    def _queue(
        self,
        connection: psycopg.Connection,
        batch: "_Batch",
        lines: list[bytes],
        rest: Any,  # noqa: ANN401  # an iterator of lines
    ) -> None:
        """Seals a large batch in parts; it is durable when it is answered, and done later."""
        waiting: list[tuple[int, bytes]] = []
        while lines:
            content = zlib.compress(b"\n".join(lines), _COMPRESSION)
            sealed = self.rules.seal.seal_part(content, batch.batch_id.bytes, len(waiting))
            waiting.append((len(lines), sealed))
            lines = list(itertools.islice(rest, PART_ROWS))
        rows = sum(count for count, _sealed in waiting)
        entry = encode_entry(
            EventType.RECORD_RECEIVED,
            time=batch.at,
            **batch.fields(rows),
            parts=len(waiting),
        )
        # The log's end is locked from here on: the parts, which take longest, come before.
        connection.execute("SET CONSTRAINTS ALL DEFERRED")
        named = (batch.owner.vendor_id, batch.owner.contract_id)
        with connection.cursor() as cursor:
            cursor.executemany(
                _WAITING_PART,
                [
                    (batch.batch_id, number, *named, count, sealed)
                    for number, (count, sealed) in enumerate(waiting)
                ],
            )
        connection.execute(_NOTIFY)
        batch.write(connection, rows, len(waiting), append(connection, [entry]))


@dataclass(frozen=True, slots=True)
class _Batch:
    owner: Owner
    batch_id: UUID
    sha256: bytes
    key: str | None
    at: datetime

    def fields(self, rows: int) -> dict[str, Any]:
        """What an entry says of it."""
        return {
            "vendor": self.owner.vendor_id,
            "contract": self.owner.contract_id,
            "certificate": self.owner.thumbprint.hex(),
            "batch": str(self.batch_id),
            "body_sha256": self.sha256.hex(),
            "rows": rows,
        }

    def write(
        self, connection: psycopg.Connection, rows: int, parts: int, receipt: Receipt
    ) -> None:
        """Puts the batch on record, with the place of its entry."""
        connection.execute(
            _BATCH,
            (
                *(self.batch_id, self.owner.vendor_id, self.owner.contract_id),
                *(self.owner.thumbprint, self.key, self.sha256, rows, parts, self.at),
                *(receipt.index, receipt.leaf_hash),
            ),
        )


def append(connection: psycopg.Connection, entries: Sequence[bytes]) -> Receipt:
    """Appends entries in the transaction of what they tell of; the receipt is the first one's.

    Call it last, or nearly: the end of the log stays locked until the transaction ends.
    """
    first: int | None = None
    for some in _chunks(entries):
        leaves = b"".join(leaf_hash(entry) for entry in some)
        row = connection.execute(_APPEND, (uuid4(), leaves, encode_bundle(some))).fetchone()
        assert row is not None
        first = int(row[0]) if first is None else first
    assert first is not None
    return Receipt(first, leaf_hash(entries[0]))


def sums(outcome: PartOutcome) -> tuple[int, int, int]:
    """Accepted, duplicates, rejected."""
    return (
        outcome.counts["accepted"],
        outcome.counts["duplicate"],
        outcome.counts["rejected"],
    )


def packed(outcome: PartOutcome) -> bytes:
    """The outcomes of a part as they are stored."""
    return zlib.compress(orjson.dumps(outcome.rows), _COMPRESSION)


def _chunks(entries: Sequence[bytes]) -> list[Sequence[bytes]]:
    return [entries[at : at + _ENTRIES_AT_ONCE] for at in range(0, len(entries), _ENTRIES_AT_ONCE)]


def _answer(
    batch_id: UUID, found: tuple[Any, ...], outcomes: bytes | None, page: int
) -> BatchAnswer:
    rows, parts, received_at, index, leaf, accepted, duplicates, rejected, done, done_at = found
    is_done = done == rows
    document = {
        "batch_id": str(batch_id),
        "state": "done" if is_done else "processing",
        "received_at": rfc3339(received_at),
        "finished_at": rfc3339(done_at) if is_done else None,
        "rows": rows,
        "processed": int(done),
        "accepted": int(accepted),
        "duplicates": int(duplicates),
        "rejected": int(rejected),
        # Empty once it has been forgotten (batches_sweep).
        "items": orjson.loads(zlib.decompress(outcomes)) if outcomes else [],
        "next_cursor": str(page + 1) if page + 1 < parts else None,
    }
    return BatchAnswer(
        batch_id, rows <= PART_ROWS, is_done, Receipt(int(index), bytes(leaf)), document
    )
