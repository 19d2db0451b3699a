"""Roots and proofs of a published log, read from its tiles: a few tiles each, at any size."""

from functools import lru_cache

from audit.merkle import (
    EMPTY_ROOT,
    HASH_BYTES,
    consistency_ranges,
    inclusion_ranges,
    node_hash,
)
from audit.tile_source import TileSource, read_hashes
from audit.tiles import TILE_WIDTH, fold, tile_at

_CACHED_TILES = 64
_LEVEL_BITS = 8


class TileTree:
    """The tree of `size` leaves in a source.

    What it returns is computed from unchecked tiles: hold it to a signed root. Every method
    raises UnverifiableError where a tile is missing and TamperedError where one has another
    length.
    """

    def __init__(self, source: TileSource, size: int) -> None:
        self._size = size

        @lru_cache(maxsize=_CACHED_TILES)
        def read(level: int, index: int) -> bytes:
            return read_hashes(source, tile_at(level, index, size))

        self._read = read

    def leaf(self, index: int) -> bytes:
        """The leaf hash of one entry."""
        return self._perfect_root(index, 0)

    def root(self, size: int) -> bytes:
        """The root of the first `size` leaves, for any size up to the tree's."""
        return self._range_root(0, size) if size else EMPTY_ROOT

    def inclusion_proof(self, index: int) -> list[bytes]:
        """The sibling hashes from a leaf to the root (RFC 9162, 2.1.3.1); raises ProofError."""
        return [self._range_root(*span) for span in inclusion_ranges(index, self._size)]

    def consistency_proof(self, old_size: int) -> list[bytes]:
        """The hashes proving growth from `old_size` (RFC 9162, 2.1.4.1); raises ProofError."""
        return [self._range_root(*span) for span in consistency_ranges(old_size, self._size)]

    def _range_root(self, start: int, end: int) -> bytes:
        """The root of leaves [start, end), a range as proofs ask for.

        Its start is a multiple of the largest power of two that fits, so that it consists of
        perfect subtrees, each smaller than the one before.
        """
        roots = []
        while start < end:
            height = (end - start).bit_length() - 1
            roots.append(self._perfect_root(start, height))
            start += 1 << height
        root = roots.pop()
        while roots:
            root = node_hash(roots.pop(), root)
        return root

    def _perfect_root(self, start: int, height: int) -> bytes:
        """The root of the 2**height leaves from start, folded within the one tile it is in."""
        level, rest = divmod(height, _LEVEL_BITS)
        index, offset = divmod(start >> (_LEVEL_BITS * level), TILE_WIDTH)
        hashes = self._read(level, index)
        return fold(hashes[offset * HASH_BYTES : (offset + (1 << rest)) * HASH_BYTES])
