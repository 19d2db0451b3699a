"""What staff decide of an agent: qualified, suspended, banned, and back only by two.

A suspension and a ban are of the person: they hold wherever he is registered, and go with him when
he leaves. One person may always take out; lifting is proposed by one and approved by another.
"""

from collections.abc import Callable
from datetime import datetime
from uuid import UUID

import psycopg
from psycopg.rows import args_row

from audit.entry import EventType
from gateway.errors import (
    AgentNotQualifiedError,
    ApprovalRefusedError,
    IllegalTransitionError,
    NotFoundError,
)
from gateway.evidence import record_with_change
from gateway.operations.approval import (
    Proposal,
    ProposalKind,
    propose,
    take_approval,
    withdraw_proposals,
)
from gateway.people.agents import AGENTS, Agent, AgentKey, read_agent
from gateway.people.announcing import announce_agent
from gateway.people.hashing import commitment_of

_PERSON = """
SELECT a.id_hash FROM casegate.agent a
 WHERE a.vendor_id = %s AND a.contract_id = %s AND a.agent_ref = %s
"""
_LOCK = "SELECT standing FROM casegate.agent_person WHERE id_hash = %s FOR UPDATE"
_REGISTRATIONS = """
SELECT vendor_id, contract_id, agent_ref FROM casegate.agent WHERE id_hash = %s FOR UPDATE
"""
_STAND = "UPDATE casegate.agent_person SET standing = %s, changed_at = %s WHERE id_hash = %s"
_OF_PERSON = AGENTS + " WHERE id_hash = %s AND status <> 'left' ORDER BY 1, 2, 3"
_SET = """
UPDATE casegate.agent SET status = %(status)s, changed_at = %(at)s,
       qualified_at = CASE WHEN %(status)s = 'qualified' THEN %(at)s ELSE qualified_at END
 WHERE vendor_id = %(vendor)s AND contract_id = %(contract)s AND agent_ref = %(agent)s
"""


def qualify(
    connection: psycopg.Connection,
    key: AgentKey,
    courses: frozenset[str],
    *,
    actor: str,
    at: datetime,
) -> Agent:
    """Lets an agent call who has signed secrecy and passed `courses`; twice changes nothing.

    Raises:
        NotFoundError: there is no such agent.
        IllegalTransitionError: he is suspended, banned or has left.
        AgentNotQualifiedError: the message names what is missing.
    """
    with connection.transaction():
        agent, _standing = _lock(connection, key)
        if agent.status == "qualified":
            return agent
        if agent.status != "pending":
            raise _illegal(agent)
        missing = agent.missing(courses, at)
        if missing:
            raise AgentNotQualifiedError(f"not qualified yet; missing: {', '.join(missing)}")
        _set(connection, agent, "qualified", at)
        announce_agent(connection, key, "qualified", at=at)
        _record(connection, agent, "qualified", actor=actor, at=at)
    return read_agent(connection, key)


def suspend(connection: psycopg.Connection, key: AgentKey, *, actor: str, at: datetime) -> Agent:
    """Stops the person at once, with his open permits; twice changes nothing more.

    Who has left is suspended too: he cannot be registered again until it is lifted.

    Raises:
        NotFoundError: there is no such agent.
        IllegalTransitionError: he is banned.
    """
    with connection.transaction():
        agent, standing = _lock(connection, key)
        if standing == "banned":
            raise _illegal(agent)
        _void_approvals(connection, agent, ProposalKind.AGENT_RESUME)
        if standing == "clear":
            _stop(connection, agent, "suspended", actor=actor, at=at)
    return read_agent(connection, key)


def ban(connection: psycopg.Connection, key: AgentKey, *, actor: str, at: datetime) -> Agent:
    """Takes the person out at every vendor, for as long as no two persons say otherwise.

    Raises:
        NotFoundError: there is no such agent.
    """
    with connection.transaction():
        agent, standing = _lock(connection, key)
        _void_approvals(connection, agent, ProposalKind.AGENT_RESUME, ProposalKind.AGENT_UNBAN)
        if standing != "banned":
            _stop(connection, agent, "banned", actor=actor, at=at)
    return read_agent(connection, key)


def resume(
    connection: psycopg.Connection,
    key: AgentKey,
    courses: frozenset[str],
    *,
    actor: str,
    at: datetime,
) -> Agent | UUID:
    """Lifts a suspension by an approval; without one, proposes it and returns the proposal.

    Whoever was qualified, and still has all that it takes, is so again; others wait for it.

    Raises:
        NotFoundError: there is no such agent.
        ApprovalRefusedError: NOT_SUSPENDED.
        AlreadyExistsError: it is proposed already.
    """

    def after(agent: Agent) -> str:
        if agent.status != "suspended":
            return agent.status
        is_fit = agent.qualified_at is not None and not agent.missing(courses, at)
        return "qualified" if is_fit else "pending"

    return _lift(
        connection, key, ProposalKind.AGENT_RESUME, "suspended", after, actor=actor, at=at
    )


