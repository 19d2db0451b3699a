"""What permits need of PostgreSQL, each a single statement; the counting is the database's."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Protocol
from uuid import UUID

import orjson
import psycopg
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool, PoolTimeout, TooManyRequests

from gateway.cases.record import StoredCase
from gateway.contact.situation import Picture, picture_of
from gateway.contact.wish import PermitWish
from gateway.errors import DatabaseUnavailableError

_ASK = """
SELECT c.*, casegate.contact_situation(%(vendor)s, %(contract)s, c.case_id,
         CASE %(point)s WHEN 'mobile' THEN c.mobile_mac WHEN 'home' THEN c.home_mac ELSE c.related_mac END,
         %(agent)s, %(script)s, %(version)s, %(caller)s, %(at)s, %(repeat)s)::text
  FROM casegate.permit_case(%(vendor)s, %(contract)s, %(ref)s) c
"""  # noqa: E501
_GRANT = "SELECT casegate.grant_permit(%s::jsonb, %s, %s, %s, %s)"
_REFUSE = "SELECT casegate.refuse_permit(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
_FIND = "SELECT * FROM casegate.vendor_permit(%s, %s, %s)"
_CLOSE = "SELECT casegate.close_permit(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
_TRY = "SELECT casegate.take_identity_try(%s, %s, %s, %s, %s)"
_REFUSE_CHANNEL = "SELECT casegate.refuse_channel(%s, %s, %s, %s, %s)"
_NOTE_IDENTITY = "SELECT casegate.note_identity(%s, %s, %s, %s)"


@dataclass(frozen=True, slots=True)
class AskedCase:
    """A case that a permit is asked for, still sealed, with the keys of its numbers (32 bytes)."""

    stored: StoredCase
    person: bytes
    points: dict[str, bytes | None]


@dataclass(frozen=True, slots=True)
class Closing:
    """How a permit ends: its state, the result's code, and what it counts as (bits of Measure).

    What the call has shown takes effect with it: of the number (`validity`, `opts_out`, for ever),
    and a hold on all cases of the debtor (`hold`, its code).
    """

    state: str
    result: str | None
    counts: int
    is_failed: bool = False
    validity: str | None = None
    opts_out: bool = False
    hold: str | None = None


class PermitStore(Protocol):
    """The store of the permits' use case; every call raises DatabaseUnavailableError."""

    async def ask(
        self, vendor_id: str, contract_id: str, wish: PermitWish, at: datetime
    ) -> tuple[AskedCase, Picture] | None:
        """The case and what is known of its debtor; None when it is not the vendor's."""
        ...

    async def grant(
        self, permit: dict[str, Any], seen: int, *, most: int, most_of_agent: int, day: date
    ) -> str:
        """Puts a permit on record if nothing has changed since: granted, stale, gone or quota."""
        ...

    async def refuse(
        self, vendor_id: str, contract_id: str, wish: PermitWish, case: UUID, at: datetime,
        codes: Sequence[str],
    ) -> None:  # fmt: skip
        """Keeps a refusal for the reports."""
        ...

    async def find(
        self, vendor_id: str, contract_id: str, permit_id: UUID
    ) -> dict[str, Any] | None:
        """A permit of the vendor, by column; None when there is none."""
        ...

    async def close(
        self, vendor_id: str, contract_id: str, permit_id: UUID, closing: Closing, at: datetime
    ) -> str | None:
        """Ends an open permit: closed, or the state that keeps it from being; None without one."""
        ...

    async def refuse_channel(
        self, vendor_id: str, contract_id: str, case_ref: str, channel: str, at: datetime
    ) -> str | None:
        """Keeps a debtor's refusal of a channel: refused, known, or None without such a case."""
        ...

    async def take_try(
        self, vendor_id: str, contract_id: str, case_id: UUID, day: date, most: int
    ) -> int | None:
        """Which try of the day this is; None when all were made."""
        ...

    async def note_identity(
        self, vendor_id: str, contract_id: str, permit_id: UUID, outcome: str
    ) -> None:
        """Keeps how an identity check went."""
        ...


