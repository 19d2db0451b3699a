"""Consents: prior, specific, proven and revocable; what was not captured lawfully is none."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID, uuid4

import psycopg
from psycopg.rows import args_row, kwargs_row

from audit.entry import EventType
from gateway.cases.record import StoredCase, open_record
from gateway.clock import Clock, rfc3339
from gateway.contact.consent import ConsentTerms, ConsentWish, RecordedConsent
from gateway.contact.refusals import refusals
from gateway.errors import ConsentRejectedError, NotFoundError
from gateway.evidence import record_with_change
from gateway.identity.principal import VendorPrincipal
from gateway.release.cursor import CursorCipher
from keys.kek import KeyEncryptionKey

MAX_PAGE = 200

_OWN = "SELECT case_id FROM casegate.own_case(%s, %s, %s)"
_STORED = (
    "SELECT sequence, case_id, assignment_id, status, assigned_at, commitment, kek_id,"
    " wrapped_key, sealed FROM casegate.vendor_case(%s, %s, %s)"
)
_CAPTURED = "SELECT casegate.is_captured_in_permit(%s, %s, %s, %s, %s)"
_RECORD = """
SELECT consent_id, commitment, is_new FROM casegate.record_consent(
  %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
"""
_REVOKE_OWN = "SELECT * FROM casegate.revoke_own_consent(%s, %s, %s, %s)"
_REVOKE = "SELECT * FROM casegate.revoke_consent(%s, %s, %s)"
_READ = "SELECT * FROM casegate.vendor_consents(%s, %s, %s, %s, %s, %s)"


class PermittedCalls(Protocol):
    """Knows in which calls a consent may be given."""

    def is_captured(
        self,
        connection: psycopg.Connection,
        principal: VendorPrincipal,
        case_id: UUID,
        wish: ConsentWish,
    ) -> bool:
        """Whether `captured_at` is within a call of this case that had its permit."""
        ...


class LoggedPermits:
    """Calls by the permits on record: one that was granted was inside an allowed window."""

    def is_captured(
        self,
        connection: psycopg.Connection,
        principal: VendorPrincipal,
        case_id: UUID,
        wish: ConsentWish,
    ) -> bool:
        """See PermittedCalls."""
        named = (principal.vendor_id, principal.contract_id)
        row = connection.execute(
            _CAPTURED, (*named, case_id, wish.permit_id, wish.captured_at)
        ).fetchone()
        return row is not None and bool(row[0])


@dataclass(frozen=True, slots=True)
class ConsentDesk:
    """The vendor's side; each call runs in a thread on a connection of its own."""

    connect: Callable[[], AbstractContextManager[psycopg.Connection]]
    clock: Clock
    terms: ConsentTerms
    kek: KeyEncryptionKey
    cursors: CursorCipher
    calls: PermittedCalls

    def record(self, principal: VendorPrincipal, wish: ConsentWish) -> dict[str, Any]:
        """Records a consent; the same again by the same idempotency key.

        Raises:
            RequestInvalidError, ConsentRejectedError: see ConsentWish.verify; no permitted call.
            NotFoundError: the case is not this vendor's.
            IdempotencyKeyReusedError: the key was used for another request.
        """
        at = self.clock.now()
        wish.verify(self.terms, at)
        named = (principal.vendor_id, principal.contract_id)
        with refusals(), self.connect() as connection:
            with connection.transaction():
                own = connection.execute(_OWN, (*named, wish.case_ref)).fetchone()
                assert own is not None
                if not self.calls.is_captured(connection, principal, own[0], wish):
                    raise ConsentRejectedError("no permitted call of this case was then")
                consent_id = self._record(connection, principal, wish, at)
            return _read(connection, named, consent_id).document(at)

    def one(self, principal: VendorPrincipal, consent_id: UUID) -> dict[str, Any]:
        """One consent of a case that the vendor holds; NotFoundError otherwise."""
        named = (principal.vendor_id, principal.contract_id)
        with refusals(), self.connect() as connection:
            return _read(connection, named, consent_id).document(self.clock.now())

    def page(
        self, principal: VendorPrincipal, *, case_ref: str | None, cursor: str | None, limit: int
    ) -> dict[str, Any]:
        """A page of the vendor's consents in the order of their recording.

        Raises:
            RequestInvalidError: the cursor is not one of this listing.
        """
        named = (principal.vendor_id, principal.contract_id)
        listing = f"consents/{principal.vendor_id}/{principal.contract_id}/{case_ref or ''}"
        after = int(self.cursors.open(cursor, listing=listing)) if cursor else 0
        with refusals(), self.connect() as connection:
            found = _page(connection, (*named, case_ref, None, after, limit + 1))
        at, following = self.clock.now(), None
        if len(found) > limit:
            found = found[:limit]
            following = self.cursors.seal(str(found[-1].sequence), listing=listing)
        return {"items": [one.document(at) for one in found], "next_cursor": following}

    def revoke(self, principal: VendorPrincipal, consent_id: UUID) -> None:
        """Ends a consent at once, because the debtor has taken it back.

        Raises:
            NotFoundError: it is not this vendor's, or over already.
        """
        named = (principal.vendor_id, principal.contract_id)
        at = self.clock.now()
        with refusals(), self.connect() as connection, connection.transaction():
            _revoked(
                connection,
                _REVOKE_OWN,
                (*named, consent_id, at),
                consent_id,
                at=at,
                certificate=principal.thumbprint.hex(),
            )

    def _record(
        self,
        connection: psycopg.Connection,
        principal: VendorPrincipal,
        wish: ConsentWish,
        at: datetime,
    ) -> UUID:
        point = wish.contact_point
        row = connection.execute(
            _RECORD,
            (
                *(uuid4(), principal.vendor_id, principal.contract_id, wish.case_ref),
                None if point is None else point.value,
                None if wish.is_for_all_debts else self._debt(connection, principal, wish),
                wish.scope.value,
                None if wish.channel is None else wish.channel.value,
                *(wish.captured_at, wish.begins, wish.ends, wish.evidence_recording_id),
                *(wish.permit_id, wish.given_by.value, wish.repeat_key, wish.repeat_sha256, at),
            ),
        ).fetchone()
        assert row is not None
        consent_id, commitment, is_new = row
        if is_new:
            record_with_change(
                connection,
                EventType.CONSENT_RECORDED,
                at=at,
                vendor=principal.vendor_id,
                contract=principal.contract_id,
                certificate=principal.thumbprint.hex(),
                consent=str(consent_id),
                scope=wish.scope.value,
                begins=rfc3339(wish.begins),
                ends=rfc3339(wish.ends),
                permit=str(wish.permit_id),
                cases=[bytes(commitment).hex()],
            )
        return UUID(str(consent_id))

    def _debt(
        self, connection: psycopg.Connection, principal: VendorPrincipal, wish: ConsentWish
    ) -> str:
        """The key of the case's debt, which stands in its record alone."""
        named = (principal.vendor_id, principal.contract_id, wish.case_ref)
        with connection.cursor(row_factory=args_row(StoredCase), binary=True) as cursor:
            stored = cursor.execute(_STORED, named).fetchone()
        if stored is None:
            raise NotFoundError("no such case for this vendor")
        return str(open_record(stored, self.kek)["debt_ref"])


def revoke_for_company(
    connection: psycopg.Connection, consent_id: UUID, *, actor: str, at: datetime
) -> None:
    """Ends any vendor's consent; its vendor is told.

    Raises:
        NotFoundError: there is no such consent in force.
    """
    with refusals(), connection.transaction():
        _revoked(connection, _REVOKE, (consent_id, actor, at), consent_id, at=at, actor=actor)


def _revoked(
    connection: psycopg.Connection,
    query: str,
    row: tuple[object, ...],
    consent_id: UUID,
    *,
    at: datetime,
    **who: str,
) -> None:
    found = connection.execute(query.encode(), row).fetchone()
    assert found is not None
    vendor, contract, _ref, commitment = found
    record_with_change(
        connection,
        EventType.CONSENT_REVOKED,
        at=at,
        vendor=vendor,
        contract=contract,
        consent=str(consent_id),
        cases=[bytes(commitment).hex()],
        **who,
    )


def _read(
    connection: psycopg.Connection, named: tuple[str, str], consent_id: UUID
) -> RecordedConsent:
    found = _page(connection, (*named, None, consent_id, 0, 1))
    if not found:
        raise NotFoundError("there is no such consent")
    return found[0]


def _page(connection: psycopg.Connection, row: tuple[object, ...]) -> list[RecordedConsent]:
    with connection.cursor(row_factory=kwargs_row(RecordedConsent)) as cursor:
        return cursor.execute(_READ, row).fetchall()
