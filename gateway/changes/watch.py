"""Wakes whoever waits for a vendor's changes: one LISTEN a worker for all its streams."""

import asyncio
import contextlib
from collections.abc import Iterator

import psycopg

from gateway.changes.publishing import CHANNEL
from gateway.clock import Clock
from gateway.errors import RateLimitedError
from gateway.logs import logger

MAX_STREAMS = 4
_LOOK_SECONDS = 5.0
_RETRY_SECONDS = 0.5


class ChangeWatch:
    """The streams of one worker, by vendor; used from the event loop's thread alone."""

    def __init__(self, conninfo: str, clock: Clock) -> None:
        self._conninfo = conninfo
        self._clock = clock
        self._waiting: dict[str, set[asyncio.Event]] = {}
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begins to listen; without a database it tries again until there is one."""
        self._task = asyncio.create_task(self._listen())

    async def close(self) -> None:
        """Stops."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    @contextlib.contextmanager
    def stream(self, vendor_id: str) -> Iterator[asyncio.Event]:
        """An event that is set when the vendor may have new changes; the reader clears it.

        Raises:
            RateLimitedError: the vendor has MAX_STREAMS streams in this worker.
        """
        events = self._waiting.setdefault(vendor_id, set())
        if len(events) >= MAX_STREAMS:
            raise RateLimitedError("a vendor has a few streams at most; close one")
        woken = asyncio.Event()
        events.add(woken)
        try:
            yield woken
        finally:
            events.discard(woken)
            if not events:
                self._waiting.pop(vendor_id, None)

    def streams(self) -> int:
        """How many streams there are."""
        return sum(map(len, self._waiting.values()))

    async def _listen(self) -> None:
        while True:
            try:
                connection = await psycopg.AsyncConnection.connect(self._conninfo, autocommit=True)
                async with connection:
                    await connection.execute(f"LISTEN {CHANNEL}")
                    self._wake_all()  # what was told before is lost
                    while True:
                        async for notice in connection.notifies(timeout=_LOOK_SECONDS):
                            self._wake(notice.payload)
                        # A connection that has silently gone away would never tell anything.
                        await connection.execute("SELECT 1")
            except (psycopg.Error, OSError) as error:
                logger().warning("changes.unheard", error_type=type(error).__name__)
                await self._clock.sleep(_RETRY_SECONDS)

    def _wake(self, vendor_id: str) -> None:
        for woken in self._waiting.get(vendor_id, ()):
            woken.set()

    def _wake_all(self) -> None:
        for vendor_id in self._waiting:
            self._wake(vendor_id)
