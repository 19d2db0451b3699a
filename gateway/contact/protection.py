"""The desk at which staff place and lift holds, answer special requests, and end consents."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg

from gateway.clock import Clock
from gateway.contact.answers import (
    Answer,
    answer_request,
    close_request,
    list_requests,
    open_request,
)
from gateway.contact.consents import revoke_for_company
from gateway.contact.holds import Hold, find_debtor, lift_hold, list_holds, place_hold, read_hold
from gateway.contact.note_seal import NoteSeal
from gateway.errors import RequestInvalidError
from gateway.release.cursor import CursorCipher
from policies.requests import RequestCatalog

_HOLDS = "company/holds"
_REQUESTS = "company/requests"


@dataclass(frozen=True, slots=True)
class ProtectionDesk:
    """Use cases on connections of their own, for the company API and the commands."""

    connection: Callable[[], AbstractContextManager[psycopg.Connection]]
    clock: Clock
    catalog: RequestCatalog
    seal: NoteSeal
    cursors: CursorCipher

    def place(
        self,
        vendor_id: str,
        contract_id: str,
        case_ref: str,
        *,
        code: str,
        is_on_all_cases: bool,
        actor: str,
    ) -> Hold:
        """Stops contact with the debtor of a case, on all his cases or on this one.

        Raises:
            NotFoundError: the vendor was never given such a case.
            RequestInvalidError: the code is none of the catalogue's.
        """
        if code not in self.catalog.hold_codes:
            raise RequestInvalidError(f"code: one of {', '.join(sorted(self.catalog.hold_codes))}")
        with self.connection() as connection, connection.transaction():
            case_id, person = find_debtor(connection, vendor_id, contract_id, case_ref)
            hold_id = place_hold(
                connection,
                person,
                case_id=None if is_on_all_cases else case_id,
                code=code,
                source="company",
                actor=actor,
                at=self.clock.now(),
            )
            return read_hold(connection, hold_id)

    def lift(self, hold_id: UUID, *, actor: str) -> tuple[Hold, UUID | None]:
        """Lifts a hold that another person has approved to lift, else proposes it.

        Raises:
            NotFoundError: there is no such open hold.
            AlreadyExistsError: it is proposed already.
        """
        with self.connection() as connection:
            return lift_hold(connection, hold_id, actor=actor, at=self.clock.now())

    def holds(self, *, only_open: bool, cursor: str | None, limit: int) -> dict[str, Any]:
        """A page of holds, newest first.

        Raises:
            RequestInvalidError: the cursor is not one of this listing.
        """
        listing = f"{_HOLDS}/{only_open}"
        after = self._place_of(cursor, listing)
        with self.connection() as connection:
            found = list_holds(connection, only_open=only_open, after=after, limit=limit + 1)
        following = None
        if len(found) > limit:
            found = found[:limit]
            last = f"{found[-1].placed_at.isoformat()} {found[-1].hold_id}"
            following = self.cursors.seal(last, listing=listing)
        return {"items": [one.document() for one in found], "next_cursor": following}

    def requests(
        self,
        *,
        only_open: bool,
        only_overdue: bool,
        vendor_id: str | None,
        cursor: str | None,
        limit: int,
    ) -> dict[str, Any]:
        """A page of special requests, newest first, without their notes.

        Raises:
            RequestInvalidError: the cursor is not one of this listing.
        """
        listing = f"{_REQUESTS}/{only_open}/{only_overdue}/{vendor_id or ''}"
        before = int(self.cursors.open(cursor, listing=listing)) if cursor else None
        at = self.clock.now()
        with self.connection() as connection:
            found = list_requests(
                connection,
                only_open=only_open,
                vendor_id=vendor_id,
                overdue_at=at if only_overdue else None,
                before=before,
                limit=limit + 1,
            )
        following = None
        if len(found) > limit:
            found = found[:limit]
            following = self.cursors.seal(str(found[-1].sequence), listing=listing)
        return {"items": [one.document(at) for one in found], "next_cursor": following}

    def request(self, request_id: UUID, *, actor: str) -> dict[str, Any]:
        """One special request with its note; see answers.open_request."""
        at = self.clock.now()
        with self.connection() as connection:
            return open_request(connection, request_id, self.seal, actor=actor, at=at)

    def answer(self, request_id: UUID, answer: Answer, *, actor: str) -> dict[str, Any]:
        """Answers a request; see answers.answer_request.

        Raises:
            RequestInvalidError: a code is none of the catalogue's.
        """
        if answer.decision_code not in self.catalog.decisions:
            raise RequestInvalidError(
                f"decision_code: one of {', '.join(sorted(self.catalog.decisions))}"
            )
        instructions = self.catalog.instructions
        if answer.instruction_code is not None and answer.instruction_code not in instructions:
            raise RequestInvalidError(
                f"instruction_code: one of {', '.join(sorted(instructions))}"
            )
        at = self.clock.now()
        with self.connection() as connection:
            return answer_request(connection, request_id, answer, actor=actor, at=at).document(at)

    def close(self, request_id: UUID, *, actor: str) -> dict[str, Any]:
        """Closes a request; see answers.close_request."""
        at = self.clock.now()
        with self.connection() as connection:
            return close_request(connection, request_id, actor=actor, at=at).document(at)

    def revoke_consent(self, consent_id: UUID, *, actor: str) -> None:
        """Ends a consent; see consents.revoke_for_company."""
        with self.connection() as connection:
            revoke_for_company(connection, consent_id, actor=actor, at=self.clock.now())

    def _place_of(self, cursor: str | None, listing: str) -> tuple[datetime, UUID] | None:
        if cursor is None:
            return None
        at, _, hold_id = self.cursors.open(cursor, listing=listing).partition(" ")
        return datetime.fromisoformat(at), UUID(hold_id)
