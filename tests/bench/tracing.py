"""Row: fifty leaked rows, masked as they were released, led back to the vendor that had them."""

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from time import monotonic

from policies.fields import Stage
from tests.bench.harness import Sample, Target, middle
from tests.bench.stand import Stand
from tests.gateway.tracing.stage import Pulled, pulled

_VENDORS = ("alpha", "beta")
_LEAKED = 50
_FEWEST = 0.9  # of the file, that the right vendor has to explain


class Tracing:
    """Names, numbers and places with stars in them: every case is opened, masked and compared.

    No peer does this. A round in which the wrong vendor comes first ends the run.
    """

    name = "trace"
    unit = "cases/s"
    target = Target(3_000.0, wanted=5_000.0)
    has_warmup = False

    _stage: Pulled
    _leaks: list[tuple[str, str]]
    _rounds: Iterator[int]
    _cases: int

    @contextmanager
    def open(self, stand: Stand) -> Iterator[None]:
        self._cases = 500 if stand.quick else 50_000 if stand.full else 10_000
        folder = stand.directory / "tracing"
        folder.mkdir()
        self._stage = pulled(stand.installation.database().owner_url, folder, cases=self._cases)
        self._leaks = [(vendor, self._leaked(vendor)) for vendor in _VENDORS]
        self._rounds = count()
        yield

    def ours(self) -> Sample:
        vendor, content = self._leaks[next(self._rounds) % len(self._leaks)]
        begin = monotonic()
        report = self._stage.trace(content)
        elapsed = monotonic() - begin
        first = report.suspects[0]
        if first.vendor != vendor or first.likelihood < _FEWEST:
            raise RuntimeError(f"the rows of {vendor} were led back to {first.vendor}")
        return Sample(report.opened / elapsed, details={"seconds": elapsed})

    def peer(self) -> Sample | None:
        return None

    def figure(self, samples: Sequence[Sample]) -> float:
        return middle(samples)

    def note(self, ours: Sequence[Sample]) -> str:
        seconds = sorted(sample.details["seconds"] for sample in ours)
        return (
            f"{_LEAKED} masked rows among {len(_VENDORS) * self._cases:,} cases of"
            f" {len(_VENDORS)} vendors in {seconds[len(seconds) // 2]:.1f} s, always the right one"
        )

    def _leaked(self, vendor: str) -> str:
        chosen = set(random.Random(7).sample(range(self._cases), _LEAKED))
        projection = self._stage.projection(vendor, Stage.BULK)
        rows = [
            projection.apply(record)
            for number, record in enumerate(self._stage.records(vendor))
            if number in chosen
        ]
        return "\n".join(
            f"{row['full_name']},{row['mobile_phone']},{row.get('home_address', '')}"
            for row in rows
        )
