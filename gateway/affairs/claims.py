"""Payment claims: what a vendor says was paid, held against the ledger and the promise."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
from psycopg.rows import dict_row

from audit.entry import EventType
from gateway.affairs.refusals import refusals
from gateway.affairs.seal import AffairSeal
from gateway.clock import Clock, rfc3339
from gateway.errors import NotFoundError, RequestInvalidError
from gateway.evidence import record_with_change
from gateway.findings.record import Fault, Severity, entry_fields
from gateway.identity.principal import VendorPrincipal
from gateway.people.paging import Listing, Page
from gateway.portfolio.canaries import CanaryUse, note_use
from gateway.release.cursor import CursorCipher
from gateway.store.deadlocks import once_more
from gateway.working_days import CHINA, end_of_day, working_day_after

FOREIGN_ACCOUNT = "CLAIM_FOREIGN_ACCOUNT"
_CLAIM = """
SELECT * FROM casegate.claim_payment(
  %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
"""
_READ = "SELECT * FROM casegate.vendor_claims(%s, %s, %s, %s, %s, %s)"
_OLDEST_DAYS = 31


@dataclass(frozen=True, slots=True)
class PaymentClaim:
    """What an agent was told: an amount in minor units, the day, the account if it was named."""

    case_ref: str
    agent_ref: str
    amount: int
    claimed_on: date
    call_id: str | None = None
    promise_id: UUID | None = None
    statement_code: str | None = None
    account: str | None = None


@dataclass(frozen=True, slots=True)
class LedgerPayment:
    """A payment as the ledger has it; `is_bound` when another claim was matched with it."""

    entry_id: str
    posted_at: datetime
    amount: int
    is_bound: bool


@dataclass(frozen=True, slots=True)
class OpenClaim:
    """A claim that nothing was found for yet, with the amount of its promise, if it names one."""

    amount: int
    claimed_on: date
    made_at: datetime
    match_until: datetime
    promised: int | None


def match_claim(
    claim: OpenClaim, payments: Sequence[LedgerPayment], *, hours: int, at: datetime
) -> tuple[str, str | None] | None:
    """The three-way match of claim, ledger and promise: a state with the entry's id.

    `payments` are those of the case, oldest first; None: it stays open, its time is not over. A
    payment counts from the day before the claimed one until the claim's time is over.

    - matched: the ledger has the same amount, and so has the promise, if there is one;
    - late: matched, but claimed more than `hours` after it was posted;
    - duplicate: the ledger has it, and another claim was matched with it;
    - amount_diff: it has a payment of another amount, or the promise was of another;
    - not_found: it has none.
    """
    first = claim.claimed_on - timedelta(days=1)
    near = [
        payment
        for payment in payments
        if payment.posted_at.astimezone(CHINA).date() >= first
        and payment.posted_at < claim.match_until
    ]
    same = [payment for payment in near if payment.amount == claim.amount]
    free = [payment for payment in same if not payment.is_bound]
    if free:
        found = free[0]
        if claim.promised is not None and claim.promised != claim.amount:
            return "amount_diff", found.entry_id
        is_late = claim.made_at - found.posted_at > timedelta(hours=hours)
        return "late" if is_late else "matched", found.entry_id
    if at < claim.match_until:
        return None
    if same:
        return "duplicate", None
    others = [payment for payment in near if not payment.is_bound]
    return ("amount_diff", others[0].entry_id) if others else ("not_found", None)


@dataclass(frozen=True, slots=True)
class ClaimDesk:
    """The vendor's side; each call runs in a thread on a connection of its own."""

    connection: Callable[[], AbstractContextManager[psycopg.Connection]]
    clock: Clock
    parameters: Mapping[str, str | None]
    seal: AffairSeal
    cursors: CursorCipher

    def submit(
        self,
        principal: VendorPrincipal,
        claim: PaymentClaim,
        repeat: tuple[str | None, bytes | None],
    ) -> dict[str, Any]:
        """Takes a claim in; it marks nothing paid.

        An account that is not the company's is a critical finding, and the agent is suspended in
        the same transaction; the answer says nothing of it.

        Raises:
            RequestInvalidError: the day lies in the future or too far back; no account number.
            NotFoundError: the case, or the promise, is not this vendor's.
            IdempotencyKeyReusedError: the key was used for another claim.
        """
        at = self.clock.now()
        today = at.astimezone(CHINA).date()
        if not today - timedelta(days=_OLDEST_DAYS) <= claim.claimed_on <= today:
            raise RequestInvalidError("claimed_on: a day of the last month, and none to come")
        days = int(self.parameters["repay.match_days"] or 1)
        until = end_of_day(working_day_after(today, days))
        account = None if claim.account is None else self.seal.account_mac(claim.account)
        filing = _Filing(principal, claim, account, until, repeat, at)
        with refusals():
            return once_more(lambda: self._submit(filing))

    def one(self, principal: VendorPrincipal, claim_id: UUID) -> dict[str, Any]:
        """One claim of a case that the vendor holds; NotFoundError otherwise."""
        with refusals(), self.connection() as connection:
            return _one(connection, (principal.vendor_id, principal.contract_id), claim_id)

    def page(
        self, principal: VendorPrincipal, *, case_ref: str | None, cursor: str | None, limit: int
    ) -> Page:
        """A page of the vendor's claims in the order in which they were made.

        Raises:
            RequestInvalidError: the cursor is not one of this listing.
        """
        named = (principal.vendor_id, principal.contract_id)
        listing = Listing(self.cursors, f"claims/{named[0]}/{named[1]}/{case_ref or ''}")
        after = int(listing.position(cursor) or 0)
        with refusals(), self.connection() as connection:
            rows = _rows(connection, (*named, case_ref, None, after, limit + 1))
        return listing.page([(str(row["sequence"]), _document(row)) for row in rows], limit)

    def _submit(self, filing: "_Filing") -> dict[str, Any]:
        principal, claim, at = filing.principal, filing.claim, filing.at
        named, finding_id = (principal.vendor_id, principal.contract_id), uuid4()
        with self.connection() as connection:
            with connection.transaction():
                row = connection.execute(
                    _CLAIM,
                    (
                        *(uuid4(), *named, claim.case_ref, claim.agent_ref, claim.call_id),
                        *(claim.promise_id, claim.amount, claim.claimed_on),
                        *(claim.statement_code, filing.account, finding_id, filing.until),
                        *(*filing.repeat, at),
                    ),
                ).fetchone()
                assert row is not None
                claim_id, case_id, commitment, verdict, is_new = row
                if is_new:
                    # A canary's row is taken before the log's end, as wherever one is used.
                    said = {"claim": str(claim_id)}
                    note_use(connection, [case_id], use=CanaryUse.PAYMENT, said=said, at=at)
                    self._log(connection, principal, claim, claim_id, bytes(commitment), at)
                    if verdict == "foreign":
                        _log_foreign(connection, principal, claim.agent_ref, finding_id, at)
            return _one(connection, named, UUID(str(claim_id)))

    @staticmethod
    def _log(
        connection: psycopg.Connection,
        principal: VendorPrincipal,
        claim: PaymentClaim,
        claim_id: UUID,
        commitment: bytes,
        at: datetime,
    ) -> None:
        record_with_change(
            connection,
            EventType.CLAIM_MADE,
            at=at,
            vendor=principal.vendor_id,
            contract=principal.contract_id,
            certificate=principal.thumbprint.hex(),
            claim=str(claim_id),
            agent=claim.agent_ref,
            cases=[commitment.hex()],
        )


@dataclass(frozen=True, slots=True)
class _Filing:
    """A claim with what is worked out before it meets the database."""

    principal: VendorPrincipal
    claim: PaymentClaim
    account: bytes | None
    until: datetime
    repeat: tuple[str | None, bytes | None]
    at: datetime


def _log_foreign(
    connection: psycopg.Connection,
    principal: VendorPrincipal,
    agent: str,
    finding_id: UUID,
    at: datetime,
) -> None:
    fault = Fault(
        FOREIGN_ACCOUNT,
        Severity.CRITICAL,
        principal.vendor_id,
        {},
        principal.contract_id,
        agent,
    )
    record_with_change(
        connection, EventType.FINDING_RAISED, at=at, **entry_fields(finding_id, fault)
    )


def _one(connection: psycopg.Connection, named: tuple[str, str], claim_id: UUID) -> dict[str, Any]:
    rows = _rows(connection, (*named, None, claim_id, 0, 1))
    if not rows:
        raise NotFoundError("there is no such claim")
    return _document(rows[0])


def _rows(connection: psycopg.Connection, row: tuple[object, ...]) -> list[dict[str, Any]]:
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(_READ, row).fetchall()


def _document(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: rfc3339(value) if isinstance(value, datetime) else value
        for name, value in row.items()
        if name != "sequence"
    }
