"""Row: proofs out of a log of ten million entries, beside reading as many files as they need."""

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic

from audit.checkpoint import Checkpoint
from audit.merkle import verify_consistency, verify_inclusion
from audit.note import SignedNote
from audit.tile_source import DirectorySource, TileSource, read_note
from audit.tile_tree import TileTree
from audit.tiles import TILE_WIDTH
from audit.tlog_proof import TlogProof, kept_leaf
from gateway.identity.principal import VendorPrincipal
from gateway.release.receipts import Receipts
from tests.bench.harness import Sample, Target, percentile
from tests.bench.stand import Stand
from tests.bench.written_log import CONTRACT, VENDOR, write_sparse_log

_ENTRIES = 10_000_000
_QUICK_ENTRIES = 100_000
_PROOFS = 1_000
_CHECKED = 20
_TILES_WITH_ENTRIES = 500


class Proving:
    """An inclusion proof of a random entry and a consistency proof from a random earlier size.

    Each is made as a request makes it, from a tree without anything cached but by the system.
    The peer reads the same files, all of them once for each pair of proofs, and does nothing.
    """

    name = "proof"
    unit = "ms (p99)"
    target = Target(50.0, at_most=True)
    has_warmup = True

    _size: int
    _root: bytes
    _source: DirectorySource
    _receipts: Receipts
    _with_entries: list[int]
    _draw: random.Random
    _paths: list[list[Path]]

    @contextmanager
    def open(self, stand: Stand) -> Iterator[None]:
        self._size = _QUICK_ENTRIES if stand.quick else _ENTRIES
        directory = stand.cache / f"proofs-{self._size}"
        full_tiles = self._size // TILE_WIDTH
        chosen = random.Random(1).sample(range(full_tiles), min(_TILES_WITH_ENTRIES, full_tiles))
        self._with_entries = chosen
        write_sparse_log(directory, self._size, chosen)
        self._source = DirectorySource(directory)
        self._root = Checkpoint.from_body(SignedNote.from_text(read_note(self._source)).body).root
        self._receipts = Receipts(directory)
        self._draw = random.Random(2)
        self._paths = []
        yield

    def ours(self) -> Sample:
        self._paths.clear()
        inclusion: list[float] = []
        consistency: list[float] = []
        for number in range(_PROOFS):
            index = self._draw.randrange(self._size)
            old_size = self._draw.randrange(1, self._size)
            tree = TileTree(self._source, self._size)
            begin = monotonic()
            proof = tree.inclusion_proof(index)
            inclusion.append((monotonic() - begin) * 1e3)
            tree = TileTree(self._source, self._size)
            begin = monotonic()
            growth = tree.consistency_proof(old_size)
            consistency.append((monotonic() - begin) * 1e3)
            self._paths.append(self._files_of(index, old_size))
            if number < _CHECKED:
                self._check(index, proof, old_size, growth)
        both = sorted(map(sum, zip(inclusion, consistency, strict=True)))
        details = {
            **_middle_and_end("inclusion", inclusion),
            **_middle_and_end("consistency", consistency),
            **_middle_and_end("receipt", self._receipt_times()),
        }
        return Sample(percentile(both, 0.99), tuple(both), details)

    def peer(self) -> Sample:
        took: list[float] = []
        for paths in self._paths:
            begin = monotonic()
            for path in paths:
                path.read_bytes()
            took.append((monotonic() - begin) * 1e3)
        took.sort()
        return Sample(percentile(took, 0.99), tuple(took))

    def figure(self, samples: Sequence[Sample]) -> float:
        return percentile(sorted(took for sample in samples for took in sample.observations), 0.99)

    def note(self, ours: Sequence[Sample]) -> str:
        chosen = sorted(ours, key=lambda sample: sample.value)[len(ours) // 2].details
        parts = [
            f"{kind} p50 {chosen[f'{kind}_p50_ms']:.2f}, p99 {chosen[f'{kind}_p99_ms']:.2f} ms"
            for kind in ("inclusion", "consistency", "receipt")
        ]
        files = sum(map(len, self._paths)) / len(self._paths)
        return (
            f"{self._size:,} entries: {'; '.join(parts)}; the figure is inclusion and consistency"
            f" together, {files:.1f} files a pair; receipt is GET /v1/receipts without HTTP"
        )

    def _receipt_times(self) -> list[float]:
        principal = VendorPrincipal(VENDOR, CONTRACT, b"", datetime.max.replace(tzinfo=UTC))
        took: list[float] = []
        for number in range(_PROOFS):
            tile = self._draw.choice(self._with_entries)
            index = tile * TILE_WIDTH + self._draw.randrange(TILE_WIDTH)
            begin = monotonic()
            text = self._receipts.proof(principal, index)
            took.append((monotonic() - begin) * 1e3)
            if number < _CHECKED:
                _check_receipt(text)
        return took

    def _files_of(self, index: int, old_size: int) -> list[Path]:
        """The files that the two proofs read, found by making them once more, unmeasured."""
        noted = _NotedSource(self._source)
        TileTree(noted, self._size).inclusion_proof(index)
        TileTree(noted, self._size).consistency_proof(old_size)
        return [self._source.directory / path for path in noted.paths]

    def _check(self, index: int, proof: list[bytes], old_size: int, growth: list[bytes]) -> None:
        tree = TileTree(self._source, self._size)
        verify_inclusion(
            tree.leaf(index), index=index, size=self._size, root=self._root, proof=proof
        )
        verify_consistency(
            old_size=old_size,
            old_root=tree.root(old_size),
            new_size=self._size,
            new_root=self._root,
            proof=growth,
        )


class _NotedSource:
    """A source that notes what is read from another."""

    def __init__(self, source: TileSource) -> None:
        self._source = source
        self.paths: list[str] = []

    def read(self, path: str, limit: int) -> bytes | None:
        self.paths.append(path)
        return self._source.read(path, limit)


def _check_receipt(text: str) -> None:
    receipt = TlogProof.from_text(text)
    leaf = kept_leaf(receipt)
    assert leaf is not None
    receipt.verify_root(leaf)


def _middle_and_end(kind: str, took: list[float]) -> dict[str, float]:
    ordered = sorted(took)
    return {
        f"{kind}_p50_ms": percentile(ordered, 0.5),
        f"{kind}_p99_ms": percentile(ordered, 0.99),
    }
