"""The company's desk of complaints: the vendor never hears who complained."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg

from audit.entry import EventType
from gateway.affairs.affair import (
    Affair,
    Wanted,
    advance,
    list_affairs,
    open_affair,
    papers_of,
    read_affair,
    steps_of,
)
from gateway.affairs.deadlines import EXTENDED_DAYS, LONGEST_DAYS, complaint_due
from gateway.affairs.refusals import refusals
from gateway.affairs.seal import AffairSeal
from gateway.clock import Clock, rfc3339
from gateway.contact.holds import find_debtor, place_hold
from gateway.errors import (
    ApprovalRefusedError,
    ConfigurationError,
    IllegalTransitionError,
    RequestInvalidError,
)
from gateway.evidence import record_with_change
from gateway.operations.approval import is_same_person
from gateway.people.paging import Listing, Page
from gateway.release.cursor import CursorCipher

KIND = "complaint"
# What a complaint may be about; those of the second line stop contact when it is registered.
CATEGORIES = frozenset(
    {"attitude", "fee", "other"}
    | {"frequency", "time", "third_party", "leak", "impersonation", "identity"}
)
HELD = CATEGORIES - {"attitude", "fee", "other"}
SOURCES = frozenset({"customer", "regulator", "media"})
FINDINGS = frozenset({"founded", "partly", "unfounded"})
_CONCERNED = frozenset({"investigate", "decide", "review"})


@dataclass(frozen=True, slots=True)
class Grievance:
    """A complaint as it came in. `about_staff`: of whom of the company it is, if of anybody."""

    vendor_id: str
    contract_id: str
    case_ref: str
    received_at: datetime
    channel: str
    source: str
    category: str
    allegations: Sequence[str]
    text: str
    about_staff: str | None = None


@dataclass(frozen=True, slots=True)
class ComplaintDesk:
    """Use cases on connections of their own, for the company API and the commands."""

    connection: Callable[[], AbstractContextManager[psycopg.Connection]]
    clock: Clock
    parameters: Mapping[str, str | None]
    seal: AffairSeal
    cursors: CursorCipher

    def register(
        self, grievance: Grievance, *, actor: str, repeat: tuple[str | None, bytes | None]
    ) -> dict[str, Any]:
        """Takes a complaint in; the clock runs from when it was received, a hold from now.

        Raises:
            RequestInvalidError: a code is unknown, or it was received in the future.
            NotFoundError: the vendor was never given such a case.
            ConfigurationError: no department for complaints is set.
            IdempotencyKeyReusedError: the key was used for another one.
        """
        at = self.clock.now()
        _verify(grievance, at)
        department = self.parameters["routing.complaint"]
        if not department:
            raise ConfigurationError("routing.complaint is not set: nobody would answer")
        with refusals(), self.connection() as connection, connection.transaction():
            named = (grievance.vendor_id, grievance.contract_id)
            case_id, person = find_debtor(connection, *named, grievance.case_ref)
            due = complaint_due(grievance.received_at, int(self.parameters["complaint.days"] or 1))
            affair_id = uuid4()
            columns = {
                "affair_id": affair_id,
                "kind": KIND,
                "vendor_id": grievance.vendor_id,
                "contract_id": grievance.contract_id,
                "codes": list(grievance.allegations),
                "case_id": case_id,
                "department": department,
                "opened_at": grievance.received_at,
                "opened_by": actor,
                "due_at": due,
                "next_at": due,
                "sealed_text": self.seal.seal(grievance.text, affair_id),
                "facts": {"source": grievance.source, "about_staff": grievance.about_staff},
                "told": {"channel": grievance.channel, "category": grievance.category},
            }
            affair_id, is_new = open_affair(connection, columns, repeat=repeat)
            if is_new:
                self._begin(connection, affair_id, grievance, person, actor, at)
            return read_affair(connection, KIND, affair_id).document(at)

    def move(
        self, affair_id: UUID, name: str, *, actor: str, reason: str | None = None
    ) -> dict[str, Any]:
        """Makes a move that sets nothing: investigate, review, close, withdraw, and the like.

        Raises:
            NotFoundError, IllegalTransitionError, ApprovalRefusedError: see affair.advance.
            ApprovalRefusedError: SECOND_PERSON_NEEDED, the complaint is about who moves it.
        """
        if name in {"register", "classify", "assign", "request_evidence", "decide", "reply"}:
            raise IllegalTransitionError(f"{name} needs more than its name")
        changes: dict[str, Any] = {}
        if name in {"close", "withdraw"}:
            changes = {"next_at": None}
        return self._move(affair_id, name, changes, actor=actor, reason=reason)

    def extend(self, affair_id: UUID, *, actor: str, reason: str) -> dict[str, Any]:
        """Gives more time: to 30 days in all by one person, to 60 by two."""
        with self.connection() as connection:
            affair = read_affair(connection, KIND, affair_id)
        is_longest = affair.state == "extended_30"
        days = LONGEST_DAYS if is_longest else EXTENDED_DAYS
        due = complaint_due(affair.opened_at, days)
        facts = {**affair.facts, "extended_to": rfc3339(due)}
        name = "extend_60" if is_longest else "extend_30"
        changes = {"due_at": due, "next_at": due, "facts": facts}
        return self._move(affair_id, name, changes, actor=actor, reason=reason)

    def request_evidence(
        self, affair_id: UUID, call_ids: Sequence[str], hours: int, *, actor: str
    ) -> dict[str, Any]:
        """Asks the vendor for calls, with a deadline; from here on it knows of the matter."""
        due = self.clock.now() + timedelta(hours=hours)
        changes = {
            "call_ids": list(call_ids),
            "evidence_due_at": due,
            "next_at": due,
            "is_shown": True,
        }
        return self._move(affair_id, "request_evidence", changes, actor=actor)

    def decide(
        self, affair_id: UUID, finding: str, measures: Sequence[str], cause: str, *, actor: str
    ) -> dict[str, Any]:
        """Says whether it is founded; the vendor hears that, and not why.

        Raises:
            RequestInvalidError: the finding is none of FINDINGS.
        """
        if finding not in FINDINGS:
            raise RequestInvalidError(f"finding: one of {', '.join(sorted(FINDINGS))}")
        with self.connection() as connection:
            affair = read_affair(connection, KIND, affair_id)
        changes = {
            "told": {**affair.told, "finding": finding},
            "facts": {**affair.facts, "measures": list(measures), "root_cause": cause},
            "next_at": None,
        }
        return self._move(affair_id, "decide", changes, actor=actor)

    def reply(
        self, affair_id: UUID, channel: str, replied_at: datetime, *, actor: str
    ) -> dict[str, Any]:
        """Notes by which channel and when the customer was answered.

        Raises:
            RequestInvalidError: that lies in the future.
        """
        if replied_at > self.clock.now():
            raise RequestInvalidError("replied_at lies in the future")
        with self.connection() as connection:
            affair = read_affair(connection, KIND, affair_id)
        said = {"reply_channel": channel, "replied_at": rfc3339(replied_at)}
        return self._move(affair_id, "reply", {"facts": {**affair.facts, **said}}, actor=actor)

    def page(
        self,
        *,
        vendor: str | None,
        is_open: bool,
        is_overdue: bool,
        cursor: str | None,
        limit: int,
    ) -> Page:
        """A page, newest first, without any text."""
        at = self.clock.now()
        listing = Listing(self.cursors, f"company/{KIND}/{vendor or ''}/{is_open}/{is_overdue}")
        position = listing.position(cursor)
        with self.connection() as connection:
            found = list_affairs(
                connection,
                kind=KIND,
                vendor=vendor,
                open=is_open,
                overdue=at if is_overdue else None,
                before=int(position) if position else None,
                limit=limit + 1,
            )
        return listing.page([(str(one.sequence), one.document(at)) for one in found], limit)

    def read(self, affair_id: UUID, *, reason: str, actor: str) -> dict[str, Any]:
        """A complaint with its text and the vendor's, after the log says who reads it and why."""
        at = self.clock.now()
        with self.connection() as connection, connection.transaction():
            affair = read_affair(connection, KIND, affair_id)
            row = connection.execute(
                "SELECT sealed_text FROM casegate.affair WHERE affair_id = %s", (affair_id,)
            ).fetchone()
            papers = papers_of(connection, affair_id)
            steps = steps_of(connection, affair_id)
            record_with_change(
                connection,
                EventType.COMPLAINT_READ,
                at=at,
                actor=actor,
                affair=str(affair_id),
                vendor=affair.vendor_id,
                reason=reason,
            )
        sealed = None if row is None else row[0]
        text = None if sealed is None else self.seal.open(bytes(sealed), affair_id)
        return {
            **affair.document(at),
            "text": text,
            "papers": [opened(paper, self.seal) for paper in papers],
            "steps": steps,
        }

    def _begin(
        self,
        connection: psycopg.Connection,
        affair_id: UUID,
        grievance: Grievance,
        person: bytes,
        actor: str,
        at: datetime,
    ) -> None:
        changes: dict[str, Any] = {}
        if grievance.category in HELD:
            changes["hold_id"] = place_hold(
                connection,
                person,
                case_id=None,
                code=KIND,
                source=KIND,
                actor=actor,
                at=at,
            )
        advance(connection, KIND, affair_id, Wanted("register", actor, at, changes=changes))
        for name in ("classify", "assign"):
            advance(connection, KIND, affair_id, Wanted(name, actor, at))

    def _move(
        self,
        affair_id: UUID,
        name: str,
        changes: Mapping[str, Any],
        *,
        actor: str,
        reason: str | None = None,
    ) -> dict[str, Any]:
        at = self.clock.now()
        wanted = Wanted(name, actor, at, reason=reason, changes=changes)
        with refusals(), self.connection() as connection, connection.transaction():
            affair = read_affair(connection, KIND, affair_id, is_locked=True)
            if name in _CONCERNED and is_same_person(affair.facts.get("about_staff"), actor):
                raise ApprovalRefusedError(
                    "SECOND_PERSON_NEEDED", "the complaint is about who would look into it"
                )
            moved = advance(connection, KIND, affair_id, wanted)
        return proposed(moved) if isinstance(moved, UUID) else moved.document(at)


