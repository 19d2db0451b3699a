"""The composition root: joins settings, rooms and listeners. Nothing happens at import time."""

import asyncio
from typing import Any

import psycopg
from starlette.types import ASGIApp
from typing_extensions import override

from gateway.clock import Clock
from gateway.errors import ConfigurationError, GatewayError
from gateway.http.affairs import add_affairs
from gateway.http.changes import add_changes
from gateway.http.closing import add_closing
from gateway.http.company import build_company_api
from gateway.http.consents import add_consents
from gateway.http.enrolment import EnrolmentGate, EnrolmentLimits, build_enrolment_api
from gateway.http.gate import StaffGate
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
from gateway.logs import logger
from gateway.office import Office
from gateway.operations.registration_authority import RegistrationAuthority
from gateway.running import Listener, Running
from gateway.store.database import Database
from gateway.vendor_listener import VendorListener
from keys.errors import KeyManagementError

_TEND_AGAIN_SECONDS = 1.0


def describe_vendor_api() -> dict[str, Any]:
    """The OpenAPI 3.1 document of the vendor API; routes alone, nothing behind them."""
    nothing: Any = None
    api = build_vendor_api(nothing, nothing, nothing, nothing)
    add_renewal(api, nothing)
    add_closing(api, nothing)
    add_permits(api, nothing, nothing, nothing)
    add_people(api, nothing)
    add_scripts(api, nothing)
    add_consents(api, nothing)
    add_requests(api, nothing)
    add_changes(api, nothing)
    add_recordings(api, nothing)
    add_records(api, nothing)
    add_reports(api, nothing)
    add_affairs(api, nothing, nothing, nothing)
    add_own_findings(api, nothing)
    add_own_checks(api, nothing)
    return api.openapi()


def describe_company_api() -> dict[str, Any]:
    """The OpenAPI 3.1 document of the company API."""
    nothing: Any = None
    return build_company_api(nothing).openapi()


class EnrolmentListener(Running):
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


class CompanyListener(Running):
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
