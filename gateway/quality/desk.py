"""The desk at which staff draw samples, note what they heard, and keep incidents and reviews."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from uuid import UUID

import psycopg

from gateway.clock import Clock
from gateway.people.paging import Listing, Page
from gateway.quality.checks import Draw, Verdict, draw_sample, list_checks, settle_check
from gateway.quality.incidents import Incident, list_incidents, move_incident, open_incident
from gateway.quality.reviews import list_reviews, record_review
from gateway.release.cursor import CursorCipher
from gateway.reports.periods import parse_period


@dataclass(frozen=True, slots=True)
class QualityDesk:
    """Use cases on connections of their own, for the company API and the commands."""

    connection: Callable[[], AbstractContextManager[psycopg.Connection]]
    clock: Clock
    cursors: CursorCipher

    def draw(
        self, named: tuple[str, str], period: str, *, calls: int, seed: str | None, actor: str
    ) -> Draw:
        """Draws a sample of a vendor's and contract's calls; see quality.checks."""
        with self.connection() as connection:
            return draw_sample(
                connection,
                named,
                parse_period(period),
                calls,
                seed,
                actor=actor,
                at=self.clock.now(),
            )

    def settle(self, check_id: UUID, verdict: Verdict, *, actor: str) -> dict[str, object]:
        """Notes what was heard; see quality.checks."""
        with self.connection() as connection:
            return settle_check(connection, check_id, verdict, actor=actor, at=self.clock.now())

    def checks(
        self,
        *,
        vendor: str | None = None,
        draw: UUID | None = None,
        only_open: bool = False,
        cursor: str | None = None,
        limit: int = 50,
    ) -> Page:
        """A page of checks; RequestInvalidError if the cursor is not one of this listing."""
        listing = Listing(self.cursors, f"staff/quality/{vendor}/{draw}/{only_open}")
        before = _before(listing, cursor)
        with self.connection() as connection:
            found = list_checks(
                connection,
                vendor=vendor,
                draw=draw,
                is_open=only_open,
                before=before,
                limit=limit + 1,
            )
        return listing.page(found, limit)

    def open_incident(self, incident: Incident, *, actor: str) -> dict[str, object]:
        """Puts an incident on record; see quality.incidents."""
        with self.connection() as connection:
            return open_incident(connection, incident, actor=actor, at=self.clock.now())

    def move_incident(self, incident_id: UUID, move: str, *, actor: str) -> dict[str, object]:
        """Says that it is contained or closed; see quality.incidents."""
        with self.connection() as connection:
            return move_incident(connection, incident_id, move, actor=actor, at=self.clock.now())

    def incidents(
        self,
        *,
        vendor: str | None = None,
        only_open: bool = False,
        cursor: str | None = None,
        limit: int = 50,
    ) -> Page:
        """A page of incidents; RequestInvalidError if the cursor is not one of this listing."""
        listing = Listing(self.cursors, f"staff/incidents/{vendor}/{only_open}")
        before = _before(listing, cursor)
        with self.connection() as connection:
            found = list_incidents(
                connection, vendor=vendor, is_open=only_open, before=before, limit=limit + 1
            )
        return listing.page(found, limit)

    def review(self, named: tuple[str, str], period: str, *, actor: str) -> dict[str, object]:
        """Puts an access review on record; see quality.reviews."""
        with self.connection() as connection:
            month = parse_period(period)
            return record_review(connection, named, month, actor=actor, at=self.clock.now())

    def reviews(
        self, *, vendor: str | None = None, cursor: str | None = None, limit: int = 50
    ) -> Page:
        """A page of reviews; RequestInvalidError if the cursor is not one of this listing."""
        listing = Listing(self.cursors, f"staff/reviews/{vendor}")
        after = listing.position(cursor)
        with self.connection() as connection:
            found = list_reviews(connection, vendor=vendor, after=after, limit=limit + 1)
        return listing.page(found, limit)


def _before(listing: Listing, cursor: str | None) -> int | None:
    position = listing.position(cursor)
    return int(position) if position else None
