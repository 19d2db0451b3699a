"""The archive: a second copy of the exported log, in a store that lets nobody delete it."""

from collections.abc import Callable, Iterable, Iterator
from hashlib import sha256
from itertools import count

from audit.bundle import encode_bundle
from audit.checkpoint import Checkpoint, open_checkpoint
from audit.errors import (
    ArchiveUnavailableError,
    LogInconsistentError,
    NoteError,
    TamperedError,
    UnverifiableError,
)
from audit.merkle import leaf_hash
from audit.note import NoteVerifier, SignedNote
from audit.object_store import ObjectStore
from audit.tile_source import (
    CHECKPOINT,
    MAX_NOTE_BYTES,
    TileSource,
    read_entries,
    read_note,
    read_stack,
)
from audit.tile_stack import Tile, TileStack
from audit.tiles import TILE_WIDTH, tile_at
from audit.timestamp import (
    INDEX,
    format_index,
    note_path,
    own_note,
    read_index,
    read_stamp,
    token_path,
)


class LogArchive:
    """Follows a log directory into an object store, under the same paths.

    The directory is written first, and the archive takes from it what is new: the directory
    needs flushes and renames, the store conditions and retention, and one writer that did
    both would have to wait for the slower one. There is no queue that could be lost. What is
    missing follows from the two checkpoints, the directory's and the archive's.

    Nothing is put before its hashes are known to lead to a checkpoint that the log signed: a
    wrong object could not be taken away again for years. The archive's own checkpoint is
    replaced last.
    """

    def __init__(self, store: ObjectStore, verifiers: Iterable[NoteVerifier], origin: str) -> None:
        """Join the store and the log's keys."""
        self._store = store
        self._origin = origin
        self._seen_ahead = 0
        self.trust(verifiers)

    def trust(self, verifiers: Iterable[NoteVerifier]) -> None:
        """Go on with other keys of the log, after a rotation."""
        self._verifiers = tuple(verifiers)

    def follow(
        self, source: TileSource, *, is_stopping: Callable[[], bool] = lambda: False
    ) -> Checkpoint | None:
        """Bring the archive to the source's checkpoint, with the tokens that are there.

        Args:
            source: the exported log.
            is_stopping: asked before each put; the next call goes on from what is kept.

        Returns:
            The checkpoint that the archive stands at, or None where it was told to stop.

        Raises:
            ArchiveRefusedError: the store would not keep what is put there.
            ArchiveUnavailableError: no usable answer; try again.
            UnverifiableError: the source cannot be read, or has no checkpoint yet.
            LogInconsistentError: archive and source contradict each other, or one its own
                checkpoint. A person must look; nothing that exists was replaced.
        """
        self._store.verify_locked()
        note = read_note(source)
        checkpoint = self._open(note, "the log directory")
        archived_note = self._read_checkpoint()
        archived = None if archived_note is None else self._open(archived_note, "the archive")
        if archived is not None and archived.size > checkpoint.size:
            self._wait_for(archived, checkpoint)
            return archived
        if archived is None or archived.size < checkpoint.size:
            if not self._grow(source, archived, checkpoint, is_stopping):
                return None
            self._keep(note_path(checkpoint.size), own_note(note).encode())
        elif archived.root != checkpoint.root:
            raise LogInconsistentError("the archive has another root at the log's size")
        if archived_note is None or _is_newer(note, archived_note):
            self._store.put(CHECKPOINT, note.encode())
        self._copy_tokens(source, checkpoint.size)
        return checkpoint

    def _open(self, note: str, whose: str) -> Checkpoint:
        try:
            return open_checkpoint(note, self._verifiers, origin=self._origin)
        except NoteError as error:
            raise LogInconsistentError(f"the checkpoint of {whose} is not the log's") from error

    def _read_checkpoint(self) -> str | None:
        try:
            data = self._store.read(CHECKPOINT, MAX_NOTE_BYTES)
            return None if data is None else data.decode()
        except (UnverifiableError, UnicodeDecodeError) as error:
            raise LogInconsistentError("the archive's checkpoint is none") from error

    def _wait_for(self, archived: Checkpoint, checkpoint: Checkpoint) -> None:
        """Another publisher may be ahead by a moment; a log that stays behind was cut."""
        if checkpoint.size < self._seen_ahead:
            raise LogInconsistentError("the archive holds more entries than the log has")
        self._seen_ahead = archived.size

    def _grow(
        self,
        source: TileSource,
        archived: Checkpoint | None,
        checkpoint: Checkpoint,
        is_stopping: Callable[[], bool],
    ) -> bool:
        """Put what the source has more than the archive; False when told to stop."""
        start = 0 if archived is None else archived.size
        try:
            stack = read_stack(source, start)
            if archived is not None and stack.frontier.root != archived.root:
                raise LogInconsistentError("the archive holds another log than the directory")
            digests = [sha256(tile.hashes).digest() for tile in _growth(source, stack, checkpoint)]
            if stack.frontier.root != checkpoint.root:
                raise LogInconsistentError("the directory's entries have not its root")
            # Once more, so that memory does not grow with what is new; the same, or nothing.
            again = _growth(source, read_stack(source, start), checkpoint)
            for number, tile in zip(count(), again):
                if is_stopping():
                    return False
                if sha256(tile.hashes).digest() != digests[number]:
                    raise LogInconsistentError("the directory changed while it was read")
                self._keep(tile.name.to_path(), tile.hashes)
        except TamperedError as error:
            raise LogInconsistentError("the directory contradicts itself") from error
        return True

    def _keep(self, path: str, data: bytes) -> None:
        """Put what can be nothing else under this path."""
        if self._store.put_new(path, data):
            return
        try:
            kept = self._store.read(path, len(data))
        except UnverifiableError:
            kept = b""
        if kept is None:
            raise ArchiveUnavailableError("the archive has an object and has it not")
        if kept != data:
            raise LogInconsistentError(f"{path} in the archive differs from the log")

    def _copy_tokens(self, source: TileSource, size: int) -> None:
        ours = [stamped for stamped in read_index(source) if stamped <= size]
        try:
            theirs = read_index(self._store)
        except UnverifiableError as error:
            raise LogInconsistentError("the archive's index of tokens is none") from error
        fresh = sorted(set(ours) - set(theirs))
        for stamped in fresh:
            stamp = read_stamp(source, stamped)
            self._keep(note_path(stamped), stamp.note)
            # Not compared: two tokens over the same bytes differ, and both are good.
            self._store.put_new(token_path(stamped), stamp.token)
        if fresh:
            self._store.put(INDEX, format_index([*ours, *theirs]).encode())


def _growth(source: TileSource, stack: TileStack, checkpoint: Checkpoint) -> Iterator[Tile]:
    """Bundles and tiles from the stack's size to the checkpoint's, made from the entries."""
    size = checkpoint.size
    known = stack.growing_leaves
    for index in range(stack.size // TILE_WIDTH, -(-size // TILE_WIDTH)):
        name = tile_at(None, index, size)
        entries = read_entries(source, name)
        leaves = b"".join([leaf_hash(entry) for entry in entries])
        if not leaves.startswith(known):
            raise TamperedError(
                name.first_leaf, f"{name.to_path()} does not begin with the hashes of its tile"
            )
        yield Tile(name, encode_bundle(entries))
        yield from stack.extend(leaves[len(known) :])
        known = b""
    yield from stack.partials()


def _is_newer(note: str, archived: str) -> bool:
    """Whether a note is of a larger size, or of the same with more signatures."""
    own, other = SignedNote.from_text(note), SignedNote.from_text(archived)
    return own.body != other.body or len(own.signatures) > len(other.signatures)
