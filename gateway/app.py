"""The composition root: joins settings, rooms and listeners. Nothing happens at import time."""

import asyncio
from contextlib import closing
from pathlib import Path
from typing import Any, Protocol

import psycopg
from starlette.types import ASGIApp
from typing_extensions import override

from audit.entry import EventType
from audit.errors import AuditError
from audit.log import AuditLog
from audit.store import PostgresBatchStore
from gateway.cases.reader import PostgresCaseReader
from gateway.clock import Clock
from gateway.errors import DatabaseUnavailableError
from gateway.evidence import LoggedEvidence
from gateway.http.company import build_company_api
from gateway.http.gate import StaffGate, VendorGate
from gateway.http.oauth import TokenEndpoint
from gateway.http.vendor import build_vendor_api
from gateway.identity.connections import ConnectionRegistry
from gateway.identity.feed import TrustFeed
from gateway.installation import (
    loaded_keys,
    published_size,
    read_key,
    release_profiles,
    token_authority,
)
from gateway.logs import logger
from gateway.office import Office
from gateway.oversight.configuration import Loaded, note_loaded
from gateway.release.cursor import CursorCipher
from gateway.release.receipts import Receipts
from gateway.release.release import Release
from gateway.settings import ListenerSettings
from gateway.store.database import Database, connect, connection_pool
from keys.kek import LocalKeyEncryptionKey

POOL_SIZE = 8


class Listener(Protocol):
    """One worker's application with what it runs beside it."""

    registry: ConnectionRegistry
    application: ASGIApp
    address: ListenerSettings
    client_authorities: Path

    async def start(self) -> None:
        """Opens connections, hears trust, starts the log."""
        ...

    async def close(self) -> None:
        """Stops them in the other order."""
        ...


def describe_vendor_api() -> dict[str, Any]:
    """The OpenAPI 3.1 document of the vendor API; routes alone, nothing behind them."""
    nothing: Any = None
    return build_vendor_api(nothing, nothing, nothing, nothing).openapi()


def describe_company_api() -> dict[str, Any]:
    """The OpenAPI 3.1 document of the company API."""
    nothing: Any = None
    return build_company_api(nothing).openapi()


class _Running:
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
        )
        self._store = PostgresBatchStore(conninfo)
        self._log = AuditLog(
            self._store,
            deadline_seconds=settings.audit.deadline_seconds,
            known_size=published_size(settings),
        )
        self.evidence = LoggedEvidence(self._log, clock)
        self._conninfo = conninfo
        self._clock = clock
        self._loaded = Loaded(settings)

    async def start(self) -> None:
        await self._log.start()
        await self.trust.start()
        await self._note(EventType.LOG_STARTED)
        await asyncio.to_thread(self._note_loaded)

    async def close(self) -> None:
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


class VendorListener(_Running):
    """The vendor API of one worker."""

    def __init__(self, database: Database, clock: Clock) -> None:
        super().__init__(database, clock, "vendor")
        settings = database.settings
        self.address = settings.vendor
        self.client_authorities = settings.resolve(settings.tls.vendor_ca)
        self._pool = connection_pool(database.conninfo("vendor"), size=POOL_SIZE)
        index_key = read_key(settings, settings.keys.index)
        tokens = token_authority(settings)
        profiles = release_profiles(settings)
        kek = LocalKeyEncryptionKey(read_key(settings, settings.keys.kek))
        self._loaded = Loaded(settings, profiles.bundle, loaded_keys(settings, kek, tokens))
        release = Release(
            reader=PostgresCaseReader(self._pool),
            profiles=profiles,
            kek=kek,
            cursors=CursorCipher(index_key),
            evidence=self.evidence,
            clock=clock,
        )
        export = settings.audit.export
        receipts = Receipts(None if export is None else settings.resolve(export))
        endpoint = TokenEndpoint(tokens, settings.issuer, self.evidence, clock)
        self.application: ASGIApp = VendorGate(
            build_vendor_api(release, receipts, endpoint, index_key),
            trust=self.trust,
            tokens=tokens,
            evidence=self.evidence,
            clock=clock,
        )

    @override
    async def start(self) -> None:
        """See Listener."""
        await self._pool.open()
        await super().start()

    @override
    async def close(self) -> None:
        """See Listener."""
        await super().close()
        await self._pool.close()


class CompanyListener(_Running):
    """The company API of one worker."""

    def __init__(self, database: Database, clock: Clock) -> None:
        super().__init__(database, clock, "company")
        settings = database.settings
        self.address = settings.company
        self.client_authorities = settings.resolve(settings.tls.staff_ca)
        office = Office(database, clock)
        self.application: ASGIApp = StaffGate(
            build_company_api(office.use_cases()),
            trust=self.trust,
            evidence=self.evidence,
            clock=clock,
        )
