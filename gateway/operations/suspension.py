"""Suspends a vendor or a credential at once; lifting it takes a second person.

One person may always shut out. To let in again, one proposes and another approves, and what was
revoked meanwhile stays revoked. A new suspension voids approvals of an earlier one's lifting.
"""

from dataclasses import replace
from datetime import datetime
from uuid import UUID

import psycopg

from audit.entry import EntryValue, EventType
from gateway.errors import ApprovalRefusedError, NotFoundError
from gateway.evidence import record_with_change
from gateway.identity.feed import ACK_CHANNEL
from gateway.operations.approval import ProposalKind, propose, subject_digest, take_approval
from gateway.operations.effect import (
    RevocationEffect,
    await_workers,
    database_time,
    live_tokens,
    trust_epoch,
)

_VENDOR = "SELECT status FROM casegate.vendor WHERE vendor_id = %s FOR NO KEY UPDATE"
_CERTIFICATES_OF_VENDOR = """
SELECT thumbprint, issuer_id FROM casegate.credential WHERE vendor_id = %s AND status = 'active'
"""
_CREDENTIAL = """
SELECT vendor_id, array_agg(DISTINCT status) FROM casegate.credential
 WHERE credential_ref = %s GROUP BY vendor_id
"""
_SET_CREDENTIAL = """
UPDATE casegate.credential SET status = %s WHERE credential_ref = %s AND status = %s
RETURNING thumbprint, issuer_id
"""
_VOID = """
UPDATE casegate.proposal SET status = 'withdrawn'
 WHERE kind = %s AND digest = %s
   AND (status = 'open' OR status = 'approved' AND done_at IS NULL)
"""

_Rows = list[tuple[bytes, bytes | None]]


def suspend_vendor(
    connection: psycopg.Connection, vendor_id: str, *, actor: str, at: datetime
) -> RevocationEffect:
    """Denies a vendor everything until it is resumed. Doing it twice changes nothing more.

    Raises:
        NotFoundError: there is no such vendor.
        ApprovalRefusedError: REVOKED_IS_FINAL, when it is revoked or its contract has ended.
    """
    since = _begin(connection)
    with connection.transaction():
        _verify_vendor(connection, vendor_id)
        _void(connection, ProposalKind.VENDOR_RESUME, {"vendor": vendor_id})
        connection.execute(
            "UPDATE casegate.vendor SET status = 'suspended' WHERE vendor_id = %s", (vendor_id,)
        )
        rows: _Rows = connection.execute(_CERTIFICATES_OF_VENDOR, (vendor_id,)).fetchall()
        epoch = trust_epoch(connection)
        index = record_with_change(
            connection,
            EventType.VENDOR_SUSPENDED,
            at=at,
            actor=actor,
            vendor=vendor_id,
            credentials=len(rows),
        )
    return _effect(connection, rows, epoch, since, index)


def suspend_credential(
    connection: psycopg.Connection, reference: str, *, actor: str, at: datetime
) -> RevocationEffect:
    """Denies a credential, with all its certificates, everything until it is resumed.

    Raises:
        NotFoundError: there is no such credential.
        ApprovalRefusedError: REVOKED_IS_FINAL.
    """
    since = _begin(connection)
    with connection.transaction():
        vendor_id, _is_suspended = _verify_credential(connection, reference)
        _void(connection, ProposalKind.CREDENTIAL_RESUME, _subject(vendor_id, reference))
        rows: _Rows = connection.execute(
            _SET_CREDENTIAL, ("suspended", reference, "active")
        ).fetchall()
        epoch = trust_epoch(connection)
        index = record_with_change(
            connection,
            EventType.CREDENTIAL_SUSPENDED,
            at=at,
            actor=actor,
            vendor=vendor_id,
            credential=reference,
            credentials=len(rows),
        )
    return _effect(connection, rows, epoch, since, index)


def propose_vendor_resume(
    connection: psycopg.Connection, vendor_id: str, *, actor: str, at: datetime
) -> UUID:
    """Opens the proposal to let a suspended vendor in again.

    Raises:
        NotFoundError: there is no such vendor.
        ApprovalRefusedError: REVOKED_IS_FINAL or NOT_SUSPENDED.
        AlreadyExistsError: the same proposal is open already.
    """
    with connection.transaction():
        if _verify_vendor(connection, vendor_id) != "suspended":
            raise _not_suspended()
        return propose(
            connection, ProposalKind.VENDOR_RESUME, {"vendor": vendor_id}, actor=actor, at=at
        )


def propose_credential_resume(
    connection: psycopg.Connection, reference: str, *, actor: str, at: datetime
) -> UUID:
    """Opens the proposal to let a suspended credential in again.

    Raises:
        NotFoundError: there is no such credential.
        ApprovalRefusedError: REVOKED_IS_FINAL or NOT_SUSPENDED.
        AlreadyExistsError: the same proposal is open already.
    """
    with connection.transaction():
        vendor_id, is_suspended = _verify_credential(connection, reference)
        if not is_suspended:
            raise _not_suspended()
        subject = _subject(vendor_id, reference)
        return propose(connection, ProposalKind.CREDENTIAL_RESUME, subject, actor=actor, at=at)


