"""One part of an upload while it comes in: sealed and written, counted and hashed."""

import hashlib
from dataclasses import dataclass, field
from hmac import compare_digest
from typing import Any
from uuid import UUID

from gateway.errors import UploadRefusedError
from gateway.intake.recording_store import IncomingFile
from gateway.intake.recordings import Upload
from gateway.intake.recordings_cipher import RecordingCipher
from gateway.intake.recordings_format import MAGIC_BYTES, Codec, verify_beginning

# Between two notes a crash loses at most this; a note costs a flush and a statement.
NOTE_BYTES = 32 * 1024 * 1024
CHECKSUMS = ("sha1", "sha256")


@dataclass(frozen=True, slots=True)
class PartChecksum:
    """What a part has to hash to (tus 1.0, checksum extension)."""

    algorithm: str
    digest: bytes


@dataclass(slots=True)
class UploadPart:
    """Takes bytes for one upload, under its lock; `settle` of the desk ends it.

    Attributes:
        recording_id: of which recording.
        upload: as the upload stood when the part began.
        file: where it is written, locked.
        cipher: the recording's.
        checksum: what the part has to hash to; with one nothing is noted before its end.
        received: how many bytes of the recording are written.
        noted: how many of them the database knows of.
    """

    recording_id: UUID
    upload: Upload
    file: IncomingFile
    cipher: RecordingCipher
    checksum: PartChecksum | None
    received: int = field(init=False)
    noted: int = field(init=False)
    _begin: int = field(init=False)
    _begin_size: int = field(init=False)
    _whole: Any = field(init=False)
    _own: Any = field(init=False)
    _is_closed: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        self.received = self.noted = self._begin = self.upload.received
        self._begin_size = self.file.size
        # The hash of the whole goes along only where this part is the whole.
        self._whole = hashlib.sha256() if self.received == 0 else None
        self._own = None if self.checksum is None else hashlib.new(self.checksum.algorithm)

    @property
    def is_noteworthy(self) -> bool:
        """Whether so much came since the last note that another is due."""
        return self.checksum is None and self.received - self.noted >= NOTE_BYTES

    def write(self, content: bytes) -> None:
        """Takes what comes next.

        Raises:
            UploadRefusedError: RECORDING_TYPE: the first bytes are not of the codec;
                RECORDING_TOO_LARGE: more came than was announced.
            DatabaseUnavailableError: the directory cannot be written to.
        """
        if self.received + len(content) > self.upload.size:
            raise UploadRefusedError("RECORDING_TOO_LARGE")
        if self.received == 0 and len(content) >= MAGIC_BYTES:
            verify_beginning(Codec(self.upload.codec), content)
        self.file.append(self.cipher.seal(content, self.received))
        self.received += len(content)
        for hashed in (self._whole, self._own):
            if hashed is not None:
                hashed.update(content)

    def finish(self) -> None:
        """Compares the part's checksum.

        Raises:
            UploadRefusedError: UPLOAD_CHECKSUM: it is another; the part is taken away.
        """
        if self.checksum is None:
            return
        if not compare_digest(self._own.digest(), self.checksum.digest):
            self.file.cut(self._begin_size)
            self.received = self._begin
            raise UploadRefusedError("UPLOAD_CHECKSUM")

    def digest(self) -> bytes | None:
        """SHA-256 of the whole recording, if all of it came in this part."""
        if self._whole is None or self.received != self.upload.size or self._begin:
            return None
        found: bytes = self._whole.digest()
        return found

    def close(self) -> None:
        """Lets go of the file; again does no harm."""
        if not self._is_closed:
            self._is_closed = True
            self.file.close()
