"""Hears every change of trust within milliseconds, and knows when it has stopped hearing."""

import asyncio
import contextlib
import math
import os
import socket
from collections.abc import Callable
from datetime import datetime
from uuid import UUID, uuid4

import psycopg
from psycopg.rows import args_row

from gateway.clock import Clock
from gateway.errors import TrustStaleError
from gateway.identity.connections import ConnectionRegistry
from gateway.identity.trust import CredentialRecord, TrustView
from gateway.logs import logger
from keys.errors import KeyManagementError

CHANNEL = "casegate_trust"
ACK_CHANNEL = "casegate_trust_ack"
_HEARTBEAT_SECONDS = 0.5
_RETRY_SECONDS = 0.2
_GRACE_SECONDS = 2.0
# Longer than a heartbeat and its query by far, shorter than the 5 s after which all are refused.
_QUERY_SECONDS = 3.0
# A worker that stops and stays on the list counts as one that did not obey until it is 5.5 s old.
# With the grace of connections and the log's last entry it is less than what a supervisor waits.
_SIGN_OFF_SECONDS = 4.0

_EPOCH = "SELECT epoch FROM casegate.trust"
_VIEW = "SELECT * FROM casegate.trust_view()"
_REVOKED_TOKENS = "SELECT token_id FROM casegate.revoked_tokens()"
_HEARD = """
INSERT INTO casegate.worker (worker_id, listener, host, pid, epoch) VALUES (%s, %s, %s, %s, %s)
ON CONFLICT (worker_id) DO UPDATE SET epoch = excluded.epoch, heard_at = clock_timestamp()
"""
_GONE = "DELETE FROM casegate.worker WHERE worker_id = %s"
_ACKNOWLEDGE = """
INSERT INTO casegate.trust_acknowledgement (worker_id, epoch, connections_closed)
VALUES (%s, %s, %s) ON CONFLICT DO NOTHING
"""


