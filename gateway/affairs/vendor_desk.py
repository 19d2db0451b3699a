"""The vendor's side of complaints, notices and feedback: what it may see, what it may move."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import psycopg
from psycopg.rows import dict_row

from gateway.affairs.affair import CHANGED
from gateway.affairs.machine import Side
from gateway.affairs.machines import MACHINES
from gateway.affairs.refusals import refusals
from gateway.affairs.seal import AffairSeal
from gateway.clock import Clock, rfc3339
from gateway.errors import IllegalTransitionError, NotFoundError
from gateway.evidence import record_with_change
from gateway.identity.principal import VendorPrincipal
from gateway.people.paging import Listing, Page
from gateway.release.cursor import CursorCipher

_READ = "SELECT * FROM casegate.vendor_affairs(%s, %s, %s, %s, %s, %s)"
_MOVE = "SELECT * FROM casegate.move_own_affair(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
# What the company does inside with a complaint is not the vendor's.
_SEEN = {
    "evidence_requested": "evidence_requested",
    "closed": "closed",
    "withdrawn": "closed",
}
PARTS = {
    "submit_evidence": "evidence",
    "submit_statement": "statement",
    "submit_plan": "plan",
    "answer": "answer",
}


@dataclass(frozen=True, slots=True)
class Paper:
    """What is handed in with a move: words, calls, files by SHA-256 in hex."""

    text: str | None = None
    call_ids: Sequence[str] = ()
    files: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class VendorAffairs:
    """Use cases on connections of the vendor's role; all block."""

    connection: Callable[[], AbstractContextManager[psycopg.Connection]]
    clock: Clock
    seal: AffairSeal
    cursors: CursorCipher

    def page(
        self, principal: VendorPrincipal, kind: str, *, cursor: str | None, limit: int
    ) -> Page:
        """A page of what is shown to the vendor, in order.

        Raises:
            RequestInvalidError: the cursor is not one of this listing.
        """
        name = f"{kind}/{principal.vendor_id}/{principal.contract_id}"
        listing = Listing(self.cursors, name)
        after = int(listing.position(cursor) or 0)
        with refusals(), self.connection() as connection:
            found = _read(connection, principal, kind, None, after, limit + 1)
        return listing.page([(str(row["sequence"]), _document(kind, row)) for row in found], limit)

    def one(self, principal: VendorPrincipal, kind: str, affair_id: UUID) -> dict[str, Any]:
        """One of them.

        Raises:
            NotFoundError: the vendor has none of this id.
        """
        with refusals(), self.connection() as connection:
            found = _read(connection, principal, kind, affair_id, 0, 1)
        if not found:
            raise NotFoundError(f"there is no such {kind}")
        return _document(kind, found[0])

    def move(
        self, principal: VendorPrincipal, kind: str, affair_id: UUID, name: str, paper: Paper
    ) -> dict[str, Any]:
        """Makes a move of the vendor's; its words are sealed, and looked through afterwards.

        Raises:
            NotFoundError: the vendor has none of this id.
            IllegalTransitionError: the move is not the vendor's, or does not begin in this state.
        """
        move = MACHINES[kind].moves.get(name)
        if move is None or move.side is not Side.VENDOR:
            raise IllegalTransitionError(f"{name} is no move of a vendor")
        paper_id, part, at = uuid4(), PARTS.get(name), self.clock.now()
        words = None if paper.text is None else self.seal.seal(paper.text, paper_id)
        named = (principal.vendor_id, principal.contract_id, kind, affair_id, name)
        with refusals(), self.connection() as connection, connection.transaction():
            row = connection.execute(
                _MOVE,
                (
                    *(*named, sorted(move.sources), paper_id, part, words),
                    *(list(paper.call_ids), list(paper.files), at),
                ),
            ).fetchone()
            assert row is not None
            record_with_change(
                connection,
                CHANGED[kind],
                at=at,
                actor=f"vendor:{principal.vendor_id}",
                affair=str(affair_id),
                vendor=principal.vendor_id,
                contract=principal.contract_id,
                certificate=principal.thumbprint.hex(),
                move=name,
                before=row[0],
                after=row[1],
                paper=None if part is None else str(paper_id),
            )
        return self.one(principal, kind, affair_id)


def _read(
    connection: psycopg.Connection,
    principal: VendorPrincipal,
    kind: str,
    one: UUID | None,
    after: int,
    limit: int,
) -> list[dict[str, Any]]:
    named = (principal.vendor_id, principal.contract_id, kind, one, after, limit)
    with connection.transaction(), connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(_READ, named).fetchall()


def _document(kind: str, row: dict[str, Any]) -> dict[str, Any]:
    content: dict[str, Any] = {
        "id": str(row["affair_id"]),
        "state": row["state"],
        "opened_at": rfc3339(row["opened_at"]),
        **row["told"],
    }
    if kind == "complaint":
        return {
            **content,
            "state": _SEEN.get(row["state"], "under_review"),
            "allegation_codes": row["codes"],
            "call_ids": row["call_ids"],
            "evidence_due_at": _time(row["evidence_due_at"]),
        }
    content["codes"] = row["codes"]
    content["due_at"] = rfc3339(row["due_at"])
    if kind == "rectification":
        recurrence = row["recurrence_of"]
        content["severity"] = row["severity"]
        content["recurrence_of"] = None if recurrence is None else str(recurrence)
    return content


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else rfc3339(moment)
