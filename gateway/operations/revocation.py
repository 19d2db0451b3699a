"""Shuts out a certificate, a credential, a system, a vendor or an issuing authority, for good.

Each form is one transaction that changes the record and logs it; each tells how fast the workers
obeyed. Of RFC 5280 come the reasons. Nothing here depends on a revocation list: the workers ask
the record, and the lists follow for those who read lists.
"""

from dataclasses import dataclass, replace
from datetime import datetime

import psycopg
from cryptography.x509 import ReasonFlags

from audit.entry import EntryValue, EventType
from gateway.errors import NotFoundError, RequestInvalidError
from gateway.evidence import record_with_change
from gateway.identity.feed import ACK_CHANNEL
from gateway.operations.effect import (
    RevocationEffect,
    await_workers,
    database_time,
    live_tokens,
    trust_epoch,
)

__all__ = [
    "RevocationEffect",
    "await_workers",
    "database_time",
    "find_issuer",
    "revoke_certificate",
    "revoke_credential",
    "revoke_issuer",
    "revoke_system",
    "revoke_vendor",
    "trust_epoch",
]

# On hold is suspended, and there is no way off a list (RFC 5280, 5.3.1).
_NOT_FOR_GOOD = frozenset({ReasonFlags.certificate_hold, ReasonFlags.remove_from_crl})
_MIN_ISSUER_DIGITS = 16

_SHUT_OUT = """
UPDATE casegate.credential
   SET status = 'revoked', revoked_at = %(at)s, revocation_reason = %(reason)s
 WHERE status <> 'revoked' AND ({condition})
RETURNING thumbprint, issuer_id
"""
# Held until the end: while a successor is being registered this waits, and it waits for this.
_LOCK_VENDOR = "SELECT 1 FROM casegate.vendor WHERE vendor_id = %s FOR NO KEY UPDATE"
# A request that is being decided at this moment is left alone: its certificate is refused by the
# record when it comes, and a revocation waits for no issuing key.
_REFUSE_REQUESTS = """
UPDATE casegate.enrolment SET status = 'refused'
 WHERE enrolment_id IN (SELECT enrolment_id FROM casegate.enrolment
                         WHERE status = 'requested' AND ({condition}) FOR UPDATE SKIP LOCKED)
"""
_OF_SYSTEM = "vendor_id = %(vendor)s AND system = %(system)s"
_SYSTEM_KNOWN = """
SELECT EXISTS (SELECT FROM casegate.credential
                WHERE vendor_id = %(vendor)s AND system = %(system)s)
    OR EXISTS (SELECT FROM casegate.invitation
                WHERE vendor_id = %(vendor)s AND system = %(system)s)
"""
_VOID_INVITATIONS = """
UPDATE casegate.invitation SET expires_at = %(at)s
 WHERE invitation_id IN (SELECT invitation_id FROM casegate.invitation
                          WHERE vendor_id = %(vendor)s AND system = %(system)s
                            AND expires_at > %(at)s FOR UPDATE SKIP LOCKED)
"""


@dataclass(frozen=True, slots=True)
class _Act:
    """One revocation under way: by whom, when and why."""

    connection: psycopg.Connection
    reason: ReasonFlags
    actor: str
    at: datetime

    def shut_out(self, condition: str, **parameters: object) -> list[tuple[bytes, bytes | None]]:
        """Revokes what a condition (a constant of this module) fits: thumbprints and issuers."""
        query = _SHUT_OUT.format(condition=condition)
        values = {**parameters, "at": self.at, "reason": self.reason.value}
        return self.connection.execute(query.encode(), values).fetchall()

    def refuse_requests(self, condition: str, **parameters: object) -> None:
        """Refuses requests for certificates that wait."""
        query = _REFUSE_REQUESTS.format(condition=condition)
        self.connection.execute(query.encode(), parameters)

    def lock(self, vendor_id: str | None) -> bool:
        """Keeps a vendor's certificates as they are but for this; False for an unknown vendor."""
        return self.connection.execute(_LOCK_VENDOR, (vendor_id,)).rowcount > 0

    def finish(
        self, event: EventType, revoked: list[tuple[bytes, bytes | None]], **fields: EntryValue
    ) -> tuple[int, int]:
        """Logs it, last in the transaction; returns the trust epoch and the entry's index."""
        epoch = trust_epoch(self.connection)
        index = record_with_change(
            self.connection,
            event,
            at=self.at,
            actor=self.actor,
            reason=self.reason.value,
            credentials=len(revoked),
            **fields,
        )
        return epoch, index

    def effect(
        self,
        revoked: list[tuple[bytes, bytes | None]],
        epoch: int,
        since: datetime,
        index: int,
    ) -> RevocationEffect:
        """What came of it, once committed."""
        effect = await_workers(self.connection, len(revoked), epoch, since, index)
        certificates = [bytes(thumbprint) for thumbprint, _issuer in revoked]
        issuers = sorted({bytes(issuer) for _thumbprint, issuer in revoked if issuer is not None})
        tokens = live_tokens(self.connection, certificates, since)
        return replace(effect, tokens=tokens, issuers=tuple(issuers))


