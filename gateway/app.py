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
from gateway.errors import ConfigurationError, DatabaseUnavailableError, GatewayError
from gateway.evidence import Evidence, LoggedEvidence
from gateway.http.closing import add_closing
from gateway.http.company import build_company_api
from gateway.http.enrolment import EnrolmentGate, EnrolmentLimits, build_enrolment_api
from gateway.http.gate import StaffGate, VendorGate
from gateway.http.oauth import TokenEndpoint
from gateway.http.renewal import add_renewal
from gateway.http.vendor import build_vendor_api
from gateway.identity.connections import ConnectionRegistry
from gateway.identity.feed import TrustFeed
from gateway.identity.principal import VendorPrincipal
from gateway.identity.token_revocation import PostgresTokenRevoker
from gateway.installation import (
    LiveKeys,
    loaded_keys,
    published_size,
    read_key,
    release_profiles,
)
from gateway.logs import logger
from gateway.offboarding.certificate import (
    DestructionCertificate,
    Filing,
    file_certificate,
)
from gateway.office import Office
from gateway.operations.registration_authority import RegistrationAuthority
from gateway.operations.renewal import RenewalDesk
from gateway.oversight.configuration import Loaded, note_loaded
from gateway.release.activated import ActivePolicies
from gateway.release.cursor import CursorCipher
from gateway.release.receipts import Receipts
from gateway.release.release import Release
from gateway.settings import ListenerSettings
from gateway.store.database import Database, connect, connection_pool
from keys.errors import KeyManagementError
from policies.fields import load_field_catalog

POOL_SIZE = 8
_TEND_AGAIN_SECONDS = 1.0


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


def describe_vendor_api() -> dict[str, Any]:
    """The OpenAPI 3.1 document of the vendor API; routes alone, nothing behind them."""
    nothing: Any = None
    api = build_vendor_api(nothing, nothing, nothing, nothing)
    add_renewal(api, nothing)
    add_closing(api, nothing)
    return api.openapi()


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
        self._keys = keys = LiveKeys(settings)
        profiles = release_profiles(settings)
        self._policies = ActivePolicies(self._pool, load_field_catalog(), profiles.use, clock)
        in_use = loaded_keys(settings, keys.kek, keys.tokens)
        self._loaded = Loaded(settings, keys=in_use)  # policies are noted when they are activated
        release = Release(
            reader=PostgresCaseReader(self._pool),
            profiles=profiles,
            kek=keys.kek,
            cursors=CursorCipher(index_key),
            evidence=self.evidence,
            clock=clock,
        )
        export = settings.audit.export
        receipts = Receipts(None if export is None else settings.resolve(export))
        revoker = PostgresTokenRevoker(self._pool)
        endpoint = TokenEndpoint(keys.tokens, settings.issuer, self.evidence, clock, revoker)
        api = build_vendor_api(release, receipts, endpoint, index_key)
        if settings.enrolment is not None:
            add_renewal(api, RenewalDesk(self._pool, self.evidence, clock))
        add_closing(api, self._file_certificate)
        self.application: ASGIApp = VendorGate(
            api,
            trust=self.trust,
            tokens=keys.tokens,
            evidence=self.evidence,
            clock=clock,
        )

    def _file_certificate(
        self,
        principal: VendorPrincipal,
        certificate: DestructionCertificate,
        paper: bytes,
        media_type: str,
    ) -> Filing:
        """In a thread, on a connection of its own: it happens once a contract."""
        with closing(connect(self._conninfo)) as connection:
            return file_certificate(
                connection,
                principal,
                certificate,
                paper=paper,
                media_type=media_type,
                at=self._clock.now(),
            )

    @override
    def follow_trust(self) -> None:
        """Takes up rotated keys and activated policies."""
        self._policies.changed()
        self._keys.refresh()

    @override
    async def start(self) -> None:
        """See Listener."""
        await self._pool.open()
        await self._policies.start()
        await super().start()

    @override
    async def close(self) -> None:
        """See Listener."""
        await super().close()
        await self._policies.close()
        await self._pool.close()


class EnrolmentListener(_Running):
    """Enrolment by code, renewal's issuing end, and revocation lists, of one worker."""

    def __init__(self, database: Database, clock: Clock) -> None:
        super().__init__(database, clock, "enrolment")
        own = database.settings.enrolment
        if own is None:
            raise ConfigurationError("casegate.toml has no section [enrolment]")
        self.address = own
        self.client_authorities = None
        self._authority = RegistrationAuthority(database, clock)
        self._gate = EnrolmentGate(
            build_enrolment_api(self._authority),
            trust=self.trust,
            evidence=self.evidence,
            clock=clock,
            limits=EnrolmentLimits(
                per_source=own.per_minute,
                overall=own.overall_per_minute,
                entries_per_source=own.entries_per_minute,
            ),
        )
        self.application: ASGIApp = self._gate
        self._tasks: list[asyncio.Task[None]] = []

    @override
    async def start(self) -> None:
        """See Listener."""
        self._authority.authority()  # a key that does not open stops the start
        await super().start()
        self._tasks = [
            asyncio.create_task(self._tend()),
            asyncio.create_task(self._gate.summarize()),
        ]

    @override
    async def close(self) -> None:
        """See Listener."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._authority.close()
        await super().close()

    async def _tend(self) -> None:
        while True:
            try:
                await asyncio.to_thread(self._authority.tend)
            except (GatewayError, KeyManagementError, psycopg.Error, OSError) as error:
                logger().error("enrolment.stuck", error_type=type(error).__name__)
                await self._clock.sleep(_TEND_AGAIN_SECONDS)


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


def make_listener(kind: str, database: Database, clock: Clock) -> Listener:
    """The listener of a kind: vendor, company or enrolment.

    Raises:
        ConfigurationError, KeyManagementError: what it needs is missing.
    """
    match kind:
        case "vendor":
            return VendorListener(database, clock)
        case "enrolment":
            return EnrolmentListener(database, clock)
        case _:
            return CompanyListener(database, clock)