class PostgresPermitStore:
    """The store over the vendor listener's pool."""

    def __init__(self, pool: AsyncConnectionPool) -> None:
        self._pool = pool

    async def ask(
        self, vendor_id: str, contract_id: str, wish: PermitWish, at: datetime
    ) -> tuple[AskedCase, Picture] | None:
        """See PermitStore."""
        row = await self._row(
            _ASK,
            {
                "vendor": vendor_id,
                "contract": contract_id,
                "ref": wish.case_ref,
                "point": wish.point.value,
                "agent": wish.agent_ref,
                "script": wish.script_id,
                "version": wish.script_version,
                "caller": wish.caller_number,
                "at": at,
                "repeat": wish.repeat_key,
            },
        )
        if row is None or row[-1] is None:
            return None
        stored = StoredCase(*row[:9])
        person, mobile, home, related = row[9:13]
        case = AskedCase(stored, person, {"mobile": mobile, "home": home, "related": related})
        return case, picture_of(orjson.loads(row[-1]), case_status=stored.status)

    async def grant(
        self, permit: dict[str, Any], seen: int, *, most: int, most_of_agent: int, day: date
    ) -> str:
        """See PermitStore."""
        content = orjson.dumps(permit).decode()
        row = await self._row(_GRANT, (content, seen, most, most_of_agent, day))
        assert row is not None
        return str(row[0])

    async def refuse(
        self, vendor_id: str, contract_id: str, wish: PermitWish, case: UUID, at: datetime,
        codes: Sequence[str],
    ) -> None:  # fmt: skip
        """See PermitStore."""
        await self._row(
            _REFUSE,
            (
                vendor_id,
                contract_id,
                case,
                wish.agent_ref,
                wish.channel.value,
                wish.point.value,
                wish.call_kind.value,
                wish.script_id,
                wish.script_version,
                wish.caller_number,
                wish.reason,
                at,
                list(codes),
            ),
        )

    async def find(
        self, vendor_id: str, contract_id: str, permit_id: UUID
    ) -> dict[str, Any] | None:
        """See PermitStore."""
        try:
            async with self._pool.connection() as connection:
                cursor = connection.cursor(row_factory=dict_row)
                await cursor.execute(_FIND, (vendor_id, contract_id, permit_id))
                return await cursor.fetchone()
        except (psycopg.Error, PoolTimeout, TooManyRequests) as error:
            raise DatabaseUnavailableError("permits cannot be read") from error

    async def close(
        self, vendor_id: str, contract_id: str, permit_id: UUID, closing: Closing, at: datetime
    ) -> str | None:
        """See PermitStore."""
        row = await self._row(
            _CLOSE,
            (
                vendor_id,
                contract_id,
                permit_id,
                closing.state,
                closing.result,
                closing.counts,
                closing.is_failed,
                closing.validity,
                closing.opts_out,
                closing.hold,
                at,
            ),
        )
        assert row is not None
        return None if row[0] is None else str(row[0])

    async def refuse_channel(
        self, vendor_id: str, contract_id: str, case_ref: str, channel: str, at: datetime
    ) -> str | None:
        """See PermitStore."""
        row = await self._row(_REFUSE_CHANNEL, (vendor_id, contract_id, case_ref, channel, at))
        return None if row is None or row[0] is None else str(row[0])

    async def take_try(
        self, vendor_id: str, contract_id: str, case_id: UUID, day: date, most: int
    ) -> int | None:
        """See PermitStore."""
        row = await self._row(_TRY, (vendor_id, contract_id, case_id, day, most))
        return None if row is None or row[0] is None else int(row[0])

    async def note_identity(
        self, vendor_id: str, contract_id: str, permit_id: UUID, outcome: str
    ) -> None:
        """See PermitStore."""
        await self._row(_NOTE_IDENTITY, (vendor_id, contract_id, permit_id, outcome))

    async def _row(
        self, query: str, parameters: Sequence[object] | dict[str, object]
    ) -> tuple[Any, ...] | None:
        try:
            async with self._pool.connection() as connection:
                cursor = connection.cursor(binary=True)
                await cursor.execute(query, parameters)
                return await cursor.fetchone()
        except psycopg.DataError:
            return None  # text that PostgreSQL cannot hold, as a NUL, names nothing
        except (psycopg.Error, PoolTimeout, TooManyRequests) as error:
            raise DatabaseUnavailableError("permits cannot be kept") from error
