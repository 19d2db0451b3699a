"""The company's side of recordings: listed, heard for a reason, held, and freed by two."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import args_row

from audit.entry import EventType
from gateway.clock import Clock, rfc3339
from gateway.errors import (
    AlreadyExistsError,
    ApprovalRefusedError,
    IllegalTransitionError,
    NotFoundError,
)
from gateway.evidence import record_with_change
from gateway.intake.recording_store import RecordingStore
from gateway.intake.recordings import RecordingState
from gateway.intake.recordings_cipher import RecordingCipher
from gateway.intake.recordings_format import Codec
from gateway.operations.approval import ProposalKind, find_open, propose, take_approval
from gateway.release.cursor import CursorCipher
from keys.kek import KeyEncryptionKey

MAX_PAGE = 200
_SELECT = """
SELECT r.sequence, r.recording_id, r.vendor_id, r.contract_id, r.call_id, r.sha256, r.bytes,
       r.codec, r.duration_s, r.measured_s, r.started_at, r.ended_at, r.notice_given, r.state,
       r.received, r.announced_at, r.settled_at, r.compared_at, r.retention_until, r.legal_hold,
       r.held_at, r.held_by, r.hold_reason, r.erased_at, r.erased_why, r.kek_id, r.wrapped_key
  FROM casegate.recording r
"""
_PAGE = """
 WHERE (%(vendor)s::text IS NULL OR r.vendor_id = %(vendor)s)
   AND (%(call)s::text IS NULL OR r.call_id = %(call)s)
   AND (%(state)s::text IS NULL OR r.state = %(state)s)
   AND (NOT %(held)s OR r.legal_hold)
   AND (%(before)s::bigint IS NULL OR r.sequence < %(before)s)
 ORDER BY r.sequence DESC LIMIT %(limit)s
"""
_HOLD = """
UPDATE casegate.recording SET legal_hold = true, held_at = %s, held_by = %s, hold_reason = %s
 WHERE recording_id = %s AND state = 'verified' AND NOT legal_hold
"""
_FREE = """
UPDATE casegate.recording SET legal_hold = false, held_at = NULL, held_by = NULL,
       hold_reason = NULL
 WHERE recording_id = %s AND legal_hold
"""


class HearingReason(StrEnum):
    """Why a recording is opened, or held."""

    COMPLAINT = "complaint"
    DISPUTE = "dispute"
    FINDING = "finding"
    SPOT_CHECK = "spot_check"
    QUALITY_CHECK = "quality_check"
    REGULATOR = "regulator"
    COURT = "court"


@dataclass(frozen=True, slots=True)
class Recording:
    """A recording on record, as the company's staff see it; its key is in no document."""

    sequence: int
    recording_id: UUID
    vendor_id: str
    contract_id: str
    call_id: str
    sha256: bytes
    size: int
    codec: str
    duration_s: Decimal
    measured_s: Decimal | None
    started_at: datetime
    ended_at: datetime
    notice_given: bool
    state: str
    received: int
    announced_at: datetime
    settled_at: datetime | None
    compared_at: datetime | None
    retention_until: datetime | None
    legal_hold: bool
    held_at: datetime | None
    held_by: str | None
    hold_reason: str | None
    erased_at: datetime | None
    erased_why: str | None
    kek_id: str = field(repr=False)
    wrapped_key: bytes | None = field(repr=False)

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "recording_id": str(self.recording_id),
            "vendor_id": self.vendor_id,
            "contract_id": self.contract_id,
            "call_id": self.call_id,
            "sha256": bytes(self.sha256).hex(),
            "bytes": self.size,
            "codec": self.codec,
            "duration_s": float(self.duration_s),
            "measured_s": None if self.measured_s is None else float(self.measured_s),
            "started_at": rfc3339(self.started_at),
            "ended_at": rfc3339(self.ended_at),
            "notice_given": self.notice_given,
            "state": self.state,
            "received": self.received,
            "announced_at": rfc3339(self.announced_at),
            "settled_at": _stamp(self.settled_at),
            "compared_at": _stamp(self.compared_at),
            "retention_until": _stamp(self.retention_until),
            "legal_hold": self.legal_hold,
            "held_at": _stamp(self.held_at),
            "held_by": self.held_by,
            "hold_reason": self.hold_reason,
            "erased_at": _stamp(self.erased_at),
            "erased_why": self.erased_why,
        }


@dataclass(frozen=True, slots=True)
class Hearing:
    """Content that may be heard now: `content` gives the bytes from `begin` until before `end`."""

    recording: Recording
    begin: int
    end: int
    content: Iterator[bytes]

    @property
    def media_type(self) -> str:
        """Of the content."""
        return Codec(self.recording.codec).media_type


