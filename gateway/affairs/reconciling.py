"""Settles promises and claims by the ledger, and lets the company resolve what does not match."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import args_row, dict_row

from audit.entry import EventType
from gateway.affairs.claims import LedgerPayment, OpenClaim, match_claim
from gateway.affairs.codes import verify_codes
from gateway.affairs.machine import Side
from gateway.affairs.machines import CLAIM, PROMISE
from gateway.changes.publishing import ChangeKind, publish_change
from gateway.clock import Clock, rfc3339
from gateway.errors import NotFoundError
from gateway.evidence import record_with_change
from gateway.people.paging import Listing, Page
from gateway.release.cursor import CursorCipher
from gateway.working_days import CHINA

AT_ONCE = 200
_DUE = """
SELECT p.promise_id, p.vendor_id, p.contract_id, p.agent_ref, p.amount, p.due_on,
       (SELECT coalesce(sum(l.amount), 0)::bigint FROM casegate.ledger_entry l
         WHERE l.case_id = p.case_id AND l.kind = 'payment' AND l.posted_at >= p.made_at
           AND (l.posted_at AT TIME ZONE 'Asia/Shanghai')::date <= p.due_on)
  FROM casegate.promise p
 WHERE p.state = 'pending' AND p.due_on < %s
 ORDER BY p.due_on, p.promise_id LIMIT %s FOR UPDATE SKIP LOCKED
"""
_SETTLE = """
UPDATE casegate.promise SET state = %s, paid = %s, settled_at = %s WHERE promise_id = %s
"""
_OPEN = """
SELECT c.claim_id, c.case_id, c.vendor_id, c.contract_id, c.case_ref, c.agent_ref, c.amount,
       c.claimed_on, c.made_at, c.match_until, p.amount AS promised
  FROM casegate.payment_claim c LEFT JOIN casegate.promise p USING (promise_id)
 WHERE c.state = 'claimed' AND (c.match_until <= %(at)s OR EXISTS (
       SELECT FROM casegate.ledger_entry l
        WHERE l.case_id = c.case_id AND l.kind = 'payment' AND l.amount = c.amount
          AND (l.posted_at AT TIME ZONE 'Asia/Shanghai')::date >= c.claimed_on - 1
          AND NOT EXISTS (SELECT FROM casegate.payment_claim x WHERE x.entry_id = l.entry_id)))
 ORDER BY c.sequence LIMIT %(limit)s FOR UPDATE OF c SKIP LOCKED
"""
_PAYMENTS = """
SELECT l.entry_id, l.posted_at, l.amount,
       EXISTS (SELECT FROM casegate.payment_claim x WHERE x.entry_id = l.entry_id)
  FROM casegate.ledger_entry l WHERE l.case_id = %s AND l.kind = 'payment'
 ORDER BY l.posted_at, l.entry_id
"""
_MATCH = """
UPDATE casegate.payment_claim SET state = %s, entry_id = %s, settled_at = %s WHERE claim_id = %s
"""
# Of two hosts one matches: both would take a payment for free that each has bound.
_ALONE = "SELECT pg_try_advisory_xact_lock(hashtextextended('casegate.match_claims', 0))"
_FILED = """
SELECT sequence, claim_id, vendor_id, contract_id, case_ref, agent_ref, call_id, promise_id,
       amount, claimed_on, account, made_at, match_until, state, entry_id, settled_at, resolution
  FROM casegate.payment_claim
"""
_PAGE = """
 WHERE (%(vendor)s::text IS NULL OR vendor_id = %(vendor)s)
   AND (NOT %(open)s OR state NOT IN ('matched', 'resolved'))
   AND (%(before)s::bigint IS NULL OR sequence < %(before)s)
 ORDER BY sequence DESC LIMIT %(limit)s
