"""Recordings uploaded resumably (tus 1.0): after a break it goes on where the gateway stands."""

import base64
import hashlib
import threading
import wave
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

from gateway.client.connection import Connection, Pause
from gateway.client.errors import ClientError, RefusedError, SetupError, UnreachableError

RECORDINGS = "/v1/recordings"
PART_BYTES = 8 * 1024 * 1024
_TUS = {"Tus-Resumable": "1.0.0"}
_PART = {**_TUS, "Content-Type": "application/offset+octet-stream"}
_CODECS = {".wav": "wav", ".mp3": "mp3", ".ogg": "ogg", ".opus": "opus", ".amr": "amr"}
_STANDS_ELSEWHERE = frozenset({"UPLOAD_OFFSET", "UPLOAD_BUSY"})
_MOST_BREAKS = 8
_PAUSE_SECONDS = 1.0

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class RecordingFile:
    """A recording on disk, and of which call it is.

    `duration_s` None: read from the header of a WAV, else the time from start to end.
    """

    path: Path
    call_id: str
    started_at: datetime
    ended_at: datetime
    duration_s: float | None = None
    is_notice_given: bool = True

    def metadata(self) -> dict[str, str]:
        """What is said of it before its content.

        Raises:
            SetupError: it cannot be read, its suffix is of no known codec, or a time has no zone.
        """
        codec = _CODECS.get(self.path.suffix.lower())
        if codec is None:
            raise SetupError(f"{self.path.name}: recordings are {', '.join(sorted(_CODECS))}")
        if self.started_at.tzinfo is None or self.ended_at.tzinfo is None:
            raise SetupError("a time is written with its zone, as 2026-11-24T10:02:40+08:00")
        try:
            with self.path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            size = self.path.stat().st_size
        except OSError as error:
            raise SetupError(f"{self.path} cannot be read ({error.strerror})") from error
        return {
            "call_id": self.call_id,
            "sha256": digest,
            "bytes": str(size),
            "codec": codec,
            "duration_s": f"{self._seconds(codec):.3f}",
            "started_at": self.started_at.isoformat(),
            "ended_at": self.ended_at.isoformat(),
            "notice_given": "true" if self.is_notice_given else "false",
        }

    def _seconds(self, codec: str) -> float:
        if self.duration_s is not None:
            return self.duration_s
        if codec == "wav":
            try:
                with wave.open(str(self.path)) as file:
                    return float(file.getnframes() / file.getframerate())
            except (wave.Error, EOFError, ZeroDivisionError):
                pass  # a coding that the reader does not know
        return (self.ended_at - self.started_at).total_seconds()


def upload_recording(
    connection: Connection,
    recording: RecordingFile,
    *,
    part: int = PART_BYTES,
    progress: Progress = lambda _sent, _size: None,
    pause: Pause | None = None,
) -> str:
    """Sends a recording and returns its id; sent again, it goes on, or is done at once.

    Raises:
        SetupError: see RecordingFile.metadata.
        RefusedError: RECORDING_CHANGED, RECORDING_MISMATCH, UPLOAD_QUOTA and others.
        UnreachableError: it broke off too often without getting on.
    """
    wait, metadata = pause or threading.Event().wait, recording.metadata()
    size = int(metadata["bytes"])
    pairs = [
        f"{name} {base64.b64encode(said.encode()).decode()}" for name, said in metadata.items()
    ]
    headers = {**_TUS, "Upload-Length": str(size), "Upload-Metadata": ",".join(pairs)}
    created = connection.ask("POST", RECORDINGS, headers=headers)
    place = urlsplit(created.headers["location"]).path
    offset, breaks = int(created.headers["upload-offset"]), 0
    progress(offset, size)
    with recording.path.open("rb") as file:
        while offset < size:
            file.seek(offset)
            try:
                before, offset = offset, _send(connection, place, offset, file.read(part))
            except ClientError as error:
                is_broken = isinstance(error, UnreachableError)
                is_elsewhere = isinstance(error, RefusedError) and error.code in _STANDS_ELSEWHERE
                breaks += 1
                if not (is_broken or is_elsewhere) or breaks > _MOST_BREAKS:
                    raise
                wait(_PAUSE_SECONDS)
                before, offset = offset, _offset(connection, place)
            if offset > before:
                breaks = 0
            progress(offset, size)
    connection.ask("HEAD", place, headers=_TUS)  # settles what a broken last part has left
    return place.rpartition("/")[2]


def _send(connection: Connection, place: str, offset: int, content: bytes) -> int:
    # Not made again by itself: whether bytes of it came in, only the gateway knows.
    digest = base64.b64encode(hashlib.sha256(content).digest()).decode()
    headers = {**_PART, "Upload-Offset": str(offset), "Upload-Checksum": f"sha256 {digest}"}
    answer = connection.ask("PATCH", place, body=content, headers=headers, is_repeatable=False)
    return int(answer.headers["upload-offset"])


def _offset(connection: Connection, place: str) -> int:
    return int(connection.ask("HEAD", place, headers=_TUS).headers["upload-offset"])