def resume_vendor(
    connection: psycopg.Connection, vendor_id: str, *, actor: str, at: datetime
) -> RevocationEffect:
    """Lets a vendor in again, by an approval, which is used up.

    Raises:
        NotFoundError: there is no such vendor.
        ApprovalRefusedError: REVOKED_IS_FINAL, NOT_SUSPENDED or APPROVAL_MISSING.
    """
    since = _begin(connection)
    with connection.transaction():
        if _verify_vendor(connection, vendor_id) != "suspended":
            raise _not_suspended()
        approved = take_approval(
            connection, ProposalKind.VENDOR_RESUME, {"vendor": vendor_id}, at=at
        )
        connection.execute(
            "UPDATE casegate.vendor SET status = 'active' WHERE vendor_id = %s", (vendor_id,)
        )
        rows: _Rows = connection.execute(_CERTIFICATES_OF_VENDOR, (vendor_id,)).fetchall()
        epoch = trust_epoch(connection)
        index = record_with_change(
            connection,
            EventType.VENDOR_RESUMED,
            at=at,
            actor=actor,
            vendor=vendor_id,
            credentials=len(rows),
            proposal=str(approved.proposal_id),
            proposed_by=approved.proposed_by,
            approved_by=approved.decided_by,
        )
    return _effect(connection, rows, epoch, since, index)


def resume_credential(
    connection: psycopg.Connection, reference: str, *, actor: str, at: datetime
) -> RevocationEffect:
    """Lets a credential in again, by an approval, which is used up.

    A certificate of it that was revoked, or has ended, stays out.

    Raises:
        NotFoundError: there is no such credential.
        ApprovalRefusedError: REVOKED_IS_FINAL, NOT_SUSPENDED or APPROVAL_MISSING.
    """
    since = _begin(connection)
    with connection.transaction():
        vendor_id, is_suspended = _verify_credential(connection, reference)
        if not is_suspended:
            raise _not_suspended()
        subject = _subject(vendor_id, reference)
        approved = take_approval(connection, ProposalKind.CREDENTIAL_RESUME, subject, at=at)
        rows: _Rows = connection.execute(
            _SET_CREDENTIAL, ("active", reference, "suspended")
        ).fetchall()
        epoch = trust_epoch(connection)
        index = record_with_change(
            connection,
            EventType.CREDENTIAL_RESUMED,
            at=at,
            actor=actor,
            vendor=vendor_id,
            credential=reference,
            credentials=len(rows),
            proposal=str(approved.proposal_id),
            proposed_by=approved.proposed_by,
            approved_by=approved.decided_by,
        )
    return _effect(connection, rows, epoch, since, index)


def _begin(connection: psycopg.Connection) -> datetime:
    connection.execute(f"LISTEN {ACK_CHANNEL}")
    return database_time(connection)


def _effect(
    connection: psycopg.Connection, rows: _Rows, epoch: int, since: datetime, index: int
) -> RevocationEffect:
    effect = await_workers(connection, len(rows), epoch, since, index)
    tokens = live_tokens(connection, [bytes(thumbprint) for thumbprint, _issuer in rows], since)
    issuers = sorted({bytes(issuer) for _thumbprint, issuer in rows if issuer is not None})
    return replace(effect, tokens=tokens, issuers=tuple(issuers))


def _verify_vendor(connection: psycopg.Connection, vendor_id: str) -> str:
    """Locks a vendor and returns its status, which is not revoked."""
    row = connection.execute(_VENDOR, (vendor_id,)).fetchone()
    if row is None:
        raise NotFoundError(f"there is no vendor {vendor_id}")
    if row[0] not in {"active", "suspended"}:
        raise _final()
    return str(row[0])


def _verify_credential(connection: psycopg.Connection, reference: str) -> tuple[str, bool]:
    """Locks the vendor of a credential; returns it, and whether a certificate is suspended."""
    row = connection.execute(_CREDENTIAL, (reference,)).fetchone()
    if row is None:
        raise NotFoundError(f"there is no credential {reference}")
    vendor_id = str(row[0])
    connection.execute(_VENDOR, (vendor_id,))
    # Again, now that nobody else changes it.
    row = connection.execute(_CREDENTIAL, (reference,)).fetchone()
    assert row is not None
    if set(row[1]) == {"revoked"}:
        raise _final()
    return vendor_id, "suspended" in row[1]


def _void(
    connection: psycopg.Connection, kind: ProposalKind, subject: dict[str, EntryValue]
) -> None:
    connection.execute(_VOID, (kind.value, subject_digest(kind, subject)))


def _subject(vendor_id: str, reference: str) -> dict[str, EntryValue]:
    return {"vendor": vendor_id, "credential": reference}


def _final() -> ApprovalRefusedError:
    return ApprovalRefusedError("REVOKED_IS_FINAL", "what is revoked stays revoked")


def _not_suspended() -> ApprovalRefusedError:
    return ApprovalRefusedError("NOT_SUSPENDED", "it is not suspended")
