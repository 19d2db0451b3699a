"""Recordings as vendors announce them and as they stand on record."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

import psycopg

from audit.entry import EventType
from gateway.clock import rfc3339
from gateway.errors import RequestInvalidError
from gateway.evidence import record_with_change
from gateway.findings.record import Fault, Severity, entry_fields
from gateway.intake.recordings_format import Codec

# How far a length may be from the talk time, and a header from what was announced.
TOLERANCE_SECONDS = 2
_AHEAD = timedelta(seconds=5)


def years_after(moment: datetime, years: int) -> datetime:
    """The same day so many years later; where there is no 29th of February, the 1st of March."""
    try:
        return moment.replace(year=moment.year + years)
    except ValueError:
        return moment.replace(year=moment.year + years, month=3, day=1)


class RecordingState(StrEnum):
    """What has come of a recording."""

    EXPECTED = "expected"
    RECEIVING = "receiving"
    VERIFIED = "verified"
    MISMATCH = "mismatch"
    ERASED = "erased"

    @property
    def is_open(self) -> bool:
        """Whether content may still come."""
        return self in {RecordingState.EXPECTED, RecordingState.RECEIVING}


@dataclass(frozen=True, slots=True)
class RecordingWish:
    """What a vendor says of a recording before its content: its hash first of all."""

    call_id: str
    sha256: bytes
    size: int
    codec: Codec
    duration_s: Decimal
    started_at: datetime
    ended_at: datetime
    is_notice_given: bool

    def verify(self, at: datetime) -> None:
        """Raises RequestInvalidError unless its times are in order and not in the future."""
        if not self.started_at <= self.ended_at <= at + _AHEAD:
            raise RequestInvalidError("started_at, ended_at: not in order, or in the future")
        if self.duration_s > (self.ended_at - self.started_at).total_seconds() + TOLERANCE_SECONDS:
            raise RequestInvalidError("duration_s: longer than from started_at to ended_at")


@dataclass(frozen=True, slots=True)
class RecordingLimits:
    """What the company lets vendors send, and how long it keeps it."""

    max_bytes: int = 1024**3
    open_uploads: int = 20
    bytes_per_day: int = 100 * 1024**3
    upload_time: timedelta = timedelta(hours=24)
    retention_years: int = 5


@dataclass(frozen=True, slots=True)
class Upload:
    """A row of casegate.vendor_upload: what a worker needs to go on with an upload."""

    call_id: str
    sha256: bytes
    size: int
    codec: str
    duration_s: Decimal
    ended_at: datetime
    state: str
    received: int
    stored_bytes: int
    expires_at: datetime
    kek_id: str
    # A key, if only a wrapped one: no repr shows it.
    wrapped_key: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class OwnRecording:
    """A row of casegate.vendor_recordings: a recording as its vendor sees it."""

    sequence: int
    recording_id: UUID
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
    expires_at: datetime
    settled_at: datetime | None
    erased_why: str | None

    def document(self) -> dict[str, Any]:
        """As JSON."""
        is_open = RecordingState(self.state).is_open
        return {
            "recording_id": str(self.recording_id),
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
            "expires_at": rfc3339(self.expires_at) if is_open else None,
            "settled_at": None if self.settled_at is None else rfc3339(self.settled_at),
            "erased_why": self.erased_why,
        }


def note_findings(
    connection: psycopg.Connection,
    rows: list[tuple[UUID | None, str, str, str | None]],
    *,
    vendor_id: str,
    contract_id: str,
    evidence: Mapping[str, Any],
    at: datetime,
) -> None:
    """Writes the entries of findings that the database has raised, at the end of its transaction.

    Args:
        connection: in the transaction that raised them.
        rows: id (None where one stood open already), rule, severity and agent of each.
        vendor_id: whose recording it is.
        contract_id: under which contract.
        evidence: what they rest on; the entries do not say it.
        at: when.
    """
    for finding_id, rule, severity, agent in rows:
        if finding_id is None:
            continue
        fault = Fault(rule, Severity(severity), vendor_id, evidence, contract_id, agent)
        record_with_change(
            connection, EventType.FINDING_RAISED, at=at, **entry_fields(finding_id, fault)
        )
