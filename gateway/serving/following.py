"""What follows the exported log at its own pace: the archive and the times of others."""

import threading
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Protocol

from audit.archive import LogArchive
from audit.checkpoint import Checkpoint
from audit.errors import (
    ArchiveRefusedError,
    AuditError,
    LogInconsistentError,
    UnverifiableError,
)
from audit.note import Ed25519Verifier, SignedNote
from audit.tile_source import CHECKPOINT, DirectorySource, read_note
from audit.timestamp import own_note
from audit.timestamp_folder import TimestampFolder
from gateway.clock import Clock
from gateway.serving.alarms import Alarms

RETRY_SECONDS = 10.0
_STOP_SECONDS = 3.0
_TICK_SECONDS = 0.25


class Follower(Protocol):
    """One task beside the publishing."""

    name: str
    every_seconds: float

    def follow(self, is_stopping: Callable[[], bool]) -> None:
        """One step.

        Raises:
            ArchiveRefusedError, LogInconsistentError: waiting will not mend it.
            AuditError: it may work the next time.
        """
        ...


class ArchiveFollower:
    """Keeps the archive at the exported log."""

    name = "archive"

    def __init__(self, directory: Path, archive: LogArchive, *, every_seconds: float) -> None:
        self.every_seconds = every_seconds
        self._source = DirectorySource(directory)
        self._archive = archive

    def trust(self, vkeys: Iterable[str]) -> None:
        """Believes checkpoints of these keys from now on."""
        self._archive.trust([Ed25519Verifier.from_text(vkey) for vkey in vkeys])

    def follow(self, is_stopping: Callable[[], bool]) -> None:
        """See Follower."""
        self._archive.follow(self._source, is_stopping=is_stopping)


class Stamping(Protocol):
    """Gives tokens: audit.timestamp_authority.TimestampClient fits."""

    def stamp(self, message: bytes) -> bytes:
        """A checked token over a message; raises TimestampUnavailableError."""
        ...


class TimestampFollower:
    """Has the newest exported checkpoint time-stamped, where it has no token yet."""

    name = "timestamps"

    def __init__(self, directory: Path, client: Stamping, *, every_seconds: float) -> None:
        self.every_seconds = every_seconds
        self._source = DirectorySource(directory)
        self._folder = TimestampFolder(directory)
        self._client = client

    def follow(self, is_stopping: Callable[[], bool]) -> None:
        """See Follower."""
        note = own_note(read_note(self._source))
        size = Checkpoint.from_body(SignedNote.from_text(note).body).size
        if is_stopping() or size in self._folder.sizes():
            return
        self._folder.keep(size, note, self._client.stamp(note.encode()))


class Following:
    """Runs followers in a thread, so that a slow or silent party never holds up a signature.

    A failure is tried again after ten seconds, then after twice as long each time, up to the
    follower's own interval. Nothing is queued: what is missing is found anew at each step.
    """

    def __init__(
        self,
        directory: Path | None,
        followers: Sequence[Follower],
        alarms: Alarms,
        clock: Clock,
    ) -> None:
        """Takes the exported log (None for none, and then nothing follows) and the followers."""
        self._directory = directory
        self._followers = followers
        self._alarms = alarms
        self._clock = clock
        self._stopping = threading.Event()
        # Daemon: a put that hangs must not keep the process; what it leaves is found and used.
        self._thread = threading.Thread(target=self._run, name="following", daemon=True)

    def start(self) -> None:
        """Begins, if there is anything to follow."""
        if self._followers and self._directory is not None:
            self._thread.start()

    def stop(self) -> None:
        """Ends after the step under way, or after a few seconds without it."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(_STOP_SECONDS)

    def _run(self) -> None:
        due = dict.fromkeys(range(len(self._followers)), self._clock.monotonic())
        waits = dict.fromkeys(due, RETRY_SECONDS)
        while not self._stopping.wait(_TICK_SECONDS):
            # Before the first checkpoint there is nothing that could be late.
            if self._directory is None or not (self._directory / CHECKPOINT).exists():
                continue
            for number, follower in enumerate(self._followers):
                if self._clock.monotonic() < due[number] or self._stopping.is_set():
                    continue
                if self._step(follower):
                    waits[number] = RETRY_SECONDS
                    pause = follower.every_seconds
                else:
                    pause = min(waits[number], follower.every_seconds)
                    waits[number] *= 2
                due[number] = self._clock.monotonic() + pause

    def _step(self, follower: Follower) -> bool:
        try:
            follower.follow(self._stopping.is_set)
        except (ArchiveRefusedError, LogInconsistentError) as error:
            self._alarms.failed(follower.name, str(error), at_once=True)
        except (AuditError, OSError) as error:
            # The room's messages hold no case data; of the system's, the kind is enough.
            is_own = isinstance(error, AuditError) and not isinstance(error, UnverifiableError)
            self._alarms.failed(follower.name, str(error) if is_own else type(error).__name__)
        else:
            if not self._stopping.is_set():
                self._alarms.succeeded(follower.name)
            return True
        return False
