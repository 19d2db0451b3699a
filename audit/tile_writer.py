"""Writes a log directory (C2SP tlog-tiles) that grows with the log and survives a crash."""

import shutil
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

from audit.batch import StoredBatch, recompute_leaves, verify_root
from audit.bundle import decode_bundle, encode_bundle
from audit.checkpoint import Checkpoint
from audit.directory_lock import DirectoryLock
from audit.durable import replace_file, sync_directory
from audit.errors import AuditError, DirectoryError, LogInconsistentError
from audit.merkle import leaf_hash
from audit.note import SignedNote
from audit.tile_source import (
    CHECKPOINT,
    MAX_NOTE_BYTES,
    DirectorySource,
    read_entries,
    read_note,
    read_stack,
)
from audit.tile_stack import TileStack
from audit.tiles import TILE_WIDTH, TileName, tile_at


class TileWriter:
    """One log directory: full tiles as they fill, partial ones for each checkpoint.

    A file's content follows from its path, so whatever is found under a path must be what
    would be written there. The checkpoint is replaced last, when all that it covers is on
    the disk: whenever the process dies, the directory is a sound log at the old checkpoint
    or at the new one.

    Partial tiles and bundles are removed once a checkpoint covers the full ones, as the
    format allows. Not for use by several threads.
    """

    def __init__(self, directory: Path) -> None:
        """Open or make the directory and continue at its checkpoint.

        Raises:
            DirectoryError: another process writes it, or the disk refused.
            LogInconsistentError: what is there is not what its checkpoint says.
        """
        try:
            directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DirectoryError("the directory cannot be made") from error
        self._directory = directory
        self._lock = DirectoryLock(directory)
        self._unsynced: set[Path] = {directory, directory.parent}
        self._filled: list[TileName] = []
        self._entries: list[bytes] = []
        self._stack = TileStack()
        self._published: Checkpoint | None = None
        try:
            self._resume()
        except BaseException:
            self._lock.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let another process write the directory."""
        self._lock.close()

    @property
    def size(self) -> int:
        """Number of entries taken; the next batch must begin here."""
        return self._stack.size

    @property
    def published(self) -> Checkpoint | None:
        """The checkpoint that the directory stands at, or None before the first."""
        return self._published

    def extend(self, batches: Iterable[StoredBatch]) -> None:
        """Take batches, in index order from `size`, and write the tiles that they fill.

        Raises:
            TamperedError: a batch contradicts itself or does not follow.
            LogInconsistentError: a file on the disk differs from the log.
            DirectoryError: the disk refused; open the directory anew.
        """
        for batch in batches:
            leaves = recompute_leaves(batch, self.size)
            self._entries.extend(decode_bundle(batch.bundle))
            index = self.size // TILE_WIDTH
            while len(self._entries) >= TILE_WIDTH:
                self._write(TileName(None, index), encode_bundle(self._entries[:TILE_WIDTH]))
                del self._entries[:TILE_WIDTH]
                index += 1
            for tile in self._stack.extend(b"".join(leaves)):
                self._write(tile.name, tile.hashes)
            verify_root(batch, self._stack.frontier)

    def publish(self, note: str) -> None:
        """Write the partial tiles of the present size, and then its checkpoint.

        The same size may be published again, with more signatures under it.

        Args:
            note: the signed checkpoint, with or without cosignatures. Its signatures are the
                caller's to check.

        Raises:
            NoteError: not a checkpoint.
            LogInconsistentError: a checkpoint of another log, size or root; nothing changed.
            DirectoryError: the disk refused; open the directory anew.
        """
        checkpoint = Checkpoint.from_body(SignedNote.from_text(note).body)
        if self._published is not None and checkpoint.origin != self._published.origin:
            raise LogInconsistentError("the directory belongs to another log")
        if checkpoint.size != self.size or checkpoint.root != self._stack.frontier.root:
            raise LogInconsistentError("the checkpoint is not the one of the entries taken")
        if self._entries:
            name = tile_at(None, self.size // TILE_WIDTH, self.size)
            self._write(name, encode_bundle(self._entries))
        for tile in self._stack.partials():
            self._write(tile.name, tile.hashes)
        try:
            self._sync()
            replace_file(self._directory / CHECKPOINT, note.encode())
            self._unsynced.add(self._directory)
            self._sync()
        except OSError as error:
            raise DirectoryError("the checkpoint could not be written") from error
        self._published = checkpoint
        self._prune()

    def _resume(self) -> None:
        source = DirectorySource(self._directory)
        if source.read(CHECKPOINT, MAX_NOTE_BYTES) is None:
            return
        try:
            checkpoint = Checkpoint.from_body(SignedNote.from_text(read_note(source)).body)
            size = checkpoint.size
            stack = read_stack(source, size)
            entries = []
            if size % TILE_WIDTH:
                entries = read_entries(source, tile_at(None, size // TILE_WIDTH, size))
        except AuditError as error:
            raise LogInconsistentError("the directory does not hold its own checkpoint") from error
        if checkpoint.root != stack.frontier.root:
            raise LogInconsistentError("the directory's tiles have not the checkpoint's root")
        leaves = b"".join([leaf_hash(entry) for entry in entries])
        if leaves != stack.growing_leaves:
            raise LogInconsistentError("the last bundle has not the hashes of its tile")
        self._entries = entries
        self._stack = stack
        self._published = checkpoint

    def _write(self, name: TileName, data: bytes) -> None:
        """Write a tile unless it is there; never with other bytes."""
        path = self._directory / name.to_path()
        try:
            if path.exists():
                if path.read_bytes() != data:
                    raise LogInconsistentError(f"{name.to_path()} differs from the log")
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                replace_file(path, data)
            # Each time: a crash may have left names that were never flushed.
            folder = path.parent
            while folder != self._directory:
                self._unsynced.add(folder)
                folder = folder.parent
            self._unsynced.add(folder)
        except OSError as error:
            raise DirectoryError("a tile could not be written") from error
        if name.is_full:
            self._filled.append(name)

    def _sync(self) -> None:
        while self._unsynced:
            sync_directory(self._unsynced.pop())

    def _prune(self) -> None:
        """Drop the partial forms of tiles that a published checkpoint has in full."""
        for name in self._filled:
            path = self._directory / name.to_path()
            shutil.rmtree(path.with_name(f"{path.name}.p"), ignore_errors=True)
        self._filled.clear()
