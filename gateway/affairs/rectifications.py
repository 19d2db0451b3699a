"""The company's desk of rectification notices and of feedback to vendors."""

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
from gateway.affairs.complaints import proposed
from gateway.affairs.deadlines import CONTAINMENT, rectification_due
from gateway.affairs.files import files_of, missing_files
from gateway.affairs.finder import PersonalFinder
from gateway.affairs.papers import listed, opened, papers_of
from gateway.affairs.refusals import refusals
from gateway.affairs.seal import AffairSeal
from gateway.clock import Clock, rfc3339
from gateway.errors import IllegalTransitionError, PersonalDataError, RequestInvalidError
from gateway.evidence import record_with_change
from gateway.people.paging import Listing, Page
from gateway.release.cursor import CursorCipher

KIND = "rectification"
FEEDBACK = "feedback"
SEVERITIES = ("minor", "major", "critical")
SOURCES = frozenset({"scorecard", "inspection", "spot_check", "complaint", "anomaly", "regulator"})
# The same clause again within this time is a recurrence: one step up.
RECURRENCE = timedelta(days=183)
_FEEDBACK_DAYS = 30

_EARLIER = """
SELECT affair_id FROM casegate.affair
 WHERE kind = 'rectification' AND vendor_id = %s AND codes && %s::text[] AND opened_at > %s
   AND state NOT IN ('drafted', 'withdrawn')
 ORDER BY opened_at DESC LIMIT 1
"""
_RELEASE = """
UPDATE casegate.vendor_stop SET ended_at = %s WHERE notice_id = %s AND ended_at IS NULL
"""


@dataclass(frozen=True, slots=True)
class Notice:
    """What is to be put right; `clauses` are ids, `evidence` ids of calls, permits, findings."""

    vendor_id: str
    contract_id: str
    severity: str
    source: str
    clauses: Sequence[str]
    finding_text: str
    required_actions: Sequence[str]
    evidence: Sequence[str] = ()

    def verify(self, finder: PersonalFinder) -> None:
        """Looks at its codes and texts.

        Raises:
            RequestInvalidError: a code is unknown, or an id none.
            PersonalDataError: a text holds a number of a person, which no vendor is sent.
        """
        if self.severity not in SEVERITIES:
            raise RequestInvalidError(f"severity: one of {', '.join(SEVERITIES)}")
        if self.source not in SOURCES:
            raise RequestInvalidError(f"source: one of {', '.join(sorted(SOURCES))}")
        verify_clauses(clauses=self.clauses, evidence=self.evidence)
        for text in (self.finding_text, *self.required_actions):
            if finder.find(text):
                raise PersonalDataError("a notice holds no number of a person")


def draft_notice(
    connection: psycopg.Connection,
    notice: Notice,
    *,
    actor: str,
    at: datetime,
    repeat: tuple[str | None, bytes | None] = (None, None),
) -> UUID:
    """Puts a notice on record, not yet issued; one severity higher where its clause recurs."""
    severity, earlier = notice.severity, None
    row = connection.execute(
        _EARLIER, (notice.vendor_id, list(notice.clauses), at - RECURRENCE)
    ).fetchone()
    if row is not None:
        earlier = row[0]
        severity = SEVERITIES[min(SEVERITIES.index(severity) + 1, len(SEVERITIES) - 1)]
    columns = {
        "affair_id": uuid4(),
        "kind": KIND,
        "vendor_id": notice.vendor_id,
        "contract_id": notice.contract_id,
        "severity": severity,
        "codes": list(notice.clauses),
        "call_ids": [],
        "opened_at": at,
        "opened_by": actor,
        "due_at": at,
        "recurrence_of": earlier,
        "told": {
            "source": notice.source,
            "finding_text": notice.finding_text,
            "required_actions": list(notice.required_actions),
            "evidence": list(notice.evidence),
        },
    }
    return open_affair(connection, columns, repeat=repeat)[0]


