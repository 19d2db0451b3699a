"""What a vendor sees of quality checks: which of its calls were drawn, how, with what result."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

import psycopg
from psycopg.rows import dict_row

from gateway.identity.principal import VendorPrincipal
from gateway.people.paging import Listing, Page
from gateway.quality.checks import plain
from gateway.release.cursor import CursorCipher

_READ = "SELECT * FROM casegate.vendor_quality_checks(%s, %s, %s, %s)"


@dataclass(frozen=True, slots=True)
class OwnChecks:
    """The vendor's side; each call runs in a thread on a connection of its own."""

    connect: Callable[[], AbstractContextManager[psycopg.Connection]]
    cursors: CursorCipher

    def page(self, principal: VendorPrincipal, *, cursor: str | None, limit: int) -> Page:
        """A page, the last drawn first, with the seed and the digest of what it drew from.

        Raises:
            RequestInvalidError: the cursor is not one of this listing.
        """
        named = (principal.vendor_id, principal.contract_id)
        listing = Listing(self.cursors, f"quality/{'/'.join(named)}")
        position = listing.position(cursor)
        before = int(position) if position else None
        with self.connect() as connection, connection.cursor(row_factory=dict_row) as rows:
            found = rows.execute(_READ, (*named, before, limit + 1)).fetchall()
        for row in found:
            row["calls_sha256"] = bytes(row["calls_sha256"]).hex()
            row["state"] = row.pop("result") or "open"
        return listing.page([(str(row.pop("sequence")), plain(row)) for row in found], limit)
