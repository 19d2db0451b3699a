"""Keeps what a worker has read of the database as it is there now."""

import asyncio
from collections.abc import Awaitable, Callable

import psycopg
from psycopg_pool import PoolTimeout, TooManyRequests

from gateway.clock import Clock
from gateway.logs import logger

_RETRY_SECONDS = 0.2


class Follower:
    """Reads at the start and again at each change; what cannot be read is tried again.

    Until then whoever uses it goes by what was read before.
    """

    def __init__(self, read: Callable[[], Awaitable[None]], clock: Clock, *, unread: str) -> None:
        """Follow what `read` reads.

        Args:
            read: takes what is there into use; psycopg.Error, PoolTimeout and TooManyRequests
                of it mean that it could not.
            clock: between two attempts.
            unread: the event of this process's log when it could not.
        """
        self._read_now = read
        self._clock = clock
        self._unread = unread
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def changed(self) -> None:
        """What is there may be other than before."""
        self._changed.set()

    async def start(self) -> None:
        """Reads what is there now, and goes on reading at each change."""
        await self._read()
        self._task = asyncio.create_task(self._follow())

    async def close(self) -> None:
        """Stops."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _follow(self) -> None:
        while True:
            await self._changed.wait()
            await self._read()
            if self._changed.is_set():
                await self._clock.sleep(_RETRY_SECONDS)

    async def _read(self) -> None:
        self._changed.clear()
        try:
            await self._read_now()
        except (psycopg.Error, PoolTimeout, TooManyRequests) as error:
            logger().warning(self._unread, error_type=type(error).__name__)
            self._changed.set()
