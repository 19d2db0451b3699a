"""Row: pages of 500 cases, against a bare route that selects and serializes the same rows."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from tests.bench.harness import Sample, Target, middle
from tests.bench.sides import PAGE, Sides, both_sides, side_note
from tests.bench.stand import Stand

# Each page is some 370 kB; more of them at a time only queue.
_CONNECTIONS = 4
_MARKER = '"case_ref":'


class Bulk:
    """GET of a random full page of the vendor's listing."""

    name = "bulk"
    unit = "cases/s"
    target = Target(0.5, of_ratio=True)
    has_warmup = True

    _sides: Sides

    @contextmanager
    def open(self, stand: Stand) -> Iterator[None]:
        with both_sides(stand) as self._sides:
            yield

    def ours(self) -> Sample:
        sides = self._sides
        # The last page is not full and is left out.
        starts = ["", *(f"&cursor={cursor}" for cursor in sides.cursors)][: self._full_pages]
        requests = [(f"/v1/cases?limit={PAGE}{start}", _MARKER, PAGE) for start in starts]
        return sides.load(sides.ours, requests, connections=_CONNECTIONS, each=PAGE)

    def peer(self) -> Sample:
        sides = self._sides
        ordered = sorted(sides.refs)
        starts = ["", *(f"&after={ref}" for ref in ordered[PAGE - 1 :: PAGE])][: self._full_pages]
        requests = [(f"/cases?limit={PAGE}{start}", _MARKER, PAGE) for start in starts]
        return sides.load(sides.peer, requests, connections=_CONNECTIONS, each=PAGE)

    def figure(self, samples: Sequence[Sample]) -> float:
        return middle(samples)

    def note(self, ours: Sequence[Sample]) -> str:
        return side_note(list(ours))

    @property
    def _full_pages(self) -> int:
        return len(self._sides.refs) // PAGE
