"""A stored batch as plain values, and the checks that the publisher and the verifier share."""

from dataclasses import dataclass

from audit.bundle import decode_bundle
from audit.errors import FramingError, TamperedError
from audit.merkle import HASH_BYTES, Frontier, leaf_hash


@dataclass(frozen=True, slots=True)
class StoredBatch:
    """What a store keeps of one batch; every field is a claim until it is checked.

    Attributes:
        first_index: index of the batch's first entry in the log.
        entry_count: number of entries.
        bundle: the entries, framed (see audit.bundle).
        leaf_hashes: entry_count hashes of 32 bytes, concatenated.
        size_after: number of entries in the log once the batch is in it.
        root: 32-byte root of the tree at size_after, or None where the source keeps none.
    """

    first_index: int
    entry_count: int
    bundle: bytes
    leaf_hashes: bytes
    size_after: int
    root: bytes | None


def recompute_leaves(batch: StoredBatch, expected_index: int) -> list[bytes]:
    """The leaf hashes of the batch's entries, computed anew from the entries' own bytes.

    Raises:
        TamperedError: the batch does not begin at expected_index, its bundle is not framed
            entries, or it contradicts its own counts or leaf hashes.
    """
    if batch.first_index > expected_index:
        raise TamperedError(
            expected_index, f"missing: the next batch begins at {batch.first_index}"
        )
    if batch.first_index < expected_index:
        raise TamperedError(batch.first_index, "stands twice or out of order in the log")
    try:
        entries = decode_bundle(batch.bundle)
    except FramingError as error:
        raise TamperedError(expected_index, "its bundle is not framed entries") from error
    leaves = [leaf_hash(entry) for entry in entries]
    if not leaves or len(leaves) != batch.entry_count:
        raise TamperedError(
            expected_index,
            f"its batch states {batch.entry_count} entries, the bundle holds {len(leaves)}",
        )
    if batch.size_after != expected_index + len(leaves):
        raise TamperedError(expected_index, "its batch states a size that does not follow")
    if b"".join(leaves) != batch.leaf_hashes:
        index = expected_index + _first_difference(leaves, batch.leaf_hashes)
        raise TamperedError(index, "its bytes do not have the stored leaf hash")
    return leaves


def verify_root(batch: StoredBatch, frontier: Frontier) -> None:
    """Check the root that a batch states against the frontier after it.

    Raises:
        TamperedError: the roots differ.
    """
    if batch.root is not None and batch.root != frontier.root:
        raise TamperedError(
            batch.first_index, f"the root stored for size {frontier.size} is not the tree's root"
        )


def _first_difference(leaves: list[bytes], stored: bytes) -> int:
    for position, leaf in enumerate(leaves):
        if stored[position * HASH_BYTES : (position + 1) * HASH_BYTES] != leaf:
            return position
    return len(leaves) - 1
