"""Special requests as vendors raise them: the hold and the clock begin in the same moment."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID, uuid4

import psycopg
from psycopg.rows import kwargs_row

from audit.entry import EventType
from gateway.clock import Clock, rfc3339
from gateway.contact.holds import log_hold
from gateway.contact.note_seal import NoteSeal
from gateway.contact.refusals import refusals
from gateway.errors import NotFoundError, PersonalDataError, RequestInvalidError
from gateway.evidence import record_with_change
from gateway.identity.principal import VendorPrincipal
from gateway.redaction.identifiers import IdentifierFinder
from gateway.release.cursor import CursorCipher
from gateway.working_days import CHINA, end_of_day, working_day_after
from policies.requests import RequestCatalog, RequestType

MAX_PAGE = 200
MAX_NOTE = 300

_OWN = "SELECT log_salt FROM casegate.own_case(%s, %s, %s)"
_RAISE = """
SELECT request_id, commitment, held, is_new FROM casegate.raise_request(
  %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
"""
_READ = "SELECT * FROM casegate.vendor_requests(%s, %s, %s, %s, %s, %s)"


@dataclass(frozen=True, slots=True)
class RequestWish:
    """What an agent heard; the customer's words as a code, a note only where no code fits."""

    case_ref: str
    type: str
    agent_ref: str
    call_id: str | None = None
    permit_id: UUID | None = None
    customer_words_code: str | None = None
    note: str | None = None
    repeat_key: str | None = None
    repeat_sha256: bytes | None = None

    def verify(self, catalog: RequestCatalog, finder: IdentifierFinder) -> RequestType:
        """The type, of a wish that may be kept.

        Raises:
            RequestInvalidError: there is no such type, or the note is too long.
            PersonalDataError: the note holds a number, an address of mail, or the like.
        """
        kind = catalog.types.get(self.type)
        if kind is None:
            raise RequestInvalidError("type: there is no such type")
        if self.note is not None:
            if len(self.note) > MAX_NOTE:
                raise RequestInvalidError(f"note: at most {MAX_NOTE} characters")
            if finder.find(self.note):
                raise PersonalDataError("note: leave numbers of persons, accounts, phones out")
        return kind


@dataclass(frozen=True, slots=True)
class RaisedRequest:
    """A request as its vendor sees it: the instruction, never the company's reasons."""

    sequence: int
    request_id: UUID
    case_ref: str
    type: str
    agent_ref: str
    call_id: str | None
    permit_id: UUID | None
    customer_words_code: str | None
    raised_at: datetime
    state: str
    owner_department: str
    due_at: datetime
    is_held: bool
    decision_code: str | None
    decision_valid_to: date | None
    vendor_instruction_code: str | None
    answered_at: datetime | None
    closed_at: datetime | None

    def document(self) -> dict[str, Any]:
        """As JSON."""
        content = {
            name: rfc3339(value) if isinstance(value, datetime) else value
            for name, value in asdict(self).items()
        }
        del content["sequence"]
        return content


def due_at(kind: RequestType, parameters: Mapping[str, str | None], at: datetime) -> datetime:
    """Until when a request is answered: the end of a working day in China."""
    days = int(parameters[kind.days] or 1)
    return end_of_day(working_day_after(at.astimezone(CHINA).date(), days))


@dataclass(frozen=True, slots=True)
class RequestDesk:
    """The vendor's side; each call runs in a thread on a connection of its own."""

    connect: Callable[[], AbstractContextManager[psycopg.Connection]]
    clock: Clock
    catalog: RequestCatalog
    parameters: Mapping[str, str | None]
    seal: NoteSeal
    finder: IdentifierFinder
    cursors: CursorCipher

    def submit(self, principal: VendorPrincipal, wish: RequestWish) -> dict[str, Any]:
        """Takes in a request; for some types all contact with the debtor stops at once.

        Raises:
            RequestInvalidError, PersonalDataError: see RequestWish.verify.
            NotFoundError: the case is not this vendor's.
            IdempotencyKeyReusedError: the key was used for another request.
        """
        kind = wish.verify(self.catalog, self.finder)
        named = (principal.vendor_id, principal.contract_id)
        with refusals(), self.connect() as connection:
            with connection.transaction():
                request_id = self._raise(connection, principal, wish, kind, self.clock.now())
            return _read(connection, named, request_id).document()

    def one(self, principal: VendorPrincipal, request_id: UUID) -> dict[str, Any]:
        """One request of a case that the vendor holds; NotFoundError otherwise."""
        named = (principal.vendor_id, principal.contract_id)
        with refusals(), self.connect() as connection:
            return _read(connection, named, request_id).document()

    def page(
        self, principal: VendorPrincipal, *, case_ref: str | None, cursor: str | None, limit: int
    ) -> dict[str, Any]:
        """A page of the vendor's requests in the order in which they were raised.

        Raises:
            RequestInvalidError: the cursor is not one of this listing.
        """
        named = (principal.vendor_id, principal.contract_id)
        listing = f"requests/{principal.vendor_id}/{principal.contract_id}/{case_ref or ''}"
        after = int(self.cursors.open(cursor, listing=listing)) if cursor else 0
        with refusals(), self.connect() as connection:
            found = _page(connection, (*named, case_ref, None, after, limit + 1))
        following = None
        if len(found) > limit:
            found = found[:limit]
            following = self.cursors.seal(str(found[-1].sequence), listing=listing)
        return {"items": [one.document() for one in found], "next_cursor": following}

    def _raise(
        self,
        connection: psycopg.Connection,
        principal: VendorPrincipal,
        wish: RequestWish,
        kind: RequestType,
        at: datetime,
    ) -> UUID:
        named = (principal.vendor_id, principal.contract_id, wish.case_ref)
        request_id, hold_id = uuid4(), uuid4() if kind.sets_hold else None
        due = due_at(kind, self.parameters, at)
        own = connection.execute(_OWN, named).fetchone()
        assert own is not None
        note = None if wish.note is None else self.seal.seal(wish.note, bytes(own[0]), request_id)
        row = connection.execute(
            _RAISE,
            (
                *(request_id, *named, kind.name, hold_id, wish.agent_ref, wish.call_id),
                *(wish.permit_id, wish.customer_words_code, note),
                *(self.parameters[kind.routing] or kind.routing, due),
                *(wish.repeat_key, wish.repeat_sha256, at),
            ),
        ).fetchone()
        assert row is not None
        known, commitment, held, is_new = row
        if not is_new:
            return UUID(str(known))
        record_with_change(
            connection,
            EventType.REQUEST_RAISED,
            at=at,
            vendor=principal.vendor_id,
            contract=principal.contract_id,
            certificate=principal.thumbprint.hex(),
            special=str(request_id),
            kind=kind.name,
            agent=wish.agent_ref,
            due=rfc3339(due),
            hold=None if hold_id is None else str(hold_id),
            cases=[bytes(commitment).hex()],
        )
        if hold_id is not None:
            log_hold(
                connection,
                hold_id,
                held,
                is_on_all_cases=True,
                code=kind.name,
                source="special_request",
                actor=f"vendor:{principal.vendor_id}",
                at=at,
            )
        return request_id


def _read(
    connection: psycopg.Connection, named: tuple[str, str], request_id: UUID
) -> RaisedRequest:
    found = _page(connection, (*named, None, request_id, 0, 1))
    if not found:
        raise NotFoundError("there is no such request")
    return found[0]


def _page(connection: psycopg.Connection, row: tuple[object, ...]) -> list[RaisedRequest]:
    with connection.cursor(row_factory=kwargs_row(RaisedRequest)) as cursor:
        return cursor.execute(_READ, row).fetchall()
