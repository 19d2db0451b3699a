"""The offline verifier: recomputes a whole log from its bytes and holds it to its signed heads."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from audit.batch import StoredBatch, recompute_leaves, verify_root
from audit.checkpoint import Checkpoint, open_checkpoint
from audit.errors import NoteError, TamperedError
from audit.merkle import EMPTY_ROOT, Frontier
from audit.note import Ed25519Verifier


@dataclass(frozen=True, slots=True)
class VerificationReport:
    """What was found to hold.

    Attributes:
        entries: entries whose bytes were hashed into the tree.
        batches: batches read.
        heads: signed heads whose signature and root were checked.
        signed_size: entries under the newest signed head; 0 without one.
        signed_root: the root under that signature; that of the empty tree without one.
        unsigned_tail: entries after it. Nothing but their own consistency speaks for these.
    """

    entries: int
    batches: int
    heads: int
    signed_size: int
    signed_root: bytes
    unsigned_tail: int


def verify_batches(
    batches: Iterable[StoredBatch],
    heads: Iterable[str],
    vkey: str,
    *,
    origin: str,
    former_keys: Iterable[str] = (),
    progress: Callable[[int], None] | None = None,
) -> VerificationReport:
    """Check a log from its first entry to its last.

    Recomputes every leaf hash, index, frontier and root; checks that every signed head bears
    a true signature and the root of the tree at its size, that heads never shrink, and that
    the log is not shorter than its newest head. Batches and heads are read once, side by
    side, so that a log of any length needs the memory of one batch.

    Args:
        batches: all batches, in index order from 0.
        heads: note texts of the signed heads, smallest size first.
        vkey: the log's verifier key, got by another way than the log itself.
        origin: the log's origin.
        former_keys: vkeys that signed heads before a change of key.
        progress: called after each batch with the number of entries checked so far.

    Raises:
        TamperedError: the log or a head fails; the error names the index and how.
        NoteError: a given vkey is malformed.
    """
    verifiers = [Ed25519Verifier.from_text(key) for key in (vkey, *former_keys)]
    follower = _HeadFollower(_open_heads(heads, verifiers, origin))
    frontier = Frontier()
    count = 0
    for batch in batches:
        leaves = recompute_leaves(batch, frontier.size)
        frontier = follower.extend(frontier, leaves)
        verify_root(batch, frontier)
        count += 1
        if progress is not None:
            progress(frontier.size)
    follower.finish(frontier)
    return VerificationReport(
        entries=frontier.size,
        batches=count,
        heads=follower.checked,
        signed_size=follower.signed_size,
        signed_root=follower.signed_root,
        unsigned_tail=frontier.size - follower.signed_size,
    )


class _HeadFollower:
    """Walks the signed heads along the growing tree, stopping at each one's exact size."""

    def __init__(self, heads: Iterator[Checkpoint]) -> None:
        self._heads = heads
        self._next = next(heads, None)
        self.checked = 0
        self.signed_size = 0
        self.signed_root = EMPTY_ROOT

    def extend(self, frontier: Frontier, leaves: list[bytes]) -> Frontier:
        """Extend by a batch's leaves, checking every head whose size lies on the way."""
        self._check(frontier)
        done = 0
        while self._next is not None and self._next.size - frontier.size <= len(leaves) - done:
            step = self._next.size - frontier.size
            frontier = frontier.extend(leaves[done : done + step])
            done += step
            self._check(frontier)
        return frontier.extend(leaves[done:])

    def finish(self, frontier: Frontier) -> None:
        """Check what is left once the log has ended."""
        self._check(frontier)
        if self._next is not None:
            raise TamperedError(
                frontier.size,
                f"missing: the log ends here, but a signed head covers {self._next.size} entries",
            )

    def _check(self, frontier: Frontier) -> None:
        """Check all heads of exactly this size."""
        while self._next is not None and self._next.size == frontier.size:
            if self._next.root != frontier.root:
                raise TamperedError(
                    self.signed_size,
                    f"from here to {frontier.size} the log is not the one that was signed",
                )
            self.checked += 1
            self.signed_size = frontier.size
            self.signed_root = frontier.root
            self._next = next(self._heads, None)


def _open_heads(
    heads: Iterable[str], verifiers: list[Ed25519Verifier], origin: str
) -> Iterator[Checkpoint]:
    size = 0
    for number, text in enumerate(heads, 1):
        try:
            checkpoint = open_checkpoint(text, verifiers, origin=origin)
        except NoteError as error:
            raise TamperedError(size, f"signed head {number} after it: {error}") from error
        if checkpoint.size < size:
            raise TamperedError(checkpoint.size, f"signed head {number} is smaller than the last")
        size = checkpoint.size
        yield checkpoint
