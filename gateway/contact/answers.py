"""Special requests as the company answers them: read, answered, instructed, closed."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import dict_row, kwargs_row

from audit.entry import EventType
from gateway.changes.publishing import ChangeKind, publish_change
from gateway.clock import rfc3339
from gateway.contact.holds import place_hold
from gateway.contact.note_seal import NoteSeal
from gateway.errors import IllegalTransitionError, NotFoundError, RequestInvalidError
from gateway.evidence import record_with_change
from policies.contact.hours import hours_of

STOP = "do_not_contact"
TIME_PREFERENCE = "time_preference"
_GRANTED = frozenset({"granted", "partly_granted"})
_WITHDRAWN = "withdrawn"
MOST_HOURS = 14

_SELECT = """
SELECT sequence, request_id, vendor_id, contract_id, case_ref, type, agent_ref, call_id, permit_id,
       customer_words_code, raised_at, state, owner_department, due_at, hold_id, decision_code,
       decision_valid_to, vendor_instruction_code, answered_at, answered_by, closed_at, closed_by,
       preferred_hours
  FROM casegate.special_request
"""
_PAGE = """
 WHERE (NOT %(open)s OR state <> 'closed') AND (%(vendor)s::text IS NULL OR vendor_id = %(vendor)s)
   AND (%(overdue)s::timestamptz IS NULL OR (due_at <= %(overdue)s AND answered_at IS NULL))
   AND (%(before)s::bigint IS NULL OR sequence < %(before)s)
 ORDER BY sequence DESC LIMIT %(limit)s
"""
_INSIDE = """
SELECT q.sealed_note, r.log_salt, a.commitment, q.person_mac
  FROM casegate.special_request q JOIN casegate.case_record r ON r.case_id = q.case_id
  JOIN casegate.assigned_case a USING (vendor_id, contract_id, case_ref)
 WHERE q.request_id = %s
"""
_ANSWER = """
UPDATE casegate.special_request
   SET state = %(state)s, decision_code = %(decision)s, decision_valid_to = %(valid_to)s,
       vendor_instruction_code = %(instruction)s, answered_at = %(at)s, answered_by = %(actor)s,
       preferred_hours = %(hours)s
 WHERE request_id = %(id)s AND state IN ('raised', 'routed', 'answered')
"""
_CLOSE = """
UPDATE casegate.special_request SET state = 'closed', closed_at = %(at)s, closed_by = %(actor)s
 WHERE request_id = %(id)s AND state IN ('answered', 'instructed')
"""


@dataclass(frozen=True, slots=True)
class FiledRequest:
    """A request as the company's staff sees it, still without its note."""

    sequence: int
    request_id: UUID
    vendor_id: str
    contract_id: str
    case_ref: str
    type: str
    agent_ref: str
    call_id: str | None
    permit_id: UUID | None
    customer_words_code: str | None
    raised_at: datetime
    state: str
    owner_department: str
    due_at: datetime
    hold_id: UUID | None
    decision_code: str | None
    decision_valid_to: date | None
    vendor_instruction_code: str | None
    answered_at: datetime | None
    answered_by: str | None
    closed_at: datetime | None
    closed_by: str | None
    preferred_hours: list[str] | None

    def document(self, at: datetime) -> dict[str, Any]:
        """As JSON; `is_overdue` when nobody has answered in time."""
        content = {
            name: rfc3339(value) if isinstance(value, datetime) else value
            for name, value in asdict(self).items()
        }
        del content["sequence"]
        content["is_overdue"] = self.answered_at is None and self.due_at <= at
        return content


@dataclass(frozen=True, slots=True)
class Answer:
    """What the company decided; the instruction is what the vendor is told to do, if anything.

    `preferred_hours` bind every contact with the debtor, by every vendor, until the decision ends:
    `every day 18:00-20:00`, `working days …`, `rest days …`, in the debtor's local time. They only
    close hours; what a law pack closes stays closed inside of them.
    """

    decision_code: str
    decision_valid_to: date | None = None
    instruction_code: str | None = None
    preferred_hours: tuple[str, ...] = ()

    def hours_for(self, kind: str) -> list[str] | None:
        """The hours to keep with a request of a type; None leaves those of before.

        Raises:
            RequestInvalidError: hours that are none, too many, or with another type or decision.
        """
        if not self.preferred_hours:
            is_taken_back = kind == TIME_PREFERENCE and self.decision_code == _WITHDRAWN
            return [] if is_taken_back else None
        if kind != TIME_PREFERENCE or self.decision_code not in _GRANTED:
            raise RequestInvalidError(
                f"preferred_hours: with a request of type {TIME_PREFERENCE} that is granted"
            )
        if len(self.preferred_hours) > MOST_HOURS:
            raise RequestInvalidError(f"preferred_hours: at most {MOST_HOURS}")
        if any(hours_of(text) is None for text in self.preferred_hours):
            raise RequestInvalidError(
                "preferred_hours: written as `every day 18:00-20:00`, `working days …`,"
                " `rest days …`"
            )
        return [text.strip() for text in self.preferred_hours]


