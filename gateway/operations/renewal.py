"""Renewal: asked for by a vendor's listener with the present certificate, issued beside it.

The listener of vendors has no issuing key. It puts the request on record and waits a moment; the
enrolment process issues. A renewed certificate ends seven days after its successor begins.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import uuid4

import psycopg
from cryptography import x509
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from audit.entry import EventType
from gateway.clock import Clock
from gateway.errors import (
    CredentialRefusedError,
    DatabaseUnavailableError,
    EnrolmentRefusedError,
)
from gateway.evidence import Evidence, record_with_change
from gateway.identity.principal import CredentialScope, VendorPrincipal
from gateway.operations.enrolment import (
    ACTOR,
    Issuing,
    PendingEnrolment,
    find_enrolment,
    issue,
)
from gateway.operations.spreading import until_known
from keys.certificate_request import read_key_request

OVERLAP = timedelta(days=7)
CHANNEL = "casegate_renewal"
WAIT_SECONDS = 3.0
_POLL_SECONDS = 0.05
_REQUEST = "SELECT * FROM casegate.request_renewal(%s, %s, %s, %s, %s)"
_WAITING = "e.status = 'requested' AND e.renews IS NOT NULL AND e.requested_at <= %s"
_HELD = """
SELECT status = 'active' AND least(not_after, retires_at) > %s FROM casegate.credential
 WHERE thumbprint = %s
"""


@dataclass(frozen=True, slots=True)
class RenewalDesk:
    """The vendor listener's end."""

    pool: AsyncConnectionPool
    evidence: Evidence
    clock: Clock

    async def renew(self, principal: VendorPrincipal, csr: bytes) -> x509.Certificate | None:
        """The new certificate, or None when it was not issued at once: to be asked for again.

        Raises:
            CredentialRefusedError: CONTRACT_ENDED, when the certificate is for the closing.
            EnrolmentRefusedError: KEY_REUSED, RENEWED_ALREADY (with another key; one successor a
                certificate), ENROLMENT_REJECTED.
            RequestRefusedError: the request (DER) is malformed, proves nothing, or is weak.
            DatabaseUnavailableError: PostgreSQL does not answer.
        """
        if principal.scope is not CredentialScope.FULL:
            raise CredentialRefusedError("CONTRACT_ENDED")
        key = read_key_request(csr)
        await self.evidence.record(
            EventType.ENROLMENT_REQUESTED,
            vendor=principal.vendor_id,
            contract=principal.contract_id,
            credential=principal.credential_ref,
            certificate=principal.thumbprint.hex(),
            key=key.spki_sha256.hex(),
        )
        deadline = self.clock.monotonic() + WAIT_SECONDS
        asked = (uuid4(), principal.thumbprint, key.der, key.spki_sha256, self.clock.now())
        while True:
            status, certificate = await self._ask(asked)
            if status == "refused":
                raise EnrolmentRefusedError(
                    "ENROLMENT_REJECTED", "the certificate is not renewed; ask your contact"
                )
            if certificate is not None:
                await until_known(self.pool, self.clock)
                return x509.load_der_x509_certificate(bytes(certificate))
            if self.clock.monotonic() > deadline:
                return None
            await self.clock.sleep(_POLL_SECONDS)

    async def _ask(self, asked: tuple[object, ...]) -> tuple[str, bytes | None]:
        try:
            async with self.pool.connection() as connection:
                row = await (await connection.execute(_REQUEST, asked)).fetchone()
        except psycopg.Error as error:
            raise _refusal(error) from error
        except PoolTimeout as error:
            raise DatabaseUnavailableError("PostgreSQL does not answer") from error
        assert row is not None
        return str(row[0]), row[1]


def issue_renewals(connection: psycopg.Connection, issuing: Issuing, *, at: datetime) -> int:
    """Issues what is waiting, each in its own transaction; returns how many were decided.

    A request whose certificate, vendor or contract has ended meanwhile is refused for good.

    Raises:
        KeyManagementError, ConfigurationError: the issuing key cannot be used; all stay waiting.
    """
    decided = 0
    while True:
        with connection.transaction():
            waiting = find_enrolment(connection, _WAITING, at, is_locked=True)
            if waiting is None:
                return decided
            _decide(connection, issuing, waiting, at)
        decided += 1


def _decide(
    connection: psycopg.Connection, issuing: Issuing, waiting: PendingEnrolment, at: datetime
) -> None:
    assert waiting.renews is not None
    held = connection.execute(_HELD, (at, waiting.renews)).fetchone()
    code = None if held is not None and held[0] else "CRED_REVOKED"
    if code is None:
        try:
            issue(connection, issuing, waiting, at=at)
        except EnrolmentRefusedError as error:
            code = error.code
    if code is None:
        retirement = (waiting.renews, at + OVERLAP)
        connection.execute("SELECT casegate.retire_credential(%s, %s)", retirement)
        return
    connection.execute(
        "UPDATE casegate.enrolment SET status = 'refused' WHERE enrolment_id = %s",
        (waiting.enrolment_id,),
    )
    record_with_change(
        connection,
        EventType.ENROLMENT_REFUSED,
        at=at,
        actor=ACTOR,
        code=code,
        certificate=bytes(waiting.renews).hex(),
        **waiting.subject(),
    )


def _refusal(error: psycopg.Error) -> Exception:
    match error.sqlstate:
        case "CG020":
            return EnrolmentRefusedError(
                "KEY_REUSED", "the key was seen here before; make a new one, on your own system"
            )
        case "CG021":
            return CredentialRefusedError("CRED_REVOKED")
        case "CG022" | "23505":
            return EnrolmentRefusedError(
                "RENEWED_ALREADY",
                "this certificate has a successor already; renew that one, or ask for an"
                " invitation if its key is lost",
            )
        case _:
            return DatabaseUnavailableError("PostgreSQL does not answer")
