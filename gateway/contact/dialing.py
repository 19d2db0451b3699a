"""The bridge's side: a dial token becomes its number, once."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import dict_row
from typing_extensions import override

from audit.entry import EventType
from gateway.cases.record import StoredCase, open_record
from gateway.clock import Clock
from gateway.contact.dial_token import DialTokens
from gateway.contact.view import number_view
from gateway.contact.wish import PointKind
from gateway.errors import PermitStateError
from gateway.evidence import record_with_change
from keys.kek import KeyEncryptionKey

_TAKE = "SELECT * FROM casegate.take_dial(%s, %s)"
_STATE = "SELECT state, dialed_at, expires_at FROM casegate.contact WHERE contact_id = %s"
_CASE = """
SELECT a.sequence, r.case_id, a.assignment_id, a.status, a.assigned_at, a.commitment, r.kek_id,
       r.wrapped_key, r.sealed
  FROM casegate.case_record r
  JOIN casegate.assigned_case a ON a.case_id = r.case_id AND a.status = 'assigned'
 WHERE r.case_id = %s AND a.vendor_id = %s AND a.contract_id = %s
"""


@dataclass(frozen=True, slots=True)
class Dialed:
    """The number to connect now, and the number that the customer is to see."""

    permit_id: UUID
    number: str
    extension: str | None
    caller_number: str
    expires_at: datetime

    @override
    def __repr__(self) -> str:
        return f"Dialed(permit_id={self.permit_id})"


@dataclass(frozen=True, slots=True)
class DialDesk:
    """Use cases of the bridge, on connections of their own."""

    connection: Callable[[], AbstractContextManager[psycopg.Connection]]
    clock: Clock
    tokens: DialTokens
    kek: Callable[[], KeyEncryptionKey]

    def dial(self, token: str, *, actor: str) -> Dialed:
        """Uses a token up and says its number, both in one transaction with the entry.

        Raises:
            PermitStateError: PERMIT_MISSING, PERMIT_EXPIRED, PERMIT_USED or PERMIT_VOIDED; the
                last also when the vendor, its contract or its certificate has been shut out.
        """
        now = self.clock.now()
        permit_id = self.tokens.verify(token, now)
        with self.connection() as connection, connection.transaction():
            with connection.cursor(row_factory=dict_row) as cursor:
                row = cursor.execute(_TAKE, (permit_id, now)).fetchone()
            if row is None or row["contact_id"] is None:
                raise PermitStateError(_refusal(connection, permit_id, now))
            dialed = self._number(connection, row)
            record_with_change(
                connection,
                EventType.PERMIT_DIALED,
                at=now,
                actor=actor,
                vendor=row["vendor_id"],
                contract=row["contract_id"],
                permit=str(permit_id),
                agent=row["agent_ref"],
                caller=row["caller_number"],
                cases=[dialed[1].commitment.hex()],
            )
        return dialed[0]

    def _number(
        self, connection: psycopg.Connection, row: dict[str, Any]
    ) -> tuple[Dialed, StoredCase]:
        found = connection.execute(
            _CASE, (row["case_id"], row["vendor_id"], row["contract_id"])
        ).fetchone()
        if found is None:
            raise PermitStateError("PERMIT_VOIDED")
        case = StoredCase(*found)
        number = number_view(open_record(case, self.kek()), PointKind(row["point_kind"]))
        if number is None:
            raise PermitStateError("PERMIT_VOIDED")
        dialed = Dialed(
            row["contact_id"],
            number.e164,
            number.extension,
            row["caller_number"],
            row["expires_at"],
        )
        return dialed, case


def _refusal(connection: psycopg.Connection, permit_id: UUID, now: datetime) -> str:
    """Why a genuine token is not taken; the bridge is the company's, and may know."""
    row = connection.execute(_STATE, (permit_id,)).fetchone()
    if row is None:
        return "PERMIT_MISSING"
    state, dialed_at, expires_at = row
    if dialed_at is not None or state in {"used", "recorded", "unused"}:
        return "PERMIT_USED"
    if state == "expired" or expires_at <= now:
        return "PERMIT_EXPIRED"
    return "PERMIT_VOIDED"
