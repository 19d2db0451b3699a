"""The vendor's side of recordings: announced with a hash, sent in parts, settled once.

Each call blocks and runs in a thread, on a connection of its own. What a part has written is
durable before the database says that it was received; what was written and not yet said is cut
off when the upload goes on.
"""

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import psycopg
from psycopg.rows import args_row

from audit.entry import EntryValue, EventType, encode_entry
from audit.log import Receipt
from audit.merkle import leaf_hash
from gateway.clock import Clock
from gateway.errors import (
    NotFoundError,
    RateLimitedError,
    UploadRefusedError,
)
from gateway.evidence import record_with_change
from gateway.identity.principal import VendorPrincipal
from gateway.intake.recording_store import IncomingFile, RecordingStore, remove_incoming
from gateway.intake.recordings import (
    TOLERANCE_SECONDS,
    OwnRecording,
    RecordingLimits,
    RecordingState,
    RecordingWish,
    Upload,
    note_findings,
    years_after,
)
from gateway.intake.recordings_cipher import KEY_BYTES, RecordingCipher
from gateway.intake.uploads_part import PartChecksum, UploadPart
from gateway.intake.uploads_verdict import judge
from gateway.release.cursor import CursorCipher
from gateway.store.refusals import refusals_of
from keys.kek import KeyEncryptionKey

_DAY = ZoneInfo("Asia/Shanghai")
_OPEN = """
SELECT verdict, recording_id, finding_id, rule, severity, agent_ref
  FROM casegate.open_recording(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s,
                               %s)
"""
_UPLOAD = "SELECT * FROM casegate.vendor_upload(%s, %s, %s)"
_RECEIVED = "SELECT casegate.note_received(%s, %s, %s, %s, %s, %s, %s)"
_SETTLE = "SELECT * FROM casegate.settle_recording(%s, %s, %s, %s, %s, %s, %s, %s, %s)"
_DROP = "SELECT casegate.drop_upload(%s, %s, %s, %s, %s)"
_READ = "SELECT * FROM casegate.vendor_recordings(%s, %s, %s, %s, %s, %s)"
_faults = refusals_of({"CG181": (UploadRefusedError, "UPLOAD_OVER")})
_REFUSED = {"open": "UPLOAD_OPEN", "changed": "RECORDING_CHANGED", "quota": "UPLOAD_QUOTA"}


