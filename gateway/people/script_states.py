"""Scripts as they go from draft to use: approved by a second person, one version at a time.

What is approved is exactly the content that was submitted (its SHA-256 stands in the proposal). A
version in use never changes: other words are another version, which each agent acknowledges anew.
"""

import re
from datetime import datetime
from uuid import UUID

import psycopg

from gateway.errors import IllegalTransitionError, RequestInvalidError
from gateway.operations.approval import (
    ProposalKind,
    decide,
    find_open,
    propose,
    take_approval,
    withdraw_proposals,
)
from gateway.people.announcing import announce_script
from gateway.people.scripts import (
    COLUMNS,
    Script,
    ScriptContent,
    read_script,
    record_script,
    set_status,
)

SCRIPT_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('casegate.script/' || %s, 0))"
_NEXT = "SELECT coalesce(max(version), 0) + 1 FROM casegate.script WHERE script_id = %s"
_DRAFT = "SELECT version FROM casegate.script WHERE script_id = %s AND status = 'draft'"
_ACTIVE = "SELECT version FROM casegate.script WHERE script_id = %s AND status = 'active'"
_KEEP = f"""
INSERT INTO casegate.script ({COLUMNS})
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, 'draft', NULL, %s, %s, NULL, %s)
ON CONFLICT (script_id, version) DO UPDATE SET
  channel = excluded.channel, segment = excluded.segment, language = excluded.language,
  text = excluded.text, mandatory_statements = excluded.mandatory_statements,
  forbidden_terms = excluded.forbidden_terms, content_sha256 = excluded.content_sha256,
  valid_to = excluded.valid_to, drafted_by = excluded.drafted_by, changed_at = excluded.changed_at
"""  # noqa: S608  # constants


def draft(
    connection: psycopg.Connection,
    script_id: str,
    content: ScriptContent,
    *,
    actor: str,
    at: datetime,
) -> Script:
    """Keeps a draft: in place of the script's draft if it has one, else as its next version.

    Raises:
        RequestInvalidError, ScriptRefusedError: the content does not do.
    """
    if not SCRIPT_ID.fullmatch(script_id):
        raise RequestInvalidError("script_id is lower-case letters, digits and -")
    content.verify(at)
    with connection.transaction():
        connection.execute(_LOCK, (script_id,))
        version = _number(connection, _DRAFT, script_id) or _number(connection, _NEXT, script_id)
        assert version is not None
        connection.execute(
            _KEEP,
            (
                *(script_id, version, content.channel.value, content.segment, content.language),
                *(content.text, sorted(content.statements()), list(content.forbidden_terms)),
                *(content.digest(), content.valid_to, actor, at),
            ),
        )
        script = read_script(connection, script_id, version)
        record_script(connection, script, "drafted", actor=actor, at=at)
    return script


def submit(
    connection: psycopg.Connection, script_id: str, version: int, *, actor: str, at: datetime
) -> UUID:
    """Hands a draft in for approval; returns the proposal. Again, once a proposal has failed.

    Raises:
        NotFoundError: there is no such version.
        IllegalTransitionError: it is neither a draft nor waiting.
        AlreadyExistsError: it is proposed already.
    """
    with connection.transaction():
        script = _in_state(connection, script_id, version, "draft", "review")
        set_status(connection, script, "review", at)
        proposal = propose(
            connection, ProposalKind.SCRIPT_APPROVE, script.subject(), actor=actor, at=at
        )
        record_script(connection, script, "submitted", actor=actor, at=at)
    return proposal


def approve(
    connection: psycopg.Connection, script_id: str, version: int, *, actor: str, at: datetime
) -> Script:
    """Approves as the second person, or takes an approval that the proposal has already.

    Raises:
        NotFoundError: there is no such version.
        IllegalTransitionError: it does not wait for approval.
        ApprovalRefusedError: SECOND_PERSON_NEEDED; APPROVAL_MISSING, when it was rejected or has
            expired.
    """
    with connection.transaction():
        script = _in_state(connection, script_id, version, "review")
        waiting = find_open(connection, ProposalKind.SCRIPT_APPROVE, script.subject(), at=at)
        if waiting is not None:
            decide(connection, waiting, is_approved=True, actor=actor, at=at)
        _take(connection, script, actor=actor, at=at)
    return read_script(connection, script_id, version)


def activate(
    connection: psycopg.Connection, script_id: str, version: int, *, actor: str, at: datetime
) -> Script:
    """Puts an approved version in use at once, in place of the one that is.

    Raises:
        NotFoundError: there is no such version.
        IllegalTransitionError: it is not approved, or its time is over.
        ApprovalRefusedError: APPROVAL_MISSING, when it still waits for the second person.
    """
    with connection.transaction():
        connection.execute(_LOCK, (script_id,))
        script = _in_state(connection, script_id, version, "approved", "review")
        if script.valid_to is not None and script.valid_to <= at:
            raise IllegalTransitionError("the version's time is over; draft another")
        if script.status == "review":
            _take(connection, script, actor=actor, at=at)
        _replace(connection, script, actor=actor, at=at)
        set_status(connection, script, "active", at)
        record_script(connection, script, "activated", actor=actor, at=at)
    return read_script(connection, script_id, version)


def withdraw(
    connection: psycopg.Connection, script_id: str, version: int, *, actor: str, at: datetime
) -> Script:
    """Takes a version out of use, or out of the way to it; twice changes nothing more.

    Raises:
        NotFoundError: there is no such version.
        IllegalTransitionError: it has expired.
    """
    with connection.transaction():
        script = read_script(connection, script_id, version)
        if script.status == "withdrawn":
            return script
        if script.status == "expired":
            raise IllegalTransitionError("the version is expired")
        withdraw_proposals(connection, ProposalKind.SCRIPT_APPROVE, script.subject())
        set_status(connection, script, "withdrawn", at)
        if script.status == "active":
            announce_script(connection, script_id, version, replaced_by=None, at=at)
        record_script(connection, script, "withdrawn", actor=actor, at=at)
    return read_script(connection, script_id, version)


def _in_state(
    connection: psycopg.Connection, script_id: str, version: int, *states: str
) -> Script:
    script = read_script(connection, script_id, version)
    if script.status not in states:
        raise IllegalTransitionError(f"the version is {script.status}")
    return script


def _replace(connection: psycopg.Connection, script: Script, *, actor: str, at: datetime) -> None:
    """Ends the version in use, if there is one: each agent acknowledges the next one anew."""
    former = _number(connection, _ACTIVE, script.script_id)
    if former is None:
        return
    replaced = read_script(connection, script.script_id, former)
    set_status(connection, replaced, "expired", at)
    announce_script(connection, script.script_id, former, replaced_by=script.version, at=at)
    record_script(connection, replaced, "replaced", actor=actor, at=at)


def _take(connection: psycopg.Connection, script: Script, *, actor: str, at: datetime) -> None:
    """Uses the approval up: from review to approved."""
    approved = take_approval(connection, ProposalKind.SCRIPT_APPROVE, script.subject(), at=at)
    set_status(connection, script, "approved", at, approved_by=approved.decided_by)
    record_script(connection, script, "approved", actor=actor, at=at, approved=approved)


def _number(connection: psycopg.Connection, query: str, script_id: str) -> int | None:
    row = connection.execute(query, (script_id,)).fetchone()
    return None if row is None else int(row[0])