@dataclass(frozen=True, slots=True)
class RecordingDesk:
    """Use cases on connections of their own, for the company API and the commands."""

    connection: Callable[[], AbstractContextManager[psycopg.Connection]]
    clock: Clock
    kek: Callable[[], KeyEncryptionKey]
    store: Callable[[], RecordingStore]
    cursors: CursorCipher

    def page(
        self,
        *,
        vendor: str | None,
        call_id: str | None,
        state: RecordingState | None,
        only_held: bool,
        cursor: str | None,
        limit: int,
    ) -> dict[str, Any]:
        """A page of recordings, the newest first; no content and no key.

        Raises:
            RequestInvalidError: the cursor is not one of this listing.
        """
        listing = f"company-recordings/{vendor or ''}/{call_id or ''}/{state or ''}/{only_held}"
        before = int(self.cursors.open(cursor, listing=listing)) if cursor else None
        wanted = {
            "vendor": vendor,
            "call": call_id,
            "state": state,
            "held": only_held,
            "before": before,
            "limit": limit + 1,
        }
        with (
            self.connection() as connection,
            connection.cursor(row_factory=args_row(Recording)) as rows,
        ):
            found = rows.execute(_SELECT + _PAGE, wanted).fetchall()
        following = None
        if len(found) > limit:
            found = found[:limit]
            following = self.cursors.seal(str(found[-1].sequence), listing=listing)
        return {"items": [one.document() for one in found], "next_cursor": following}

    def hear(
        self,
        recording_id: UUID,
        reason: HearingReason,
        span: tuple[int, int | None],
        *,
        actor: str,
    ) -> Hearing:
        """Opens a recording, or the part of it from `span[0]` until before `span[1]`.

        The entry that says who hears what, and why, is durable before this returns.

        Raises:
            NotFoundError: there is none, its content is not there (yet), or is erased.
            DatabaseUnavailableError: the store does not answer.
            EnvelopeError: its key does not unwrap; of the content: it was altered.
        """
        with self.connection() as connection:
            recording = _read(connection, recording_id)
            if recording.wrapped_key is None or recording.state != RecordingState.VERIFIED:
                raise NotFoundError("there is no such recording to be heard")
            key = self.kek().unwrap(bytes(recording.wrapped_key), recording.kek_id)
            cipher = RecordingCipher(key, recording_id)
            begin, end = span[0], recording.size if span[1] is None else span[1]
            stream = self.store().open(recording_id)
            try:
                with connection.transaction():
                    record_with_change(
                        connection,
                        EventType.RECORDING_HEARD,
                        at=self.clock.now(),
                        actor=actor,
                        vendor=recording.vendor_id,
                        contract=recording.contract_id,
                        recording=str(recording_id),
                        reason=reason.value,
                        range=[begin, end],
                    )
            except BaseException:
                stream.close()
                raise

        def content() -> Iterator[bytes]:
            try:
                yield from cipher.open(stream, begin=begin, end=end)
            finally:
                stream.close()

        return Hearing(recording, begin, end, content())

    def read(self, recording_id: UUID) -> Recording:
        """What is on record of one; NotFoundError where there is none."""
        with self.connection() as connection:
            return _read(connection, recording_id)

    def hold(self, recording_id: UUID, reason: HearingReason, *, actor: str) -> dict[str, Any]:
        """Keeps a recording beyond its time; one person does it, at once.

        Raises:
            NotFoundError: there is no such recording.
            IllegalTransitionError: it is held already, or has no content to be held.
        """
        at = self.clock.now()
        with self.connection() as connection, connection.transaction():
            recording = _read(connection, recording_id)
            row = (at, actor, reason.value, recording_id)
            if not connection.execute(_HOLD, row).rowcount:
                state = "held already" if recording.legal_hold else recording.state
                raise IllegalTransitionError(f"the recording is {state}")
            record_with_change(
                connection,
                EventType.RECORDING_HELD,
                at=at,
                actor=actor,
                vendor=recording.vendor_id,
                contract=recording.contract_id,
                recording=str(recording_id),
                reason=reason.value,
            )
            held = _read(connection, recording_id)
        return held.document()

    def free(self, recording_id: UUID, *, actor: str) -> dict[str, Any] | UUID:
        """Lifts a hold by an approval; without one proposes it and returns the proposal.

        Raises:
            NotFoundError: there is no such recording.
            IllegalTransitionError: no hold is on it.
        """
        at, subject = self.clock.now(), {"recording": str(recording_id)}
        with self.connection() as connection:
            recording = _read(connection, recording_id)
            if not recording.legal_hold:
                raise IllegalTransitionError("no hold is on the recording")
            # An approval is of this hold, and not of one that somebody places later.
            subject["held_at"] = rfc3339(recording.held_at or at)
            try:
                with connection.transaction():
                    approval = take_approval(
                        connection, ProposalKind.RECORDING_FREE, subject, at=at
                    )
                    connection.execute(_FREE, (recording_id,))
                    record_with_change(
                        connection,
                        EventType.RECORDING_FREED,
                        at=at,
                        actor=actor,
                        vendor=recording.vendor_id,
                        contract=recording.contract_id,
                        recording=str(recording_id),
                        proposal=str(approval.proposal_id),
                        proposed_by=approval.proposed_by,
                        approved_by=approval.decided_by,
                    )
            except ApprovalRefusedError as error:
                if error.code != "APPROVAL_MISSING":
                    raise
                return _proposed(connection, subject, actor=actor, at=at)
            return _read(connection, recording_id).document()


def _proposed(
    connection: psycopg.Connection, subject: dict[str, str], *, actor: str, at: datetime
) -> UUID:
    kind = ProposalKind.RECORDING_FREE
    try:
        return propose(connection, kind, subject, actor=actor, at=at)
    except AlreadyExistsError:
        waiting = find_open(connection, kind, subject, at=at)
        if waiting is None:
            raise
        return waiting


def _read(connection: psycopg.Connection, recording_id: UUID) -> Recording:
    with connection.cursor(row_factory=args_row(Recording)) as cursor:
        found = cursor.execute(_SELECT + " WHERE r.recording_id = %s", (recording_id,)).fetchone()
    if found is None:
        raise NotFoundError("there is no such recording")
    return found


def _stamp(moment: datetime | None) -> str | None:
    return None if moment is None else rfc3339(moment)
