"""Row: a published log of a million entries recomputed offline, beside bare SHA-256."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from statistics import median
from time import monotonic, process_time

from audit.bundle import decode_bundle
from audit.directory import verify_directory
from audit.policy import TrustPolicy
from audit.tile_source import DirectorySource
from audit.tiles import tiles_of
from tests.bench.harness import Sample, Target, middle
from tests.bench.stand import Stand
from tests.bench.written_log import BENCH_LOG_KEY, write_log

_ENTRIES = 1_000_000
_QUICK_ENTRIES = 50_000


class Verifying:
    """`casegate-audit verify` in one process: reads, unframes and hashes every entry, compares
    every tile, folds them to the root under the signature.

    The peer is one SHA-256 over the bytes of each entry, already in memory, and nothing else.
    Both are counted in seconds of processor time, which is what one core of an idle machine
    takes; the note has the seconds on the wall.
    """

    name = "verify"
    unit = "entries/CPU s"
    target = Target(200_000.0)
    has_warmup = True

    _size: int
    _directory: Path
    _policy: TrustPolicy

    @contextmanager
    def open(self, stand: Stand) -> Iterator[None]:
        self._size = _QUICK_ENTRIES if stand.quick else _ENTRIES
        self._directory = stand.cache / f"log-{self._size}"
        write_log(self._directory, self._size)
        self._policy = TrustPolicy.from_text(f"log {BENCH_LOG_KEY.verifier_key}\nquorum none\n")
        yield

    def ours(self) -> Sample:
        begin = process_time()
        one = self._verify(1)
        spent = process_time() - begin
        return Sample(
            self._size / spent, details={"one_process": one, "two_processes": self._verify(2)}
        )

    def peer(self) -> Sample:
        bundles = [name.to_path() for name in tiles_of(self._size) if name.level is None]
        spent = 0.0
        for path in bundles:
            entries = decode_bundle((self._directory / path).read_bytes())
            begin = process_time()
            for entry in entries:
                sha256(entry).digest()
            spent += process_time() - begin
        return Sample(self._size / spent)

    def figure(self, samples: Sequence[Sample]) -> float:
        return middle(samples)

    def note(self, ours: Sequence[Sample]) -> str:
        one, two = (
            median(sample.details[key] for sample in ours)
            for key in ("one_process", "two_processes")
        )
        return (
            f"{self._size:,} entries of 371 bytes; on the wall {one:,.0f} entries/s with one"
            f" process, {two:,.0f} with two"
        )

    def _verify(self, workers: int) -> float:
        """Entries a second on the wall."""
        source = DirectorySource(self._directory)
        begin = monotonic()
        report = verify_directory(source, self._policy, workers=workers)
        spent = monotonic() - begin
        if report.entries != self._size:
            raise RuntimeError("the verifier saw another log")
        return self._size / spent
