"""Suspends a vendor or a credential at once; lifting it takes a second person.

One person may always shut out. To let in again, one proposes and another approves, and what was
revoked meanwhile stays revoked. A new suspension voids approvals of an earlier one's lifting.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import ClassVar, Protocol
from uuid import UUID

import psycopg

from audit.entry import EntryValue, EventType
from gateway.errors import ApprovalRefusedError, NotFoundError
from gateway.evidence import record_with_change
from gateway.identity.feed import ACK_CHANNEL
from gateway.operations.approval import (
    ProposalKind,
    propose,
    take_approval,
    withdraw_proposals,
)
from gateway.operations.effect import (
    RevocationEffect,
    await_workers,
    database_time,
    live_tokens,
    trust_epoch,
)

_VENDOR = "SELECT status FROM casegate.vendor WHERE vendor_id = %s FOR NO KEY UPDATE"
_SET_VENDOR = "UPDATE casegate.vendor SET status = %s WHERE vendor_id = %s"
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

_Rows = list[tuple[bytes, bytes | None]]


def suspend_vendor(
    connection: psycopg.Connection, vendor_id: str, *, actor: str, at: datetime
) -> RevocationEffect:
    """Denies a vendor everything until it is resumed. Doing it twice changes nothing more.

    Raises:
        NotFoundError: there is no such vendor.
        ApprovalRefusedError: REVOKED_IS_FINAL, when it is revoked or its contract has ended.
    """
    return _suspend(connection, _Vendor(vendor_id), actor, at)


def suspend_credential(
    connection: psycopg.Connection, reference: str, *, actor: str, at: datetime
) -> RevocationEffect:
    """Denies a credential, with all its certificates, everything until it is resumed.

    Raises:
        NotFoundError: there is no such credential.
        ApprovalRefusedError: REVOKED_IS_FINAL.
    """
    return _suspend(connection, _Credential(reference), actor, at)


def propose_vendor_resume(
    connection: psycopg.Connection, vendor_id: str, *, actor: str, at: datetime
) -> UUID:
    """Opens the proposal to let a suspended vendor in again.

    Raises:
        NotFoundError: there is no such vendor.
        ApprovalRefusedError: REVOKED_IS_FINAL or NOT_SUSPENDED.
        AlreadyExistsError: the same proposal is open already.
    """
    return _propose_resume(connection, _Vendor(vendor_id), actor, at)


def propose_credential_resume(
    connection: psycopg.Connection, reference: str, *, actor: str, at: datetime
) -> UUID:
    """Opens the proposal to let a suspended credential in again.

    Raises:
        NotFoundError: there is no such credential.
        ApprovalRefusedError: REVOKED_IS_FINAL or NOT_SUSPENDED.
        AlreadyExistsError: the same proposal is open already.
    """
    return _propose_resume(connection, _Credential(reference), actor, at)


def resume_vendor(
    connection: psycopg.Connection, vendor_id: str, *, actor: str, at: datetime
) -> RevocationEffect:
    """Lets a vendor in again, by an approval, which is used up.

    Raises:
        NotFoundError: there is no such vendor.
        ApprovalRefusedError: REVOKED_IS_FINAL, NOT_SUSPENDED or APPROVAL_MISSING.
    """
    return _resume(connection, _Vendor(vendor_id), actor, at)


def resume_credential(
    connection: psycopg.Connection, reference: str, *, actor: str, at: datetime
) -> RevocationEffect:
    """Lets a credential in again, by an approval, which is used up.

    A certificate of it that was revoked, or has ended, stays out.

    Raises:
        NotFoundError: there is no such credential.
        ApprovalRefusedError: REVOKED_IS_FINAL, NOT_SUSPENDED or APPROVAL_MISSING.
    """
    return _resume(connection, _Credential(reference), actor, at)


class _Subject(Protocol):
    """What is suspended: how it is found, locked and set."""

    resume: ClassVar[ProposalKind]
    suspended: ClassVar[EventType]
    resumed: ClassVar[EventType]

    def lock(self, connection: psycopg.Connection) -> tuple[dict[str, EntryValue], bool]:
        """Locks it; what names it in proposals and in the log, and whether it is suspended.

        Raises:
            NotFoundError: there is no such thing.
            ApprovalRefusedError: REVOKED_IS_FINAL.
        """
        ...

    def set(self, connection: psycopg.Connection, *, is_suspended: bool) -> _Rows:
        """Sets its state; the certificates that this shuts out, or lets in."""
        ...


@dataclass(frozen=True, slots=True)
class _Vendor:
    resume: ClassVar = ProposalKind.VENDOR_RESUME
    suspended: ClassVar = EventType.VENDOR_SUSPENDED
    resumed: ClassVar = EventType.VENDOR_RESUMED
    vendor_id: str

    def lock(self, connection: psycopg.Connection) -> tuple[dict[str, EntryValue], bool]:
        row = connection.execute(_VENDOR, (self.vendor_id,)).fetchone()
        if row is None:
            raise NotFoundError(f"there is no vendor {self.vendor_id}")
        if row[0] not in {"active", "suspended"}:
            raise _final()
        return {"vendor": self.vendor_id}, row[0] == "suspended"

    def set(self, connection: psycopg.Connection, *, is_suspended: bool) -> _Rows:
        status = "suspended" if is_suspended else "active"
        connection.execute(_SET_VENDOR, (status, self.vendor_id))
        return connection.execute(_CERTIFICATES_OF_VENDOR, (self.vendor_id,)).fetchall()


@dataclass(frozen=True, slots=True)
class _Credential:
    resume: ClassVar = ProposalKind.CREDENTIAL_RESUME
    suspended: ClassVar = EventType.CREDENTIAL_SUSPENDED
    resumed: ClassVar = EventType.CREDENTIAL_RESUMED
    reference: str

    def lock(self, connection: psycopg.Connection) -> tuple[dict[str, EntryValue], bool]:
        row = connection.execute(_CREDENTIAL, (self.reference,)).fetchone()
        if row is None:
            raise NotFoundError(f"there is no credential {self.reference}")
        vendor_id = str(row[0])
        connection.execute(_VENDOR, (vendor_id,))
        # Again, now that nobody else changes it.
        row = connection.execute(_CREDENTIAL, (self.reference,)).fetchone()
        assert row is not None
        if set(row[1]) == {"revoked"}:
            raise _final()
        return {"vendor": vendor_id, "credential": self.reference}, "suspended" in row[1]

    def set(self, connection: psycopg.Connection, *, is_suspended: bool) -> _Rows:
        to, of = ("suspended", "active") if is_suspended else ("active", "suspended")
        return connection.execute(_SET_CREDENTIAL, (to, self.reference, of)).fetchall()


def _suspend(
    connection: psycopg.Connection, subject: _Subject, actor: str, at: datetime
) -> RevocationEffect:
    since = _begin(connection)
    with connection.transaction():
        names, _is_suspended = subject.lock(connection)
        withdraw_proposals(connection, subject.resume, names)
        rows = subject.set(connection, is_suspended=True)
        epoch = trust_epoch(connection)
        index = record_with_change(
            connection, subject.suspended, at=at, actor=actor, credentials=len(rows), **names
        )
    return _effect(connection, rows, epoch, since, index)


def _propose_resume(
    connection: psycopg.Connection, subject: _Subject, actor: str, at: datetime
) -> UUID:
    with connection.transaction():
        return propose(
            connection, subject.resume, _lock_suspended(connection, subject), actor=actor, at=at
        )


def _resume(
    connection: psycopg.Connection, subject: _Subject, actor: str, at: datetime
) -> RevocationEffect:
    since = _begin(connection)
    with connection.transaction():
        names = _lock_suspended(connection, subject)
        approved = take_approval(connection, subject.resume, names, at=at)
        rows = subject.set(connection, is_suspended=False)
        epoch = trust_epoch(connection)
        index = record_with_change(
            connection,
            subject.resumed,
            at=at,
            actor=actor,
            credentials=len(rows),
            proposal=str(approved.proposal_id),
            proposed_by=approved.proposed_by,
            approved_by=approved.decided_by,
            **names,
        )
    return _effect(connection, rows, epoch, since, index)


def _lock_suspended(connection: psycopg.Connection, subject: _Subject) -> dict[str, EntryValue]:
    names, is_suspended = subject.lock(connection)
    if not is_suspended:
        raise ApprovalRefusedError("NOT_SUSPENDED", "it is not suspended")
    return names


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


def _final() -> ApprovalRefusedError:
    return ApprovalRefusedError("REVOKED_IS_FINAL", "what is revoked stays revoked")
