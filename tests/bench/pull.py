"""Row: one case at a time, against a bare route that returns the same fields."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from tests.bench.harness import Sample, Target, middle
from tests.bench.sides import Sides, both_sides, side_note
from tests.bench.stand import Stand


class Pull:
    """GET of a random case, authenticated, decided, decrypted, masked and logged each time."""

    name = "pull"
    unit = "requests/s"
    target = Target(0.6, of_ratio=True, wanted=0.8)
    has_warmup = True

    _sides: Sides

    @contextmanager
    def open(self, stand: Stand) -> Iterator[None]:
        with both_sides(stand) as self._sides:
            yield

    def ours(self) -> Sample:
        sides = self._sides
        requests = [(f"/v1/cases/{ref}", ref, 1) for ref in sides.refs]
        return sides.load(sides.ours, requests, connections=sides.stand.connections)

    def peer(self) -> Sample:
        sides = self._sides
        requests = [(f"/cases/{ref}", ref, 1) for ref in sides.refs]
        return sides.load(sides.peer, requests, connections=sides.stand.connections)

    def figure(self, samples: Sequence[Sample]) -> float:
        return middle(samples)

    def note(self, ours: Sequence[Sample]) -> str:
        return side_note(list(ours))