def revoke_certificate(
    connection: psycopg.Connection,
    thumbprint: bytes,
    *,
    reason: ReasonFlags,
    actor: str,
    at: datetime,
) -> RevocationEffect:
    """Revokes one certificate, a vendor's or a staff member's; its waiting renewal is refused.

    A successor that it already has stays trusted: the effect counts it among `others`.

    Raises:
        NotFoundError: no certificate with this thumbprint is registered.
        RequestInvalidError: the reason is not one for good.
    """
    act, since = _begin(connection, reason, actor, at)
    with connection.transaction():
        vendor, reference = _holder(connection, thumbprint)
        act.lock(vendor)
        act.refuse_requests("renews = %(thumbprint)s", thumbprint=thumbprint)
        revoked = act.shut_out("thumbprint = %(thumbprint)s", thumbprint=thumbprint)
        row = connection.execute(
            "SELECT count(*) FROM casegate.credential"
            " WHERE credential_ref = %s AND status = 'active'"
            " AND least(not_after, retires_at) > %s",
            (reference, at),
        ).fetchone()
        assert row is not None
        epoch, index = act.finish(
            EventType.CREDENTIAL_REVOKED,
            revoked,
            vendor=vendor,
            credential=reference,
            certificate=thumbprint.hex(),
        )
    return replace(act.effect(revoked, epoch, since, index), others=int(row[0]))


def revoke_credential(
    connection: psycopg.Connection,
    reference: str,
    *,
    reason: ReasonFlags,
    actor: str,
    at: datetime,
) -> RevocationEffect:
    """Revokes all certificates of a credential, old and new, and refuses what it asked for.

    Raises:
        NotFoundError: there is no such credential.
        RequestInvalidError: the reason is not one for good.
    """
    act, since = _begin(connection, reason, actor, at)
    with connection.transaction():
        vendor = _vendor_of(connection, reference)
        act.lock(vendor)
        act.refuse_requests("credential_ref = %(reference)s", reference=reference)
        revoked = act.shut_out("credential_ref = %(reference)s", reference=reference)
        epoch, index = act.finish(
            EventType.CREDENTIAL_REVOKED, revoked, vendor=vendor, credential=reference
        )
    return act.effect(revoked, epoch, since, index)


def revoke_system(
    connection: psycopg.Connection,
    vendor_id: str,
    system: str,
    *,
    reason: ReasonFlags,
    actor: str,
    at: datetime,
) -> RevocationEffect:
    """Revokes every credential of one of a vendor's systems; its invitations are void.

    The vendor's other systems go on.

    Raises:
        NotFoundError: the vendor has no such system.
        RequestInvalidError: the reason is not one for good.
    """
    act, since = _begin(connection, reason, actor, at)
    own = {"vendor": vendor_id, "system": system}
    with connection.transaction():
        act.lock(vendor_id)
        known = connection.execute(_SYSTEM_KNOWN, own).fetchone()
        if known is None or not known[0]:
            raise NotFoundError(f"vendor {vendor_id} has no system {system}")
        connection.execute(_VOID_INVITATIONS, {**own, "at": at})
        act.refuse_requests(_OF_SYSTEM, **own)
        revoked = act.shut_out(_OF_SYSTEM, **own)
        epoch, index = act.finish(EventType.CREDENTIAL_REVOKED, revoked, **own)
    return act.effect(revoked, epoch, since, index)


