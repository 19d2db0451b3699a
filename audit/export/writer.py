"""Writes an export from a log's batches, in one pass and with little memory."""

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256
from importlib import resources
from itertools import takewhile

from audit.batch import StoredBatch, recompute_leaves
from audit.bundle import decode_bundle, encode_bundle
from audit.checkpoint import Checkpoint
from audit.errors import LogInconsistentError
from audit.export.guide import guide_text
from audit.export.lines import ShownEntry
from audit.export.manifest import (
    ENTRIES,
    GUIDE,
    MANIFEST,
    POLICY,
    REQUEST,
    SUMS,
    VERIFIER,
    ExportRequest,
    Manifest,
    proof_path,
)
from audit.export.selection import Selection
from audit.export.sink import ExportSink
from audit.export.sums import FileSums, HashingFile
from audit.note import SignedNote
from audit.tile_source import CHECKPOINT
from audit.tile_stack import Tile, TileStack
from audit.tile_tree import TileTree
from audit.tiles import TILE_WIDTH, TileName, tile_at
from audit.timestamp import INDEX, Stamp, format_index, note_path, token_path
from audit.tlog_proof import TlogProof

# More receipts than these would be most of the export; the tiles prove the same.
MAX_PROOFS = 10_000


class ExportWriter:
    """One export on its way into a sink. Used once."""

    def __init__(
        self, sink: ExportSink, note: str, selection: Selection, request: ExportRequest
    ) -> None:
        """Begin; nothing is written yet.

        Args:
            sink: takes the files.
            note: the checkpoint, its signatures checked by the caller.
            selection: what to show; without filters, the log up to the checkpoint.
            request: the entry that tells of this export.
        """
        self._sink = sink
        self._note = note
        self._checkpoint = Checkpoint.from_body(SignedNote.from_text(note).body)
        self._selection = selection
        self._request = request
        self._request_entry: bytes | None = None
        self._tiles = _KeptTiles(sink)
        self._stack = TileStack()
        self._bundle: list[bytes] = []
        self._shown = 0
        self._indexes: list[int] = []
        self._sums = FileSums()
        self._stamped: frozenset[int] = frozenset()

    def run(
        self,
        batches: Iterable[StoredBatch],
        *,
        policy: str,
        stamps: Sequence[Stamp] = (),
        progress: Callable[[int], None] = lambda _entries: None,
    ) -> Manifest:
        """Write everything; returns what the manifest says.

        Args:
            batches: the log from its beginning to the checkpoint, or further.
            policy: text of the trust policy to put beside it.
            stamps: tokens of a time-stamping authority, not over more than the checkpoint.
            progress: called with the entries taken so far.

        Raises:
            TamperedError, LogInconsistentError: the batches are not what was signed.
            OSError: the sink refused.
        """
        self._stamped = frozenset(stamp.size // TILE_WIDTH for stamp in stamps)
        with self._sums:
            with self._sink.open(ENTRIES) as file:
                lines = HashingFile(file)
                covered = takewhile(
                    lambda batch: batch.first_index < self._checkpoint.size, batches
                )
                for batch in covered:
                    self._take(batch, lines)
                    progress(self._stack.size)
            self._sums.add(ENTRIES, lines.digest)
            self._finish_tiles()
            has_proofs = self._write_proofs()
            verifier = resources.files("audit.export").joinpath("standalone.py").read_bytes()
            for path, data in {
                CHECKPOINT: self._note.encode(),
                POLICY: policy.encode(),
                VERIFIER: verifier,
                GUIDE: guide_text(self._checkpoint, self._selection).encode(),
                **_stamp_files(stamps),
            }.items():
                self._put(path, data)
            with self._sink.open(SUMS) as file:
                digest = self._sums.write_to(file)
        manifest = self._manifest(digest, has_proofs=has_proofs)
        # Last: what has a manifest is complete.
        self._sink.write(MANIFEST, manifest.to_bytes())
        return manifest

    def _take(self, batch: StoredBatch, lines: HashingFile) -> None:
        leaves = recompute_leaves(batch, self._stack.size)
        for index, entry in enumerate(decode_bundle(batch.bundle), batch.first_index):
            if index == self._request.index:
                self._request_entry = entry
            if self._is_whole:
                self._bundle.append(entry)
            elif not self._is_shown(index, entry):
                continue
            lines.write(ShownEntry(index, entry).to_line())
            self._shown += 1
            if self._shown <= MAX_PROOFS:
                self._indexes.append(index)
        self._write_bundles(self._stack.size // TILE_WIDTH)
        for tile in self._stack.extend(b"".join(leaves)):
            self._take_tile(tile)

    def _is_shown(self, index: int, entry: bytes) -> bool:
        selection = self._selection
        return selection.first <= index < selection.end and selection.filters.matches(entry)

    @property
    def _is_whole(self) -> bool:
        return self._selection.filters.is_empty

    def _write_bundles(self, index: int) -> None:
        while len(self._bundle) >= TILE_WIDTH:
            data = encode_bundle(self._bundle[:TILE_WIDTH])
            self._put(TileName(None, index).to_path(), data)
            del self._bundle[:TILE_WIDTH]
            index += 1

    def _take_tile(self, tile: Tile) -> None:
        """Write a full tile, unless its leaves are out of the range of a filtered export."""
        first = tile.name.first_leaf
        is_apart = first >= self._selection.end or first + TILE_WIDTH <= self._selection.first
        # A stamped size inside a tile can be compared only where that tile is.
        is_wanted = self._is_whole or tile.name.level != 0 or tile.name.index in self._stamped
        if is_apart and not is_wanted:
            if first <= self._request.index < first + TILE_WIDTH:
                self._tiles.keep(tile)
            return
        self._put(tile.name.to_path(), tile.hashes)

    def _finish_tiles(self) -> None:
        size = self._checkpoint.size
        if self._stack.size != size or self._stack.frontier.root != self._checkpoint.root:
            raise LogInconsistentError("the stored log is not the one that was signed")
        if not self._is_whole and self._shown != self._selection.shown:
            raise LogInconsistentError("the log has changed between two readings")
        if self._bundle:
            name = tile_at(None, size // TILE_WIDTH, size)
            self._put(name.to_path(), encode_bundle(self._bundle))
        # The last leaves always: without them nobody gets from the tiles to the root.
        for tile in self._stack.partials():
            self._put(tile.name.to_path(), tile.hashes)

    def _write_proofs(self) -> bool:
        tree = TileTree(self._tiles, self._checkpoint.size)
        if self._request_entry is not None:
            proof = self._proof(tree, self._request.index, self._request_entry)
            self._put(REQUEST, proof.to_text().encode())
        if self._is_whole or self._shown > MAX_PROOFS:
            return False
        for index in self._indexes:
            self._put(proof_path(index), self._proof(tree, index).to_text().encode())
        return True

    def _proof(self, tree: TileTree, index: int, extra: bytes | None = None) -> TlogProof:
        return TlogProof(index, tuple(tree.inclusion_proof(index)), self._note, extra)

    def _manifest(self, files_digest: str, *, has_proofs: bool) -> Manifest:
        selection = self._selection
        whole = self._is_whole
        return Manifest(
            self._checkpoint,
            selection.filters,
            0 if whole else selection.first,
            self._checkpoint.size if whole else selection.end,
            self._shown,
            has_proofs,
            self._request,
            files_digest,
        )

    def _put(self, path: str, data: bytes) -> None:
        self._sink.write(path, data)
        self._sums.add(path, sha256(data).hexdigest())


def _stamp_files(stamps: Sequence[Stamp]) -> dict[str, bytes]:
    files = {note_path(stamp.size): stamp.note for stamp in stamps}
    files |= {token_path(stamp.size): stamp.token for stamp in stamps}
    if files:
        files[INDEX] = format_index(stamp.size for stamp in stamps).encode()
    return files


class _KeptTiles:
    """The tiles of an export and one more, that of the entry which tells of it."""

    def __init__(self, sink: ExportSink) -> None:
        self._sink = sink
        self._kept: dict[str, bytes] = {}

    def keep(self, tile: Tile) -> None:
        self._kept[tile.name.to_path()] = tile.hashes

    def read(self, path: str, limit: int) -> bytes | None:
        return self._kept.get(path) or self._sink.read(path, limit)
