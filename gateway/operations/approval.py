"""Four eyes: one proposes, another decides, and what nobody decides expires.

Whatever widens something passes here: the first credential of a vendor, lifting a suspension,
activating a policy. A use case proposes with references to what shall be done, a second person
approves, and the use case then takes the approval exactly once, in the transaction of the change.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID, uuid4

import orjson
import psycopg
from psycopg.rows import args_row
from psycopg.types.json import Jsonb

from audit.entry import EntryValue, EventType
from gateway.errors import (
    AlreadyExistsError,
    ApprovalRefusedError,
    NotFoundError,
    RequestInvalidError,
    RoleNotAllowedError,
)
from gateway.evidence import record_with_change
from gateway.identity.principal import StaffRole

LIFETIME = timedelta(hours=72)
MAX_PAGE = 200

_SELECT = (
    "SELECT proposal_id, kind, subject, proposed_by, proposed_at, expires_at,"
    " CASE WHEN status = 'open' AND expires_at <= %(now)s THEN 'expired' ELSE status END,"
    " decided_by, decided_at, done_at FROM casegate.proposal"
)
_NEWEST_FIRST = """
 WHERE (NOT %(open)s OR (status = 'open' AND expires_at > %(now)s))
   AND (%(after)s::uuid IS NULL OR (proposed_at, proposal_id) <
        (SELECT p.proposed_at, p.proposal_id FROM casegate.proposal p
          WHERE p.proposal_id = %(after)s))
 ORDER BY proposed_at DESC, proposal_id DESC LIMIT %(limit)s
