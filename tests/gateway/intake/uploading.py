"""A vendor's worker and the company's desks over a real database, for tests of recordings."""

import hashlib
import struct
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

from gateway.identity.principal import VendorPrincipal
from gateway.installation import kek_keys, read_key
from gateway.intake.recording_store import DirectoryStore, RecordingStore
from gateway.intake.recordings import RecordingLimits, RecordingWish
from gateway.intake.recordings_desk import RecordingDesk
from gateway.intake.recordings_format import Codec
from gateway.intake.recordings_sweep import RecordingSweep
from gateway.intake.uploads import UploadDesk
from gateway.release.cursor import CursorCipher
from keys.kek import KeyRing
from tests.gateway.store.lender import START, Lender

UNTIL = datetime(2026, 8, 1, tzinfo=UTC)
_RATE = 8000


def wav(seconds: float, *, fill: bytes = b"\x7f", length: int | None = None) -> bytes:
    """A WAV of 8 kHz, 8 bits, one channel; `length` is what its data chunk claims."""
    data = fill * int(seconds * _RATE)
    claimed = len(data) if length is None else length
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, _RATE, _RATE, 1, 8)
    head = struct.pack("<4sI4s", b"RIFF", 36 + len(data), b"WAVE")
    return head + form + struct.pack("<4sI", b"data", claimed) + data


@dataclass
class Uploading:
    """One vendor's uploads; each test uses calls of its own."""

    lender: Lender
    directory: Path
    limits: RecordingLimits = field(default_factory=RecordingLimits)
    store: RecordingStore | None = None

    @property
    def kept(self) -> RecordingStore:
        return self.store or DirectoryStore(self.directory)

    def principal(self, vendor: str = "alpha") -> VendorPrincipal:
        thumbprint = self.lender.thumbprints[vendor]
        return VendorPrincipal(vendor, f"{vendor}-2026", thumbprint, UNTIL)

    def desk(self) -> UploadDesk:
        settings, office = self.lender.database.settings, self.lender.office()
        return UploadDesk(
            lambda: office.connection("vendor"),
            self.lender.clock,
            KeyRing(kek_keys(settings)),
            self.directory,
            self.kept,
            self.limits,
            CursorCipher(read_key(settings, settings.keys.index)),
        )

    def company(self) -> RecordingDesk:
        settings, office = self.lender.database.settings, self.lender.office()
        return RecordingDesk(
            office.connection,
            self.lender.clock,
            lambda: KeyRing(kek_keys(settings)),
            lambda: self.kept,
            CursorCipher(read_key(settings, settings.keys.index)),
        )

    def sweep(self) -> RecordingSweep:
        office = self.lender.office()
        return RecordingSweep(
            office.connection, self.lender.clock, lambda: self.kept, self.directory
        )

    def wish(self, call_id: str, content: bytes, **changes: Any) -> RecordingWish:
        seconds = Decimal(max(0, len(content) - 44)) / _RATE
        return RecordingWish(
            **{
                "call_id": call_id,
                "sha256": hashlib.sha256(content).digest(),
                "size": len(content),
                "codec": Codec.WAV,
                "duration_s": round(seconds, 3),
                "started_at": START - timedelta(hours=2),
                "ended_at": START - timedelta(hours=1),
                "is_notice_given": True,
                **changes,
            }
        )

    def send(self, call_id: str, content: bytes, *, step: int = 0, **changes: Any) -> UUID:
        """Announces and sends a recording, in parts of `step` bytes if that is not 0."""
        desk = self.desk()
        recording_id, _upload = desk.announce(
            self.principal(), self.wish(call_id, content, **changes)
        )
        for begin in range(0, len(content), step or len(content)):
            part = desk.resume(self.principal(), recording_id, begin, None)
            part.write(content[begin : begin + (step or len(content))])
            desk.settle(self.principal(), part)
        return recording_id

    def state(self, recording_id: UUID) -> str:
        return str(self.desk().one(self.principal(), recording_id)["state"])

    def heard(self, recording_id: UUID, span: tuple[int, int | None] = (0, None)) -> bytes:
        from gateway.intake.recordings_desk import HearingReason

        hearing = self.company().hear(
            recording_id, HearingReason.COMPLAINT, span, actor="staff:sun"
        )
        return b"".join(hearing.content)

    def findings(self, recording_id: UUID) -> list[tuple[str, str]]:
        return [
            (str(rule), str(severity))
            for rule, severity in self.lender.query(
                "SELECT rule, severity FROM casegate.finding WHERE evidence->>'recording' = %s"
                " ORDER BY found_at, rule",
                (str(recording_id),),
            )
        ]
