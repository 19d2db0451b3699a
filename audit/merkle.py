"""The Merkle tree of RFC 9162 over SHA-256: roots, a growing frontier, and both kinds of proof."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Self

from audit.errors import ProofError

HASH_BYTES = 32
EMPTY_ROOT = sha256(b"").digest()
_SIZE_BYTES = 8


def leaf_hash(entry: bytes) -> bytes:
    """SHA-256(0x00 || entry), 32 bytes (RFC 9162, 2.1.1)."""
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 || left || right), 32 bytes (RFC 9162, 2.1.1)."""
    return sha256(b"\x01" + left + right).digest()


@dataclass(frozen=True, slots=True)
class Frontier:
    """All that must be kept of a tree to append to it: the roots of its perfect subtrees.

    Attributes:
        size: number of leaves.
        hashes: one 32-byte root for each set bit of size, concatenated, largest subtree first.

    Raises:
        ProofError: hashes has not the length that size asks for.
    """

    size: int = 0
    hashes: bytes = b""

    def __post_init__(self) -> None:
        if self.size < 0 or len(self.hashes) != HASH_BYTES * self.size.bit_count():
            raise ProofError("the frontier does not hold one hash for each set bit of its size")

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read what to_bytes wrote; raises ProofError."""
        if len(data) < _SIZE_BYTES:
            raise ProofError("the frontier is shorter than its size field")
        return cls(int.from_bytes(data[:_SIZE_BYTES], "big"), data[_SIZE_BYTES:])

    def to_bytes(self) -> bytes:
        """The size as 8 bytes, big-endian, followed by the subtree roots."""
        return self.size.to_bytes(_SIZE_BYTES, "big") + self.hashes

    def append(self, leaf: bytes) -> "Frontier":
        """The frontier after one more 32-byte leaf hash; raises ProofError."""
        return self.extend((leaf,))

    def extend(self, leaves: Iterable[bytes]) -> "Frontier":
        """The frontier after more leaf hashes of 32 bytes each; raises ProofError."""
        stack = _split_hashes(self.hashes)
        size = self.size
        for leaf in leaves:
            node = leaf
            carry = size
            # Each trailing one bit is a finished subtree as large as the one just completed.
            while carry & 1:
                node = sha256(b"\x01" + stack.pop() + node).digest()
                carry >>= 1
            stack.append(node)
            size += 1
        return Frontier(size, b"".join(stack))

    @property
    def root(self) -> bytes:
        """The root hash of the whole tree, 32 bytes; EMPTY_ROOT without leaves."""
        stack = _split_hashes(self.hashes)
        if not stack:
            return EMPTY_ROOT
        root = stack.pop()
        while stack:
            root = node_hash(stack.pop(), root)
        return root


def root_of(leaves: Iterable[bytes]) -> bytes:
    """The root hash over leaf hashes, 32 bytes (RFC 9162, 2.1.1)."""
    return Frontier().extend(leaves).root


def inclusion_ranges(index: int, size: int) -> list[tuple[int, int]]:
    """The leaf ranges [start, end) whose roots prove a leaf, in proof order: leaf to root.

    Stated apart from the hashing, so that a caller can fetch each root from stored tiles.

    Raises:
        ProofError: the tree has no such leaf.
    """
    if not 0 <= index < size:
        raise ProofError("the tree holds no leaf of that index")
    start, end = 0, size
    ranges = []
    while end - start > 1:
        middle = start + _split_point(end - start)
        if index < middle:
            ranges.append((middle, end))
            end = middle
        else:
            ranges.append((start, middle))
            start = middle
    return ranges[::-1]


def inclusion_proof(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """The sibling hashes from leaf `index` up to the root of all leaves (RFC 9162, 2.1.3.1)."""
    return [root_of(leaves[start:end]) for start, end in inclusion_ranges(index, len(leaves))]


def verify_inclusion(
    leaf: bytes, *, index: int, size: int, root: bytes, proof: Sequence[bytes]
) -> None:
    """Check that a leaf hash stands at `index` in the tree of `size` leaves under `root`.

    Raises:
        ProofError: it does not, or the proof has another shape (RFC 9162, 2.1.3.2).
    """
    if not 0 <= index < size:
        raise ProofError("the tree holds no leaf of that index")
    inner = (index ^ (size - 1)).bit_length()
    if len(proof) != inner + (index >> inner).bit_count():
        raise ProofError("the inclusion proof has the wrong number of hashes")
    _require_hashes(leaf, root, *proof)
    node = leaf
    for step, sibling in enumerate(proof):
        is_left_child = step < inner and not (index >> step) & 1
        node = node_hash(node, sibling) if is_left_child else node_hash(sibling, node)
    if node != root:
        raise ProofError("the inclusion proof does not lead to the root")


def consistency_ranges(old_size: int, new_size: int) -> list[tuple[int, int]]:
    """The leaf ranges [start, end) whose roots prove growth, in proof order.

    Raises:
        ProofError: the sizes do not grow.
    """
    if not 0 <= old_size <= new_size:
        raise ProofError("a tree cannot be consistent with a larger one before it")
    if old_size in (0, new_size):
        return []
    start, end = 0, new_size
    ranges = []
    while old_size != end:
        middle = start + _split_point(end - start)
        if old_size <= middle:
            ranges.append((middle, end))
            end = middle
        else:
            ranges.append((start, middle))
            start = middle
    if start > 0:
        # The old tree's last subtree; where it is the whole old tree, the verifier has its root.
        ranges.append((start, end))
    return ranges[::-1]


def consistency_proof(leaves: Sequence[bytes], old_size: int) -> list[bytes]:
    """The hashes proving that the tree of all leaves extends its first `old_size` leaves.

    Source: RFC 9162, 2.1.4.1.
    """
    return [root_of(leaves[start:end]) for start, end in consistency_ranges(old_size, len(leaves))]


def verify_consistency(
    *, old_size: int, old_root: bytes, new_size: int, new_root: bytes, proof: Sequence[bytes]
) -> None:
    """Check that the tree of `new_size` only appended to the tree of `old_size`.

    Raises:
        ProofError: it did not, or the proof has another shape (RFC 9162, 2.1.4.2).
    """
    _require_hashes(old_root, new_root, *proof)
    if len(proof) != len(consistency_ranges(old_size, new_size)):
        raise ProofError("the consistency proof has the wrong number of hashes")
    if old_size == 0:
        if old_root != EMPTY_ROOT:
            raise ProofError("the old root is not the root of the empty tree")
        return
    if old_size == new_size:
        if old_root != new_root:
            raise ProofError("two roots for one size")
        return
    # Where the old tree is one perfect subtree, its root is known and not in the proof.
    path = [old_root, *proof] if old_size.bit_count() == 1 else proof
    if _fold_consistency(old_size, new_size, path) != (old_root, new_root):
        raise ProofError("the consistency proof does not lead to both roots")


def _fold_consistency(old_size: int, new_size: int, path: Sequence[bytes]) -> tuple[bytes, bytes]:
    """The old and the new root that a path of the right length leads to."""
    old_rest, new_rest = old_size - 1, new_size - 1
    while old_rest & 1:
        old_rest >>= 1
        new_rest >>= 1
    old_node = new_node = path[0]
    for sibling in path[1:]:
        if old_rest & 1 or old_rest == new_rest:
            old_node = node_hash(sibling, old_node)
            new_node = node_hash(sibling, new_node)
            while old_rest and not old_rest & 1:
                old_rest >>= 1
                new_rest >>= 1
        else:
            new_node = node_hash(new_node, sibling)
        old_rest >>= 1
        new_rest >>= 1
    return old_node, new_node


def _split_point(width: int) -> int:
    """The largest power of two below width, for width > 1."""
    return 1 << ((width - 1).bit_length() - 1)


def _split_hashes(hashes: bytes) -> list[bytes]:
    return [hashes[at : at + HASH_BYTES] for at in range(0, len(hashes), HASH_BYTES)]


def _require_hashes(*hashes: bytes) -> None:
    if any(len(value) != HASH_BYTES for value in hashes):
        raise ProofError("a hash is not 32 bytes long")