def list_requests(
    connection: psycopg.Connection,
    *,
    only_open: bool,
    vendor_id: str | None,
    overdue_at: datetime | None,
    before: int | None,
    limit: int,
) -> list[FiledRequest]:
    """A page of requests, newest first; with `overdue_at` those that nobody answered by then."""
    named = {
        "open": only_open,
        "vendor": vendor_id,
        "overdue": overdue_at,
        "before": before,
        "limit": limit,
    }
    with connection.cursor(row_factory=kwargs_row(FiledRequest)) as cursor:
        return cursor.execute(_SELECT + _PAGE, named).fetchall()


def read_request(connection: psycopg.Connection, request_id: UUID) -> FiledRequest:
    """One request.

    Raises:
        NotFoundError: there is none.
    """
    with connection.cursor(row_factory=kwargs_row(FiledRequest)) as cursor:
        found = cursor.execute(_SELECT + " WHERE request_id = %s", (request_id,)).fetchone()
    if found is None:
        raise NotFoundError("there is no such request")
    return found


def open_request(
    connection: psycopg.Connection, request_id: UUID, seal: NoteSeal, *, actor: str, at: datetime
) -> dict[str, Any]:
    """One request with its note, after noting who read it.

    Raises:
        NotFoundError: there is none.
    """
    with connection.transaction():
        found, inside = read_request(connection, request_id), _inside(connection, request_id)
        _log(connection, found, inside, "read", actor=actor, at=at)
    note = inside["sealed_note"]
    salt = bytes(inside["log_salt"])
    text = None if note is None else seal.open(bytes(note), salt, request_id)
    return {**found.document(at), "note": text}


def answer_request(
    connection: psycopg.Connection, request_id: UUID, answer: Answer, *, actor: str, at: datetime
) -> FiledRequest:
    """Answers a request, and tells the vendor what to do if an instruction is given.

    `do_not_contact` stops all contact with the debtor, should no hold of this request do so. A
    hold stays until two people lift it, whatever the instruction says.

    Raises:
        NotFoundError: there is no such request.
        RequestInvalidError: see Answer.hours_for.
        IllegalTransitionError: it is instructed or closed already.
    """
    state = "answered" if answer.instruction_code is None else "instructed"
    with connection.transaction():
        found, inside = read_request(connection, request_id), _inside(connection, request_id)
        named = {
            "id": request_id,
            "state": state,
            "decision": answer.decision_code,
            "valid_to": answer.decision_valid_to,
            "instruction": answer.instruction_code,
            "actor": actor,
            "at": at,
            "hours": answer.hours_for(found.type),
        }
        if not connection.execute(_ANSWER, named).rowcount:
            raise IllegalTransitionError(f"the request is {found.state}")
        _publish(connection, found, state, at)
        if answer.instruction_code == STOP and found.hold_id is None:
            place_hold(
                connection,
                bytes(inside["person_mac"]),
                case_id=None,
                code=STOP,
                source="instruction",
                actor=actor,
                at=at,
            )
        _log(connection, found, inside, state, actor=actor, at=at)
        return read_request(connection, request_id)


def close_request(
    connection: psycopg.Connection, request_id: UUID, *, actor: str, at: datetime
) -> FiledRequest:
    """Closes an answered request.

    Raises:
        NotFoundError: there is no such request.
        IllegalTransitionError: it is not answered, or closed already.
    """
    with connection.transaction():
        found, inside = read_request(connection, request_id), _inside(connection, request_id)
        named = {"id": request_id, "actor": actor, "at": at}
        if not connection.execute(_CLOSE, named).rowcount:
            raise IllegalTransitionError(f"the request is {found.state}")
        _publish(connection, found, "closed", at)
        _log(connection, found, inside, "closed", actor=actor, at=at)
        return read_request(connection, request_id)


def _inside(connection: psycopg.Connection, request_id: UUID) -> Mapping[str, Any]:
    with connection.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(_INSIDE, (request_id,)).fetchone()
    assert row is not None
    return row


def _publish(
    connection: psycopg.Connection, found: FiledRequest, state: str, at: datetime
) -> None:
    publish_change(
        connection,
        vendor_id=found.vendor_id,
        contract_id=found.contract_id,
        kind=ChangeKind.REQUEST_CHANGED,
        case_ref=found.case_ref,
        data={"request_id": str(found.request_id), "state": state},
        at=at,
    )


def _log(
    connection: psycopg.Connection,
    found: FiledRequest,
    inside: Mapping[str, Any],
    change: str,
    *,
    actor: str,
    at: datetime,
) -> None:
    record_with_change(
        connection,
        EventType.REQUEST_CHANGED,
        at=at,
        actor=actor,
        special=str(found.request_id),
        change=change,
        cases=[bytes(inside["commitment"]).hex()],
    )
