"""Reads a vendor's feed of changes under row-level security."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg.rows import args_row
from psycopg_pool import AsyncConnectionPool, PoolTimeout, TooManyRequests

from gateway.clock import rfc3339
from gateway.errors import ChangesForgottenError, DatabaseUnavailableError

MAX_PAGE = 500

_FEED = "SELECT first_place, last_place FROM casegate.vendor_feed(%s, %s)"
_PAGE = "SELECT place, kind, case_ref, at, data FROM casegate.vendor_changes(%s, %s, %s, %s)"


@dataclass(frozen=True, slots=True)
class Change:
    """One change; `place` counts a contract's changes from 1, in the order of their commits."""

    place: int
    kind: str
    case_ref: str | None
    at: datetime
    data: dict[str, Any]

    def document(self) -> dict[str, Any]:
        """As JSON; the place is of this contract alone, so it tells nothing of others."""
        return {
            "number": self.place,
            "kind": self.kind,
            "case_ref": self.case_ref,
            "at": rfc3339(self.at),
            "data": self.data,
        }


class ChangeReader:
    """The reader of the vendor listener."""

    def __init__(self, pool: AsyncConnectionPool) -> None:
        self._pool = pool

    async def page(
        self, vendor_id: str, contract_id: str, *, after: int | None, limit: int
    ) -> list[Change]:
        """Up to `limit` changes after a place; None begins with the oldest that is kept.

        Raises:
            ChangesForgottenError: what came next after the place is not kept any more.
            DatabaseUnavailableError: PostgreSQL does not answer.
        """
        named = (vendor_id, contract_id)
        try:
            async with self._pool.connection() as connection:
                cursor = connection.cursor(row_factory=args_row(Change))
                await cursor.execute(_PAGE, (*named, after or 0, limit))
                found = await cursor.fetchall()
                # Places have no gap: only where one seems to be is it asked what was forgotten.
                if after is not None and not (found and found[0].place == after + 1):
                    row = await (await connection.execute(_FEED, named)).fetchone()
                    if after + 1 < (1 if row is None else row[0]):
                        raise ChangesForgottenError("changes after this cursor are forgotten")
                return found
        except (psycopg.Error, PoolTimeout, TooManyRequests) as error:
            raise DatabaseUnavailableError("changes cannot be read") from error
