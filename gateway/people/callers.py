"""The numbers from which a vendor may call: registered by the company, which so consents to each.

A number is one contract's at a time. Whose telephone it is stays the company's judgement: what it
registers is approved, a mobile number too (the rule against private telephones looks here).
"""

import re
from dataclasses import dataclass
from datetime import datetime

import psycopg
from psycopg.rows import args_row

from audit.entry import EventType
from gateway.clock import rfc3339
from gateway.errors import AlreadyExistsError, NotFoundError, RequestInvalidError
from gateway.evidence import record_with_change

_E164 = re.compile(r"\+[1-9][0-9]{4,14}")
_COLUMNS = "vendor_id, contract_id, number, registered_at, ended_at"
_CONTRACT = """
SELECT 1 FROM casegate.contract WHERE vendor_id = %s AND contract_id = %s AND status = 'active'
"""
_ADD = """
INSERT INTO casegate.caller_number (vendor_id, contract_id, number, registered_at)
VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING
"""
_OPEN = f"SELECT {_COLUMNS} FROM casegate.caller_number WHERE number = %s AND ended_at IS NULL"  # noqa: S608  # constants
_END = f"""
UPDATE casegate.caller_number SET ended_at = greatest(%s, registered_at)
 WHERE vendor_id = %s AND contract_id = %s AND number = %s AND ended_at IS NULL
RETURNING {_COLUMNS}
"""  # noqa: S608  # constants
_PAGE = f"""
SELECT {_COLUMNS} FROM casegate.caller_number
 WHERE (%(vendor)s::text IS NULL OR vendor_id = %(vendor)s)
   AND (%(ended)s OR ended_at IS NULL)
   AND (vendor_id, contract_id, number, registered_at)
     > (%(v)s, %(c)s, %(n)s, coalesce(%(r)s::timestamptz, '-infinity'))
 ORDER BY vendor_id, contract_id, number, registered_at LIMIT %(limit)s
"""  # noqa: S608  # constants


@dataclass(frozen=True, slots=True)
class CallerNumber:
    """A number (E.164) and between which times it is a contract's; the end is exclusive."""

    vendor_id: str
    contract_id: str
    number: str
    registered_at: datetime
    ended_at: datetime | None = None

    def path(self) -> str:
        """In one word, in the order of listings."""
        moment = self.registered_at.isoformat()
        return f"{self.vendor_id}/{self.contract_id}/{self.number}/{moment}"

    def document(self) -> dict[str, object]:
        """As staff see it."""
        return {
            "vendor": self.vendor_id,
            "contract": self.contract_id,
            "number": self.number,
            "registered_at": rfc3339(self.registered_at),
            "ended_at": None if self.ended_at is None else rfc3339(self.ended_at),
        }


def add_caller(
    connection: psycopg.Connection,
    vendor_id: str,
    contract_id: str,
    number: str,
    *,
    actor: str,
    at: datetime,
) -> CallerNumber:
    """Registers a number for a contract; the same again changes nothing.

    Raises:
        RequestInvalidError: it is not E.164.
        NotFoundError: the vendor has no such contract running.
        AlreadyExistsError: the number is another contract's.
    """
    if not _E164.fullmatch(number):
        raise RequestInvalidError("number is written as +862112345678 (E.164)")
    with connection.transaction():
        if connection.execute(_CONTRACT, (vendor_id, contract_id)).fetchone() is None:
            raise NotFoundError(f"vendor {vendor_id} has no running contract {contract_id}")
        is_new = connection.execute(_ADD, (vendor_id, contract_id, number, at)).rowcount
        with connection.cursor(row_factory=args_row(CallerNumber)) as cursor:
            held = cursor.execute(_OPEN, (number,)).fetchone()
        if held is None or (held.vendor_id, held.contract_id) != (vendor_id, contract_id):
            raise AlreadyExistsError("the number is another contract's; end it there first")
        if is_new:
            _record(connection, held, "added", actor=actor, at=at)
    return held


def end_caller(
    connection: psycopg.Connection,
    vendor_id: str,
    contract_id: str,
    number: str,
    *,
    actor: str,
    at: datetime,
) -> CallerNumber:
    """Ends a number at once: no permit is given for it from now on.

    Raises:
        NotFoundError: the contract has no such number.
    """
    with connection.transaction():
        with connection.cursor(row_factory=args_row(CallerNumber)) as cursor:
            ended = cursor.execute(_END, (at, vendor_id, contract_id, number)).fetchone()
        if ended is None:
            raise NotFoundError("the contract has no such number")
        _record(connection, ended, "ended", actor=actor, at=at)
    return ended


def list_callers(
    connection: psycopg.Connection,
    *,
    vendor: str | None,
    with_ended: bool,
    after: CallerNumber | None,
    limit: int,
) -> list[CallerNumber]:
    """Numbers of all vendors, or of one, by vendor, contract and number."""
    named: dict[str, object] = {"vendor": vendor, "ended": with_ended, "limit": limit}
    named |= {"v": "", "c": "", "n": "", "r": None}
    if after is not None:
        named |= {"v": after.vendor_id, "c": after.contract_id}
        named |= {"n": after.number, "r": after.registered_at}
    with connection.cursor(row_factory=args_row(CallerNumber)) as cursor:
        return cursor.execute(_PAGE, named).fetchall()


def _record(
    connection: psycopg.Connection, caller: CallerNumber, change: str, *, actor: str, at: datetime
) -> None:
    # The number is the company's and the vendor's own, not a person's (class K0).
    record_with_change(
        connection,
        EventType.CALLER_CHANGED,
        at=at,
        actor=actor,
        change=change,
        vendor=caller.vendor_id,
        contract=caller.contract_id,
        number=caller.number,
    )
