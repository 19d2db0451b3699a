"""Findings: raised in the transaction of what showed them, listed, closed with a reason."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID, uuid4

import psycopg
from psycopg.rows import args_row
from psycopg.types.json import Jsonb

from audit.entry import EntryValue, EventType
from gateway.errors import IllegalTransitionError, NotFoundError, RequestInvalidError
from gateway.evidence import record_with_change

MAX_PAGE = 200

_COLUMNS = """
SELECT finding_id, rule, severity, vendor_id, contract_id, agent_ref, evidence, found_at, state,
       closed_at, closed_by, reason FROM casegate.finding
"""
_RAISE = """
INSERT INTO casegate.finding
       (finding_id, rule, severity, vendor_id, contract_id, agent_ref, evidence, found_at)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
"""
_NEWEST_FIRST = """
 WHERE (%(vendor)s::text IS NULL OR vendor_id = %(vendor)s) AND (NOT %(open)s OR state = 'open')
   AND (%(after)s::uuid IS NULL OR (found_at, finding_id) <
        (SELECT f.found_at, f.finding_id FROM casegate.finding f WHERE f.finding_id = %(after)s))
 ORDER BY found_at DESC, finding_id DESC LIMIT %(limit)s
"""
_CLOSE = """
UPDATE casegate.finding SET state = 'closed', closed_at = %s, closed_by = %s, reason = %s
 WHERE finding_id = %s AND state = 'open'
"""


class Severity(StrEnum):
    """How bad it is if it is true."""

    CRITICAL = "critical"
    MAJOR = "major"
    MINOR = "minor"


@dataclass(frozen=True, slots=True)
class Fault:
    """What a rule has found; `evidence` holds references only, never a value of a case."""

    rule: str
    severity: Severity
    vendor_id: str
    evidence: Mapping[str, Any]
    contract_id: str | None = None
    agent_ref: str | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """A fault on record. `state` is open or closed; a closed one says when, by whom and why."""

    finding_id: UUID
    rule: str
    severity: str
    vendor_id: str
    contract_id: str | None
    agent_ref: str | None
    evidence: Mapping[str, Any]
    found_at: datetime
    state: str
    closed_at: datetime | None
    closed_by: str | None
    reason: str | None


def raise_finding(connection: psycopg.Connection, fault: Fault, *, at: datetime) -> UUID:
    """Puts a fault on record, in the caller's transaction or in one of its own; returns its id.

    Call it last in a transaction: its entry locks the end of the log until that ends.
    """
    finding_id = uuid4()
    with connection.transaction():
        connection.execute(
            _RAISE,
            (
                *(finding_id, fault.rule, fault.severity.value, fault.vendor_id),
                *(fault.contract_id, fault.agent_ref, Jsonb(dict(fault.evidence)), at),
            ),
        )
        record_with_change(
            connection, EventType.FINDING_RAISED, at=at, **entry_fields(finding_id, fault)
        )
    return finding_id


def entry_fields(finding_id: UUID, fault: Fault) -> dict[str, EntryValue]:
    """What the entry `finding.raised` says: whom it is about, and not what it rests on."""
    return {
        "finding": str(finding_id),
        "rule": fault.rule,
        "severity": fault.severity.value,
        "vendor": fault.vendor_id,
        "contract": fault.contract_id,
        "agent": fault.agent_ref,
    }


def list_findings(
    connection: psycopg.Connection,
    *,
    vendor: str | None = None,
    only_open: bool = False,
    after: UUID | None = None,
    limit: int = 50,
) -> list[Finding]:
    """A page of findings, newest first; `after` is the last id of the page before.

    Raises:
        RequestInvalidError: the page is too large.
    """
    if not 1 <= limit <= MAX_PAGE:
        raise RequestInvalidError(f"limit is between 1 and {MAX_PAGE}")
    with connection.cursor(row_factory=args_row(Finding)) as cursor:
        return cursor.execute(
            _COLUMNS + _NEWEST_FIRST,
            {"vendor": vendor, "open": only_open, "after": after, "limit": limit},
        ).fetchall()


def read_finding(connection: psycopg.Connection, finding_id: UUID) -> Finding:
    """One finding.

    Raises:
        NotFoundError: there is none of this id.
    """
    with connection.cursor(row_factory=args_row(Finding)) as cursor:
        found = cursor.execute(_COLUMNS + " WHERE finding_id = %s", (finding_id,)).fetchone()
    if found is None:
        raise NotFoundError("there is no such finding")
    return found


def close_finding(
    connection: psycopg.Connection, finding_id: UUID, *, reason: str, actor: str, at: datetime
) -> Finding:
    """Closes a finding for good; the reason stays in the database, the log says who and when.

    Raises:
        NotFoundError: there is none of this id.
        IllegalTransitionError: it is closed already.
    """
    with connection.transaction():
        finding = read_finding(connection, finding_id)
        if not connection.execute(_CLOSE, (at, actor, reason, finding_id)).rowcount:
            raise IllegalTransitionError("the finding is closed already")
        record_with_change(
            connection,
            EventType.FINDING_CLOSED,
            at=at,
            actor=actor,
            finding=str(finding_id),
            rule=finding.rule,
            vendor=finding.vendor_id,
            contract=finding.contract_id,
        )
    return read_finding(connection, finding_id)
