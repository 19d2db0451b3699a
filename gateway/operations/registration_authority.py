"""What the enrolment process does with the issuing key: enrol, renew, tell what is revoked."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from cryptography import x509

from gateway.clock import Clock
from gateway.errors import ConfigurationError
from gateway.operations.enrolment import enrol
from gateway.operations.issuers import due_crl, newest_crl, publish_crl, status_of
from gateway.operations.issuing import authority_settings, load_authorities
from gateway.operations.renewal import CHANNEL, issue_renewals
from gateway.operations.spreading import wait_until_known
from gateway.store.database import Database, connect
from keys.authority import CertificateAuthority
from keys.errors import KeyManagementError
from keys.hierarchy import read_crl
from keys.issuing_key import load_certificates
from keys.ocsp import TRY_LATER, StatusResponder
from keys.thumbprint import spki_digest

ROOT_LIST = "root.crl"
_LISTS_EVERY_SECONDS = 5.0
_WAIT_SECONDS = 1.0


class RegistrationAuthority:
    """One process's issuing authorities, and the database as the role `enrolment`.

    The keys are opened once and again when the active issuer's certificate changes on disk: a
    rollover is heard without a restart. Safe to call from several threads.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._settings = database.settings
        self._own = authority_settings(database.settings)
        self._conninfo = database.conninfo("enrolment")
        self._clock = clock
        self._lock = threading.Lock()
        self._opened_for = b""
        self._authorities: list[CertificateAuthority] = []
        self._responder = StatusResponder([])
        self._listening: psycopg.Connection | None = None
        self._lists_at = float("-inf")

    @property
    def trust_host(self) -> str:
        """Host of the URIs in certificates."""
        return self._own.trust_host

    def authority(self) -> CertificateAuthority:
        """The active issuing authority.

        Raises:
            ConfigurationError, KeyManagementError: key or certificate cannot be used.
        """
        return self._open()[0]

    def enrol(self, vendor_id: str, code: str, csr: bytes) -> x509.Certificate | None:
        """See operations.enrolment."""
        with self._connection() as connection:
            certificate = enrol(
                connection, self, vendor_id=vendor_id, code=code, csr=csr, at=self._clock.now()
            )
            if certificate is not None:
                wait_until_known(connection, self._clock)
            return certificate

    def trusted(self) -> list[x509.Certificate]:
        """The authorities behind vendors' certificates: issuing ones and the root."""
        return load_certificates(self._settings.resolve(self._settings.tls.vendor_ca))

    def crl(self, issuer_id: bytes) -> bytes | None:
        """The newest list of an issuer, or of the root, in DER; None when there is none."""
        with self._connection() as connection:
            found = newest_crl(connection, issuer_id)
        if found is not None:
            return found.der
        path = self._settings.resolve(self._own.certificate).with_name(ROOT_LIST)
        roots = [each for each in self.trusted() if each.issuer == each.subject]
        if path.exists() and issuer_id in {spki_digest(root) for root in roots}:
            read_crl(path)
            return path.read_bytes()
        return None

    def answer_status(self, question: bytes) -> bytes:
        """The OCSP answer to an OCSP request, both DER; see keys.ocsp."""
        try:
            self._open()
        except (ConfigurationError, KeyManagementError, OSError):
            return TRY_LATER
        now = self._clock.now()
        with self._connection() as connection:
            return self._responder.answer(
                question,
                lambda issuer, serial: status_of(connection, issuer, serial, now),
                now,
            )

    def tend(self) -> None:
        """Waits up to a second for a renewal, issues what is waiting, and keeps lists current.

        Raises:
            psycopg.Error, GatewayError, KeyManagementError: to be tried again later.
        """
        connection = self._listen()
        try:
            for _notice in connection.notifies(timeout=_WAIT_SECONDS, stop_after=1):
                pass
            issue_renewals(connection, self, at=self._clock.now())
            if self._clock.monotonic() - self._lists_at > _LISTS_EVERY_SECONDS:
                self._publish_lists(connection)
                self._lists_at = self._clock.monotonic()
        except psycopg.Error:
            self.close()
            raise

    def close(self) -> None:
        """Hangs up."""
        listening, self._listening = self._listening, None
        if listening is not None:
            listening.close()

    def _publish_lists(self, connection: psycopg.Connection) -> None:
        self._open()
        for authority in self._authorities:
            if due_crl(connection, authority.issuer_id, self._clock.now()):
                publish_crl(connection, authority, self._clock.now())

    def _listen(self) -> psycopg.Connection:
        if self._listening is None:
            self._listening = connect(self._conninfo)
            self._listening.execute(f"LISTEN {CHANNEL}")
        return self._listening

    def _open(self) -> list[CertificateAuthority]:
        content = self._settings.resolve(self._own.certificate).read_bytes()
        with self._lock:
            if content != self._opened_for:
                self._authorities = load_authorities(self._settings)
                self._responder = StatusResponder(self._authorities)
                self._opened_for = content
            return self._authorities

    @contextmanager
    def _connection(self) -> Iterator[psycopg.Connection]:
        connection = connect(self._conninfo)
        try:
            yield connection
        finally:
            connection.close()
