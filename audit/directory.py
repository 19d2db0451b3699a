"""The directory verifier: a published log recomputed from its entries and held to a policy."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from audit.checkpoint import Checkpoint
from audit.errors import (
    NoteError,
    ProofError,
    TamperedError,
    TimestampError,
    TimestampMismatchError,
    UnverifiableError,
)
from audit.merkle import HASH_BYTES
from audit.policy import TrustedCheckpoint, TrustPolicy
from audit.segment import check_leaves, check_segments, first_difference
from audit.tile_source import TileSource, read_hashes, read_note
from audit.tile_stack import Tile, TileStack
from audit.tile_tree import TileTree
from audit.tiles import TILE_WIDTH, tile_at
from audit.timestamp import (
    Stamp,
    TimeBound,
    TimestampVerifier,
    note_path,
    read_index,
    read_stamp,
    token_path,
)
from audit.tlog_proof import TlogProof, kept_leaf


@dataclass(frozen=True, slots=True)
class DirectoryReport:
    """What was found to hold.

    Attributes:
        trusted: the directory's checkpoint and the witnesses that cosigned it.
        tiles: hash tiles that were recomputed and compared.
        bundles: entry bundles that were hashed.
        receipts: receipts that lead into this very log.
        old_checkpoints: earlier checkpoints that this log extends.
        times: when its first entries existed, by the tokens of a time-stamping authority,
            in the order of their sizes.
    """

    trusted: TrustedCheckpoint
    tiles: int
    bundles: int
    receipts: int
    old_checkpoints: int
    times: tuple[TimeBound, ...] = ()

    @property
    def entries(self) -> int:
        """Number of entries, every byte of which is under the checkpoint."""
        return self.trusted.checkpoint.size


def verify_directory(
    source: TileSource,
    policy: TrustPolicy,
    *,
    receipts: Mapping[str, str] | None = None,
    old_checkpoints: Mapping[str, str] | None = None,
    timestamps: TimestampVerifier | None = None,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> DirectoryReport:
    """Check a published log from its first entry to its last.

    Hashes every entry, recomputes every tile of every level and compares it with the stored
    one, and holds the root to the checkpoint, the checkpoint to the policy, and the log to
    what was signed earlier. Files that the checkpoint does not cover are not read.

    Args:
        source: the log.
        policy: keys and quorum, got by another way than the log.
        receipts: texts of .tlog-proof files by name. An `extra` of 32 bytes is taken for the
            entry's leaf hash, any other for the entry itself.
        old_checkpoints: texts of checkpoints that the log must extend, by name. The log's
            signature is asked for, a quorum is not.
        timestamps: the authority to which every token that the log's index names is held;
            without it no token is read.
        workers: processes that hash; a short log is hashed in this one.
        progress: called with the entries checked so far and in all.

    Raises:
        TamperedError: the log is not the one that was signed; the error says where and how.
        QuorumError: too few witnesses cosigned the checkpoint.
        UnverifiableError: a file is missing or the policy does not know the log.
    """
    # Before the checkpoint: a log that goes on gets tokens over later checkpoints meanwhile.
    stamped, doubts = ([], []) if timestamps is None else _stamped_sizes(source)
    note = read_note(source)
    checkpoint = _open_signed(policy, note)
    recomputation = _Recomputation(source, checkpoint.size)
    recomputation.run(workers, progress)
    if recomputation.root != checkpoint.root:
        raise TamperedError(
            0, f"from here to {checkpoint.size} the log is not the one that was signed"
        )
    # What was changed is worse news than what cannot be told, so doubts wait for the end.
    history = History(source, policy, checkpoint)
    for name, text in (old_checkpoints or {}).items():
        history.check_checkpoint(name, text)
    for name, text in (receipts or {}).items():
        history.check_receipt(name, text)
    times = [] if timestamps is None else history.check_stamps(source, timestamps, stamped)
    doubts += history.doubts
    trusted = policy.open(note)
    if doubts:
        raise UnverifiableError(doubts[0])
    return DirectoryReport(
        trusted,
        recomputation.tiles,
        -(-checkpoint.size // TILE_WIDTH),
        len(receipts or {}),
        len(old_checkpoints or {}),
        tuple(times),
    )


def _stamped_sizes(source: TileSource) -> tuple[list[int], list[str]]:
    """The sizes that have a token; or what is wrong with the list of them."""
    try:
        return read_index(source), []
    except UnverifiableError as error:
        return [], [str(error)]


def _open_signed(policy: TrustPolicy, note: str) -> Checkpoint:
    """The checkpoint, with every signature and cosignature of a known key checked."""
    try:
        checkpoint = policy.open_signed(note)
        policy.cosigners(note)
    except NoteError as error:
        raise TamperedError(0, f"the checkpoint over it and all others: {error}") from error
    return checkpoint


class _Recomputation:
    """One pass over the entries, from which every tile is made anew."""

    def __init__(self, source: TileSource, size: int) -> None:
        self._source = source
        self._size = size
        self._stack = TileStack()
        self.tiles = 0

    @property
    def root(self) -> bytes:
        return self._stack.frontier.root

    def run(self, workers: int, progress: Callable[[int, int], None] | None) -> None:
        full, rest = divmod(self._size, TILE_WIDTH)
        for result in check_segments(self._source, full, workers):
            self.tiles += len(result.roots) // HASH_BYTES
            self._compare(self._stack.extend_tiles(result.roots))
            if result.tampered is not None:
                raise TamperedError(*result.tampered)
            if result.unverifiable is not None:
                raise UnverifiableError(result.unverifiable)
            if progress is not None:
                progress(self._stack.size, self._size)
        if rest:
            self._stack.extend(check_leaves(self._source, tile_at(0, full, self._size)))
        self._compare(self._stack.partials())
        if progress is not None:
            progress(self._stack.size, self._size)

    def _compare(self, tiles: Iterable[Tile]) -> None:
        for tile in tiles:
            self.tiles += 1
            stored = read_hashes(self._source, tile.name)
            if stored != tile.hashes:
                at = first_difference(stored, tile.hashes)
                width = TILE_WIDTH ** (tile.name.level or 0)
                first = tile.name.first_leaf + at * width
                raise TamperedError(
                    first,
                    f"it or one of the next {width - 1} entries, or {tile.name.to_path()}, was"
                    " altered: the tile does not have their hash",
                )


class History:
    """What was signed before, held against a log whose own tiles are already checked.

    Attributes:
        doubts: what was given as evidence, and is none.
    """

    def __init__(self, source: TileSource, policy: TrustPolicy, checkpoint: Checkpoint) -> None:
        self._policy = policy
        self._checkpoint = checkpoint
        self._tree = TileTree(source, checkpoint.size)
        self.doubts: list[str] = []

    def check_checkpoint(self, name: str, text: str) -> None:
        """Check that the log extends an earlier checkpoint; raises TamperedError."""
        try:
            old = self._policy.open_signed(text)
            self._require_own(old)
        except (NoteError, UnverifiableError) as error:
            self.doubts.append(f"{name}: {error}")
        else:
            self._check_extends(name, old)

    def check_receipt(self, name: str, text: str) -> None:
        """Check that a receipt speaks of an entry of this very log; raises TamperedError."""
        try:
            proof = TlogProof.from_text(text)
            old = self._policy.open(proof.note).checkpoint
            self._require_own(old)
            kept = kept_leaf(proof)
            if kept is not None:
                proof.verify(kept, self._policy)
                self._check_leaf(name, proof.index, kept)
            self._check_extends(name, old)
            if kept is None:
                # Nothing but the log itself says which entry the receipt was given for.
                proof.verify(self._tree.leaf(proof.index), self._policy)
        except (NoteError, ProofError, UnverifiableError) as error:
            self.doubts.append(f"{name}: {error}")

    def check_stamps(
        self,
        source: TileSource,
        authority: TimestampVerifier,
        stamped: Sequence[int] | None = None,
    ) -> list[TimeBound]:
        """The times of all tokens, each over a checkpoint of this log; raises TamperedError.

        Args:
            source: where the tokens are.
            authority: whose they must be.
            stamped: sizes that have one, read before the checkpoint of a log that goes on;
                None to read them now.
        """
        if stamped is None:
            stamped, doubts = _stamped_sizes(source)
            self.doubts += doubts
        times = []
        for size in stamped:
            try:
                times.append(self._check_stamp(read_stamp(source, size), authority))
            except (TimestampError, NoteError, UnverifiableError) as error:
                self.doubts.append(f"{token_path(size)}: {error}")
        return times

    def _check_stamp(self, stamp: Stamp, authority: TimestampVerifier) -> TimeBound:
        name = token_path(stamp.size)
        try:
            at = authority.verify(stamp.token, stamp.note)
        except TimestampMismatchError as error:
            raise TamperedError(
                0,
                f"from here to {stamp.size} the log or {note_path(stamp.size)} was altered:"
                f" {name} was given for another checkpoint",
            ) from error
        old = self._policy.open_signed(stamp.note.decode(errors="replace"))
        self._require_own(old)
        if old.size != stamp.size:
            raise UnverifiableError(f"it was given for {old.size} entries")
        self._check_extends(name, old)
        return TimeBound(old.size, at)

    def _require_own(self, old: Checkpoint) -> None:
        if old.origin != self._checkpoint.origin:
            raise UnverifiableError("it belongs to another log")

    def _check_leaf(self, name: str, index: int, kept: bytes) -> None:
        if index < self._checkpoint.size and self._tree.leaf(index) != kept:
            raise TamperedError(index, f"it is not the entry that {name} was given for")

    def _check_extends(self, name: str, old: Checkpoint) -> None:
        size = self._checkpoint.size
        if old.size > size:
            raise TamperedError(
                size,
                f"missing: the log ends here, but {name} was signed over {old.size} entries",
            )
        if self._tree.root(old.size) != old.root:
            raise TamperedError(
                0, f"from here to {old.size} the log is not the one signed in {name}"
            )