class TrustFeed:
    """Keeps a worker's TrustView current (LISTEN/NOTIFY with a heartbeat).

    `view()` is what every request asks. When nothing has been heard for `stale_seconds`, it
    refuses, and live connections are cut: a worker that cannot hear a revocation serves nobody.
    """

    def __init__(
        self,
        conninfo: str,
        *,
        listener: str,
        registry: ConnectionRegistry,
        clock: Clock,
        stale_seconds: float,
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        """Takes where to listen, and `on_change`, called before a change is acknowledged.

        What `on_change` raises as KeyManagementError is logged, and the change stays without
        this worker's acknowledgement.
        """
        self._conninfo = conninfo
        self.listener = listener
        self._registry = registry
        self._clock = clock
        self._stale_seconds = stale_seconds
        self._on_change = on_change
        self._view = TrustView(0, [])
        self._heard_at = float("-inf")
        self._tasks: list[asyncio.Task[None]] = []
        self._ready = asyncio.Event()
        self.worker_id: UUID = uuid4()

    async def start(self, *, wait_seconds: float = 10.0) -> None:
        """Begins to listen and waits for the first view (or goes on without: all refused)."""
        self._tasks = [asyncio.create_task(self._listen()), asyncio.create_task(self._watch())]
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._ready.wait(), wait_seconds)

    async def close(self) -> None:
        """Stops listening and takes this worker off the list."""
        for task in self._tasks:
            task.cancel()
        # Afterwards nothing puts it back: a cancelled query has ended on the server as well.
        await asyncio.gather(*self._tasks, return_exceptions=True)
        try:
            async with asyncio.timeout(_SIGN_OFF_SECONDS), await self._connect() as connection:
                await connection.execute(_GONE, (self.worker_id,))
        except (psycopg.Error, TimeoutError, OSError) as error:
            logger().warning("trust.still_listed", error_type=type(error).__name__)

    def view(self) -> TrustView:
        """The current view.

        Raises:
            TrustStaleError: nothing has been heard for too long.
        """
        if self._clock.monotonic() - self._heard_at > self._stale_seconds:
            raise TrustStaleError("revocations have not been heard for too long")
        return self._view

    async def _connect(self) -> psycopg.AsyncConnection:
        return await psycopg.AsyncConnection.connect(self._conninfo, autocommit=True)

    async def _listen(self) -> None:
        while True:
            try:
                async with await self._connect() as connection:
                    await connection.execute(f"LISTEN {CHANNEL}")
                    is_told = True
                    while True:
                        async with asyncio.timeout(_QUERY_SECONDS):
                            await self._refresh(connection, is_told=is_told)
                        is_told = False
                        notices = connection.notifies(timeout=_HEARTBEAT_SECONDS, stop_after=1)
                        async for _notice in notices:
                            is_told = True
            except (psycopg.Error, TimeoutError, OSError) as error:
                logger().warning("trust.unheard", error_type=type(error).__name__)
                await self._clock.sleep(_RETRY_SECONDS)

    async def _refresh(self, connection: psycopg.AsyncConnection, *, is_told: bool) -> None:
        asked_at = self._clock.monotonic()
        epoch = self._view.epoch
        if not is_told:
            row = await (await connection.execute(_EPOCH)).fetchone()
            assert row is not None
            epoch = int(row[0])
        view = self._view
        if is_told or epoch != view.epoch:
            view = await self._read(connection)
            epoch = view.epoch
        if epoch != self._view.epoch:
            self._view = view
            self._heard_at = asked_at
            closed = self._cut()
            if self._has_followed():
                async with connection.pipeline():
                    await connection.execute(_ACKNOWLEDGE, (self.worker_id, epoch, closed))
                    await connection.execute(f"NOTIFY {ACK_CHANNEL}")
            logger().info("trust.changed", epoch=epoch, connections=closed)
        self._heard_at = asked_at
        self._ready.set()
        await connection.execute(
            _HEARD, (self.worker_id, self.listener, socket.gethostname(), os.getpid(), epoch)
        )

    async def _read(self, connection: psycopg.AsyncConnection) -> TrustView:
        """The view that is on record, which may be newer than its epoch, never older."""
        records = connection.cursor(row_factory=args_row(CredentialRecord))
        async with connection.pipeline():  # one way there and back: time counts here
            epoch = await connection.execute(_EPOCH)
            await records.execute(_VIEW)
            tokens = await connection.execute(_REVOKED_TOKENS)
        row = await epoch.fetchone()
        assert row is not None
        revoked = (str(token[0]) for token in await tokens.fetchall())
        return TrustView(int(row[0]), await records.fetchall(), revoked)

    def _has_followed(self) -> bool:
        """Brings what else depends on trust up to date; False when it could not."""
        try:
            self._on_change()
        except KeyManagementError as error:
            logger().error("keys.unread", error_type=type(error).__name__)
            return False
        return True

    async def _watch(self) -> None:
        """Cuts connections whose contract or certificate ends, and all of them when stale."""
        was_stale = False
        looked_at = self._clock.now()
        while True:
            await self._clock.sleep(self._until_next_look())
            is_stale = self._clock.monotonic() - self._heard_at > self._stale_seconds
            if is_stale:
                closed = self._registry.cut(lambda _thumbprint: False)
                if not was_stale:
                    logger().error("trust.stale", connections=closed)
            else:
                # A young connection of a refused certificate may still read why it is refused.
                self._cut(made_before=self._clock.monotonic() - _GRACE_SECONDS)
                # What ended since the last look was live till then: it is cut at once.
                looked_at = self._cut_ended(looked_at)
            was_stale = is_stale

    def _until_next_look(self) -> float:
        """Seconds to the next heartbeat, or to the next end of a contract or certificate."""
        now = self._clock.now()
        end = self._view.next_end(now)
        if end is None:
            return _HEARTBEAT_SECONDS
        return min(_HEARTBEAT_SECONDS, (end - now).total_seconds())

    def _cut_ended(self, since: datetime) -> datetime:
        now = self._clock.now()
        self._registry.cut(
            lambda thumbprint: (
                self._view.is_live(thumbprint, now) or not self._view.is_live(thumbprint, since)
            )
        )
        return now

    def _cut(self, *, made_before: float = math.inf) -> int:
        now = self._clock.now()
        return self._registry.cut(
            lambda thumbprint: self._view.is_live(thumbprint, now), made_before=made_before
        )
