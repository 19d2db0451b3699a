"""The tree of a filtered export: from the leaf hashes that it has to the signed root."""

from audit.checkpoint import Checkpoint
from audit.errors import TamperedError
from audit.merkle import HASH_BYTES
from audit.tile_source import TileSource, read_hashes
from audit.tile_stack import TileStack
from audit.tiles import FULL_TILE_BYTES, TILE_WIDTH, TileName, fold, tile_at

_LEAVES = "tile/0/"


class Outline:
    """All tiles above the leaves, and some of the leaves; a TileSource that checks these.

    Once verified, every full tile of level 0 that is read is held to its hash in level 1, so
    that nothing computed from it can be of another log.
    """

    def __init__(self, source: TileSource, checkpoint: Checkpoint) -> None:
        self._source = source
        self._checkpoint = checkpoint
        self._above: tuple[int, bytes] = (-1, b"")

    def read(self, path: str, limit: int) -> bytes | None:
        """See TileSource.

        Raises:
            TamperedError: a tile of leaf hashes is not the one under the checkpoint.
        """
        data = self._source.read(path, limit)
        if data is not None and len(data) == FULL_TILE_BYTES and path.startswith(_LEAVES):
            name = TileName.from_path(path)
            if fold(data) != self._root_of(name.index):
                raise _altered(name)
        return data

    def verify(self, first: int, end: int) -> None:
        """Check the tree, and that all leaf hashes of the range [first, end) are in it.

        Raises:
            TamperedError: the tiles do not lead to the checkpoint's root.
            UnverifiableError: one is missing.
        """
        self._verify_above()
        for index in range(first // TILE_WIDTH, -(-end // TILE_WIDTH)):
            read_hashes(self, tile_at(0, index, self._checkpoint.size))

    def _verify_above(self) -> None:
        """The tree over the roots of full leaf tiles, as level 1 has them, and the last leaves."""
        size = self._checkpoint.size
        full, rest = divmod(size, TILE_WIDTH)
        stack = TileStack()
        made = []
        for index in range(-(-full // TILE_WIDTH)):
            made += stack.extend_tiles(read_hashes(self._source, tile_at(1, index, size)))
        if rest:
            stack.extend(read_hashes(self._source, tile_at(0, full, size)))
        for tile in (*made, *stack.partials()):
            if read_hashes(self._source, tile.name) != tile.hashes:
                raise _altered(tile.name)
        if stack.frontier.root != self._checkpoint.root:
            raise TamperedError(
                0, f"from here to {size} the hashes are not those that were signed"
            )

    def _root_of(self, index: int) -> bytes:
        place, offset = divmod(index, TILE_WIDTH)
        if self._above[0] != place:
            name = tile_at(1, place, self._checkpoint.size)
            self._above = (place, read_hashes(self._source, name))
        return self._above[1][offset * HASH_BYTES : (offset + 1) * HASH_BYTES]


def _altered(name: TileName) -> TamperedError:
    return TamperedError(
        name.first_leaf, f"from here on {name.to_path()} has not the hashes that were signed"
    )