def proposed(proposal: UUID) -> dict[str, Any]:
    """The answer where a second person has to approve first."""
    return {"proposal_id": str(proposal)}


def opened(paper: Mapping[str, Any], seal: AffairSeal) -> dict[str, Any]:
    """What a vendor handed in, in clear."""
    sealed = paper["sealed_text"]
    return {
        "paper_id": str(paper["paper_id"]),
        "part": paper["part"],
        "text": None if sealed is None else seal.open(bytes(sealed), paper["paper_id"]),
        "text_state": paper["text_state"],
        "call_ids": paper["call_ids"],
        "files": paper["files"],
        "filed_at": rfc3339(paper["filed_at"]),
    }


def _verify(grievance: Grievance, at: datetime) -> None:
    if grievance.category not in CATEGORIES:
        raise RequestInvalidError(f"category: one of {', '.join(sorted(CATEGORIES))}")
    if grievance.source not in SOURCES:
        raise RequestInvalidError(f"source: one of {', '.join(sorted(SOURCES))}")
    if grievance.received_at > at:
        raise RequestInvalidError("received_at lies in the future")


def missing_calls(affair: Affair, papers: Sequence[Mapping[str, Any]]) -> list[str]:
    """The calls that were asked for and that no paper of the vendor's names."""
    delivered = {call for paper in papers for call in paper["call_ids"]}
    return [call for call in affair.call_ids if call not in delivered]
