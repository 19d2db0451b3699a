"""What every worker runs beside its application: its view of trust, its end of the log."""

import asyncio
from contextlib import closing
from pathlib import Path
from typing import Protocol

import psycopg
from starlette.types import ASGIApp

from audit.entry import EventType
from audit.errors import AuditError
from audit.log import AuditLog
from audit.store import PostgresBatchStore
from gateway.clock import Clock
from gateway.errors import DatabaseUnavailableError
from gateway.evidence import Evidence, LoggedEvidence
from gateway.identity.connections import ConnectionRegistry
from gateway.identity.feed import TrustFeed
from gateway.installation import (
    published_size,
)
from gateway.logs import logger
from gateway.oversight.configuration import Loaded, note_loaded
from gateway.sections import ListenerSettings
from gateway.store.database import Database, connect


class Listener(Protocol):
    """One worker's application with what it runs beside it."""

    registry: ConnectionRegistry
    evidence: Evidence
    application: ASGIApp

    @property
    def address(self) -> ListenerSettings:
        """Where it accepts."""
        ...

    @property
    def client_authorities(self) -> Path | None:
        """Authorities of the client certificates that it asks for; None when it asks for none."""
        ...

    async def start(self) -> None:
        """Opens connections, hears trust, starts the log."""
        ...

    async def close(self) -> None:
        """Stops them in the other order."""
        ...


class Running:
    """What both listeners run: trust feed, log, evidence."""

    def __init__(self, database: Database, clock: Clock, listener: str) -> None:
        settings = database.settings
        conninfo = database.conninfo(listener)
        self.registry = ConnectionRegistry()
        self.trust = TrustFeed(
            conninfo,
            listener=listener,
            registry=self.registry,
            clock=clock,
            stale_seconds=settings.trust_stale_seconds,
            on_change=self.follow_trust,
        )
        self._store = PostgresBatchStore(conninfo)
        self._log = AuditLog(
            self._store,
            deadline_seconds=settings.audit.deadline_seconds,
            known_size=published_size(settings),
        )
        self.evidence: Evidence = LoggedEvidence(self._log, clock)
        self._conninfo = conninfo
        self._clock = clock
        self._loaded = Loaded(settings)

    def follow_trust(self) -> None:
        """Called when trust has changed, before this worker says that it has heard."""

    async def start(self) -> None:
        """See Listener."""
        await self._log.start()
        await self.trust.start()
        await self._note(EventType.LOG_STARTED)
        await asyncio.to_thread(self._note_loaded)

    async def close(self) -> None:
        """See Listener."""
        await self._note(EventType.LOG_STOPPED)
        await self.trust.close()
        await self._log.close()
        await self._store.close()

    async def _note(self, event: EventType) -> None:
        """A worker's life in the log; without a log it starts all the same, and refuses."""
        try:
            worker = str(self.trust.worker_id)
            await self.evidence.record(event, listener=self.trust.listener, worker=worker)
        except AuditError as error:
            logger().warning("worker.unnoted", error_type=type(error).__name__)

    def _note_loaded(self) -> None:
        """With what this worker runs, if that has changed; see oversight.configuration."""
        actor = f"worker:{self.trust.listener}"
        try:
            with closing(connect(self._conninfo)) as connection:
                note_loaded(connection, self._loaded, actor=actor, at=self._clock.now())
        except (DatabaseUnavailableError, psycopg.Error) as error:
            logger().warning("worker.unnoted", error_type=type(error).__name__)
