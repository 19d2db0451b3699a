"""The vendor API of one worker, put together."""

import asyncio
from contextlib import AbstractContextManager, closing

import psycopg
from psycopg_pool import ConnectionPool
from starlette.types import ASGIApp
from typing_extensions import override

from gateway.affairs.vendor_side import vendor_affairs
from gateway.cases.notes import PostgresNoteReader
from gateway.cases.reader import PostgresCaseReader
from gateway.changes.reader import ChangeReader
from gateway.changes.watch import ChangeWatch
from gateway.clock import Clock
from gateway.contact.active_rules import ActiveRules
from gateway.contact.calls import Calls
from gateway.contact.dial_token import DialTokens
from gateway.contact.permits import Permits
from gateway.contact.store import PostgresPermitStore
from gateway.contact.vendor_protection import vendor_desks
from gateway.findings.detection_rules import read_detection_rules
from gateway.findings.own import FindingReader
from gateway.http.affairs import add_affairs
from gateway.http.changes import ChangeFeed, add_changes
from gateway.http.closing import add_closing
from gateway.http.consents import add_consents
from gateway.http.gate import VendorGate
from gateway.http.oauth import TokenEndpoint
from gateway.http.people import add_people
from gateway.http.permits import add_permits
from gateway.http.quality import add_own_checks
from gateway.http.recordings import add_recordings
from gateway.http.records import add_records
from gateway.http.renewal import add_renewal
from gateway.http.reports import add_own_findings, add_reports
from gateway.http.requests import add_requests
from gateway.http.scripts import add_scripts
from gateway.http.vendor import build_vendor_api
from gateway.identity.principal import VendorPrincipal
from gateway.identity.token_revocation import PostgresTokenRevoker
from gateway.installation import (
    LiveKeys,
    loaded_keys,
    policies_directory,
    read_key,
    release_profiles,
)
from gateway.intake.batches_desk import RecordDesk
from gateway.intake.recordings_place import (
    recording_limits,
    recording_store,
    recordings_directory,
)
from gateway.intake.records_rules import intake_rules
from gateway.intake.uploads import UploadDesk
from gateway.masking.key_checks import verify_pseudonym_keys
from gateway.offboarding.certificate import (
    DestructionCertificate,
    Filing,
    file_certificate,
)
from gateway.operations.renewal import RenewalDesk
from gateway.oversight.configuration import Loaded
from gateway.people.vendor_desk import VendorDesk
from gateway.quality.own import OwnChecks
from gateway.release.activated import ActivePolicies
from gateway.release.cursor import CursorCipher
from gateway.release.receipts import Receipts
from gateway.release.release import Release
from gateway.reports.desks import filing_desk
from gateway.running import Running
from gateway.store.database import Database, connect, connection_pool
from policies.contact.calendar import calendar_of, read_extra_days
from policies.contact.results import load_results
from policies.fields import load_field_catalog
from policies.parameters import read_parameters

POOL_SIZE = 8
# So many batches of records are looked at beside each other; pulls have to have their share.
INTAKE_POOL_SIZE = 2


class VendorListener(Running):
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
        self._pseudonym_key = profiles.pseudonym_key
        self._policies = ActivePolicies(self._pool, load_field_catalog(), profiles.use, clock)
        in_use = loaded_keys(settings, keys.kek, keys.tokens)
        self._loaded = Loaded(settings, keys=in_use)  # policies are noted when they are activated
        reader = PostgresCaseReader(self._pool)
        release = Release(
            reader=reader,
            notes=PostgresNoteReader(self._pool),
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
        store = PostgresPermitStore(self._pool)
        directory = policies_directory(settings)
        parameters = read_parameters(directory)
        calendar = calendar_of(parameters["calendar.id"], read_extra_days(directory))
        self._rules = ActiveRules(self._pool, calendar, clock)
        permits = Permits(
            store=store,
            rulebook=self._rules,
            profiles=profiles,
            kek=keys.kek,
            tokens=DialTokens(index_key),
            evidence=self.evidence,
            clock=clock,
        )
        calls = Calls(
            store=store,
            reader=reader,
            results=load_results(),
            kek=keys.kek,
            evidence=self.evidence,
            clock=clock,
        )
        add_permits(api, permits, calls, index_key)
        people = VendorDesk(self._connection, clock, index_key, CursorCipher(index_key))
        add_people(api, people)
        add_scripts(api, people)
        self._changes = ChangeWatch(self._conninfo, clock)
        consents, requests = vendor_desks(
            self._connection, clock, parameters, kek=keys.kek, index_key=index_key
        )
        add_consents(api, consents)
        add_requests(api, requests)
        add_affairs(api, *vendor_affairs(self._connection, clock, parameters, index_key))
        uploads = UploadDesk(
            self._connection,
            clock,
            keys.kek,
            recordings_directory(settings),
            recording_store(settings),
            recording_limits(settings, parameters),
            CursorCipher(index_key),
        )
        add_recordings(api, uploads)
        # Not opened before the first batch: most workers of most trials never see one.
        self._intake_pool = ConnectionPool(
            self._conninfo,
            min_size=0,
            max_size=INTAKE_POOL_SIZE,
            open=False,
            timeout=2.0,
            max_idle=60.0,
            kwargs={"autocommit": True},
        )
        rules = intake_rules(directory, parameters, kek=lambda: keys.kek, index_key=index_key)
        add_records(api, RecordDesk(self._intake_pool.connection, clock, rules))
        cursors = CursorCipher(index_key)
        add_reports(api, filing_desk(self._connection, clock, parameters, cursors))
        add_own_findings(
            api, FindingReader(self._connection, read_detection_rules(directory), cursors)
        )
        add_own_checks(api, OwnChecks(self._connection, cursors))
        changes = ChangeReader(self._pool)
        add_changes(api, ChangeFeed(changes, self._changes, CursorCipher(index_key)))
        self.application: ASGIApp = VendorGate(
            api,
            trust=self.trust,
            tokens=keys.tokens,
            evidence=self.evidence,
            clock=clock,
            is_for_closing=api.is_for_closing,
        )

    def _connection(self) -> AbstractContextManager[psycopg.Connection]:
        """One of a thread's own, for what is rare and waits for the database."""
        return closing(connect(self._conninfo))

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
        self._rules.changed()
        self._keys.refresh()

    @override
    async def start(self) -> None:
        """See Listener."""
        await self._pool.open()
        self._intake_pool.open()
        await verify_pseudonym_keys(self._pool, self._pseudonym_key)
        await self._policies.start()
        await self._rules.start()
        await self._changes.start()
        await super().start()

    @override
    async def close(self) -> None:
        """See Listener."""
        await super().close()
        await self._policies.close()
        await self._changes.close()
        await self._rules.close()
        await asyncio.to_thread(self._intake_pool.close)
        await self._pool.close()