def revoke_vendor(
    connection: psycopg.Connection,
    vendor_id: str,
    *,
    reason: ReasonFlags,
    actor: str,
    at: datetime,
) -> RevocationEffect:
    """Revokes a vendor with all its certificates. Doing it twice changes nothing more.

    Raises:
        NotFoundError: there is no such vendor.
        RequestInvalidError: the reason is not one for good.
    """
    act, since = _begin(connection, reason, actor, at)
    with connection.transaction():
        if not act.lock(vendor_id):
            raise NotFoundError(f"there is no vendor {vendor_id}")
        connection.execute(
            "UPDATE casegate.vendor SET status = 'revoked' WHERE vendor_id = %s", (vendor_id,)
        )
        act.refuse_requests("vendor_id = %(vendor)s", vendor=vendor_id)
        revoked = act.shut_out("vendor_id = %(vendor)s", vendor=vendor_id)
        epoch, index = act.finish(EventType.VENDOR_REVOKED, revoked, vendor=vendor_id)
    return act.effect(revoked, epoch, since, index)


def revoke_issuer(
    connection: psycopg.Connection,
    issuer_id: bytes,
    *,
    reason: ReasonFlags = ReasonFlags.ca_compromise,
    actor: str,
    at: datetime,
) -> RevocationEffect:
    """Revokes an issuing authority with every certificate that it gave, whosever it is.

    Whatever else is signed with its key is on no record here, and so is refused as unknown. For
    readers of lists the root has to list it, too: see keys.hierarchy.

    Raises:
        NotFoundError: the issuer is not on record.
        RequestInvalidError: the reason is not one for good.
    """
    act, since = _begin(connection, reason, actor, at)
    with connection.transaction():
        found = connection.execute(
            "UPDATE casegate.issuer SET status = 'revoked' WHERE issuer_id = %s", (issuer_id,)
        ).rowcount
        if not found:
            raise NotFoundError("the issuer is not on record; see: casegate ca list")
        revoked = act.shut_out("issuer_id = %(issuer)s", issuer=issuer_id)
        epoch, index = act.finish(EventType.ISSUER_REVOKED, revoked, issuer=issuer_id.hex())
    return act.effect(revoked, epoch, since, index)


def find_issuer(connection: psycopg.Connection, digits: str) -> bytes:
    """The id of an issuer on record by its first 16 hex digits or more.

    Raises:
        NotFoundError: none or several begin so.
        RequestInvalidError: these are too few, or no hex digits.
    """
    digits = digits.lower()
    if len(digits) < _MIN_ISSUER_DIGITS or set(digits) - set("0123456789abcdef"):
        raise RequestInvalidError(
            f"an issuer is named by at least {_MIN_ISSUER_DIGITS} hex digits"
        )
    rows = connection.execute(
        "SELECT issuer_id FROM casegate.issuer WHERE starts_with(encode(issuer_id, 'hex'), %s)",
        (digits,),
    ).fetchall()
    if len(rows) != 1:
        raise NotFoundError("the issuer is not on record; see: casegate ca list")
    return bytes(rows[0][0])


def _begin(
    connection: psycopg.Connection, reason: ReasonFlags, actor: str, at: datetime
) -> tuple[_Act, datetime]:
    """Listens before the change, so that no acknowledgement is missed."""
    if reason in _NOT_FOR_GOOD:
        raise RequestInvalidError(
            f"{reason.value} is no reason for a revocation, which is for good; suspend instead"
        )
    connection.execute(f"LISTEN {ACK_CHANNEL}")
    return _Act(connection, reason, actor, at), database_time(connection)


def _holder(connection: psycopg.Connection, thumbprint: bytes) -> tuple[str | None, str | None]:
    row = connection.execute(
        "SELECT vendor_id, credential_ref FROM casegate.credential WHERE thumbprint = %s",
        (thumbprint,),
    ).fetchone()
    if row is None:
        raise NotFoundError("no certificate with this thumbprint is registered")
    return row[0], row[1]


def _vendor_of(connection: psycopg.Connection, reference: str) -> str:
    row = connection.execute(
        "SELECT vendor_id FROM casegate.credential WHERE credential_ref = %s LIMIT 1",
        (reference,),
    ).fetchone()
    if row is None:
        raise NotFoundError(f"there is no credential {reference}")
    return str(row[0])
