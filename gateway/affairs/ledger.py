"""The lender's ledger as it comes in, and the accounts to which may be paid.

Nothing but a posting makes a case paid. It stops in the posting's own transaction: its permits are
void, no permit is given, and every vendor that has it hears so.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import psycopg
from psycopg.rows import dict_row

from audit.entry import EventType
from gateway.affairs.refusals import refusals
from gateway.affairs.seal import AffairSeal
from gateway.clock import Clock, rfc3339
from gateway.errors import AlreadyExistsError, NotFoundError, RequestInvalidError
from gateway.evidence import keyed_commitment, record_with_change
from gateway.portfolio.sealing import source_mac
from gateway.store.deadlocks import once_more
from keys.secret import Secret

MAX_POSTINGS = 1000
# Clocks of two systems differ; more is a mistake that would hide later postings.
_AHEAD = timedelta(minutes=10)

_POST = "SELECT * FROM casegate.post_ledger(%s, %s, %s, %s, %s, %s, %s)"
_ACCOUNT = """
INSERT INTO casegate.company_account AS k (account_mac, label, registered_at, registered_by)
VALUES (%s, %s, %s, %s)
ON CONFLICT (account_mac) DO UPDATE
   SET label = excluded.label, registered_at = excluded.registered_at,
       registered_by = excluded.registered_by, ended_at = NULL
 WHERE k.ended_at IS NOT NULL
"""
_END = """
UPDATE casegate.company_account SET ended_at = %s WHERE account_mac = %s AND ended_at IS NULL
"""
_ACCOUNTS = """
SELECT label, registered_at, registered_by, ended_at FROM casegate.company_account
 ORDER BY registered_at, account_mac
"""


@dataclass(frozen=True, slots=True)
class Posting:
    """One movement of the ledger, in minor units; a payment is positive.

    `entry_id` is the ledger's own and is taken once; `balance_after` is what is owed after it.
    """

    entry_id: str
    case_no: str
    posted_at: datetime
    amount: int
    kind: str
    balance_after: int


@dataclass(frozen=True, slots=True)
class LedgerDesk:
    """Use cases on connections of their own, for the company API and the commands."""

    connection: Callable[[], AbstractContextManager[psycopg.Connection]]
    clock: Clock
    index_key: Secret

    def post(self, postings: Sequence[Posting], *, actor: str) -> list[dict[str, Any]]:
        """Posts each in a transaction of its own; what was posted before does nothing again.

        Raises:
            RequestInvalidError: a payment of nothing or less, or an adjustment by nothing.

        `outcome` of each: posted, duplicate, differs (the id stands there with another content),
        unknown (no such case here), ahead (its time lies in the future).
        """
        for posting in postings:
            if posting.amount == 0 or (posting.kind == "payment" and posting.amount < 0):
                raise RequestInvalidError(f"{posting.entry_id}: a movement moves something")
        with refusals(), self.connection() as connection:
            return [
                once_more(partial(self._post, connection, posting, actor)) for posting in postings
            ]

    def register_account(self, account: str, label: str, *, actor: str) -> None:
        """Takes an account as the company's own; kept is a keyed digest.

        Raises:
            AlreadyExistsError: it is registered.
        """
        self._change(account, "registered", actor, label)

    def end_account(self, account: str, *, actor: str) -> None:
        """Ends an account: money to it is money to a stranger from now on.

        Raises:
            NotFoundError: it is not registered.
        """
        self._change(account, "ended", actor, None)

    def accounts(self) -> list[dict[str, Any]]:
        """The accounts by their labels; the numbers are kept nowhere."""
        with self.connection() as connection, connection.cursor(row_factory=dict_row) as cursor:
            rows = cursor.execute(_ACCOUNTS).fetchall()
        return [
            {
                name: rfc3339(value) if isinstance(value, datetime) else value
                for name, value in row.items()
            }
            for row in rows
        ]

    def _post(
        self, connection: psycopg.Connection, posting: Posting, actor: str
    ) -> dict[str, Any]:
        at = self.clock.now()
        if posting.posted_at > at + _AHEAD:
            return {"entry_id": posting.entry_id, "outcome": "ahead"}
        mac = source_mac(self.index_key, posting.case_no)
        with connection.transaction():
            row = connection.execute(
                _POST,
                (
                    *(posting.entry_id, mac, posting.posted_at, posting.amount, posting.kind),
                    *(posting.balance_after, at),
                ),
            ).fetchone()
            assert row is not None
            outcome, is_paid, commitments, voided = row
            if outcome == "posted":
                record_with_change(
                    connection,
                    EventType.LEDGER_POSTED,
                    at=at,
                    actor=actor,
                    entry=keyed_commitment(self.index_key, "ledger-entry", posting.entry_id),
                    kind=posting.kind,
                    paid=is_paid,
                    permits_voided=voided,
                    cases=[bytes(one).hex() for one in commitments],
                )
        return {"entry_id": posting.entry_id, "outcome": outcome}

    def _change(self, account: str, change: str, actor: str, label: str | None) -> None:
        at = self.clock.now()
        mac = AffairSeal(self.index_key).account_mac(account)
        with refusals(), self.connection() as connection, connection.transaction():
            if label is not None:
                if not connection.execute(_ACCOUNT, (mac, label, at, actor)).rowcount:
                    raise AlreadyExistsError("the account is registered")
            elif not connection.execute(_END, (at, mac)).rowcount:
                raise NotFoundError("there is no such account")
            record_with_change(
                connection,
                EventType.ACCOUNT_CHANGED,
                at=at,
                actor=actor,
                change=change,
                account=mac[:16].hex(),
            )
