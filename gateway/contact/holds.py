"""Holds: placed by anybody at once, on every vendor's calls; lifted by compliance and another."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import psycopg
from psycopg.rows import args_row

from audit.entry import EventType
from gateway.clock import rfc3339
from gateway.contact.refusals import refusals
from gateway.errors import ApprovalRefusedError, NotFoundError
from gateway.evidence import record_with_change
from gateway.operations.approval import ProposalKind, propose, take_approval

_MAX_LOGGED = 500

_PLACE = "SELECT casegate.place_hold(%s, %s, %s, %s, %s, %s, %s)"
_LIFT = "SELECT casegate.lift_hold(%s, %s, %s, %s)"
_CASE = """
SELECT r.case_id, r.person_mac
  FROM casegate.assigned_case a JOIN casegate.case_record r ON r.case_id = a.case_id
 WHERE a.vendor_id = %s AND a.contract_id = %s AND a.case_ref = %s
"""
_SELECT = """
SELECT h.hold_id, h.case_id IS NULL, h.code, h.source, h.placed_at, h.placed_by, h.lifted_at,
       h.lifted_by, h.lift_proposal,
       (SELECT coalesce(jsonb_agg(jsonb_build_object('vendor', a.vendor_id, 'contract',
                 a.contract_id, 'case_ref', a.case_ref) ORDER BY a.sequence), '[]')
          FROM casegate.case_record r
          JOIN casegate.assigned_case a ON a.case_id = r.case_id AND a.status = 'assigned'
         WHERE r.person_mac = h.person_mac AND (h.case_id IS NULL OR h.case_id = r.case_id))
  FROM casegate.hold h
"""
_PAGE = """
 WHERE (NOT %(open)s OR h.lifted_at IS NULL)
   AND (%(at)s::timestamptz IS NULL OR (h.placed_at, h.hold_id) < (%(at)s, %(id)s::uuid))
 ORDER BY h.placed_at DESC, h.hold_id DESC LIMIT %(limit)s
"""


@dataclass(frozen=True, slots=True)
class Hold:
    """A hold; `cases` are those that vendors hold now, by vendor, contract and reference."""

    hold_id: UUID
    is_on_all_cases: bool
    code: str
    source: str
    placed_at: datetime
    placed_by: str
    lifted_at: datetime | None
    lifted_by: str | None
    lift_proposal: UUID | None
    cases: list[dict[str, str]]

    def document(self) -> dict[str, Any]:
        """As JSON, for the company's staff."""
        lifted_at = None if self.lifted_at is None else rfc3339(self.lifted_at)
        return {**asdict(self), "placed_at": rfc3339(self.placed_at), "lifted_at": lifted_at}


def place_hold(
    connection: psycopg.Connection,
    person_mac: bytes,
    *,
    case_id: UUID | None,
    code: str,
    source: str,
    actor: str,
    at: datetime,
) -> UUID:
    """Stops all contact with a debtor, in the caller's transaction; returns the hold's id.

    `case_id` None: on all cases, also those that come later. Open permits and dial tokens die with
    it, and every vendor that has a case of the debtor is told that it is held, never why.
    """
    hold_id = uuid4()
    row = connection.execute(
        _PLACE, (hold_id, person_mac, case_id, code, source, actor, at)
    ).fetchone()
    assert row is not None
    log_hold(
        connection,
        hold_id,
        row[0],
        is_on_all_cases=case_id is None,
        code=code,
        source=source,
        actor=actor,
        at=at,
    )
    return hold_id


def log_hold(
    connection: psycopg.Connection,
    hold_id: UUID,
    commitments: list[bytes],
    *,
    is_on_all_cases: bool,
    code: str,
    source: str,
    actor: str,
    at: datetime,
) -> None:
    """Puts a hold that the database has placed into the log, at the end of its transaction.

    The entry names no vendor: no vendor can have it as a receipt of its own.
    """
    record_with_change(
        connection,
        EventType.HOLD_PLACED,
        at=at,
        actor=actor,
        hold=str(hold_id),
        ground=code,
        source=source,
        scope="debtor" if is_on_all_cases else "case",
        cases=_logged(commitments),
    )


def lift_hold(
    connection: psycopg.Connection, hold_id: UUID, *, actor: str, at: datetime
) -> tuple[Hold, UUID | None]:
    """Lifts a hold by an approval, which is used up; without one proposes it.

    Returns the hold, and the id of the new proposal if that is what was done. Vendors are told
    of cases that no other hold is on.

    Raises:
        NotFoundError: there is no such open hold.
        AlreadyExistsError: it is proposed already.
    """
    with refusals():
        hold = read_hold(connection, hold_id)
        if hold.lifted_at is not None:
            raise NotFoundError("there is no such open hold")
        try:
            with connection.transaction():
                approved = take_approval(
                    connection, ProposalKind.HOLD_LIFT, {"hold": str(hold_id)}, at=at
                )
                row = connection.execute(
                    _LIFT, (hold_id, actor, approved.proposal_id, at)
                ).fetchone()
                assert row is not None
                record_with_change(
                    connection,
                    EventType.HOLD_LIFTED,
                    at=at,
                    actor=actor,
                    hold=str(hold_id),
                    ground=hold.code,
                    cases=_logged(row[0]),
                    proposal=str(approved.proposal_id),
                    proposed_by=approved.proposed_by,
                    approved_by=approved.decided_by,
                )
        except ApprovalRefusedError as error:
            if error.code != "APPROVAL_MISSING":
                raise
            subject = {"hold": str(hold_id)}
            return hold, propose(connection, ProposalKind.HOLD_LIFT, subject, actor=actor, at=at)
        return read_hold(connection, hold_id), None


def read_hold(connection: psycopg.Connection, hold_id: UUID) -> Hold:
    """One hold.

    Raises:
        NotFoundError: there is none.
    """
    with connection.cursor(row_factory=args_row(Hold)) as cursor:
        found = cursor.execute(_SELECT + " WHERE h.hold_id = %s", (hold_id,)).fetchone()
    if found is None:
        raise NotFoundError("there is no such hold")
    return found


def list_holds(
    connection: psycopg.Connection,
    *,
    only_open: bool,
    after: tuple[datetime, UUID] | None,
    limit: int,
) -> list[Hold]:
    """A page of holds, newest first; `after` is time and id of the last one before."""
    at, hold_id = after or (None, None)
    with connection.cursor(row_factory=args_row(Hold)) as cursor:
        return cursor.execute(
            _SELECT + _PAGE, {"open": only_open, "at": at, "id": hold_id, "limit": limit}
        ).fetchall()


def find_debtor(
    connection: psycopg.Connection, vendor_id: str, contract_id: str, case_ref: str
) -> tuple[UUID, bytes]:
    """The case and its person's key, by the reference that a vendor has or had.

    Raises:
        NotFoundError: the vendor was never given such a case.
    """
    row = connection.execute(_CASE, (vendor_id, contract_id, case_ref)).fetchone()
    if row is None:
        raise NotFoundError("there is no such case")
    return row[0], bytes(row[1])


def _logged(commitments: list[bytes]) -> list[str]:
    return [bytes(one).hex() for one in commitments[:_MAX_LOGGED]]
