"""What a vendor hears of findings: its own, of rules that may be told, nothing of others."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

import psycopg

from gateway.clock import rfc3339
from gateway.findings.detection_rules import DetectionRule

_READ = "SELECT * FROM casegate.vendor_findings(%s, %s, %s, %s, %s)"


class Cursors(Protocol):
    """release.cursor.CursorCipher fits."""

    def seal(self, position: str, *, listing: str) -> str:
        """An opaque cursor."""
        ...

    def open(self, cursor: str, *, listing: str) -> str:
        """The position; RequestInvalidError if it is none of this listing."""
        ...


@dataclass(frozen=True, slots=True)
class FindingReader:
    """The vendor's side; each call runs in a thread on a connection of its own.

    Findings about invented cases are never told: they would say which cases those are.
    """

    connect: Callable[[], AbstractContextManager[psycopg.Connection]]
    rules: Sequence[DetectionRule]
    cursors: Cursors

    def page(
        self, vendor_id: str, contract_id: str, *, cursor: str | None, limit: int
    ) -> dict[str, Any]:
        """A page, newest first, with references of the vendor's own.

        Raises:
            RequestInvalidError: the cursor is not one of this listing.
        """
        listing = f"findings/{vendor_id}/{contract_id}"
        after = UUID(self.cursors.open(cursor, listing=listing)) if cursor else None
        told = [rule.name for rule in self.rules if rule.is_told]
        with self.connect() as connection:
            rows = connection.execute(
                _READ, (vendor_id, contract_id, told, after, limit + 1)
            ).fetchall()
        following = None
        if len(rows) > limit:
            rows = rows[:limit]
            following = self.cursors.seal(str(rows[-1][0]), listing=listing)
        items = [
            {
                "finding_id": str(row[0]),
                "rule": row[1],
                "severity": row[2],
                "agent": row[3],
                "evidence": row[4],
                "found_at": rfc3339(row[5]),
                "state": row[6],
            }
            for row in rows
        ]
        return {"items": items, "next_cursor": following}
