"""Versions of policies: proposed, approved, put in force, ended, and all of them shown again."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import psycopg
from psycopg.rows import args_row
from psycopg.types.json import Jsonb

from audit.entry import EntryValue, EventType
from gateway.changes.publishing import ChangeKind, publish_change
from gateway.errors import NotFoundError
from gateway.evidence import record_with_change
from gateway.operations.approval import ProposalKind, propose, take_approval
from gateway.oversight.configuration import note_policies
from gateway.release.activated import IN_FORCE, policies_of
from gateway.release.profiles import row_words
from policies.fields import FieldCatalog
from policies.load import LoadedPolicy
from policies.model import PolicyBundle

_LOCK = 7310210
_SHORTEST = 8
_KEEP = """
INSERT INTO casegate.policy_text
       (digest, vendor_id, contract_id, file, document, sources, row_words, stored_at)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT (digest) DO NOTHING
"""
_END = """
UPDATE casegate.policy_version SET ended_by = %s, ended_at = %s
 WHERE vendor_id = %s AND contract_id = %s AND ended_at IS NULL RETURNING digest
"""
_BEGIN = """
INSERT INTO casegate.policy_version
       (vendor_id, contract_id, digest, proposal_id, activated_by, activated_at)
VALUES (%s, %s, %s, %s, %s, %s)
"""
_SCOPE = """
INSERT INTO casegate.row_scope (vendor_id, contract_id, projects, portfolios, products, stages)
VALUES (%s, %s, %s, %s, %s, %s)
"""
_HISTORY = """
SELECT v.vendor_id, v.contract_id, v.digest, t.file, v.activated_by, v.activated_at,
       p.proposed_by, p.decided_by, v.ended_by, v.ended_at
  FROM casegate.policy_version v
  JOIN casegate.policy_text t USING (digest) JOIN casegate.proposal p USING (proposal_id)
 WHERE (%(vendor)s::text IS NULL OR v.vendor_id = %(vendor)s)
 ORDER BY v.version_id DESC LIMIT %(limit)s
