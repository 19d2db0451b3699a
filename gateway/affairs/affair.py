"""An affair on record: opened, read, moved by its machine; a move is a step and an entry."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
from psycopg import sql
from psycopg.rows import dict_row, kwargs_row
from psycopg.types.json import Jsonb

from audit.entry import EntryValue, EventType
from gateway.affairs.codes import verify_codes
from gateway.affairs.machine import Move, Side
from gateway.affairs.machines import MACHINES
from gateway.changes.publishing import publish_change
from gateway.clock import rfc3339
from gateway.errors import ApprovalRefusedError, IdempotencyKeyReusedError, NotFoundError
from gateway.evidence import record_with_change
from gateway.operations.approval import (
    ProposalKind,
    is_same_person,
    propose,
    take_approval,
)

CHANGED = {
    "complaint": EventType.COMPLAINT_CHANGED,
    "rectification": EventType.RECTIFICATION_CHANGED,
    "feedback": EventType.FEEDBACK_CHANGED,
}
_STEP = """
INSERT INTO casegate.affair_step (affair_id, vendor_id, move, before, after, actor, reason, at)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
"""
_STEPS = """
SELECT move, before, after, actor, reason, at FROM casegate.affair_step
 WHERE affair_id = %s ORDER BY step_id
"""
_PAGE = """
 WHERE kind = %(kind)s AND (%(vendor)s::text IS NULL OR vendor_id = %(vendor)s)
   AND (NOT %(open)s OR state NOT IN ('closed', 'withdrawn'))
   AND (%(overdue)s::timestamptz IS NULL OR (due_at <= %(overdue)s
        AND state NOT IN ('decided', 'reviewed', 'replied', 'closed', 'withdrawn')))
   AND (%(before)s::bigint IS NULL OR sequence < %(before)s)
 ORDER BY sequence DESC LIMIT %(limit)s