def issue_notice(
    connection: psycopg.Connection,
    notice_id: UUID,
    parameters: Mapping[str, str | None],
    *,
    actor: str,
    at: datetime,
) -> Affair | UUID:
    """Sends a notice to its vendor, whose time begins; a critical one takes two persons."""
    notice = read_affair(connection, KIND, notice_id, is_locked=True)
    due = rectification_due(notice.severity or "minor", parameters, at)
    told = dict(notice.told)
    if notice.severity == "critical":
        told["containment_deadline"] = rfc3339(at + CONTAINMENT)
    changes = {
        "is_shown": True,
        "due_at": due,
        "next_at": due,
        "told": told,
        "facts": {**notice.facts, "issued_by": actor, "issued_at": rfc3339(at)},
    }
    return advance(connection, KIND, notice_id, Wanted("issue", actor, at, changes=changes))


@dataclass(frozen=True, slots=True)
class RectificationDesk:
    """Use cases on connections of their own, for the company API and the commands."""

    connection: Callable[[], AbstractContextManager[psycopg.Connection]]
    clock: Clock
    parameters: Mapping[str, str | None]
    seal: AffairSeal
    finder: Callable[[], PersonalFinder]
    cursors: CursorCipher

    def draft(
        self, notice: Notice, *, actor: str, repeat: tuple[str | None, bytes | None]
    ) -> dict[str, Any]:
        """Drafts a notice; see Notice.verify and draft_notice."""
        notice.verify(self.finder())
        at = self.clock.now()
        with refusals(), self.connection() as connection, connection.transaction():
            notice_id = draft_notice(connection, notice, actor=actor, at=at, repeat=repeat)
            return read_affair(connection, KIND, notice_id).document(at)

    def issue(self, notice_id: UUID, *, actor: str) -> dict[str, Any]:
        """Issues a notice; see issue_notice."""
        at = self.clock.now()
        with refusals(), self.connection() as connection, connection.transaction():
            issued = issue_notice(connection, notice_id, self.parameters, actor=actor, at=at)
        return proposed(issued) if isinstance(issued, UUID) else issued.document(at)

    def extend(
        self, notice_id: UUID, until: datetime, *, actor: str, reason: str
    ) -> dict[str, Any]:
        """Moves the deadline, once, before it has passed.

        Raises:
            IllegalTransitionError: it was extended before, or is over.
            RequestInvalidError: the new one is no later.
        """
        at = self.clock.now()
        with refusals(), self.connection() as connection, connection.transaction():
            notice = read_affair(connection, KIND, notice_id, is_locked=True)
            if "extended_to" in notice.told or notice.due_at <= at:
                raise IllegalTransitionError("a notice is extended once, before its deadline")
            if until <= notice.due_at:
                raise RequestInvalidError("until: it has to be later than the deadline")
            changes = {
                "due_at": until,
                "next_at": until,
                "told": {**notice.told, "extended_to": rfc3339(until)},
            }
            wanted = Wanted("extend", actor, at, reason=reason, changes=changes)
            moved = advance(connection, KIND, notice_id, wanted)
            assert isinstance(moved, Affair)
            return moved.document(at)

    def move(
        self,
        notice_id: UUID,
        name: str,
        *,
        actor: str,
        reason: str | None = None,
        sample: Sequence[str] = (),
    ) -> dict[str, Any]:
        """Accepts or refuses a plan, verifies, closes (by a sample of calls), reopens, withdraws.

        Closing or withdrawing ends the vendor's stop; a suspension is lifted as any other.

        Raises:
            RequestInvalidError: closing names no sample, or a call in it is no id.
            NotFoundError, IllegalTransitionError, ApprovalRefusedError: see affair.advance.
        """
        if name in {"issue", "extend"}:
            raise IllegalTransitionError(f"{name} has a request of its own")
        verify_clauses(sample=sample)
        at = self.clock.now()
        if name == "close" and not sample:
            raise RequestInvalidError("sample: a notice is closed by a re-test of some calls")
        with refusals(), self.connection() as connection, connection.transaction():
            notice = read_affair(connection, KIND, notice_id, is_locked=True)
            changes: dict[str, Any] = {}
            if name in {"close", "withdraw"}:
                changes = {"next_at": None, "facts": {**notice.facts, "sample": list(sample)}}
            if name == "reopen":
                due = rectification_due(notice.severity or "minor", self.parameters, at)
                changes = {"due_at": due, "next_at": due}
            wanted = Wanted(name, actor, at, reason=reason, changes=changes)
            moved = advance(connection, KIND, notice_id, wanted)
            if isinstance(moved, Affair) and name in {"close", "withdraw"}:
                connection.execute(_RELEASE, (at, notice_id))
        return proposed(moved) if isinstance(moved, UUID) else moved.document(at)

    def give_feedback(
        self,
        vendor: tuple[str, str],
        codes: Sequence[str],
        text: str,
        *,
        actor: str,
        repeat: tuple[str | None, bytes | None],
    ) -> dict[str, Any]:
        """Passes on what customers and staff say, to a vendor under a contract.

        Raises:
            PersonalDataError: the text holds a number of a person.
        """
        if self.finder().find(text):
            raise PersonalDataError("feedback holds no number of a person")
        at = self.clock.now()
        columns = {
            "affair_id": uuid4(),
            "kind": FEEDBACK,
            "vendor_id": vendor[0],
            "contract_id": vendor[1],
            "codes": list(codes),
            "opened_at": at,
            "opened_by": actor,
            "due_at": at + timedelta(days=_FEEDBACK_DAYS),
            "told": {"text": text},
        }
        with refusals(), self.connection() as connection, connection.transaction():
            affair_id, is_new = open_affair(connection, columns, repeat=repeat)
            if is_new:
                wanted = Wanted("send", actor, at, changes={"is_shown": True})
                advance(connection, FEEDBACK, affair_id, wanted)
            return read_affair(connection, FEEDBACK, affair_id).document(at)

    def close_feedback(self, affair_id: UUID, *, actor: str) -> dict[str, Any]:
        """Ends feedback."""
        at = self.clock.now()
        with refusals(), self.connection() as connection, connection.transaction():
            moved = advance(connection, FEEDBACK, affair_id, Wanted("close", actor, at))
            assert isinstance(moved, Affair)
            return moved.document(at)

    def page(
        self, kind: str, *, vendor: str | None, is_open: bool, cursor: str | None, limit: int
    ) -> Page:
        """A page of notices or of feedback, newest first."""
        at = self.clock.now()
        listing = Listing(self.cursors, f"company/{kind}/{vendor or ''}/{is_open}")
        position = listing.position(cursor)
        with self.connection() as connection:
            found = list_affairs(
                connection,
                kind=kind,
                vendor=vendor,
                open=is_open,
                overdue=None,
                before=int(position) if position else None,
                limit=limit + 1,
            )
        return listing.page([(str(one.sequence), one.document(at)) for one in found], limit)

    def read(self, kind: str, affair_id: UUID) -> dict[str, Any]:
        """One of them with its steps and what the vendor handed in, without its words."""
        with self.connection() as connection:
            affair = read_affair(connection, kind, affair_id)
            papers, steps = papers_of(connection, affair_id), steps_of(connection, affair_id)
            files = files_of(connection, affair_id)
        return {
            **affair.document(self.clock.now()),
            "papers": [listed(paper) for paper in papers],
            "files": files,
            "files_missing": missing_files(papers, files),
            "steps": steps,
        }

    def read_papers(
        self, kind: str, affair_id: UUID, *, reason: str, actor: str
    ) -> list[dict[str, Any]]:
        """What the vendor wrote of one, after the log says who reads it and why.

        Raises:
            NotFoundError: there is no such thing.
            RequestInvalidError: the reason is no code.
        """
        verify_codes(reason=reason)
        with self.connection() as connection, connection.transaction():
            affair = read_affair(connection, kind, affair_id)
            papers = papers_of(connection, affair_id)
            record_with_change(
                connection,
                EventType.PAPER_READ,
                at=self.clock.now(),
                actor=actor,
                affair=str(affair_id),
                vendor=affair.vendor_id,
                reason=reason,
            )
        return [opened(paper, self.seal) for paper in papers]
