"""What a witness must never forget: the newest checkpoint of each log that it cosigned."""

from hashlib import sha256
from pathlib import Path

from audit.cosignature import CosignatureVerifier
from audit.directory_lock import DirectoryLock
from audit.durable import replace_file, sync_directory
from audit.errors import DirectoryError, NoteError
from audit.note import SignedNote
from audit.tile_source import MAX_NOTE_BYTES, DirectorySource

_IDENTITY = "identity"
_MODE = 0o600


def origin_hash(origin: str) -> str:
    """The hex SHA-256 of an origin, under which its newest checkpoint is kept and served."""
    return sha256(origin.encode()).hexdigest()


class WitnessState:
    """A directory with one file a log, replaced whole.

    A witness that lost its state would cosign a fork of what it cosigned before. So the
    directory is made once, bound to the witness's key, and never by the running witness.
    One process at a time; not for use by several threads.
    """

    def __init__(self, directory: Path, verifier: CosignatureVerifier) -> None:
        """Open a directory that create made.

        Raises:
            DirectoryError: there is no such state, it belongs to another key, it was changed,
                or another process has it.
        """
        self._directory = directory
        self._source = DirectorySource(directory.resolve())
        self._lock = DirectoryLock(directory)
        try:
            self._verify(verifier)
        except BaseException:
            self._lock.close()
            raise

    @classmethod
    def create(cls, directory: Path, verifier: CosignatureVerifier) -> None:
        """Make the state of a witness whose key has never cosigned anything.

        Raises:
            DirectoryError: there is a directory already, or the disk refused.
        """
        try:
            directory.mkdir(mode=0o700)
            identity = verifier.to_text() + "\n"
            replace_file(directory / _IDENTITY, identity.encode(), mode=_MODE)
            sync_directory(directory)
            sync_directory(directory.resolve().parent)
        except OSError as error:
            raise DirectoryError("the state directory cannot be made") from error

    def close(self) -> None:
        """Let another process have the state."""
        self._lock.close()

    def newest(self, name: str) -> str | None:
        """The note last recorded for the origin of that hash, or None."""
        data = self._source.read(_file_name(name), MAX_NOTE_BYTES)
        return None if data is None else data.decode()

    def record(self, origin: str, note: str) -> None:
        """Put a cosigned note in the place of the last one; on the disk when this returns.

        Raises:
            DirectoryError: the disk refused. Which note is there now is not known.
        """
        path = self._directory / _file_name(origin_hash(origin))
        try:
            replace_file(path, note.encode(), mode=_MODE)
            sync_directory(self._directory)
        except OSError as error:
            raise DirectoryError("the checkpoint could not be recorded") from error

    def keep_evidence(self, origin: str, request: bytes) -> None:
        """Keep the first request in which a log contradicted itself; raises DirectoryError."""
        path = self._directory / f"{origin_hash(origin)}.refused"
        try:
            if not path.exists():
                replace_file(path, request, mode=_MODE)
                sync_directory(self._directory)
        except OSError as error:
            raise DirectoryError("the evidence could not be kept") from error

    def _verify(self, verifier: CosignatureVerifier) -> None:
        identity = self._source.read(_IDENTITY, MAX_NOTE_BYTES)
        if identity is None:
            raise DirectoryError("the directory holds no state of a witness")
        if identity != f"{verifier.to_text()}\n".encode():
            raise DirectoryError("the state belongs to another witness key")
        try:
            for path in self._directory.glob("*.checkpoint"):
                note = self.newest(path.stem)
                if note is not None:
                    SignedNote.from_text(note).verify([verifier])
        except (NoteError, UnicodeDecodeError) as error:
            raise DirectoryError("a checkpoint in the state was changed") from error


def _file_name(name: str) -> str:
    return f"{name}.checkpoint"
