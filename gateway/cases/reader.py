"""Reads a vendor's own cases under row-level security."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

import psycopg
from psycopg.rows import args_row
from psycopg_pool import AsyncConnectionPool, PoolTimeout, TooManyRequests

from gateway.cases.record import StoredCase
from gateway.errors import DatabaseUnavailableError

_ONE = (
    "SELECT sequence, case_id, assignment_id, status, assigned_at, commitment, kek_id,"
    " wrapped_key, sealed, has_notes, is_held FROM casegate.vendor_case(%s, %s, %s)"
)
_PAGE = (
    "SELECT sequence, case_id, assignment_id, status, assigned_at, commitment, kek_id,"
    " wrapped_key, sealed, has_notes, is_held FROM casegate.vendor_cases(%s, %s, %s, %s, %s)"
)
_ASSIGNMENTS = (
    "SELECT assignment_id, created_at, cases FROM casegate.vendor_assignments(%s, %s, %s, %s)"
)
_TAKE = "SELECT casegate.take_pull(%s, %s, %s, %s, %s)"


@dataclass(frozen=True, slots=True)
class AssignmentSummary:
    """A batch of cases handed to a vendor; `cases` counts those it still holds."""

    assignment_id: str
    created_at: datetime
    cases: int


class VendorCaseReader(Protocol):
    """What the release use case needs of the store.

    Each call is one transaction that names its vendor to the database first; rows of any other
    vendor cannot come back even if a query forgets to ask for its own.
    """

    async def find(self, vendor_id: str, contract_id: str, case_ref: str) -> StoredCase | None:
        """One case that the vendor holds now; None when foreign, recalled or unknown.

        Raises:
            DatabaseUnavailableError: PostgreSQL does not answer.
        """
        ...

    async def page(
        self, vendor_id: str, contract_id: str, *, assignment: str | None, after: int, limit: int
    ) -> list[StoredCase]:
        """Up to `limit` cases in order of assignment, after a sequence number.

        Raises:
            DatabaseUnavailableError: PostgreSQL does not answer.
        """
        ...

    async def assignments(
        self, vendor_id: str, contract_id: str, *, after: str, limit: int
    ) -> list[AssignmentSummary]:
        """Up to `limit` assignments after an id.

        Raises:
            DatabaseUnavailableError: PostgreSQL does not answer.
        """
        ...

    async def take(
        self, vendor_id: str, contract_id: str, *, day: date, cases: int, most: int
    ) -> bool:
        """Takes cases off a day's quota of `most`, all or none; whether they were had.

        Raises:
            DatabaseUnavailableError: PostgreSQL does not answer.
        """
        ...


class PostgresCaseReader:
    """The reader of the vendor listener."""

    def __init__(self, pool: AsyncConnectionPool) -> None:
        self._pool = pool

    async def find(self, vendor_id: str, contract_id: str, case_ref: str) -> StoredCase | None:
        """See VendorCaseReader."""
        rows = await self._stored(_ONE, (vendor_id, contract_id, case_ref))
        return rows[0] if rows else None

    async def page(
        self, vendor_id: str, contract_id: str, *, assignment: str | None, after: int, limit: int
    ) -> list[StoredCase]:
        """See VendorCaseReader."""
        return await self._stored(_PAGE, (vendor_id, contract_id, assignment, after, limit))

    async def assignments(
        self, vendor_id: str, contract_id: str, *, after: str, limit: int
    ) -> list[AssignmentSummary]:
        """See VendorCaseReader."""
        try:
            async with self._pool.connection() as connection:
                cursor = connection.cursor(row_factory=args_row(AssignmentSummary), binary=True)
                await cursor.execute(_ASSIGNMENTS, (vendor_id, contract_id, after, limit))
                return await cursor.fetchall()
        except (psycopg.Error, PoolTimeout, TooManyRequests) as error:
            raise DatabaseUnavailableError("assignments cannot be read") from error

    async def take(
        self, vendor_id: str, contract_id: str, *, day: date, cases: int, most: int
    ) -> bool:
        """See VendorCaseReader."""
        try:
            async with self._pool.connection() as connection:
                cursor = await connection.execute(
                    _TAKE, (vendor_id, contract_id, day, cases, most)
                )
                row = await cursor.fetchone()
        except (psycopg.Error, PoolTimeout, TooManyRequests) as error:
            raise DatabaseUnavailableError("a quota cannot be counted") from error
        return row is not None and bool(row[0])

    async def _stored(self, query: str, parameters: tuple[object, ...]) -> list[StoredCase]:
        try:
            async with self._pool.connection() as connection:
                cursor = connection.cursor(row_factory=args_row(StoredCase), binary=True)
                await cursor.execute(query, parameters)
                return await cursor.fetchall()
        except psycopg.DataError:
            return []  # text that PostgreSQL cannot hold, as a NUL, names no case
        except (psycopg.Error, PoolTimeout, TooManyRequests) as error:
            raise DatabaseUnavailableError("cases cannot be read") from error