"""


@dataclass(frozen=True, slots=True)
class Affair:
    """A complaint, a notice or feedback, as the company has it, still without its text.

    `told` is what the vendor may know once `is_shown`; `facts` are the company's own. `next_at` is
    when the clock has something to do with it.
    """

    affair_id: UUID
    kind: str
    vendor_id: str
    contract_id: str
    state: str
    is_shown: bool
    severity: str | None
    codes: list[str]
    call_ids: list[str]
    case_id: UUID | None
    hold_id: UUID | None
    department: str | None
    opened_at: datetime
    opened_by: str
    due_at: datetime
    evidence_due_at: datetime | None
    next_at: datetime | None
    facts: dict[str, Any]
    told: dict[str, Any]
    recurrence_of: UUID | None
    sequence: int

    def document(self, at: datetime) -> dict[str, Any]:
        """As JSON, for staff."""
        content = {
            each.name: _plain(getattr(self, each.name))
            for each in fields(self)
            if each.name not in {"sequence", "case_id", "next_at"}
        }
        return {**content, "is_overdue": self.due_at <= at and self.state not in _ANSWERED}


_ANSWERED = frozenset({"decided", "reviewed", "replied", "closed", "withdrawn"})
_COLUMNS = ", ".join(each.name for each in fields(Affair))
_SELECT = f"SELECT {_COLUMNS} FROM casegate.affair"  # noqa: S608 - the names of our own fields


@dataclass(frozen=True, slots=True)
class Wanted:
    """A move that a member of the staff, or the clock, wants; `changes` are columns it sets.

    `reason` is a code: no sentence of it can name a person.
    """

    name: str
    actor: str
    at: datetime
    side: Side = Side.COMPANY
    reason: str | None = None
    changes: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        """Raises RequestInvalidError where the reason is no code."""
        verify_codes(reason=self.reason)


def open_affair(
    connection: psycopg.Connection,
    columns: Mapping[str, Any],
    *,
    repeat: tuple[str | None, bytes | None] = (None, None),
) -> tuple[UUID, bool]:
    """Puts an affair on record in its first state; returns its id, and whether it is new.

    Raises:
        IdempotencyKeyReusedError: the key was used for something else.
    """
    values = {
        **columns,
        "state": MACHINES[columns["kind"]].initial,
        "repeat_key": repeat[0],
        "repeat_sha256": repeat[1],
    }
    statement = sql.SQL(
        "INSERT INTO casegate.affair ({}) VALUES ({}) ON CONFLICT (kind, repeat_key) DO NOTHING"
    ).format(
        sql.SQL(", ").join(map(sql.Identifier, values)),
        sql.SQL(", ").join(map(sql.Placeholder, values)),
    )
    if connection.execute(statement, _adapted(values)).rowcount:
        return columns["affair_id"], True
    row = connection.execute(
        "SELECT affair_id, repeat_sha256 FROM casegate.affair WHERE kind = %s AND repeat_key = %s",
        (columns["kind"], repeat[0]),
    ).fetchone()
    assert row is not None
    if row[1] is None or bytes(row[1]) != repeat[1]:
        raise IdempotencyKeyReusedError("the key was used for another request")
    return UUID(str(row[0])), False


def advance(
    connection: psycopg.Connection, kind: str, affair_id: UUID, wanted: Wanted
) -> Affair | UUID:
    """Makes a move in the caller's transaction; a move of two is proposed first: its proposal.

    Raises:
        NotFoundError: there is no such affair.
        IllegalTransitionError: the machine has no such move from its state.
        ApprovalRefusedError: SECOND_PERSON_NEEDED, the move is for somebody else.
        AlreadyExistsError: it is proposed already.
    """
    affair = read_affair(connection, kind, affair_id, is_locked=True)
    move = MACHINES[kind].move(affair.state, wanted.name, wanted.side)
    _verify_other(affair, move, wanted.actor)
    by_two: dict[str, EntryValue] = {}
    if _applies(move.takes_two, affair):
        subject = {"affair": str(affair_id), "move": move.name}
        try:
            with connection.transaction():
                approved = take_approval(
                    connection, ProposalKind.AFFAIR_MOVE, subject, at=wanted.at
                )
        except ApprovalRefusedError:
            return propose(
                connection,
                ProposalKind.AFFAIR_MOVE,
                subject,
                actor=wanted.actor,
                at=wanted.at,
            )
        by_two = {
            "proposal": str(approved.proposal_id),
            "proposed_by": approved.proposed_by,
            "approved_by": approved.decided_by,
        }
    after = move.target or affair.state
    _set(connection, affair_id, {**(wanted.changes or {}), "state": after})
    connection.execute(
        _STEP,
        (
            *(affair_id, affair.vendor_id, move.name, affair.state, after),
            *(wanted.actor, wanted.reason, wanted.at),
        ),
    )
    moved = read_affair(connection, kind, affair_id)
    if moved.is_shown:
        tell(connection, moved, at=wanted.at)
    record_with_change(
        connection,
        CHANGED[kind],
        at=wanted.at,
        actor=wanted.actor,
        affair=str(affair_id),
        vendor=affair.vendor_id,
        contract=affair.contract_id,
        move=move.name,
        before=affair.state,
        after=after,
        reason=wanted.reason,
        **by_two,
    )
    return moved


def tell(connection: psycopg.Connection, affair: Affair, *, at: datetime) -> None:
    """The vendor hears in its feed that something of its own has moved, not what."""
    publish_change(
        connection,
        vendor_id=affair.vendor_id,
        contract_id=affair.contract_id,
        kind=f"{affair.kind}_changed",
        case_ref=None,
        data={"id": str(affair.affair_id)},
        at=at,
    )


def read_affair(
    connection: psycopg.Connection, kind: str, affair_id: UUID, *, is_locked: bool = False
) -> Affair:
    """One affair of a kind.

    Raises:
        NotFoundError: there is none.
    """
    lock = " FOR UPDATE" if is_locked else ""
    with connection.cursor(row_factory=kwargs_row(Affair)) as cursor:
        found = cursor.execute(
            (_SELECT + " WHERE affair_id = %s AND kind = %s" + lock).encode(), (affair_id, kind)
        ).fetchone()
    if found is None:
        raise NotFoundError(f"there is no such {kind}")
    return found


def list_affairs(connection: psycopg.Connection, **named: Any) -> list[Affair]:  # noqa: ANN401
    """A page, newest first: kind, vendor, open, overdue, before, limit, as _PAGE names them."""
    with connection.cursor(row_factory=kwargs_row(Affair)) as cursor:
        return cursor.execute((_SELECT + _PAGE).encode(), named).fetchall()


def steps_of(connection: psycopg.Connection, affair_id: UUID) -> list[dict[str, Any]]:
    """Every transition, the first one first."""
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(_STEPS, (affair_id,)).fetchall()
    return [{name: _plain(value) for name, value in row.items()} for row in rows]


def _verify_other(affair: Affair, move: Move, actor: str) -> None:
    issuers = (affair.opened_by, affair.facts.get("issued_by"))
    if _applies(move.takes_other, affair) and any(is_same_person(one, actor) for one in issuers):
        raise ApprovalRefusedError(
            "SECOND_PERSON_NEEDED", "who issued it does not verify it; ask another person"
        )


def _applies(severities: frozenset[str], affair: Affair) -> bool:
    return "*" in severities or affair.severity in severities


def _set(connection: psycopg.Connection, affair_id: UUID, changes: Mapping[str, Any]) -> None:
    pairs = [
        sql.SQL("{} = {}").format(sql.Identifier(name), sql.Placeholder(name)) for name in changes
    ]
    statement = sql.SQL("UPDATE casegate.affair SET {} WHERE affair_id = {}").format(
        sql.SQL(", ").join(pairs), sql.Placeholder("affair_id")
    )
    connection.execute(statement, _adapted({**changes, "affair_id": affair_id}))


def _adapted(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: Jsonb(value) if isinstance(value, dict) else value for name, value in values.items()
    }


def _plain(value: object) -> object:
    return rfc3339(value) if isinstance(value, datetime) else value
