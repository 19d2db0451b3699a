"""A tree that grows leaf by leaf and hands out its tiles as they fill."""

from collections.abc import Sequence
from dataclasses import dataclass

from audit.errors import ProofError
from audit.merkle import HASH_BYTES, Frontier
from audit.tiles import FULL_TILE_BYTES, TILE_WIDTH, TileName, fold


@dataclass(frozen=True, slots=True)
class Tile:
    """A named tile and its hashes, 32 bytes each, concatenated."""

    name: TileName
    hashes: bytes


class TileStack:
    """The right edge of a tree: at each level, the tile that is still growing.

    Everything left of the edge is in full tiles, which are handed out once and forgotten, so
    that memory stays at one tile a level.
    """

    def __init__(self, size: int = 0, edge: Sequence[bytes] = ()) -> None:
        """Begin at `size` leaves, with the partial tiles of that size, level 0 first.

        Raises:
            ProofError: a level does not hold the hashes that the size asks for.
        """
        self._edge = [bytearray(hashes) for hashes in edge]
        self.size = size
        for level, hashes in enumerate(self._edge):
            if len(hashes) != (size >> 8 * level) % TILE_WIDTH * HASH_BYTES:
                raise ProofError("a partial tile does not fit the size of the tree")
        if size >> 8 * len(self._edge):
            raise ProofError("the edge of the tree lacks a level")

    def extend(self, leaf_hashes: bytes) -> list[Tile]:
        """Append leaf hashes, concatenated; returns the tiles that became full, lowest first."""
        self.size += len(leaf_hashes) // HASH_BYTES
        return self._push(0, leaf_hashes)

    def extend_tiles(self, roots: bytes) -> list[Tile]:
        """Append full level-0 tiles by their roots, concatenated; returns the full tiles above.

        Raises:
            ProofError: the tree does not end at a full tile.
        """
        if self.size % TILE_WIDTH:
            raise ProofError("a full tile does not fit behind a partial one")
        self.size += len(roots) // HASH_BYTES * TILE_WIDTH
        return self._push(1, roots)

    def partials(self) -> list[Tile]:
        """The growing tiles that hold at least one hash, lowest first."""
        return [
            Tile(
                TileName(
                    level,
                    self.size >> 8 * (level + 1),
                    len(hashes) // HASH_BYTES,
                ),
                bytes(hashes),
            )
            for level, hashes in enumerate(self._edge)
            if hashes
        ]

    @property
    def growing_leaves(self) -> bytes:
        """The leaf hashes after the last full tile, concatenated."""
        return bytes(self._edge[0]) if self._edge else b""

    @property
    def frontier(self) -> Frontier:
        """The same tree in the form that the signed heads keep."""
        roots = []
        for hashes in reversed(self._edge):
            at = 0
            width = len(hashes) // HASH_BYTES
            for bit in range(width.bit_length() - 1, -1, -1):
                step = HASH_BYTES << bit
                if width >> bit & 1:
                    roots.append(fold(bytes(hashes[at : at + step])))
                    at += step
        return Frontier(self.size, b"".join(roots))

    def _push(self, level: int, hashes: bytes) -> list[Tile]:
        while len(self._edge) <= level:
            self._edge.append(bytearray())
        growing = self._edge[level]
        # Tiles are numbered from what the level held before these hashes came.
        index = (self.size >> 8 * level) - len(hashes) // HASH_BYTES
        index //= TILE_WIDTH
        growing += hashes
        full = []
        while len(growing) >= FULL_TILE_BYTES:
            tile = Tile(TileName(level, index), bytes(growing[:FULL_TILE_BYTES]))
            del growing[:FULL_TILE_BYTES]
            full.append(tile)
            index += 1
        above = b"".join([fold(tile.hashes) for tile in full])
        return full + self._push(level + 1, above) if above else full
