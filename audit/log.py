"""The appending end of the log: many callers, one batch in flight, durable before it answers."""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar
from uuid import uuid4

from audit.bundle import LENGTH_BYTES, MAX_ENTRY_BYTES, encode_bundle
from audit.errors import (
    AuditUnavailableError,
    BatchRefusedError,
    EntryTooLargeError,
    LogRewoundError,
    StoreUnavailableError,
)
from audit.merkle import leaf_hash
from audit.store import BatchStore

_RETRY_SECONDS = 0.1
# Deadlines are kept this exactly, so that an outage does not wake the loop once an entry.
_ALARM_SECONDS = 0.02

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Receipt:
    """Where an entry stands for ever.

    Attributes:
        index: the entry's index in the log, from 0.
        leaf_hash: the 32-byte leaf hash of its bytes.
    """

    index: int
    leaf_hash: bytes


@dataclass(slots=True)
class _Waiting:
    """One entry on its way: queued, then in flight, then answered; expires in loop time."""

    entry: bytes
    leaf_hash: bytes
    answer: asyncio.Future[Receipt]
    expires: float


class AuditLog:
    """Appends entries by group commit, without a timer.

    One committer task takes whatever queued while the previous batch was in flight. An entry
    whose caller was cancelled is logged all the same: hanging up must not hide an attempt.
    An entry whose deadline passed while it was still queued is dropped; one whose deadline
    passed in flight may still land, which its caller learns as AuditUnavailableError.

    All methods belong to the event loop in which start ran.
    """

    def __init__(
        self,
        store: BatchStore,
        *,
        deadline_seconds: float = 2.0,
        max_batch_entries: int = 1_024,
        max_batch_bytes: int = 1_048_576,
        max_queued_entries: int = 8_192,
        known_size: int = 0,
    ) -> None:
        """Join the log to its store.

        Args:
            store: used by nothing else.
            deadline_seconds: how long an entry may take.
            max_batch_entries: of one commit.
            max_batch_bytes: of one commit, framed.
            max_queued_entries: more than these are refused at once.
            known_size: of a checkpoint that was published: a store that ends below it has lost
                entries that were durable.
        """
        self._store = store
        self._deadline_seconds = deadline_seconds
        self._max_batch_entries = max_batch_entries
        self._max_batch_bytes = max_batch_bytes
        self._max_queued_entries = max_queued_entries
        self._queue: deque[_Waiting] = deque()
        self._in_flight: list[_Waiting] = []
        self._work = asyncio.Event()
        self._alarm: asyncio.TimerHandle | None = None
        self._committer: asyncio.Task[None] | None = None
        self._is_open = False
        self._next_index = known_size
        self._is_rewound = False

    async def start(self) -> None:
        """Begin to accept entries. The store need not be reachable yet."""
        if self._committer is None:
            self._is_open = True
            self._committer = asyncio.create_task(self._commit_forever(), name="audit committer")
            self._committer.add_done_callback(self._abandon)

    async def close(self) -> None:
        """Accept nothing more, let what is queued land or expire, and stop.

        Takes no longer than one deadline. The store stays open: it is its owner's. An error
        that ended the committer, which would be a fault of this module or of the store, is
        raised here; until then every append is refused.
        """
        self._is_open = False
        waiting = [item.answer for item in (*self._in_flight, *self._queue)]
        if waiting:
            await asyncio.wait(waiting, timeout=self._deadline_seconds)
        committer, self._committer = self._committer, None
        if committer is not None:
            committer.cancel()
            await asyncio.wait({committer})
            if not committer.cancelled():
                committer.result()

    async def append(self, entry: bytes) -> Receipt:
        """Make one entry durable and return where it stands.

        Raises:
            EntryTooLargeError: more than 65,535 bytes; the log was not touched.
            AuditUnavailableError: not known to be durable by the deadline, the queue is full,
                or the log is not running. Nothing may be released.
            LogRewoundError: (an AuditUnavailableError) the store gave an index twice, so that
                entries once durable are lost; no append succeeds any more.
        """
        if len(entry) > MAX_ENTRY_BYTES:
            raise EntryTooLargeError("an entry is longer than 65,535 bytes")
        if not self._is_open:
            raise AuditUnavailableError("the log is not running")
        if self._is_rewound:
            raise LogRewoundError("the store has lost entries that were durable")
        if len(self._queue) >= self._max_queued_entries:
            raise AuditUnavailableError("too many entries are waiting")
        loop = asyncio.get_running_loop()
        expires = loop.time() + self._deadline_seconds
        item = _Waiting(entry, leaf_hash(entry), loop.create_future(), expires)
        self._queue.append(item)
        self._work.set()
        if self._alarm is None:
            self._alarm = loop.call_at(expires, self._expire)
        return await item.answer

    async def _commit_forever(self) -> None:
        while True:
            await self._work.wait()
            self._in_flight = self._next_batch()
            if self._in_flight:
                await self._commit(self._in_flight)
                self._in_flight = []

    def _next_batch(self) -> list[_Waiting]:
        batch: list[_Waiting] = []
        room = self._max_batch_bytes
        while self._queue and len(batch) < self._max_batch_entries:
            room -= LENGTH_BYTES + len(self._queue[0].entry)
            if room < 0 and batch:
                return batch
            batch.append(self._queue.popleft())
        if not self._queue:
            self._work.clear()
        return batch

    async def _commit(self, batch: list[_Waiting]) -> None:
        loop = asyncio.get_running_loop()
        batch_id = uuid4()
        leaf_hashes = b"".join(item.leaf_hash for item in batch)
        bundle = encode_bundle(item.entry for item in batch)
        first_index = None
        is_uncertain = False
        while first_index is None:
            try:
                if is_uncertain:
                    first_index = await self._bounded(lambda: self._store.find_batch(batch_id))
                if first_index is None:
                    is_uncertain = True
                    first_index = await self._bounded(
                        lambda: self._store.append_batch(batch_id, leaf_hashes, bundle)
                    )
            except BatchRefusedError:
                _refuse(batch, "the store refused the entry")
                return
            except StoreUnavailableError:
                if loop.time() >= batch[-1].expires:
                    # Nobody waits for it any more: the queue behind it is worth more.
                    _refuse(batch, "the store did not answer in time")
                    return
                await asyncio.sleep(_RETRY_SECONDS)
        self._acknowledge(batch, first_index)

    def _acknowledge(self, batch: list[_Waiting], first_index: int) -> None:
        if first_index < self._next_index:
            # An index given a second time: the store came back as an older copy of itself. What
            # it says of durability is worth nothing until a person has looked.
            self._is_rewound = True
        if self._is_rewound:
            _refuse(batch, "the store has lost entries that were durable")
            return
        self._next_index = first_index + len(batch)
        for index, item in enumerate(batch, first_index):
            if not item.answer.done():
                item.answer.set_result(Receipt(index, item.leaf_hash))

    async def _bounded(self, call: Callable[[], Coroutine[Any, Any, _T]]) -> _T:
        """Ask the store, but wait no longer than a deadline, even for a call that hangs."""
        task = asyncio.create_task(call())
        try:
            await asyncio.wait({task}, timeout=self._deadline_seconds)
        finally:
            if not task.done():
                # Cancelled, not awaited: cancelling politely can hang as well.
                task.cancel()
                task.add_done_callback(_ignore_outcome)
        if task.done():
            return task.result()
        raise StoreUnavailableError("the store did not answer in time")

    def _expire(self) -> None:
        """Refuse every entry whose deadline has passed, and set the alarm for the next one."""
        loop = asyncio.get_running_loop()
        self._alarm = None
        now = loop.time()
        _refuse(
            [item for item in self._in_flight if item.expires <= now],
            "the log did not answer in time",
        )
        while self._queue and self._queue[0].expires <= now:
            _refuse([self._queue.popleft()], "the log did not answer in time")
        pending = [item for item in self._in_flight if item.expires > now]
        pending.extend(islice(self._queue, 1))
        if pending:
            self._alarm = loop.call_at(max(pending[0].expires, now + _ALARM_SECONDS), self._expire)

    def _abandon(self, _committer: asyncio.Task[None]) -> None:
        """Once no committer runs, let nobody wait for one."""
        self._is_open = False
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        _refuse((*self._in_flight, *self._queue), "the log has stopped")
        self._queue.clear()


def _refuse(items: Iterable[_Waiting], message: str) -> None:
    for item in items:
        if not item.answer.done():
            item.answer.set_exception(AuditUnavailableError(message))


def _ignore_outcome(task: asyncio.Task[Any]) -> None:
    if not task.cancelled():
        task.exception()
