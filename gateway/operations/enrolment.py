"""Enrolment: a code and a signing request become a certificate; the first one needs two people."""

import hmac
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID, uuid4

import psycopg
from cryptography import x509
from psycopg.rows import args_row, dict_row

from audit.entry import EntryValue, EventType
from gateway.errors import (
    ApprovalRefusedError,
    ConfigurationError,
    EnrolmentRefusedError,
    RequestInvalidError,
)
from gateway.evidence import record_with_change
from gateway.identity.principal import CredentialScope
from gateway.logs import logger
from gateway.operations.approval import ProposalKind, propose, read_proposal, take_approval
from gateway.operations.invitation import code_digest, read_standing
from gateway.operations.registration import VendorOwner, register_credential
from keys.authority import CertificateAuthority
from keys.certificate_request import KeyRequest, read_key_request
from keys.errors import KeyManagementError
from keys.vendor_certificate import VendorSubject, certify_vendor

ACTOR = "service:enrolment"
# Key, device or certificate of the authority cannot be used: nobody's fault who asks.
_UNAVAILABLE = (KeyManagementError, ConfigurationError, OSError)
MAX_PAGE = 200

_INVITATION = """
SELECT invitation_id, vendor_id, contract_id, system, scope, invited_by, expires_at
  FROM casegate.invitation WHERE code_sha256 = %s FOR UPDATE
"""
_ENROLMENT = """
SELECT e.enrolment_id, e.vendor_id, e.contract_id, e.credential_ref, e.system, e.scope, e.request,
       e.spki_sha256, e.proposal_id, e.status, e.renews, c.certificate
  FROM casegate.enrolment e LEFT JOIN casegate.credential c ON c.thumbprint = e.thumbprint
"""
_KEY_SEEN = """
SELECT 1 FROM casegate.enrolment WHERE spki_sha256 = %(key)s
UNION ALL SELECT 1 FROM casegate.credential WHERE spki_sha256 = %(key)s LIMIT 1
"""
_IS_FIRST = """
SELECT NOT EXISTS (SELECT 1 FROM casegate.credential
                    WHERE kind = 'vendor' AND vendor_id = %s AND contract_id = %s)
"""
_PAGE = """
SELECT enrolment_id, vendor_id, contract_id, credential_ref, system, scope, requested_at, status,
       proposal_id, renews IS NOT NULL, encode(thumbprint, 'hex')
  FROM casegate.enrolment
 WHERE %(after)s::uuid IS NULL OR (requested_at, enrolment_id) <
       (SELECT a.requested_at, a.enrolment_id FROM casegate.enrolment a
         WHERE a.enrolment_id = %(after)s)
 ORDER BY requested_at DESC, enrolment_id DESC LIMIT %(limit)s
"""


class Issuing(Protocol):
    """The authority that signs now, and the host that it may name."""

    @property
    def trust_host(self) -> str:
        """Host of the URIs in certificates."""
        ...

    def authority(self) -> CertificateAuthority:
        """The active issuing authority with its key.

        Raises:
            KeyManagementError, ConfigurationError: it cannot be used now.
        """
        ...


@dataclass(frozen=True, slots=True)
class Enrolment:
    """A request for a certificate as staff see it; `is_renewal` of one that was there before."""

    enrolment_id: UUID
    vendor_id: str
    contract_id: str
    credential_ref: str
    system: str
    scope: str
    requested_at: datetime
    status: str
    proposal_id: UUID | None
    is_renewal: bool
    certificate: str | None


@dataclass(frozen=True, slots=True)
class PendingEnrolment:
    """A row of `enrolment` with the certificate that came of it, if one has."""

    enrolment_id: UUID
    vendor_id: str
    contract_id: str
    credential_ref: str
    system: str
    scope: str
    request: bytes
    spki_sha256: bytes
    proposal_id: UUID | None
    status: str
    renews: bytes | None
    certificate: bytes | None

    def subject(self) -> dict[str, EntryValue]:
        """What a second person approves: this key for this system, and nothing else."""
        return {
            "enrolment": str(self.enrolment_id),
            "vendor": self.vendor_id,
            "contract": self.contract_id,
            "credential": self.credential_ref,
            "system": self.system,
            "scope": self.scope,
            "key": bytes(self.spki_sha256).hex(),
        }


