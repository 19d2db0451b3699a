"""The composition root: joins settings, rooms and listeners. Nothing happens at import time."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import psycopg
from cryptography.x509 import ReasonFlags
from starlette.types import ASGIApp
from typing_extensions import override

from audit.entry import EventType
from audit.errors import AuditError
from audit.log import AuditLog
from audit.note import Ed25519Signer
from audit.store import PostgresBatchStore
from gateway.cases.reader import PostgresCaseReader
from gateway.clock import Clock
from gateway.errors import ConfigurationError
from gateway.evidence import LoggedEvidence
from gateway.http.company import CompanyUseCases, build_company_api
from gateway.http.gate import StaffGate, VendorGate
from gateway.http.oauth import TokenEndpoint
from gateway.http.vendor import build_vendor_api
from gateway.identity.connections import ConnectionRegistry
from gateway.identity.feed import TrustFeed
from gateway.logs import logger
from gateway.operations.revocation import RevocationEffect, revoke_certificate, revoke_vendor
from gateway.oversight.search import LogPage, LogQuery, search_log
from gateway.oversight.verification import read_checkpoint
from gateway.portfolio.finding import commitments_of_person
from gateway.portfolio.importing import ImportKeys, ImportReport, PortfolioImport, Progress
from gateway.release.cursor import CursorCipher
from gateway.release.profiles import ReleaseProfiles
from gateway.release.receipts import Receipts
from gateway.release.release import Release
from gateway.settings import ListenerSettings, Settings
from gateway.store.database import Database, connect, connection_pool
from keys.kek import LocalKeyEncryptionKey, read_secret_key
from keys.secret import Secret, read_private_file
from keys.tokens import TokenAuthority, load_signing_key
from policies.fields import load_field_catalog
from policies.load import load_bundle, load_packaged_bundle
from policies.model import PolicyBundle

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


def load_policies(settings: Settings) -> PolicyBundle:
    """The policies of an installation: its own directory, or the packaged ones.

    Raises:
        PolicyError: a file is wrong; the message names file, line and the way out.
    """
    if settings.policies is None:
        return load_packaged_bundle()
    return load_bundle(settings.resolve(settings.policies))


def read_key(settings: Settings, reference: str) -> Secret:
    """A 32-byte key that settings name.

    Raises:
        KeyFileError: it is missing, malformed or readable by others.
    """
    return read_secret_key(reference, settings.directory, os.environ)


def release_profiles(settings: Settings) -> ReleaseProfiles:
    """Decisions and projections of an installation's policies."""
    return ReleaseProfiles(
        load_policies(settings),
        load_field_catalog(),
        read_key(settings, settings.keys.pseudonym),
    )


def token_authority(settings: Settings) -> TokenAuthority:
    """Mints and verifies this installation's access tokens."""
    key = load_signing_key(read_private_file(settings.resolve(settings.keys.token_signing)))
    return TokenAuthority(key, issuer=settings.issuer, audience=settings.issuer)


def log_signer(settings: Settings) -> Ed25519Signer:
    """The log's signing key; only the publisher and the verifier's set-up ask for it."""
    key = load_signing_key(read_private_file(settings.resolve(settings.keys.log_signing)))
    return Ed25519Signer(settings.audit.origin, key)


def log_vkey(settings: Settings) -> str:
    """The log's verifier key.

    Raises:
        ConfigurationError: the file is missing.
    """
    path = settings.resolve(settings.audit.vkey)
    try:
        return path.read_text().strip()
    except OSError as error:
        raise ConfigurationError(f"the log's verifier key {path} cannot be read") from error


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
        self._log = AuditLog(self._store, deadline_seconds=settings.audit.deadline_seconds)
        self.evidence = LoggedEvidence(self._log, clock)

    async def start(self) -> None:
        await self._log.start()
        await self.trust.start()
        await self._note(EventType.LOG_STARTED)

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
        release = Release(
            reader=PostgresCaseReader(self._pool),
            profiles=release_profiles(settings),
            kek=LocalKeyEncryptionKey(read_key(settings, settings.keys.kek)),
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


@dataclass(frozen=True, slots=True)
class Office:
    """The company's use cases on connections of their own: for its API and the command line."""

    database: Database
    clock: Clock

    @contextmanager
    def connection(self, purpose: str = "company") -> Iterator[psycopg.Connection]:
        """A connection as a role.

        Raises:
            DatabaseUnavailableError: PostgreSQL does not answer.
        """
        connection = connect(self.database.conninfo(purpose, bounded=False))
        try:
            yield connection
        finally:
            connection.close()

    def use_cases(self) -> CompanyUseCases:
        """What the company API calls."""
        return CompanyUseCases(
            import_file=lambda path, vendor, contract, actor: self.import_file(
                path, vendor, contract, actor=actor, rejects=path.with_suffix(".rejected.csv")
            ),
            revoke_vendor=lambda vendor, reason, actor: self.revoke_vendor(
                vendor, reason, actor=actor
            ),
            revoke_certificate=lambda thumbprint, reason, actor: self.revoke_certificate(
                thumbprint, reason, actor=actor
            ),
            search=lambda query, actor: self.search(query, actor=actor),
            checkpoint=lambda actor: self.checkpoint(actor=actor),
        )

    def import_file(
        self,
        path: Path,
        vendor_id: str,
        contract_id: str,
        *,
        actor: str,
        rejects: Path,
        progress: Progress = lambda _read, _size, _rows: None,
    ) -> ImportReport:
        """Imports a case file; see PortfolioImport.run."""
        settings = self.database.settings
        pseudonyms = release_profiles(settings).pseudonym_key(vendor_id, contract_id)
        keys = ImportKeys(
            kek=LocalKeyEncryptionKey(read_key(settings, settings.keys.kek)),
            index=read_key(settings, settings.keys.index),
            pseudonyms=pseudonyms,
        )
        with self.connection() as connection:
            return PortfolioImport(
                connection,
                vendor_id=vendor_id,
                contract_id=contract_id,
                keys=keys,
                clock=self.clock,
                actor=actor,
            ).run(path, rejects=rejects, progress=progress)

    def revoke_vendor(self, vendor: str, reason: ReasonFlags, *, actor: str) -> RevocationEffect:
        """Shuts a vendor out; see operations.revocation."""
        with self.connection() as connection:
            return revoke_vendor(
                connection, vendor, reason=reason, actor=actor, at=self.clock.now()
            )

    def revoke_certificate(
        self, thumbprint: bytes, reason: ReasonFlags, *, actor: str
    ) -> RevocationEffect:
        """Revokes one certificate; see operations.revocation."""
        with self.connection() as connection:
            return revoke_certificate(
                connection, thumbprint, reason=reason, actor=actor, at=self.clock.now()
            )

    def search(self, query: LogQuery, *, actor: str) -> LogPage:
        """Searches the log; see oversight.search."""
        with self.connection() as connection:
            return search_log(connection, query, actor=actor, at=self.clock.now())

    def commitments_of(self, identifier: str) -> tuple[str, ...]:
        """The commitments in hex of all cases, past ones too, of a person by ID or mobile."""
        index_key = read_key(self.database.settings, self.database.settings.keys.index)
        with self.connection() as connection:
            return commitments_of_person(connection, identifier, index_key)

    def checkpoint(self, *, actor: str) -> str | None:
        """The newest signed checkpoint, after noting who read it."""
        with self.connection() as connection:
            return read_checkpoint(connection, actor=actor, at=self.clock.now())
