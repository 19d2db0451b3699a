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
    read_affair,
    steps_of,
)
from gateway.affairs.codes import verify_clauses, verify_codes
from gateway.affairs.deadlines import EXTENDED_DAYS, LONGEST_DAYS, complaint_due
from gateway.affairs.files import files_of, missing_files
from gateway.affairs.grievance import HELD, Grievance
from gateway.affairs.papers import opened, papers_of
from gateway.affairs.refusals import refusals
from gateway.affairs.seal import AffairSeal
from gateway.clock import Clock, rfc3339
from gateway.contact.holds import find_debtor, place_hold
from gateway.errors import (
    ApprovalRefusedError,
    IllegalTransitionError,
    RequestInvalidError,
)
from gateway.evidence import record_with_change
from gateway.operations.approval import is_same_person
from gateway.people.paging import Listing, Page
from gateway.release.cursor import CursorCipher
from gateway.store.deadlocks import once_more

KIND = "complaint"
FINDINGS = frozenset({"founded", "partly", "unfounded"})
_CONCERNED = frozenset({"investigate", "decide", "review"})
_OF_THEIR_OWN = frozenset(
    {"register", "classify", "assign", "reassign", "request_evidence", "decide", "reply"}
    | {"extend_30", "extend_60"}
)


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
            IllegalTransitionError: no department for complaints is set.
            IdempotencyKeyReusedError: the key was used for another one.
        """
        at = self.clock.now()
        grievance.verify(at)
        department = self.parameters["routing.complaint"]
        if not department:
            raise IllegalTransitionError(
                "routing.complaint is not set: name a department in the policies' parameters.yaml"
            )
        with refusals():
            return once_more(
                lambda: self._register(grievance, department, actor=actor, at=at, repeat=repeat)
            )

    def move(
        self, affair_id: UUID, name: str, *, actor: str, reason: str | None = None
    ) -> dict[str, Any]:
        """Makes a move that sets nothing: investigate, review, close, withdraw, and the like.

        Raises:
            NotFoundError, IllegalTransitionError, ApprovalRefusedError: see affair.advance.
            ApprovalRefusedError: SECOND_PERSON_NEEDED, the complaint is about who moves it.
        """
        if name in _OF_THEIR_OWN:
            raise IllegalTransitionError(f"{name} needs more than its name")
        changes: dict[str, Any] = {}
        if name in {"close", "withdraw"}:
            changes = {"next_at": None}
        return self._move(affair_id, lambda _affair: (name, changes), actor=actor, reason=reason)

    def extend(
        self, affair_id: UUID, *, actor: str, reason: str, notice: str | None = None
    ) -> dict[str, Any]:
        """Gives more time: to 30 days in all by one person, to 60 by two.

        Raises:
            RequestInvalidError: a code is none; or it is for the 60 days, and `notice` does not
                say by which channel the customer was told.
            NotFoundError, IllegalTransitionError: see affair.advance.
        """
        verify_codes(notice=notice)

        def extension(affair: Affair) -> tuple[str, dict[str, Any]]:
            is_longest = affair.state == "extended_30"
            if is_longest and notice is None:
                raise RequestInvalidError(
                    "notice: the customer is told before it takes 60 days; name the channel"
                )
            due = complaint_due(affair.opened_at, LONGEST_DAYS if is_longest else EXTENDED_DAYS)
            said = {"extended_to": rfc3339(due)} | ({"extension_notice": notice} if notice else {})
            name = "extend_60" if is_longest else "extend_30"
            return name, {"due_at": due, "next_at": due, "facts": {**affair.facts, **said}}

        return self._move(affair_id, extension, actor=actor, reason=reason)

    def assign(self, affair_id: UUID, department: str, *, actor: str) -> dict[str, Any]:
        """Gives a complaint to another department than routing.complaint says."""
        changes = {"department": department}
        return self._move(affair_id, lambda _affair: ("reassign", changes), actor=actor)

    def request_evidence(
        self, affair_id: UUID, call_ids: Sequence[str], hours: int, *, actor: str
    ) -> dict[str, Any]:
        """Asks the vendor for calls, with a deadline; from here on it knows of the matter."""
        verify_clauses(call_ids=call_ids)
        due = self.clock.now() + timedelta(hours=hours)
        changes = {
            "call_ids": list(call_ids),
            "evidence_due_at": due,
            "next_at": due,
            "is_shown": True,
        }
        return self._move(affair_id, lambda _affair: ("request_evidence", changes), actor=actor)

    def decide(
        self, affair_id: UUID, finding: str, measures: Sequence[str], cause: str, *, actor: str
    ) -> dict[str, Any]:
        """Says whether it is founded; the vendor hears that, and not why.

        Raises:
            RequestInvalidError: the finding is none of FINDINGS, or a code is none.
        """
        verify_codes(measures=measures, root_cause=cause)
        if finding not in FINDINGS:
            raise RequestInvalidError(f"finding: one of {', '.join(sorted(FINDINGS))}")
        said = {"measures": list(measures), "root_cause": cause}

        def decision(affair: Affair) -> tuple[str, dict[str, Any]]:
            return "decide", {
                "told": {**affair.told, "finding": finding},
                "facts": {**affair.facts, **said},
                "next_at": None,
            }

        return self._move(affair_id, decision, actor=actor)

    def reply(
        self, affair_id: UUID, channel: str, replied_at: datetime, *, actor: str
    ) -> dict[str, Any]:
        """Notes by which channel and when the customer was answered.

        Raises:
            RequestInvalidError: that lies in the future, or the channel is no code.
        """
        verify_codes(channel=channel)
        if replied_at > self.clock.now():
            raise RequestInvalidError("replied_at lies in the future")
        said = {"reply_channel": channel, "replied_at": rfc3339(replied_at)}
        return self._move(
            affair_id, lambda affair: ("reply", {"facts": {**affair.facts, **said}}), actor=actor
        )

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
        """A complaint with its text and the vendor's, after the log says who reads it and why.

        Raises:
            NotFoundError: there is no such complaint.
            RequestInvalidError: the reason is no code.
        """
        verify_codes(reason=reason)
        at = self.clock.now()
        with self.connection() as connection, connection.transaction():
            affair = read_affair(connection, KIND, affair_id)
            row = connection.execute(
                "SELECT sealed_text FROM casegate.affair WHERE affair_id = %s", (affair_id,)
            ).fetchone()
            papers = papers_of(connection, affair_id)
            files, steps = files_of(connection, affair_id), steps_of(connection, affair_id)
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
            "files": files,
            "files_missing": missing_files(papers, files),
            "steps": steps,
        }

    def _register(
        self,
        grievance: Grievance,
        department: str,
        *,
        actor: str,
        at: datetime,
        repeat: tuple[str | None, bytes | None],
    ) -> dict[str, Any]:
        with self.connection() as connection, connection.transaction():
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
        decide: Callable[[Affair], tuple[str, Mapping[str, Any]]],
        *,
        actor: str,
        reason: str | None = None,
    ) -> dict[str, Any]:
        """Makes the move that is decided on the complaint as it stands under its lock."""
        at = self.clock.now()
        with refusals(), self.connection() as connection, connection.transaction():
            affair = read_affair(connection, KIND, affair_id, is_locked=True)
            name, changes = decide(affair)
            wanted = Wanted(name, actor, at, reason=reason, changes=changes)
            if name in _CONCERNED and is_same_person(affair.facts.get("about_staff"), actor):
                raise ApprovalRefusedError(
                    "SECOND_PERSON_NEEDED", "the complaint is about who would look into it"
                )
            moved = advance(connection, KIND, affair_id, wanted)
        return proposed(moved) if isinstance(moved, UUID) else moved.document(at)


def proposed(proposal: UUID) -> dict[str, Any]:
    """The answer where a second person has to approve first."""
    return {"proposal_id": str(proposal)}
