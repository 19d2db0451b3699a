"""What a row of the bench is, and the interleaved rounds that measure it."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from statistics import median
from time import monotonic
from typing import Protocol

from tests.bench.stand import Stand


@dataclass(frozen=True, slots=True)
class Sample:
    """One round of one side: its figure in the row's unit, single observations, side figures."""

    value: float
    observations: tuple[float, ...] = ()
    details: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Target:
    """What a row should reach: `bound`, and `wanted` where that is not yet enough.

    It is compared with ours/peer when `of_ratio`, else with our own figure, which must not be
    above the bound when `at_most`, nor below it otherwise.
    """

    bound: float
    of_ratio: bool = False
    at_most: bool = False
    wanted: float | None = None

    def is_met(self, reached: float, bound: float) -> bool:
        return reached <= bound if self.at_most else reached >= bound


class Row(Protocol):
    """One line of the table."""

    @property
    def name(self) -> str: ...

    @property
    def unit(self) -> str: ...

    @property
    def target(self) -> Target: ...

    @property
    def has_warmup(self) -> bool:
        """Whether a first round of each side is thrown away."""
        ...

    def open(self, stand: Stand) -> AbstractContextManager[None]:
        """Makes everything ready, so that a round measures nothing but the round."""
        ...

    def ours(self) -> Sample: ...

    def peer(self) -> Sample | None:
        """None when there is nothing to compare with."""
        ...

    def figure(self, samples: Sequence[Sample]) -> float:
        """The figure of several rounds; most rows take the median."""
        ...

    def note(self, ours: Sequence[Sample]) -> str:
        """What a reader of the table should know beside the figure."""
        ...


@dataclass(frozen=True, slots=True)
class Result:
    """A measured row."""

    row: Row
    ours: tuple[Sample, ...]
    peer: tuple[Sample, ...]
    seconds: float  # the whole row, getting ready included

    @property
    def ratio(self) -> float | None:
        """Our figure over the peer's."""
        if not self.peer:
            return None
        return self.row.figure(self.ours) / self.row.figure(self.peer)

    @property
    def round_ratios(self) -> list[float]:
        """The ratio of each round by itself: how far the noise of the machine goes."""
        pairs = zip(self.ours, self.peer, strict=False)
        return [ours.value / peer.value for ours, peer in pairs]

    @property
    def reached(self) -> float:
        """What the target is compared with."""
        ratio = self.ratio
        if self.row.target.of_ratio:
            assert ratio is not None
            return ratio
        return self.row.figure(self.ours)

    @property
    def is_met(self) -> bool:
        return self.row.target.is_met(self.reached, self.row.target.bound)

    @property
    def is_as_wanted(self) -> bool:
        target = self.row.target
        return target.is_met(
            self.reached, target.bound if target.wanted is None else target.wanted
        )


Heard = Callable[[str], None]


def measure(row: Row, stand: Stand, *, rounds: int, hear: Heard) -> Result:
    """Runs ours, peer, ours, peer, …: what slows the machine for a while slows both."""
    ours: list[Sample] = []
    peer: list[Sample] = []
    begin = monotonic()
    hear(f"{row.name}: getting ready")
    with row.open(stand):
        if row.has_warmup:
            hear(f"{row.name}: warming up")
            row.ours()
            row.peer()
        for number in range(1, rounds + 1):
            sample = row.ours()
            ours.append(sample)
            hear(f"{row.name}: round {number}/{rounds}  ours {sample.value:,.1f} {row.unit}")
            other = row.peer()
            if other is not None:
                peer.append(other)
                hear(f"{row.name}: round {number}/{rounds}  peer {other.value:,.1f} {row.unit}")
    return Result(row, tuple(ours), tuple(peer), monotonic() - begin)


def middle(samples: Sequence[Sample]) -> float:
    """The median of the rounds' figures."""
    return median(sample.value for sample in samples)


def percentile(ordered: Sequence[float], share: float) -> float:
    """A percentile of sorted observations, by nearest rank."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