"""


def settle_promises(connection: psycopg.Connection, *, at: datetime) -> int:
    """Settles promises whose day is over, in one transaction; returns how many.

    kept: paid in full by the end of the day that was promised, after it was promised.
    """
    with connection.transaction():
        rows = connection.execute(_DUE, (at.astimezone(CHINA).date(), AT_ONCE)).fetchall()
        settled = []
        for promise_id, vendor, contract, agent, amount, _due_on, paid in rows:
            state = "kept" if paid >= amount else "partly" if paid > 0 else "broken"
            PROMISE.move("pending", state, Side.LEDGER)
            connection.execute(_SETTLE, (state, paid, at, promise_id))
            settled.append((vendor, contract, agent, str(promise_id), state))
        for vendor, contract, agent, promise, state in settled:
            record_with_change(
                connection,
                EventType.PROMISE_SETTLED,
                at=at,
                actor="ledger",
                vendor=vendor,
                contract=contract,
                agent=agent,
                promise=promise,
                before="pending",
                after=state,
            )
    return len(rows)


def match_claims(connection: psycopg.Connection, *, hours: int, at: datetime) -> int:
    """Matches open claims with the ledger, in one transaction; returns how many it settled.

    While another host does so it leaves it to that.
    """
    with connection.transaction():
        if connection.execute(_ALONE).fetchone() != (True,):
            return 0
        with connection.cursor(row_factory=dict_row) as cursor:
            rows = cursor.execute(_OPEN, {"at": at, "limit": AT_ONCE}).fetchall()
        settled = []
        for row in rows:
            with connection.cursor(row_factory=args_row(LedgerPayment)) as cursor:
                payments = cursor.execute(_PAYMENTS, (row["case_id"],)).fetchall()
            claim = OpenClaim(
                *(row["amount"], row["claimed_on"], row["made_at"]),
                *(row["match_until"], row["promised"]),
            )
            found = match_claim(claim, payments, hours=hours, at=at)
            if found is not None:
                CLAIM.move("claimed", found[0], Side.LEDGER)
                connection.execute(_MATCH, (*found, at, row["claim_id"]))
                settled.append((row, found[0]))
        settled.sort(key=lambda pair: (pair[0]["vendor_id"], pair[0]["contract_id"]))
        for row, state in settled:
            _tell(connection, row, state, at)
        for row, state in settled:
            _log(connection, row, "claimed", state, actor="ledger", at=at)
    return len(settled)


@dataclass(frozen=True, slots=True)
class ReconciliationDesk:
    """The company's side of claims."""

    connection: Callable[[], AbstractContextManager[psycopg.Connection]]
    clock: Clock
    cursors: CursorCipher

    def page(self, *, vendor: str | None, is_open: bool, cursor: str | None, limit: int) -> Page:
        """A page of claims, newest first.

        Raises:
            RequestInvalidError: the cursor is not one of this listing.
        """
        listing = Listing(self.cursors, f"company/claims/{vendor or ''}/{is_open}")
        position = listing.position(cursor)
        named = {
            "vendor": vendor,
            "open": is_open,
            "before": int(position) if position else None,
            "limit": limit + 1,
        }
        with self.connection() as connection, connection.cursor(row_factory=dict_row) as reading:
            rows = reading.execute(_FILED + _PAGE, named).fetchall()
        return listing.page([(str(row["sequence"]), _document(row)) for row in rows], limit)

    def resolve(self, claim_id: UUID, resolution: str, *, actor: str) -> dict[str, Any]:
        """Ends a claim that did not match, with a code; it still marks nothing paid.

        Raises:
            NotFoundError: there is no such claim.
            IllegalTransitionError: it is open still, matched, or resolved before.
            RequestInvalidError: the resolution is no code.
        """
        verify_codes(resolution=resolution)
        at = self.clock.now()
        with self.connection() as connection, connection.transaction():
            with connection.cursor(row_factory=dict_row) as cursor:
                query = _FILED + " WHERE claim_id = %s FOR UPDATE"
                row = cursor.execute(query, (claim_id,)).fetchone()
            if row is None:
                raise NotFoundError("there is no such claim")
            move = CLAIM.move(row["state"], "resolve", Side.COMPANY)
            connection.execute(
                "UPDATE casegate.payment_claim SET state = %s, resolution = %s"
                " WHERE claim_id = %s",
                (move.target, resolution, claim_id),
            )
            _tell(connection, row, "resolved", at)
            _log(connection, row, row["state"], "resolved", actor=actor, at=at)
        return _document({**row, "state": "resolved", "resolution": resolution})


def _tell(connection: psycopg.Connection, row: dict[str, Any], state: str, at: datetime) -> None:
    publish_change(
        connection,
        vendor_id=row["vendor_id"],
        contract_id=row["contract_id"],
        kind=ChangeKind.CLAIM_SETTLED,
        case_ref=row["case_ref"],
        data={"claim_id": str(row["claim_id"]), "match_status": state},
        at=at,
    )


def _log(
    connection: psycopg.Connection,
    row: dict[str, Any],
    before: str,
    after: str,
    *,
    actor: str,
    at: datetime,
) -> None:
    record_with_change(
        connection,
        EventType.CLAIM_SETTLED,
        at=at,
        actor=actor,
        vendor=row["vendor_id"],
        contract=row["contract_id"],
        agent=row["agent_ref"],
        claim=str(row["claim_id"]),
        before=before,
        after=after,
    )


def _document(row: dict[str, Any]) -> dict[str, Any]:
    return {
        name: rfc3339(value) if isinstance(value, datetime) else value
        for name, value in row.items()
        if name != "sequence"
    }