def enrol(
    connection: psycopg.Connection,
    issuing: Issuing,
    *,
    vendor_id: str,
    code: str,
    csr: bytes,
    at: datetime,
) -> x509.Certificate | None:
    """Takes a request under a code; the certificate, or None while a second person is awaited.

    Sent again with the same code and the same key, it answers how things stand. The subject
    comes from the record; of the request (DER) only the key is taken.

    Raises:
        EnrolmentRefusedError: INVITATION_NOT_ACCEPTED (unknown, expired or another vendor's code,
            told alike), INVITATION_USED (with another key), KEY_REUSED, CONTRACT_NOT_RUNNING,
            ENROLMENT_REJECTED (the second person said no, or nobody did in time),
            ISSUER_UNAVAILABLE (the request stays, beyond the code's own end).
        RequestRefusedError: the request is malformed, proves nothing, or its key is weak.
    """
    with connection.transaction():
        invitation = _open_invitation(connection, vendor_id, code)
        known = find_enrolment(connection, "e.invitation_id = %s", invitation["invitation_id"])
        if known is None and at >= invitation["expires_at"]:
            raise _not_accepted()
        key = read_key_request(csr)
        if known is None:
            known = _begin(connection, invitation, key, at)
        elif bytes(known.spki_sha256) != key.spki_sha256:
            raise EnrolmentRefusedError(
                "INVITATION_USED", "the code was used with another key; ask for a new invitation"
            )
        if known.status == "refused":
            raise _rejected()
        if known.certificate is not None:
            return x509.load_der_x509_certificate(bytes(known.certificate))
        try:
            # What fails in here leaves the request on record, and its approval unused.
            with connection.transaction():
                if known.proposal_id is None or _is_approved(connection, known, at):
                    return issue(connection, issuing, known, at=at, actor=invitation["invited_by"])
                return None
        except _UNAVAILABLE as error:
            logger().error("issuer.unavailable", error_type=type(error).__name__)
    raise EnrolmentRefusedError(
        "ISSUER_UNAVAILABLE",
        "the request is on record; the issuing key cannot be used now: send it again later, the"
        " same file with the same code",
    )


def issue(
    connection: psycopg.Connection,
    issuing: Issuing,
    enrolment: PendingEnrolment,
    *,
    at: datetime,
    actor: str = ACTOR,
) -> x509.Certificate:
    """Signs and registers the certificate of an enrolment, in the caller's transaction.

    Raises:
        EnrolmentRefusedError: CONTRACT_NOT_RUNNING.
        KeyManagementError: the issuing key cannot be used.
    """
    scope = CredentialScope(enrolment.scope)
    standing = read_standing(connection, enrolment.vendor_id, enrolment.contract_id)
    ends = standing.certificates_end(scope, at)
    authority = issuing.authority()
    certificate = certify_vendor(
        authority,
        read_key_request(bytes(enrolment.request)).public_key,
        VendorSubject(enrolment.vendor_id, enrolment.contract_id, enrolment.credential_ref),
        trust_host=issuing.trust_host,
        at=at,
        contract_ends=ends,
    )
    owner = VendorOwner(
        enrolment.vendor_id,
        enrolment.contract_id,
        enrolment.credential_ref,
        enrolment.system,
        scope,
        None if enrolment.renews is None else bytes(enrolment.renews),
    )
    thumbprint = register_credential(
        connection, certificate, owner, issuer_id=authority.issuer_id, actor=actor, at=at
    )
    connection.execute(
        "UPDATE casegate.enrolment SET status = 'issued', thumbprint = %s WHERE enrolment_id = %s",
        (thumbprint, enrolment.enrolment_id),
    )
    return certificate


def find_enrolment(
    connection: psycopg.Connection, condition: str, value: object, *, is_locked: bool = False
) -> PendingEnrolment | None:
    """The oldest enrolment that fulfils a condition (a constant of the caller's code)."""
    lock = " FOR UPDATE OF e SKIP LOCKED" if is_locked else ""
    query = f"{_ENROLMENT} WHERE {condition} ORDER BY e.requested_at LIMIT 1{lock}"
    with connection.cursor(row_factory=args_row(PendingEnrolment)) as cursor:
        return cursor.execute(query.encode(), (value,)).fetchone()


def list_enrolments(
    connection: psycopg.Connection, *, after: UUID | None = None, limit: int = 50
) -> list[Enrolment]:
    """A page of enrolments, newest first; `after` is the last id of the page before.

    Raises:
        RequestInvalidError: the page is too large.
    """
    if not 1 <= limit <= MAX_PAGE:
        raise RequestInvalidError(f"limit is between 1 and {MAX_PAGE}")
    with connection.cursor(row_factory=args_row(Enrolment)) as cursor:
        return cursor.execute(_PAGE, {"after": after, "limit": limit}).fetchall()


