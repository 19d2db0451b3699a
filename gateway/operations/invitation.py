"""Invitations: a one-use code with which a vendor's system gets its first certificate."""

import hashlib
import re
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import psycopg

from audit.entry import EventType
from gateway.errors import (
    ApprovalRefusedError,
    EnrolmentRefusedError,
    NotFoundError,
    RequestInvalidError,
)
from gateway.evidence import record_with_change
from gateway.identity.principal import CredentialScope
from gateway.operations.approval import (
    LIFETIME,
    ProposalKind,
    find_open,
    is_same_person,
    propose,
    take_approval,
)

MAX_HOURS = 72
DEFAULT_HOURS = 24
CODE_BITS = 128
SYSTEM_PATTERN = r"[a-z0-9][a-z0-9-]{0,31}"
# Crockford's alphabet: no I, L, O or U, so that a code survives being read out.
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_SYMBOLS = 26
_GROUP = 5
_MISREAD = str.maketrans({"O": "0", "I": "1", "L": "1", "-": None, " ": None})
_STANDING = """
SELECT v.status, k.status, k.starts_at, k.ends_at, k.closing_until
  FROM casegate.contract k JOIN casegate.vendor v USING (vendor_id)
 WHERE k.contract_id = %s AND k.vendor_id = %s
"""


@dataclass(frozen=True, slots=True)
class Invitation:
    """A fresh invitation. `code` exists here and on paper only; the database has its hash."""

    invitation_id: UUID
    code: str
    vendor_id: str
    contract_id: str
    system: str
    scope: CredentialScope
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class ContractStanding:
    """What a vendor's contract allows at a moment."""

    vendor_status: str
    status: str
    starts_at: datetime
    ends_at: datetime
    closing_until: datetime | None

    def certificates_end(self, scope: CredentialScope, at: datetime) -> datetime:
        """Until when a certificate of this scope may live.

        Raises:
            EnrolmentRefusedError: CONTRACT_NOT_RUNNING: vendor or contract is not in standing.
        """
        if scope is CredentialScope.CLOSING:
            is_running = self.status in {"ended", "purge_pending"}
            is_vendor_fit = self.vendor_status in {"active", "ended"}
            begins, ends = self.starts_at, self.closing_until
        else:
            is_running = self.status == "active"
            is_vendor_fit = self.vendor_status == "active"
            begins, ends = self.starts_at, self.ends_at
        if not is_vendor_fit or not is_running or ends is None or not begins <= at < ends:
            raise EnrolmentRefusedError(
                "CONTRACT_NOT_RUNNING",
                "the contract gives no certificate now: it has not begun, has ended, or the"
                " vendor is suspended",
            )
        return ends


def invite(
    connection: psycopg.Connection,
    *,
    vendor_id: str,
    contract_id: str,
    system: str = "main",
    scope: CredentialScope = CredentialScope.FULL,
    hours: int = DEFAULT_HOURS,
    actor: str,
    at: datetime,
) -> Invitation:
    """Makes an invitation of at most 72 hours for one system of a vendor.

    Raises:
        NotFoundError: the vendor has no such contract.
        EnrolmentRefusedError: CONTRACT_NOT_RUNNING.
        ApprovalRefusedError: of a closing invitation: nobody has approved it (APPROVAL_MISSING),
            or whoever did is making it himself (SECOND_PERSON_NEEDED).
        RequestInvalidError: hours out of bounds, or a malformed name of the system.
    """
    if not 1 <= hours <= MAX_HOURS:
        raise RequestInvalidError(f"an invitation lives 1 to {MAX_HOURS} hours")
    _verify_system(system)
    invitation_id, code, expires = uuid4(), new_code(), at + timedelta(hours=hours)
    with connection.transaction():
        read_standing(connection, vendor_id, contract_id).certificates_end(scope, at)
        approved = None
        if scope is CredentialScope.CLOSING:
            approved = _take_closing(connection, vendor_id, contract_id, actor=actor, at=at)
        connection.execute(
            "INSERT INTO casegate.invitation (invitation_id, code_sha256, vendor_id, contract_id,"
            " system, scope, invited_by, invited_at, expires_at, proposal_id)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            (
                invitation_id,
                code_digest(code),
                vendor_id,
                contract_id,
                system,
                scope.value,
                actor,
                at,
                expires,
                approved,
            ),
        )
        record_with_change(
            connection,
            EventType.VENDOR_INVITED,
            at=at,
            actor=actor,
            invitation=str(invitation_id),
            vendor=vendor_id,
            contract=contract_id,
            system=system,
            scope=scope.value,
            expires=expires.isoformat(),
        )
    return Invitation(invitation_id, code, vendor_id, contract_id, system, scope, expires)


def propose_closing(
    connection: psycopg.Connection,
    vendor_id: str,
    contract_id: str,
    *,
    actor: str,
    at: datetime,
    lifetime: timedelta = LIFETIME,
) -> UUID:
    """Has a second person asked for a closing invitation; the one that waits, if one does."""
    subject = closing_subject(vendor_id, contract_id)
    waiting = find_open(connection, ProposalKind.CLOSING_INVITATION, subject, at=at)
    if waiting is not None:
        return waiting
    return propose(
        connection,
        ProposalKind.CLOSING_INVITATION,
        subject,
        actor=actor,
        at=at,
        lifetime=lifetime,
    )


def closing_subject(vendor_id: str, contract_id: str) -> dict[str, str]:
    """What is approved: a certificate for the way out of one contract."""
    return {"vendor": vendor_id, "contract": contract_id}


def _take_closing(
    connection: psycopg.Connection, vendor_id: str, contract_id: str, *, actor: str, at: datetime
) -> UUID:
    """The approval, used up. The clockwork may have proposed it: still two people act."""
    subject = closing_subject(vendor_id, contract_id)
    taken = take_approval(connection, ProposalKind.CLOSING_INVITATION, subject, at=at)
    if is_same_person(taken.decided_by, actor):
        raise ApprovalRefusedError(
            "SECOND_PERSON_NEEDED", "who approved the invitation does not make it; ask another"
        )
    return taken.proposal_id


def read_standing(
    connection: psycopg.Connection, vendor_id: str, contract_id: str
) -> ContractStanding:
    """How vendor and contract stand.

    Raises:
        NotFoundError: the vendor has no such contract.
    """
    row = connection.execute(_STANDING, (contract_id, vendor_id)).fetchone()
    if row is None:
        raise NotFoundError("the vendor has no such contract")
    return ContractStanding(*row)


def new_code() -> str:
    """128 random bits as 26 symbols in groups of five, the last of six: `7ZK4Q-…`."""
    number = secrets.randbits(CODE_BITS)
    symbols = "".join(_ALPHABET[number >> shift & 31] for shift in range(0, 5 * _SYMBOLS, 5))
    starts = range(0, _SYMBOLS - _GROUP - 1, _GROUP)
    groups = [symbols[start : start + _GROUP] for start in starts]
    return "-".join([*groups, symbols[len(groups) * _GROUP :]])


def code_digest(code: str) -> bytes:
    """SHA-256 of a code as typed: case, hyphens, spaces and O, I, L do not matter."""
    plain = code.upper().translate(_MISREAD)
    return hashlib.sha256(plain.encode()).digest()


def _verify_system(system: str) -> None:
    if not re.fullmatch(SYSTEM_PATTERN, system):
        raise RequestInvalidError(
            "a system's name has 1 to 32 lower-case letters, digits and hyphens"
        )
