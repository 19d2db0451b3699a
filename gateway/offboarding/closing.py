"""The last step of a contract's end: the certificate is accepted, and the way out is closed."""

from datetime import datetime
from typing import Any

import psycopg
from cryptography.x509 import ReasonFlags

from audit.entry import EventType
from gateway.clock import rfc3339
from gateway.errors import NotFoundError, RequestInvalidError
from gateway.evidence import record_with_change
from gateway.offboarding.certificate import FiledCertificate, certificates_of
from gateway.offboarding.notices import notices_of
from gateway.offboarding.record import Offboarding, Step, advance, read_offboarding
from gateway.operations.approval import ProposalKind, withdraw_proposals
from gateway.operations.invitation import closing_subject

_MAX_REASON = 1000
_DECIDE = """
UPDATE casegate.destruction_certificate
   SET status = %s, decided_by = %s, decided_at = %s, reason = %s
 WHERE contract_id = %s AND status = 'filed' RETURNING certificate_id
"""
_REVOKE = """
UPDATE casegate.credential
   SET status = 'revoked', revoked_at = %s, revocation_reason = %s
 WHERE contract_id = %s AND status <> 'revoked' RETURNING thumbprint
"""


def contest_certificate(
    connection: psycopg.Connection, contract_id: str, *, reason: str, actor: str, at: datetime
) -> Offboarding:
    """Turns the filed certificate down; the vendor may file another, the deadline stays.

    Raises:
        NotFoundError: the contract has not ended here, or no certificate waits.
        RequestInvalidError: no reason, or one of over 1,000 characters.
    """
    if not 1 <= len(reason.strip()) <= _MAX_REASON:
        raise RequestInvalidError(f"a reason has 1 to {_MAX_REASON} characters")
    offboarding = read_offboarding(connection, contract_id)
    with connection.transaction():
        certificate = _decide(connection, contract_id, "contested", reason, actor=actor, at=at)
        record_with_change(
            connection,
            EventType.OFFBOARDING_ADVANCED,
            at=at,
            actor=actor,
            vendor=offboarding.vendor_id,
            contract=contract_id,
            destruction=certificate,
            status="contested",
        )
    return offboarding


def accept_certificate(
    connection: psycopg.Connection, contract_id: str, *, actor: str, at: datetime
) -> Offboarding:
    """Accepts the filed certificate and closes: contract purged, closing credential revoked.

    Done once; again it changes nothing.

    Raises:
        NotFoundError: the contract has not ended here, or no certificate waits.
        RequestInvalidError: a step before is not done yet.
    """
    offboarding = read_offboarding(connection, contract_id)
    if offboarding.step is Step.CLOSED:
        return offboarding
    if offboarding.step is not Step.REQUESTED:
        raise RequestInvalidError(
            "the contract's end is not through yet; run: casegate vendor offboard"
        )
    with connection.transaction():
        _decide(connection, contract_id, "accepted", None, actor=actor, at=at)
        connection.execute(
            "UPDATE casegate.contract SET status = 'purged' WHERE contract_id = %s", (contract_id,)
        )
        revoked = connection.execute(
            _REVOKE, (at, ReasonFlags.cessation_of_operation.value, contract_id)
        ).fetchall()
        facts = {
            "destruction": {
                "notices": [
                    {"kind": made.kind, "day": made.day.isoformat()}
                    for made in notices_of(connection, contract_id)
                ],
                "certificates": [
                    certificate_document(filed)
                    for filed in certificates_of(connection, contract_id)
                ],
                "closing_certificates_revoked": sorted(bytes(row[0]).hex() for row in revoked),
                "closed_by": actor,
                "closed_at": rfc3339(at),
            }
        }
        subject = closing_subject(offboarding.vendor_id, contract_id)
        withdraw_proposals(connection, ProposalKind.CLOSING_INVITATION, subject)
        return advance(connection, offboarding, facts, at=at, decided_by=actor)


def certificate_document(filed: FiledCertificate) -> dict[str, Any]:
    """A filed certificate as JSON."""
    return {
        "id": str(filed.certificate_id),
        "says": filed.content,
        "content_sha256": bytes(filed.content_sha256).hex(),
        "document_sha256": bytes(filed.document_sha256).hex(),
        "media_type": filed.media_type,
        "filed_with": bytes(filed.thumbprint).hex(),
        "filed_at": rfc3339(filed.filed_at),
        "status": filed.status,
        "decided_by": filed.decided_by,
        "decided_at": None if filed.decided_at is None else rfc3339(filed.decided_at),
        "reason": filed.reason,
    }


def _decide(
    connection: psycopg.Connection,
    contract_id: str,
    status: str,
    reason: str | None,
    *,
    actor: str,
    at: datetime,
) -> str:
    row = connection.execute(_DECIDE, (status, actor, at, reason, contract_id)).fetchone()
    if row is None:
        raise NotFoundError("no destruction certificate waits for a decision")
    return str(row[0])
