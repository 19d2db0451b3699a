"""Tiles and entry bundles (C2SP tlog-tiles) as names, widths and hashes; no file is touched."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Self

from audit.bundle import LENGTH_BYTES, MAX_ENTRY_BYTES
from audit.errors import ProofError
from audit.merkle import HASH_BYTES

TILE_WIDTH = 256
FULL_TILE_BYTES = TILE_WIDTH * HASH_BYTES
_MAX_LEVEL = 63
_PAIR_BYTES = 2 * HASH_BYTES
_PATH = re.compile(
    r"tile/(?P<level>entries|0|[1-9][0-9]?)"
    r"/(?P<index>(?:x[0-9]{3}/)*[0-9]{3})(?:\.p/(?P<width>[1-9][0-9]{0,2}))?"
)


@dataclass(frozen=True, slots=True)
class TileName:
    """Which tile or bundle a file holds.

    Attributes:
        level: height of the tile, 0 for leaf hashes; None for a bundle of entries.
        index: place of the tile in its level, from 0.
        width: number of hashes or entries, 256 when full.

    Raises:
        ProofError: a number is out of range.
    """

    level: int | None
    index: int
    width: int = TILE_WIDTH

    def __post_init__(self) -> None:
        is_level = self.level is None or 0 <= self.level <= _MAX_LEVEL
        if not is_level or self.index < 0 or not 1 <= self.width <= TILE_WIDTH:
            raise ProofError("there is no such tile")

    @classmethod
    def from_path(cls, path: str) -> Self:
        """Parse a relative path; raises ProofError where it is not the one spelling of a tile."""
        match = _PATH.fullmatch(path)
        if match is None:
            raise ProofError("the path does not name a tile")
        level = None if match["level"] == "entries" else int(match["level"])
        index = int(match["index"].replace("x", "").replace("/", ""))
        name = cls(level, index, int(match["width"] or TILE_WIDTH))
        if name.to_path() != path:
            raise ProofError("the path does not name a tile in its one spelling")
        return name

    def to_path(self) -> str:
        """The path below the log's directory, `tile/<L>/<N>` or `tile/<L>/<N>.p/<W>`."""
        digits = f"{self.index:03d}"
        digits = digits.zfill(-(-len(digits) // 3) * 3)
        groups = [digits[at : at + 3] for at in range(0, len(digits), 3)]
        place = "/".join([*(f"x{group}" for group in groups[:-1]), groups[-1]])
        folder = "entries" if self.level is None else str(self.level)
        partial = "" if self.is_full else f".p/{self.width}"
        return f"tile/{folder}/{place}{partial}"

    @property
    def is_full(self) -> bool:
        """Whether the tile will never grow again."""
        return self.width == TILE_WIDTH

    @property
    def full(self) -> "TileName":
        """The tile that this one grows into."""
        return TileName(self.level, self.index)

    @property
    def first_leaf(self) -> int:
        """Index of the first entry that the tile covers."""
        return self.index << 8 * ((self.level or 0) + 1)

    @property
    def max_bytes(self) -> int:
        """The most bytes that the file can hold; a hash tile holds exactly these."""
        per_item = HASH_BYTES if self.level is not None else LENGTH_BYTES + MAX_ENTRY_BYTES
        return self.width * per_item


def tile_at(level: int | None, index: int, size: int) -> TileName:
    """The tile of that place in a tree of `size` leaves, as wide as the tree makes it.

    Raises:
        ProofError: the tree has no such tile.
    """
    return TileName(level, index, min(TILE_WIDTH, level_width(level, size) - index * TILE_WIDTH))


def level_width(level: int | None, size: int) -> int:
    """How many hashes a tree of `size` leaves has at a level: only full tiles hash upward."""
    return size >> (8 * (level or 0))


def tiles_of(size: int) -> Iterator[TileName]:
    """Every bundle and tile of a tree of `size` leaves: bundles, then level by level."""
    level: int | None = None
    while hashes := level_width(level, size):
        for index in range(-(-hashes // TILE_WIDTH)):
            yield tile_at(level, index, size)
        level = 0 if level is None else level + 1


def fold(hashes: bytes) -> bytes:
    """The root over adjoining hashes, 32 bytes each, whose number is a power of two.

    For a full tile this is the hash that stands for it one level up.
    """
    while len(hashes) > HASH_BYTES:
        hashes = b"".join(
            [
                sha256(b"\x01" + hashes[at : at + _PAIR_BYTES]).digest()
                for at in range(0, len(hashes), _PAIR_BYTES)
            ]
        )
    return hashes
