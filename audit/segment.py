"""Runs of full tiles, each checked without the others, so that every core can take some."""

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice
from multiprocessing import get_context

from audit.errors import TamperedError, UnverifiableError
from audit.merkle import HASH_BYTES
from audit.tile_source import TileSource, read_entries, read_hashes
from audit.tiles import TILE_WIDTH, TileName, fold

_TILES = 64
_QUEUED_PER_WORKER = 4
# Starting Python in a worker costs about as much as checking this many entries here.
_WORTH_WORKERS = 1_000_000


@dataclass(frozen=True, slots=True)
class Segment:
    """Full level-0 tiles [first, first + count)."""

    first: int
    count: int


@dataclass(frozen=True, slots=True)
class SegmentResult:
    """The 32-byte roots of a segment's tiles, recomputed from its entries, or what failed.

    Attributes:
        roots: one root for each tile, concatenated; ends before the first fault.
        tampered: first index that does not fit, and how; None where all fits.
        unverifiable: what could not be read; None where all could.
    """

    roots: bytes
    tampered: tuple[int, str] | None = None
    unverifiable: str | None = None


def check_segment(source: TileSource, segment: Segment) -> SegmentResult:
    """Hash the segment's entries and hold the hashes to its level-0 tiles."""
    roots: list[bytes] = []
    places = range(segment.first, segment.first + segment.count)
    try:
        roots.extend(fold(check_leaves(source, TileName(0, index))) for index in places)
    except TamperedError as error:
        return SegmentResult(b"".join(roots), tampered=(error.index, error.how))
    except UnverifiableError as error:
        return SegmentResult(b"".join(roots), unverifiable=str(error))
    return SegmentResult(b"".join(roots))


def check_leaves(source: TileSource, name: TileName) -> bytes:
    """Leaf hashes of a bundle's entries, once they are known to be the stored ones.

    Raises:
        TamperedError: bundle and tile differ, or one has another length.
        UnverifiableError: one of them is missing.
    """
    entries = read_entries(source, TileName(None, name.index, name.width))
    leaves = b"".join([sha256(b"\x00" + entry).digest() for entry in entries])
    stored = read_hashes(source, name)
    if leaves != stored:
        at = first_difference(leaves, stored)
        raise TamperedError(
            name.first_leaf + at, f"its bytes do not have the leaf hash in {name.to_path()}"
        )
    return leaves


def first_difference(one: bytes, other: bytes) -> int:
    """Place of the first hash in which two tiles of one length differ."""
    places = range(0, len(one), HASH_BYTES)
    return next(
        at // HASH_BYTES
        for at in places
        if one[at : at + HASH_BYTES] != other[at : at + HASH_BYTES]
    )


def check_segments(source: TileSource, tiles: int, workers: int) -> Iterator[SegmentResult]:
    """Results for the first `tiles` full tiles, in order, from this process or from workers.

    Args:
        source: where tiles and bundles are read; each worker gets a copy.
        tiles: number of full level-0 tiles.
        workers: how many processes to use; 1 uses none but this one.
    """
    segments = (Segment(first, min(_TILES, tiles - first)) for first in range(0, tiles, _TILES))
    if workers <= 1 or tiles * TILE_WIDTH < _WORTH_WORKERS:
        for segment in segments:
            yield check_segment(source, segment)
        return
    # Spawned, not forked: the caller may have threads, for instance of a progress bar.
    with ProcessPoolExecutor(
        workers, get_context("spawn"), initializer=_open_source, initargs=(source,)
    ) as pool:
        queued = [
            pool.submit(_check_in_worker, segment)
            for segment in islice(segments, workers * _QUEUED_PER_WORKER)
        ]
        try:
            while queued:
                result = queued.pop(0).result()
                queued.extend(
                    pool.submit(_check_in_worker, segment) for segment in islice(segments, 1)
                )
                yield result
        except BrokenProcessPool as error:
            raise UnverifiableError("a worker process died") from error
        finally:
            for future in queued:
                future.cancel()


# A worker opens the source once, not once a segment: that of a zip takes a while.
_worker_sources: list[TileSource] = []


def _open_source(source: TileSource) -> None:
    _worker_sources.append(source)


def _check_in_worker(segment: Segment) -> SegmentResult:
    return check_segment(_worker_sources[0], segment)