"""


@dataclass(frozen=True, slots=True)
class PolicyVersion:
    """One time that a policy was in force, with everybody who had a hand in it."""

    vendor: str
    contract: str
    digest: str
    file: str
    activated_by: str
    activated_at: datetime
    proposed_by: str
    approved_by: str | None
    ended_by: str | None
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class PolicyText:
    """A policy as it was proposed: its file and, by path, what the file stands on."""

    digest: str
    vendor: str
    contract: str
    file: str
    document: str
    sources: dict[str, str]
    stored_at: datetime


def policies_in_force(connection: psycopg.Connection, catalog: FieldCatalog) -> PolicyBundle:
    """What the workers decide by."""
    return policies_of(connection.execute(IN_FORCE).fetchall(), catalog)


def propose_policy(
    connection: psycopg.Connection, loaded: LoadedPolicy, *, actor: str, at: datetime
) -> UUID:
    """Proposes a policy for activation and keeps its text; returns the proposal's id.

    Raises:
        AlreadyExistsError: the same is proposed already.
        NotFoundError: the contract is not registered.
    """
    policy = loaded.policy
    with connection.transaction():
        try:
            connection.execute(
                _KEEP,
                (
                    policy.digest,
                    policy.vendor,
                    policy.contract,
                    loaded.file,
                    loaded.text,
                    Jsonb(loaded.sources),
                    Jsonb(row_words(policy.limits.rows)),
                    at,
                ),
            )
        except psycopg.errors.ForeignKeyViolation as error:
            raise NotFoundError("the policy's contract is not registered") from error
        return propose(
            connection, ProposalKind.POLICY_ACTIVATE, _subject(loaded), actor=actor, at=at
        )


def activate_policy(
    connection: psycopg.Connection,
    loaded: LoadedPolicy,
    catalog: FieldCatalog,
    *,
    actor: str,
    at: datetime,
) -> str | None:
    """Puts an approved policy in force; returns the digest of the one before, if there was one.

    Every worker decides by it as soon as it hears of the change of trust.

    Raises:
        ApprovalRefusedError: APPROVAL_MISSING, when no second person approved exactly this.
    """
    policy = loaded.policy
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        proposal = take_approval(connection, ProposalKind.POLICY_ACTIVATE, _subject(loaded), at=at)
        previous = _end(connection, policy.vendor, policy.contract, actor=actor, at=at)
        connection.execute(
            _BEGIN,
            (policy.vendor, policy.contract, policy.digest, proposal.proposal_id, actor, at),
        )
        words = row_words(policy.limits.rows)
        if words:
            lists = [words.get(key) for key in ("projects", "portfolio", "product", "stage")]
            connection.execute(_SCOPE, (policy.vendor, policy.contract, *lists))
        _announce(connection, policy.vendor, policy.contract, at)
        bundle = policies_in_force(connection, catalog)
        note_policies(connection, bundle, actor=actor, at=at)
        record_with_change(
            connection,
            EventType.POLICY_ACTIVATED,
            at=at,
            actor=actor,
            vendor=policy.vendor,
            contract=policy.contract,
            policy=policy.digest,
            policy_id=policy.policy_id,
            previous=previous,
            proposal=str(proposal.proposal_id),
            proposed_by=proposal.proposed_by,
            approved_by=proposal.decided_by,
        )
    return previous


def withdraw_policy(
    connection: psycopg.Connection,
    vendor: str,
    contract: str,
    catalog: FieldCatalog,
    *,
    actor: str,
    at: datetime,
) -> str:
    """Ends the policy in force, so that the vendor gets nothing; returns its digest.

    One person suffices: nothing becomes wider.

    Raises:
        NotFoundError: no policy is in force.
    """
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        digest = _end(connection, vendor, contract, actor=actor, at=at)
        if digest is None:
            raise NotFoundError("no policy is in force for this vendor and contract")
        _announce(connection, vendor, contract, at)
        bundle = policies_in_force(connection, catalog)
        note_policies(connection, bundle, actor=actor, at=at)
    return digest


def _announce(connection: psycopg.Connection, vendor: str, contract: str, at: datetime) -> None:
    """Tells the vendor that other fields may leave now; which, it sees in its cases."""
    publish_change(
        connection,
        vendor_id=vendor,
        contract_id=contract,
        kind=ChangeKind.POLICY_CHANGED,
        case_ref=None,
        at=at,
    )


def policy_history(
    connection: psycopg.Connection, vendor: str | None, *, limit: int = 100
) -> list[PolicyVersion]:
    """When which policy was in force, newest first."""
    with connection.cursor(row_factory=args_row(PolicyVersion)) as cursor:
        return cursor.execute(_HISTORY, {"vendor": vendor, "limit": limit}).fetchall()


def policy_text(connection: psycopg.Connection, digest: str) -> PolicyText:
    """A policy that was ever proposed, by its digest or at least 8 digits of its beginning.

    Raises:
        NotFoundError: there is none, or more than one begins so.
    """
    if not (len(digest) >= _SHORTEST and set(digest) <= set("0123456789abcdef")):
        raise NotFoundError("a digest is written as 8 to 64 hex digits")
    with connection.cursor(row_factory=args_row(PolicyText)) as cursor:
        found = cursor.execute(
            "SELECT digest, vendor_id, contract_id, file, document, sources, stored_at"
            " FROM casegate.policy_text WHERE starts_with(digest, %s) LIMIT 2",
            (digest,),
        ).fetchall()
    if len(found) != 1:
        raise NotFoundError("no policy, or more than one, has this digest")
    return found[0]


def _end(
    connection: psycopg.Connection, vendor: str, contract: str, *, actor: str, at: datetime
) -> str | None:
    connection.execute(
        "DELETE FROM casegate.row_scope WHERE vendor_id = %s AND contract_id = %s",
        (vendor, contract),
    )
    row = connection.execute(_END, (actor, at, vendor, contract)).fetchone()
    return None if row is None else str(row[0])


def _subject(loaded: LoadedPolicy) -> dict[str, EntryValue]:
    policy = loaded.policy
    return {"vendor": policy.vendor, "contract": policy.contract, "policy": policy.digest}