@dataclass(frozen=True, slots=True)
class UploadDesk:
    """Use cases of one worker."""

    connect: Callable[[], AbstractContextManager[psycopg.Connection]]
    clock: Clock
    kek: KeyEncryptionKey
    directory: Path
    store: RecordingStore
    limits: RecordingLimits
    cursors: CursorCipher = field(repr=False)

    def announce(self, principal: VendorPrincipal, wish: RecordingWish) -> tuple[UUID, Upload]:
        """Opens an upload; the same again for the same call with the same hash.

        Raises:
            RequestInvalidError: the times are not in order.
            UploadRefusedError: RECORDING_TOO_LARGE; UPLOAD_OPEN (of this call, another content
                is on its way), UPLOAD_QUOTA, UPLOAD_OVER (its time of keeping is over);
                RECORDING_CHANGED, which is a finding.
            RateLimitedError: too many uploads are open.
        """
        at = self.clock.now()
        if wish.size > self.limits.max_bytes:
            raise UploadRefusedError("RECORDING_TOO_LARGE")
        wish.verify(at)
        with _faults(), self.connect() as connection:
            with connection.transaction():
                verdict, recording_id = self._open(connection, principal, wish, at)
            if verdict == "many":
                raise RateLimitedError("too many uploads are open; finish or delete one")
            if verdict in _REFUSED:
                raise UploadRefusedError(_REFUSED[verdict])
            upload = _read_upload(connection, principal, recording_id)
        if upload.state == RecordingState.ERASED:
            raise UploadRefusedError("UPLOAD_OVER")
        return recording_id, upload

    def look(self, principal: VendorPrincipal, recording_id: UUID) -> Upload:
        """How far an upload is. One that is whole and was not settled is settled now.

        Raises:
            NotFoundError: it is not this vendor's.
            UploadRefusedError: UPLOAD_OVER: deleted, expired, or not what was announced.
        """
        upload = self._upload(principal, recording_id)
        if upload.state in {RecordingState.ERASED, RecordingState.MISMATCH}:
            raise UploadRefusedError("UPLOAD_OVER")
        if RecordingState(upload.state).is_open:
            if upload.expires_at <= self.clock.now():
                raise UploadRefusedError("UPLOAD_OVER")
            if upload.received == upload.size:
                part = self.resume(principal, recording_id, upload.received, None)
                self.settle(principal, part)
        return upload

    def resume(
        self,
        principal: VendorPrincipal,
        recording_id: UUID,
        offset: int,
        checksum: PartChecksum | None,
    ) -> UploadPart:
        """Begins a part at `offset`. Whoever gets it settles or closes it.

        Raises:
            NotFoundError, UploadRefusedError: as look; UPLOAD_BUSY, UPLOAD_OFFSET.
        """
        if not RecordingState(self._upload(principal, recording_id).state).is_open:
            raise UploadRefusedError("UPLOAD_OVER")
        file = IncomingFile(self.directory, recording_id)
        try:
            upload = self._upload(principal, recording_id)  # as it is under the lock
            _verify_place(upload, offset, self.clock.now())
            if upload.received < upload.size:
                self._trim(principal, recording_id, upload, file)
            assert upload.wrapped_key is not None
            key = self.kek.unwrap(bytes(upload.wrapped_key), upload.kek_id)
            cipher = RecordingCipher(key, recording_id)
        except BaseException:
            file.close()
            raise
        return UploadPart(recording_id, upload, file, cipher, checksum)

    def note(self, principal: VendorPrincipal, part: UploadPart) -> None:
        """Makes durable what the part has written, and says so.

        Raises:
            UploadRefusedError: UPLOAD_OVER: the upload ended meanwhile.
        """
        part.file.sync()
        row = (part.noted, part.received, part.file.size, self.clock.now())
        with _faults(), self.connect() as connection:
            named = (principal.vendor_id, principal.contract_id, part.recording_id)
            found = connection.execute(_RECEIVED, (*named, *row)).fetchone()
        if found is None or not found[0]:
            raise UploadRefusedError("UPLOAD_OVER")
        part.noted = part.received

    def settle(self, principal: VendorPrincipal, part: UploadPart) -> Receipt | None:
        """Ends a part, and with the last byte the upload; then returns the receipt of its entry.

        Raises:
            UploadRefusedError: UPLOAD_CHECKSUM: nothing of the part is kept; UPLOAD_OVER.
        """
        try:
            part.finish()
            if part.received != part.noted:
                self.note(principal, part)
            if part.received < part.upload.size:
                return None
            return self._settle(principal, part)
        finally:
            part.close()

    def drop(self, principal: VendorPrincipal, recording_id: UUID) -> None:
        """Ends an upload that is not whole, with what has come of it.

        Raises:
            NotFoundError: it is not this vendor's.
            UploadRefusedError: UPLOAD_OVER: it has ended; what is verified stays.
        """
        self._upload(principal, recording_id)
        if not self._drop(principal, recording_id, "terminated"):
            raise UploadRefusedError("UPLOAD_OVER")
        remove_incoming(self.directory, recording_id)

    def one(self, principal: VendorPrincipal, recording_id: UUID) -> dict[str, Any]:
        """One recording of the vendor's.

        Raises:
            NotFoundError: it is not this vendor's.
        """
        named = (principal.vendor_id, principal.contract_id)
        with _faults(), self.connect() as connection:
            found = _page(connection, (*named, None, recording_id, 0, 1))
        if not found:
            raise NotFoundError("no such recording of this vendor")
        return found[0].document()

    def page(
        self, principal: VendorPrincipal, *, call_id: str | None, cursor: str | None, limit: int
    ) -> dict[str, Any]:
        """A page of the vendor's recordings in the order in which they were announced.

        Raises:
            RequestInvalidError: the cursor is not one of this listing.
        """
        named = (principal.vendor_id, principal.contract_id)
        listing = f"recordings/{named[0]}/{named[1]}/{call_id or ''}"
        after = int(self.cursors.open(cursor, listing=listing)) if cursor else 0
        with _faults(), self.connect() as connection:
            found = _page(connection, (*named, call_id, None, after, limit + 1))
        following = None
        if len(found) > limit:
            found = found[:limit]
            following = self.cursors.seal(str(found[-1].sequence), listing=listing)
        return {"items": [one.document() for one in found], "next_cursor": following}

    def _open(
        self,
        connection: psycopg.Connection,
        principal: VendorPrincipal,
        wish: RecordingWish,
        at: datetime,
    ) -> tuple[str, UUID]:
        limits, named = self.limits, (principal.vendor_id, principal.contract_id)
        midnight = at.astimezone(_DAY).replace(hour=0, minute=0, second=0, microsecond=0)
        found = connection.execute(
            _OPEN,
            (
                *(uuid4(), *named, wish.call_id, wish.sha256, wish.size, wish.codec.value),
                *(wish.duration_s, wish.started_at, wish.ended_at, wish.is_notice_given),
                *(self.kek.kek_id, self.kek.wrap(os.urandom(KEY_BYTES))),
                *(limits.open_uploads, limits.bytes_per_day, midnight, at + limits.upload_time),
                at,
            ),
        ).fetchone()
        assert found is not None
        verdict, recording_id, *finding = found
        if verdict == "new":
            _log(connection, EventType.RECORDING_ANNOUNCED, principal, recording_id, wish, at)
        if verdict == "changed":
            note_findings(
                connection,
                [(finding[0], finding[1], finding[2], finding[3])],
                vendor_id=principal.vendor_id,
                contract_id=principal.contract_id,
                evidence={},
                at=at,
            )
        return str(verdict), recording_id

    def _settle(self, principal: VendorPrincipal, part: UploadPart) -> Receipt:
        upload, recording_id, at = part.upload, part.recording_id, self.clock.now()
        # Put in its place before, and the database not told: it is read from there.
        is_kept = part.file.size < max(upload.stored_bytes, 1)
        why, measured = judge(
            part,
            (lambda: self.store.open(recording_id)) if is_kept else part.file.stream,
        )
        if is_kept:
            remove_incoming(self.directory, recording_id)
        elif why is None:
            self.store.keep(recording_id, part.file.path)
        named = (principal.vendor_id, principal.contract_id)
        until = years_after(upload.ended_at, self.limits.retention_years)
        row = (recording_id, why is None, why, measured, until, TOLERANCE_SECONDS, at)
        with _faults(), self.connect() as connection, connection.transaction():
            raised = connection.execute(_SETTLE, (*named, *row)).fetchall()
            note_findings(
                connection,
                [(found[0], found[1], found[2], found[3]) for found in raised],
                vendor_id=named[0],
                contract_id=named[1],
                evidence={},
                at=at,
            )
            event = EventType.RECORD_RECEIVED if why is None else EventType.RECORD_REFUSED
            said: dict[str, EntryValue] = {
                "vendor": named[0],
                "contract": named[1],
                "certificate": principal.thumbprint.hex(),
                "recording": str(recording_id),
                "sha256": bytes(upload.sha256).hex(),
                "bytes": upload.size,
                "code": None if why is None else "RECORDING_MISMATCH",
            }
            index = record_with_change(connection, event, at=at, **said)
        if why is not None:
            remove_incoming(self.directory, recording_id)
            raise UploadRefusedError("RECORDING_MISMATCH")
        return Receipt(index, leaf_hash(encode_entry(event, time=at, **said)))

    def _trim(
        self, principal: VendorPrincipal, recording_id: UUID, upload: Upload, file: IncomingFile
    ) -> None:
        """Cuts off what a worker that died had not told of; content that is gone ends it."""
        if file.size < upload.stored_bytes:
            self._drop(principal, recording_id, "lost")
            raise UploadRefusedError("UPLOAD_OVER")
        file.cut(upload.stored_bytes)

    def _drop(self, principal: VendorPrincipal, recording_id: UUID, why: str) -> bool:
        at, named = self.clock.now(), (principal.vendor_id, principal.contract_id)
        with _faults(), self.connect() as connection, connection.transaction():
            found = connection.execute(_DROP, (*named, recording_id, why, at)).fetchone()
            is_dropped = found is not None and bool(found[0])
            if is_dropped:
                record_with_change(
                    connection,
                    EventType.RECORDING_ERASED,
                    at=at,
                    vendor=named[0],
                    contract=named[1],
                    recording=str(recording_id),
                    why=why,
                )
        return is_dropped

    def _upload(self, principal: VendorPrincipal, recording_id: UUID) -> Upload:
        with _faults(), self.connect() as connection:
            return _read_upload(connection, principal, recording_id)


