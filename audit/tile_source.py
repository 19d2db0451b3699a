"""Where the files of a published log are read from, by somebody who trusts none of them."""

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from audit.bundle import decode_bundle
from audit.errors import FramingError, TamperedError, UnverifiableError
from audit.merkle import HASH_BYTES
from audit.tile_stack import TileStack
from audit.tiles import TILE_WIDTH, TileName, level_width, tile_at

CHECKPOINT = "checkpoint"
MAX_NOTE_BYTES = 1_000_000


class TileSource(Protocol):
    """The files of one log, read by relative path.

    A source must be picklable, so that worker processes can read as well, and must never
    read outside its log, whatever a file is or links to.
    """

    def read(self, path: str, limit: int) -> bytes | None:
        """The whole file, or None where there is none.

        Raises:
            UnverifiableError: the file is longer than `limit` bytes or cannot be read.
        """
        ...


@dataclass(frozen=True, slots=True)
class DirectorySource:
    """A log in a directory. Below it, links, devices and pipes are refused."""

    directory: Path

    def read(self, path: str, limit: int) -> bytes | None:
        """See TileSource."""
        file = self.open(path)
        if file is None:
            return None
        try:
            with file:
                data = file.read(limit + 1)
        except OSError as error:
            raise UnverifiableError(f"{path} cannot be read") from error
        if len(data) > limit:
            raise UnverifiableError(f"{path} is longer than such a file can be")
        return data

    def open(self, path: str) -> BinaryIO | None:
        """A file to be read piece by piece, or None where there is none.

        Raises:
            UnverifiableError: it is a link, no plain file, or cannot be opened.
        """
        # The path is made of numbers; only a link on the way could lead outside.
        place = os.path.join(os.path.realpath(self.directory), path)  # noqa: PTH118 - hot path
        if os.path.realpath(place) != place:
            raise UnverifiableError(f"{path} is or goes through a link")
        # Not blocking: opening a pipe that stands where a tile should be must not hang.
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            descriptor = os.open(place, flags)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise UnverifiableError(f"{path} cannot be opened") from error
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise UnverifiableError(f"{path} is not a plain file")
        return open(descriptor, "rb")  # noqa: PTH123 - a descriptor


def read_note(source: TileSource) -> str:
    """The text of the log's checkpoint, unchecked.

    Raises:
        UnverifiableError: there is none, or it is no UTF-8 text.
    """
    data = source.read(CHECKPOINT, MAX_NOTE_BYTES)
    if data is None:
        raise UnverifiableError("missing: checkpoint")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise UnverifiableError("the checkpoint is not UTF-8 text") from error


def read_hashes(source: TileSource, name: TileName) -> bytes:
    """The hashes of a tile, unchecked but of the right number.

    Raises:
        TamperedError: the file has another length.
        UnverifiableError: neither the tile nor the full tile that it grew into is there.
    """
    data, stored = _read(source, name)
    if len(data) != stored.max_bytes:
        raise TamperedError(
            name.first_leaf, f"{stored.to_path()} does not hold {stored.width} hashes"
        )
    return data[: name.width * HASH_BYTES]


def read_entries(source: TileSource, name: TileName) -> list[bytes]:
    """The entries of a bundle, unchecked but of the right number.

    Raises:
        TamperedError: the file is not that many framed entries.
        UnverifiableError: neither the bundle nor the full one that it grew into is there.
    """
    data, stored = _read(source, name)
    try:
        entries = decode_bundle(data)
    except FramingError as error:
        how = f"{stored.to_path()} is not framed entries"
        raise TamperedError(name.first_leaf, how) from error
    if len(entries) != stored.width:
        raise TamperedError(
            name.first_leaf + min(len(entries), stored.width),
            f"{stored.to_path()} holds {len(entries)} entries instead of {stored.width}",
        )
    return entries[: name.width]


def read_stack(source: TileSource, size: int) -> TileStack:
    """The right edge of the tree of `size` leaves, unchecked, from its partial tiles.

    Raises:
        TamperedError: a file has another length.
        UnverifiableError: neither a partial tile nor the full one is there.
    """
    edge = []
    level = 0
    while width := level_width(level, size):
        index, rest = divmod(width, TILE_WIDTH)
        edge.append(read_hashes(source, tile_at(level, index, size)) if rest else b"")
        level += 1
    return TileStack(size, edge)


def _read(source: TileSource, name: TileName) -> tuple[bytes, TileName]:
    """The file, or the full one: a log may drop a partial tile once it has filled."""
    data = source.read(name.to_path(), name.max_bytes)
    if data is not None:
        return data, name
    data = None if name.is_full else source.read(name.full.to_path(), name.full.max_bytes)
    if data is None:
        raise UnverifiableError(f"missing: {name.to_path()}")
    return data, name.full
