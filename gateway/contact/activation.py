"""Law packs in force: proposed by one, approved by another, from a date on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import psycopg
from psycopg.rows import args_row
from psycopg.types.json import Jsonb

from audit.entry import EntryValue, EventType
from gateway.errors import NotFoundError, RequestInvalidError
from gateway.evidence import record_with_change
from gateway.operations.approval import ProposalKind, propose, take_approval
from policies.contact.packs import ContactPack

_LOCK = 7310216
_KEEP = """
INSERT INTO casegate.pack_text
       (digest, pack_id, version, file, document, parameters, stored_at)
VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT (digest) DO NOTHING
"""
_BEGIN = """
INSERT INTO casegate.pack_activation
       (pack_id, digest, effective_at, proposal_id, activated_by, activated_at)
VALUES (%s, %s, %s, %s, %s, %s)
"""
# Whatever of the pack would still be in force then ends then; what was to begin later never does.
_END = """
UPDATE casegate.pack_activation
   SET ended_at = greatest(effective_at, %(at)s), ended_by = %(actor)s, end_proposal = %(proposal)s
 WHERE pack_id = %(pack)s AND (ended_at IS NULL OR ended_at > %(at)s) RETURNING digest
"""
_IS_IN_FORCE = """
SELECT 1 FROM casegate.pack_activation
 WHERE pack_id = %(pack)s AND (ended_at IS NULL OR ended_at > %(at)s)
"""
_HISTORY = """
SELECT a.pack_id, t.version, a.digest, a.effective_at, a.activated_by, a.activated_at,
       p.proposed_by, p.decided_by, a.ended_at, a.ended_by
  FROM casegate.pack_activation a
  JOIN casegate.pack_text t USING (digest) JOIN casegate.proposal p USING (proposal_id)
 ORDER BY a.activation_id DESC LIMIT %s
"""


@dataclass(frozen=True, slots=True)
class PackVersion:
    """One time that a pack was in force, with everybody who had a hand in it."""

    pack: str
    version: str
    digest: str
    effective_at: datetime
    activated_by: str
    activated_at: datetime
    proposed_by: str
    approved_by: str | None
    ended_at: datetime | None
    ended_by: str | None


def propose_pack(
    connection: psycopg.Connection,
    pack: ContactPack,
    parameters: Mapping[str, str | None],
    *,
    effective_at: datetime | None,
    actor: str,
    at: datetime,
) -> UUID:
    """Proposes a pack from a date on and keeps its text; returns the proposal's id.

    `parameters` are those by which it was read. Without a date it begins when it is activated.

    Raises:
        AlreadyExistsError: the same is proposed already.
        RequestInvalidError: the date is past; no decision of the past changes.
    """
    _verify_ahead(effective_at, at)
    with connection.transaction():
        connection.execute(
            _KEEP,
            (
                pack.digest,
                pack.pack_id,
                pack.version,
                file_of(pack.pack_id),
                pack.text,
                Jsonb(dict(parameters)),
                at,
            ),
        )
        subject = _subject(pack, effective_at)
        return propose(connection, ProposalKind.PACK_ACTIVATE, subject, actor=actor, at=at)


def activate_pack(
    connection: psycopg.Connection,
    pack: ContactPack,
    *,
    effective_at: datetime | None,
    actor: str,
    at: datetime,
) -> Sequence[str]:
    """Puts an approved pack in force from its date; returns the digests that end then.

    Raises:
        ApprovalRefusedError: APPROVAL_MISSING, when no second person approved exactly this.
    """
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        subject = _subject(pack, effective_at)
        proposal = take_approval(connection, ProposalKind.PACK_ACTIVATE, subject, at=at)
        begins = at if effective_at is None else max(effective_at, at)
        ended = _end(connection, pack.pack_id, begins, actor, None)
        connection.execute(
            _BEGIN, (pack.pack_id, pack.digest, begins, proposal.proposal_id, actor, at)
        )
        record_with_change(
            connection,
            EventType.PACK_ACTIVATED,
            at=at,
            actor=actor,
            pack=pack.pack_id,
            version=pack.version,
            digest=pack.digest,
            effective=begins.isoformat(),
            previous=list(ended),
            proposal=str(proposal.proposal_id),
            proposed_by=proposal.proposed_by,
            approved_by=proposal.decided_by,
        )
    return ended


def propose_end(connection: psycopg.Connection, pack_id: str, *, actor: str, at: datetime) -> UUID:
    """Proposes that a pack decides no longer: that loosens, and needs a second person.

    Raises:
        NotFoundError: no version of the pack is in force; what was typed is not kept.
        AlreadyExistsError: the same is proposed already.
    """
    with connection.transaction():
        if connection.execute(_IS_IN_FORCE, {"pack": pack_id, "at": at}).fetchone() is None:
            raise NotFoundError("no version of this pack is in force")
        return propose(connection, ProposalKind.PACK_END, {"pack": pack_id}, actor=actor, at=at)


def end_pack(
    connection: psycopg.Connection, pack_id: str, *, actor: str, at: datetime
) -> Sequence[str]:
    """Ends a pack at once; returns the digests that were in force or to come.

    Raises:
        NotFoundError: no version of the pack is in force.
        ApprovalRefusedError: APPROVAL_MISSING, when no second person approved it.
    """
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        proposal = take_approval(connection, ProposalKind.PACK_END, {"pack": pack_id}, at=at)
        ended = _end(connection, pack_id, at, actor, proposal.proposal_id)
        if not ended:
            raise NotFoundError("no version of this pack is in force")
        record_with_change(
            connection,
            EventType.PACK_ENDED,
            at=at,
            actor=actor,
            pack=pack_id,
            previous=list(ended),
            proposal=str(proposal.proposal_id),
            proposed_by=proposal.proposed_by,
            approved_by=proposal.decided_by,
        )
    return ended


def pack_history(connection: psycopg.Connection, *, limit: int = 100) -> list[PackVersion]:
    """When which pack was in force, newest first."""
    with connection.cursor(row_factory=args_row(PackVersion)) as cursor:
        return cursor.execute(_HISTORY, (limit,)).fetchall()


def file_of(pack_id: str) -> str:
    """Where a pack stands in a directory of policies; its errors name the file so."""
    return f"packs/{pack_id}.yaml"


def _end(
    connection: psycopg.Connection, pack_id: str, at: datetime, actor: str, proposal: UUID | None
) -> list[str]:
    rows = connection.execute(
        _END, {"pack": pack_id, "at": at, "actor": actor, "proposal": proposal}
    ).fetchall()
    return [str(row[0]) for row in rows]


def _subject(pack: ContactPack, effective_at: datetime | None) -> dict[str, EntryValue]:
    return {
        "pack": pack.pack_id,
        "digest": pack.digest,
        "effective": None if effective_at is None else effective_at.isoformat(),
    }


def _verify_ahead(effective_at: datetime | None, at: datetime) -> None:
    if effective_at is not None and effective_at < at:
        raise RequestInvalidError("effective: the date is past; name one from now on")
