"""Where batches become durable: the contract of a store, and PostgreSQL keeping it."""

from collections.abc import Generator, Iterator
from typing import Protocol
from uuid import UUID

import psycopg
from psycopg.conninfo import make_conninfo

from audit.batch import StoredBatch
from audit.errors import BatchRefusedError, StoreUnavailableError

_APPEND = "SELECT audit.append_batch(%b, %b, %b)"
_FIND = "SELECT audit.find_batch(%b)"
_READ_BATCHES = (
    "SELECT first_index, entry_count, bundle, leaf_hashes, size_after, root"
    " FROM audit.batch WHERE first_index >= %b ORDER BY first_index"
)
_READ_HEADS = "SELECT note FROM audit.signed_head ORDER BY size"
# A batch may hold a megabyte; so many are fetched at a time.
_BATCHES_PER_FETCH = 16
_HEADS_PER_FETCH = 1_000


class BatchStore(Protocol):
    """A place that gives batches their order and makes them durable.

    Durability: when append_batch returns, the whole batch survives the loss of this process,
    of the store's process and of its machine's power. A batch is stored whole or not at all.

    Order: batches get adjoining index ranges in the order in which they are stored, over all
    callers on all hosts; an index once given is never given again.

    Idempotency: a batch id names one batch for ever. Appending it again with the same leaf
    hashes stores nothing and returns the index given the first time, even when the first
    attempt is still being committed.

    Unknown outcomes: StoreUnavailableError says only that no answer came. The batch may be
    stored, may not be, or may still become so; find_batch tells, and only a retry under the
    same batch id is safe.

    Cancellation: a call may be cancelled at any await. Its outcome is then unknown, and the
    next call must not see anything of it.

    Concurrency: one call at a time for each store object; any number of store objects.
    """

    async def append_batch(self, batch_id: UUID, leaf_hashes: bytes, bundle: bytes) -> int:
        """Store one batch and return the index of its first entry.

        Args:
            batch_id: the caller's random name for the batch.
            leaf_hashes: one 32-byte leaf hash for each entry, concatenated.
            bundle: the same entries, framed.

        Raises:
            StoreUnavailableError: no answer; the outcome is unknown.
            BatchRefusedError: refused; nothing is stored.
        """
        ...

    async def find_batch(self, batch_id: UUID) -> int | None:
        """The index of a stored batch's first entry, or None while it is not stored.

        Raises:
            StoreUnavailableError: no answer.
        """
        ...


class PostgresBatchStore:
    """A BatchStore on one PostgreSQL connection, opened when needed and again when lost."""

    def __init__(self, conninfo: str, *, connect_timeout_seconds: int = 2) -> None:
        # Never a standby: one that was left behind would answer with an old tail.
        self._conninfo = make_conninfo(
            conninfo,
            connect_timeout=connect_timeout_seconds,
            target_session_attrs="read-write",
            application_name="casegate-audit",
        )
        self._idle: psycopg.AsyncConnection | None = None

    async def append_batch(self, batch_id: UUID, leaf_hashes: bytes, bundle: bytes) -> int:
        """See BatchStore: one round trip, commit included."""
        first_index = await self._ask(_APPEND, (batch_id, leaf_hashes, bundle))
        if first_index is None:
            raise BatchRefusedError("the database gave the batch no index")
        return first_index

    async def find_batch(self, batch_id: UUID) -> int | None:
        """See BatchStore."""
        return await self._ask(_FIND, (batch_id,))

    async def close(self) -> None:
        """Close the connection; a later call would open a new one."""
        connection, self._idle = self._idle, None
        if connection is not None:
            await connection.close()

    async def _ask(self, query: str, parameters: tuple[object, ...]) -> int | None:
        # The connection leaves self while it is in use, so that the call after a cancelled
        # one can never read the cancelled one's answer.
        connection, self._idle = self._idle, None
        answered = False
        try:
            if connection is None or connection.closed:
                connection = await psycopg.AsyncConnection.connect(self._conninfo, autocommit=True)
            cursor = await connection.execute(query, parameters, prepare=True, binary=True)
            row: tuple[int | None] | None = await cursor.fetchone()
            answered = True
        except psycopg.Error as error:
            answered = _is_refusal(error)
            if answered:
                raise BatchRefusedError("the database refused the statement") from error
            raise StoreUnavailableError("the database gave no answer") from error
        finally:
            if answered and self._idle is None:
                self._idle = connection
            elif connection is not None:
                await connection.close()
        return None if row is None else row[0]


def read_batches(
    connection: psycopg.Connection, start: int = 0
) -> Generator[StoredBatch, None, None]:
    """All batches from the first that begins at `start` or later, in index order.

    Rows are streamed: memory stays at a few batches whatever the length of the log. What is
    read is unchecked. One such iterator at a time on a connection.
    """
    with connection.transaction(), connection.cursor("audit_batches", binary=True) as cursor:
        cursor.itersize = _BATCHES_PER_FETCH
        cursor.execute(_READ_BATCHES, (start,))
        for first_index, entry_count, bundle, leaf_hashes, size_after, root in cursor:
            yield StoredBatch(first_index, entry_count, bundle, leaf_hashes, size_after, root)


def read_signed_heads(connection: psycopg.Connection) -> Iterator[str]:
    """The note texts of all signed heads, smallest size first, streamed and unchecked.

    One such iterator at a time on a connection.
    """
    with connection.transaction(), connection.cursor("audit_heads", binary=True) as cursor:
        cursor.itersize = _HEADS_PER_FETCH
        cursor.execute(_READ_HEADS)
        for (note,) in cursor:
            yield note


def _is_refusal(error: psycopg.Error) -> bool:
    """Whether the server itself said no, after which nothing of the statement remains."""
    if isinstance(error, psycopg.OperationalError | psycopg.errors.ReadOnlySqlTransaction):
        return False
    return error.sqlstate is not None