"""


class ProposalKind(StrEnum):
    """What can be proposed; each names the use case that takes the approval."""

    CREDENTIAL_FIRST = "credential.first"
    VENDOR_RESUME = "vendor.resume"
    CREDENTIAL_RESUME = "credential.resume"
    CLOSING_INVITATION = "invitation.closing"
    POLICY_ACTIVATE = "policy.activate"
    HOLD_LIFT = "hold.lift"
    AGENT_RESUME = "agent.resume"
    AGENT_UNBAN = "agent.unban"
    SCRIPT_APPROVE = "script.approve"
    PACK_ACTIVATE = "pack.activate"
    PACK_END = "pack.end"
    RECORDING_FREE = "recording.free"
    AFFAIR_MOVE = "affair.move"
    REPORT_WAIVE = "report.waive"


_APPROVERS = {
    ProposalKind.POLICY_ACTIVATE: frozenset({StaffRole.COMPLIANCE}),
    ProposalKind.HOLD_LIFT: frozenset({StaffRole.COMPLIANCE}),
    ProposalKind.SCRIPT_APPROVE: frozenset({StaffRole.COMPLIANCE}),
    ProposalKind.PACK_ACTIVATE: frozenset({StaffRole.COMPLIANCE}),
    ProposalKind.PACK_END: frozenset({StaffRole.COMPLIANCE}),
    ProposalKind.RECORDING_FREE: frozenset({StaffRole.COMPLIANCE}),
    ProposalKind.AFFAIR_MOVE: frozenset({StaffRole.COMPLIANCE}),
    ProposalKind.REPORT_WAIVE: frozenset({StaffRole.COMPLIANCE}),
}
_BOTH = frozenset({StaffRole.SECURITY, StaffRole.COMPLIANCE})


@dataclass(frozen=True, slots=True)
class Proposal:
    """A proposal and what became of it. `subject` holds references only."""

    proposal_id: UUID
    kind: str
    subject: Mapping[str, Any]
    proposed_by: str
    proposed_at: datetime
    expires_at: datetime
    status: str
    decided_by: str | None
    decided_at: datetime | None
    done_at: datetime | None


def propose(
    connection: psycopg.Connection,
    kind: ProposalKind,
    subject: Mapping[str, EntryValue],
    *,
    actor: str,
    at: datetime,
    lifetime: timedelta = LIFETIME,
) -> UUID:
    """Opens a proposal and returns its id.

    Raises:
        AlreadyExistsError: the same proposal is open already.
    """
    proposal_id = uuid4()
    row = (
        proposal_id,
        kind.value,
        Jsonb(subject),
        subject_digest(kind, subject),
        actor,
        at,
        at + lifetime,
    )
    with connection.transaction():
        # The enrolment listener proposes too, and its role can write no status: the rest of an
        # earlier, expired proposal is cleared only where it stands in the way.
        if not _insert(connection, row):
            connection.execute(
                "UPDATE casegate.proposal SET status = 'expired'"
                " WHERE kind = %s AND digest = %s AND status = 'open' AND expires_at <= %s",
                (row[1], row[3], at),
            )
            if not _insert(connection, row):
                raise AlreadyExistsError("the same proposal is open already")
        record_with_change(
            connection,
            EventType.PROPOSAL_OPENED,
            at=at,
            actor=actor,
            proposal=str(proposal_id),
            kind=kind.value,
            subject=dict(subject),
        )
    return proposal_id


def decide(
    connection: psycopg.Connection,
    proposal_id: UUID,
    *,
    is_approved: bool,
    actor: str,
    at: datetime,
) -> Proposal:
    """Approves or rejects. The proposer may reject (withdraw) his own proposal, never approve it.

    Raises:
        NotFoundError: there is no such proposal.
        ApprovalRefusedError: it is not open any more (PROPOSAL_NOT_OPEN), or the approver is the
            proposer (SECOND_PERSON_NEEDED).
    """
    with connection.transaction():
        proposal = _locked(connection, proposal_id, at)
        if proposal.status != "open":
            raise ApprovalRefusedError(
                "PROPOSAL_NOT_OPEN", f"the proposal is {proposal.status}; propose it again"
            )
        is_own = is_same_person(proposal.proposed_by, actor)
        if is_approved and is_own:
            raise ApprovalRefusedError(
                "SECOND_PERSON_NEEDED", "who proposed does not approve; ask another person"
            )
        status = "approved" if is_approved else ("withdrawn" if is_own else "rejected")
        connection.execute(
            "UPDATE casegate.proposal SET status = %s, decided_by = %s, decided_at = %s"
            " WHERE proposal_id = %s",
            (status, actor, at, proposal_id),
        )
        record_with_change(
            connection,
            EventType.PROPOSAL_DECIDED,
            at=at,
            actor=actor,
            proposal=str(proposal_id),
            kind=proposal.kind,
            status=status,
        )
    return read_proposal(connection, proposal_id, at=at)


def take_approval(
    connection: psycopg.Connection,
    kind: ProposalKind,
    subject: Mapping[str, EntryValue],
    *,
    at: datetime,
) -> Proposal:
    """Uses up an approval of exactly this subject, in the caller's transaction.

    Raises:
        ApprovalRefusedError: APPROVAL_MISSING, when nobody approved it, or it was used already,
            or the approval has expired.
    """
    row = connection.execute(
        "UPDATE casegate.proposal SET done_at = %(now)s WHERE proposal_id = ("
        " SELECT proposal_id FROM casegate.proposal WHERE kind = %(kind)s AND digest = %(digest)s"
        " AND status = 'approved' AND done_at IS NULL AND expires_at > %(now)s"
        " ORDER BY decided_at LIMIT 1 FOR UPDATE) RETURNING proposal_id",
        {"now": at, "kind": kind.value, "digest": subject_digest(kind, subject)},
    ).fetchone()
    if row is None:
        raise ApprovalRefusedError("APPROVAL_MISSING", "a second person has to approve this first")
    return read_proposal(connection, row[0], at=at)


def withdraw_proposals(
    connection: psycopg.Connection, kind: ProposalKind, subject: Mapping[str, EntryValue]
) -> None:
    """Voids what is open, or approved and not done, of a subject that has changed."""
    connection.execute(
        "UPDATE casegate.proposal SET status = 'withdrawn' WHERE kind = %s AND digest = %s"
        " AND (status = 'open' OR status = 'approved' AND done_at IS NULL)",
        (kind.value, subject_digest(kind, subject)),
    )


def find_open(
    connection: psycopg.Connection,
    kind: ProposalKind,
    subject: Mapping[str, EntryValue],
    *,
    at: datetime,
) -> UUID | None:
    """The proposal of exactly this subject that waits for a second person, if one does."""
    row = connection.execute(
        "SELECT proposal_id FROM casegate.proposal WHERE kind = %s AND digest = %s"
        " AND status = 'open' AND expires_at > %s",
        (kind.value, subject_digest(kind, subject), at),
    ).fetchone()
    return None if row is None else UUID(str(row[0]))


def read_proposal(connection: psycopg.Connection, proposal_id: UUID, *, at: datetime) -> Proposal:
    """One proposal as it stands at a moment.

    Raises:
        NotFoundError: there is no such proposal.
    """
    with connection.cursor(row_factory=args_row(Proposal)) as cursor:
        found = cursor.execute(
            _SELECT + " WHERE proposal_id = %(id)s",
            {"now": at, "id": proposal_id},
        ).fetchone()
    if found is None:
        raise NotFoundError("there is no such proposal")
    return found


def list_proposals(
    connection: psycopg.Connection,
    *,
    at: datetime,
    only_open: bool = False,
    after: UUID | None = None,
    limit: int = 50,
) -> list[Proposal]:
    """A page of proposals, newest first; `after` is the last id of the page before.

    Raises:
        RequestInvalidError: the page is too large.
    """
    if not 1 <= limit <= MAX_PAGE:
        raise RequestInvalidError(f"limit is between 1 and {MAX_PAGE}")
    with connection.cursor(row_factory=args_row(Proposal)) as cursor:
        return cursor.execute(
            _SELECT + _NEWEST_FIRST,
            {"now": at, "open": only_open, "after": after, "limit": limit},
        ).fetchall()


def verify_approver(kind: str, role: StaffRole) -> None:
    """Raises RoleNotAllowedError unless the role may decide proposals of this kind."""
    if role not in _APPROVERS.get(ProposalKind(kind), _BOTH):
        raise RoleNotAllowedError("the role does not decide proposals of this kind")


def subject_digest(kind: ProposalKind, subject: Mapping[str, EntryValue]) -> bytes:
    """SHA-256 over kind and subject: the approval is of exactly this."""
    content = [kind.value, subject]
    return hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).digest()


def _insert(connection: psycopg.Connection, row: tuple[object, ...]) -> bool:
    """Whether the proposal is in; False when the same is open."""
    return bool(
        connection.execute(
            "INSERT INTO casegate.proposal (proposal_id, kind, subject, digest, proposed_by,"
            " proposed_at, expires_at) VALUES (%s, %s, %s, %s, %s, %s, %s)"
            " ON CONFLICT (kind, digest) WHERE status = 'open' DO NOTHING",
            row,
        ).rowcount
    )


def is_same_person(one: str | None, other: str) -> bool:
    """Whether one person is behind two actors, whether she came by the API or by a command."""
    return one is not None and _person(one) == _person(other)


def _person(actor: str) -> str:
    return actor.split(":", 1)[-1]


def _locked(connection: psycopg.Connection, proposal_id: UUID, at: datetime) -> Proposal:
    row = connection.execute(
        "SELECT 1 FROM casegate.proposal WHERE proposal_id = %s FOR UPDATE", (proposal_id,)
    ).fetchone()
    if row is None:
        raise NotFoundError("there is no such proposal")
    return read_proposal(connection, proposal_id, at=at)
