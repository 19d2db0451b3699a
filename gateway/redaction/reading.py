"""A text as the models read it, and the runs of characters that they and the rules point at."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gateway.redaction.weights import Floats

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Reading:
    """A text with one probability a character for each question; zeros where no model answers.

    `person`, `address` (a whole address), `place` (a bare place name), `organisation`; `begins`
    that a word begins here, ones where no model segments.
    """

    text: str
    person: Floats
    address: Floats
    place: Floats
    organisation: Floats
    begins: Floats


def unread(text: str) -> Reading:
    """The reading without any model: rules alone decide."""
    nothing = np.zeros(len(text), np.float32)
    return Reading(text, nothing, nothing, nothing, nothing, np.ones(len(text), np.float32))


def runs(flags: Flags) -> Iterator[tuple[int, int]]:
    """The stretches (start, end) where the flags are set, in order."""
    start = end = -1
    for place in flags.nonzero()[0].tolist():
        if place != end:
            if end > 0:
                yield start, end
            start = place
        end = place + 1
    if end > 0:
        yield start, end


def mean(values: Floats, start: int, end: int) -> float:
    """The mean of a stretch; quicker for a few values than the array's own."""
    return float(np.add.reduce(values[start:end])) / max(1, end - start)


def is_han(character: str) -> bool:
    """Whether it is a Chinese character of the common block."""
    return "一" <= character <= "鿿"
