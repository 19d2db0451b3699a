"""Pages of listings, with cursors that tell nothing."""

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.release.cursor import CursorCipher

MAX_PAGE = 500


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a listing, as JSON has it."""

    items: list[dict[str, object]]
    next_cursor: str | None

    def document(self) -> dict[str, object]:
        """As vendors and staff see it."""
        return {"items": self.items, "next_cursor": self.next_cursor}


@dataclass(frozen=True, slots=True)
class Listing:
    """A listing under one name; a cursor of another listing, or vendor, is refused."""

    cursors: CursorCipher
    name: str

    def position(self, cursor: str | None) -> str:
        """Where a page begins: after this; empty at the beginning.

        Raises:
            RequestInvalidError: the cursor is not one of this listing.
        """
        return self.cursors.open(cursor, listing=self.name) if cursor else ""

    def page(self, found: Sequence[tuple[str, dict[str, object]]], limit: int) -> Page:
        """Cuts what was read (one more than `limit`, where there is more) with its positions."""
        following = None
        if len(found) > limit:
            found = found[:limit]
            following = self.cursors.seal(found[-1][0], listing=self.name)
        return Page([item for _position, item in found], following)