def _open_invitation(connection: psycopg.Connection, vendor_id: str, code: str) -> dict[str, Any]:
    """Found by the hash of 128 random bits, so how long the search takes tells nothing."""
    with connection.cursor(row_factory=dict_row) as cursor:
        invitation = cursor.execute(_INVITATION, (code_digest(code),)).fetchone()
    owner = "" if invitation is None else str(invitation["vendor_id"])
    if not hmac.compare_digest(owner.encode(), vendor_id.encode()) or invitation is None:
        raise _not_accepted()
    return invitation


def _begin(
    connection: psycopg.Connection, invitation: dict[str, Any], key: KeyRequest, at: datetime
) -> PendingEnrolment:
    vendor, contract = str(invitation["vendor_id"]), str(invitation["contract_id"])
    scope = CredentialScope(invitation["scope"])
    read_standing(connection, vendor, contract).certificates_end(scope, at)
    if connection.execute(_KEY_SEEN, {"key": key.spki_sha256}).fetchone() is not None:
        raise _reused()
    begun = PendingEnrolment(
        enrolment_id=uuid4(),
        vendor_id=vendor,
        contract_id=contract,
        credential_ref=uuid4().hex[:16],
        system=invitation["system"],
        scope=scope.value,
        request=key.der,
        spki_sha256=key.spki_sha256,
        proposal_id=None,
        status="requested",
        renews=None,
        certificate=None,
    )
    first = connection.execute(_IS_FIRST, (vendor, contract)).fetchone()
    assert first is not None
    proposal_id = None
    if first[0]:
        proposal_id = propose(
            connection,
            ProposalKind.CREDENTIAL_FIRST,
            begun.subject(),
            actor=invitation["invited_by"],
            at=at,
        )
    _insert(connection, begun, proposal_id, invitation["invitation_id"], at)
    record_with_change(
        connection,
        EventType.ENROLMENT_REQUESTED,
        at=at,
        actor=ACTOR,
        invitation=str(invitation["invitation_id"]),
        proposal=None if proposal_id is None else str(proposal_id),
        **begun.subject(),
    )
    found = find_enrolment(connection, "e.enrolment_id = %s", begun.enrolment_id)
    assert found is not None
    return found


def _insert(
    connection: psycopg.Connection,
    begun: PendingEnrolment,
    proposal_id: UUID | None,
    invitation_id: UUID,
    at: datetime,
) -> None:
    connection.execute(
        "UPDATE casegate.invitation SET used_at = %s WHERE invitation_id = %s",
        (at, invitation_id),
    )
    try:
        connection.execute(
            "INSERT INTO casegate.enrolment (enrolment_id, invitation_id, vendor_id, contract_id,"
            " credential_ref, system, scope, request, spki_sha256, requested_at, proposal_id,"
            " status) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, 'requested')",
            (
                begun.enrolment_id,
                invitation_id,
                begun.vendor_id,
                begun.contract_id,
                begun.credential_ref,
                begun.system,
                begun.scope,
                begun.request,
                begun.spki_sha256,
                at,
                proposal_id,
            ),
        )
    except psycopg.errors.UniqueViolation as error:  # a racer was first with the same key
        raise _reused() from error


def _is_approved(
    connection: psycopg.Connection, enrolment: PendingEnrolment, at: datetime
) -> bool:
    """Uses the approval up; False while it is awaited.

    Raises:
        EnrolmentRefusedError: ENROLMENT_REJECTED.
    """
    assert enrolment.proposal_id is not None
    proposal = read_proposal(connection, enrolment.proposal_id, at=at)
    if proposal.status == "open":
        return False
    if proposal.status == "approved":
        try:
            take_approval(connection, ProposalKind.CREDENTIAL_FIRST, enrolment.subject(), at=at)
        except ApprovalRefusedError as error:  # approved, and then not fetched in time
            raise _rejected() from error
        return True
    raise _rejected()


def _not_accepted() -> EnrolmentRefusedError:
    return EnrolmentRefusedError(
        "INVITATION_NOT_ACCEPTED", "the vendor id or the code is not accepted"
    )


def _reused() -> EnrolmentRefusedError:
    return EnrolmentRefusedError(
        "KEY_REUSED", "the key was seen here before; make a new one, on your own system"
    )


def _rejected() -> EnrolmentRefusedError:
    return EnrolmentRefusedError(
        "ENROLMENT_REJECTED",
        "a second person has refused the request, or nobody has decided or fetched in time",
    )