def _verify_place(upload: Upload, offset: int, at: datetime) -> None:
    if not RecordingState(upload.state).is_open or upload.expires_at <= at:
        raise UploadRefusedError("UPLOAD_OVER")
    if upload.received != offset:
        raise UploadRefusedError("UPLOAD_OFFSET")


def _read_upload(
    connection: psycopg.Connection, principal: VendorPrincipal, recording_id: UUID
) -> Upload:
    named = (principal.vendor_id, principal.contract_id, recording_id)
    with connection.cursor(row_factory=args_row(Upload)) as cursor:
        found = cursor.execute(_UPLOAD, named).fetchone()
    if found is None:
        raise NotFoundError("no such upload of this vendor")
    return found


def _page(connection: psycopg.Connection, row: tuple[object, ...]) -> list[OwnRecording]:
    with connection.cursor(row_factory=args_row(OwnRecording)) as cursor:
        return cursor.execute(_READ, row).fetchall()


def _log(
    connection: psycopg.Connection,
    event: EventType,
    principal: VendorPrincipal,
    recording_id: UUID,
    wish: RecordingWish,
    at: datetime,
) -> None:
    """The hash is in the log before the content is here."""
    record_with_change(
        connection,
        event,
        at=at,
        vendor=principal.vendor_id,
        contract=principal.contract_id,
        certificate=principal.thumbprint.hex(),
        recording=str(recording_id),
        sha256=wish.sha256.hex(),
        bytes=wish.size,
        codec=wish.codec.value,
        notice_given=wish.is_notice_given,
    )