def unban(
    connection: psycopg.Connection, key: AgentKey, *, actor: str, at: datetime
) -> Agent | UUID:
    """Lifts a ban by an approval, or proposes it; the person has left, and may register anew.

    Raises:
        NotFoundError: there is no such agent.
        ApprovalRefusedError: NOT_BANNED.
        AlreadyExistsError: it is proposed already.
    """

    def after(agent: Agent) -> str:
        return "left" if agent.status == "banned" else agent.status

    return _lift(connection, key, ProposalKind.AGENT_UNBAN, "banned", after, actor=actor, at=at)


def leave(connection: psycopg.Connection, key: AgentKey, *, actor: str, at: datetime) -> Agent:
    """Ends a registration that its vendor does not end; twice changes nothing more.

    Raises:
        NotFoundError: there is no such agent.
        IllegalTransitionError: he is banned.
    """
    with connection.transaction():
        agent, _standing = _lock(connection, key)
        if agent.status == "banned":
            raise _illegal(agent)
        if agent.status != "left":
            _set(connection, agent, "left", at)
            announce_agent(connection, key, "left", at=at)
            _record(connection, agent, "left", actor=actor, at=at)
    return read_agent(connection, key)


def _lock(connection: psycopg.Connection, key: AgentKey) -> tuple[Agent, str]:
    """The agent and the person's standing; nobody else changes either while the caller works."""
    row = connection.execute(_PERSON, (key.vendor_id, key.contract_id, key.agent_ref)).fetchone()
    if row is None:
        raise NotFoundError(f"there is no agent {key.agent_ref} of {key.vendor_id}")
    standing = connection.execute(_LOCK, (row[0],)).fetchone()
    assert standing is not None
    connection.execute(_REGISTRATIONS, (row[0],))
    return read_agent(connection, key), str(standing[0])


def _void_approvals(connection: psycopg.Connection, agent: Agent, *kinds: ProposalKind) -> None:
    """What was approved before lifts nothing that comes after, whichever reference it named."""
    for row in connection.execute(_REGISTRATIONS, (agent.id_hash,)).fetchall():
        for kind in kinds:
            withdraw_proposals(connection, kind, AgentKey(*row).subject())


def _stop(
    connection: psycopg.Connection, named: Agent, standing: str, *, actor: str, at: datetime
) -> None:
    """Sets the person's standing, and with it all his registrations that have not ended."""
    connection.execute(_STAND, (standing, at, named.id_hash))
    with connection.cursor(row_factory=args_row(Agent)) as cursor:
        found = cursor.execute(_OF_PERSON, (named.id_hash,)).fetchall()
    for agent in found:
        _set(connection, agent, standing, at)
        announce_agent(connection, agent.key, standing, at=at)
    for agent in found or [named]:
        _record(connection, agent, standing, actor=actor, at=at)


def _lift(
    connection: psycopg.Connection,
    key: AgentKey,
    kind: ProposalKind,
    lifted: str,
    after: Callable[[Agent], str],
    *,
    actor: str,
    at: datetime,
) -> Agent | UUID:
    with connection.transaction():
        agent, standing = _lock(connection, key)
        if standing != lifted:
            raise ApprovalRefusedError(
                "NOT_SUSPENDED" if lifted == "suspended" else "NOT_BANNED", f"it is not {lifted}"
            )
        try:
            approved = take_approval(connection, kind, key.subject(), at=at)
        except ApprovalRefusedError:
            return propose(connection, kind, key.subject(), actor=actor, at=at)
        connection.execute(_STAND, ("clear", at, agent.id_hash))
        with connection.cursor(row_factory=args_row(Agent)) as cursor:
            found = cursor.execute(_OF_PERSON, (agent.id_hash,)).fetchall()
        change = "resumed" if lifted == "suspended" else "unbanned"
        for each in found:
            _set(connection, each, after(each), at)
            announce_agent(connection, each.key, after(each), at=at)
        for each in found or [agent]:
            _record(connection, each, change, actor=actor, at=at, approved=approved)
    return read_agent(connection, key)


def _set(connection: psycopg.Connection, agent: Agent, status: str, at: datetime) -> None:
    connection.execute(_SET, {**agent.key.subject(), "status": status, "at": at})


def _record(
    connection: psycopg.Connection,
    agent: Agent,
    change: str,
    *,
    actor: str,
    at: datetime,
    approved: Proposal | None = None,
) -> None:
    by_two = {}
    if approved is not None:
        by_two = {
            "proposal": str(approved.proposal_id),
            "proposed_by": approved.proposed_by,
            "approved_by": approved.decided_by,
        }
    record_with_change(
        connection,
        EventType.AGENT_CHANGED,
        at=at,
        actor=actor,
        change=change,
        person=commitment_of(agent.id_hash),
        **agent.key.subject(),
        **by_two,
    )


def _illegal(agent: Agent) -> IllegalTransitionError:
    return IllegalTransitionError(f"the agent is {agent.status}")
