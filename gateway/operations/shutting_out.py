"""The desk at which staff revoke, suspend and resume; each tells its measured effect."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from uuid import UUID

import psycopg
from cryptography.x509 import ReasonFlags

from gateway.clock import Clock
from gateway.errors import ApprovalRefusedError, ConfigurationError, GatewayError
from gateway.logs import logger
from gateway.operations.effect import ListEffect, RevocationEffect
from gateway.operations.issuers import publish_crl
from gateway.operations.issuing import load_authorities
from gateway.operations.revocation import (
    find_issuer,
    revoke_certificate,
    revoke_credential,
    revoke_issuer,
    revoke_system,
    revoke_vendor,
)
from gateway.operations.suspension import (
    propose_credential_resume,
    propose_vendor_resume,
    resume_credential,
    resume_vendor,
    suspend_credential,
    suspend_vendor,
)
from gateway.settings import Settings
from keys.authority import CertificateAuthority
from keys.errors import KeyManagementError
from keys.hierarchy import drop_certificate

_NO_AUTHORITY = "this installation has no issuing authority"
_NO_KEY = "the issuing key is not at hand here; the enrolment process publishes it"
_NOT_PUBLISHED = "the list could not be published now; the enrolment process publishes it"


@dataclass(frozen=True, slots=True)
class ShuttingOutDesk:
    """Use cases on connections of their own, for the company API and the commands."""

    connection: Callable[[], AbstractContextManager[psycopg.Connection]]
    clock: Clock
    settings: Settings

    def revoke_certificate(
        self, thumbprint: bytes, reason: ReasonFlags, *, actor: str
    ) -> RevocationEffect:
        """Revokes one certificate; see operations.revocation."""
        with self.connection() as connection:
            effect = revoke_certificate(
                connection, thumbprint, reason=reason, actor=actor, at=self.clock.now()
            )
            return self._listed(connection, effect, actor)

    def revoke_credential(
        self, reference: str, reason: ReasonFlags, *, actor: str
    ) -> RevocationEffect:
        """Revokes a credential; see operations.revocation."""
        with self.connection() as connection:
            effect = revoke_credential(
                connection, reference, reason=reason, actor=actor, at=self.clock.now()
            )
            return self._listed(connection, effect, actor)

    def revoke_system(
        self, vendor_id: str, system: str, reason: ReasonFlags, *, actor: str
    ) -> RevocationEffect:
        """Revokes one of a vendor's systems; see operations.revocation."""
        with self.connection() as connection:
            effect = revoke_system(
                connection, vendor_id, system, reason=reason, actor=actor, at=self.clock.now()
            )
            return self._listed(connection, effect, actor)

    def revoke_vendor(
        self, vendor_id: str, reason: ReasonFlags, *, actor: str
    ) -> RevocationEffect:
        """Shuts a vendor out; see operations.revocation."""
        with self.connection() as connection:
            effect = revoke_vendor(
                connection, vendor_id, reason=reason, actor=actor, at=self.clock.now()
            )
            return self._listed(connection, effect, actor)

    def revoke_issuer(self, digits: str, reason: ReasonFlags, *, actor: str) -> RevocationEffect:
        """Revokes an issuer by the first digits of its id; see operations.revocation.

        It leaves this host's file of authorities, too: what reads that file anew, a proxy or a
        worker that starts, does not trust it. The record refuses its certificates at once.
        """
        with self.connection() as connection:
            issuer_id = find_issuer(connection, digits)
            effect = revoke_issuer(
                connection,
                issuer_id,
                reason=reason,
                actor=actor,
                at=self.clock.now(),
            )
            self._drop(issuer_id)
            return self._listed(connection, effect, actor)

    def suspend_vendor(self, vendor_id: str, *, actor: str) -> RevocationEffect:
        """Suspends a vendor; see operations.suspension."""
        with self.connection() as connection:
            effect = suspend_vendor(connection, vendor_id, actor=actor, at=self.clock.now())
            return self._listed(connection, effect, actor)

    def suspend_credential(self, reference: str, *, actor: str) -> RevocationEffect:
        """Suspends a credential; see operations.suspension."""
        with self.connection() as connection:
            effect = suspend_credential(connection, reference, actor=actor, at=self.clock.now())
            return self._listed(connection, effect, actor)

    def resume_vendor(self, vendor_id: str, *, actor: str) -> RevocationEffect | UUID:
        """Resumes a vendor by an approval; without one, proposes it and returns the proposal."""
        at = self.clock.now()
        with self.connection() as connection:
            try:
                effect = resume_vendor(connection, vendor_id, actor=actor, at=at)
            except ApprovalRefusedError as error:
                if error.code != "APPROVAL_MISSING":
                    raise
                return propose_vendor_resume(connection, vendor_id, actor=actor, at=at)
            return self._listed(connection, effect, actor)

    def resume_credential(self, reference: str, *, actor: str) -> RevocationEffect | UUID:
        """Resumes a credential by an approval; without one, proposes it, as resume_vendor."""
        at = self.clock.now()
        with self.connection() as connection:
            try:
                effect = resume_credential(connection, reference, actor=actor, at=at)
            except ApprovalRefusedError as error:
                if error.code != "APPROVAL_MISSING":
                    raise
                return propose_credential_resume(connection, reference, actor=actor, at=at)
            return self._listed(connection, effect, actor)

    def _drop(self, issuer_id: bytes) -> None:
        try:
            drop_certificate(self.settings.resolve(self.settings.tls.vendor_ca), issuer_id)
        except (KeyManagementError, OSError) as error:
            logger().warning("issuer.undropped", error_type=type(error).__name__)

    def _listed(
        self, connection: psycopg.Connection, effect: RevocationEffect, actor: str
    ) -> RevocationEffect:
        """Publishes the lists of those who issued; what fails is told, and undoes nothing."""
        if not effect.issuers:
            return effect
        try:
            held = {each.issuer_id: each for each in load_authorities(self.settings)}
        except ConfigurationError:
            return effect.with_lists(_unlisted(effect.issuers, _NO_AUTHORITY))
        except (GatewayError, KeyManagementError):
            return effect.with_lists(_unlisted(effect.issuers, _NO_KEY))
        lists = [self._publish(connection, held, issuer, actor) for issuer in effect.issuers]
        return effect.with_lists(lists)

    def _publish(
        self,
        connection: psycopg.Connection,
        held: dict[bytes, CertificateAuthority],
        issuer: bytes,
        actor: str,
    ) -> ListEffect:
        authority = held.get(issuer)
        if authority is None:
            return ListEffect(issuer.hex(), None, _NO_KEY)
        try:
            crl = publish_crl(connection, authority, self.clock.now(), actor=actor)
        except (GatewayError, KeyManagementError, psycopg.Error):
            return ListEffect(issuer.hex(), None, _NOT_PUBLISHED)
        return ListEffect(issuer.hex(), crl.number)


def _unlisted(issuers: Sequence[bytes], reason: str) -> list[ListEffect]:
    return [ListEffect(issuer.hex(), None, reason) for issuer in issuers]
