"""Labelled sentences as arrays of target probabilities, the teacher's where asked."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

LABELS = ".PpalGg"
"""Nothing, person begins, person goes on, address, place name, organisation begins, goes on."""

VOCABULARY = 6000
Floats = npt.NDArray[np.float32]
Teacher = Callable[[str], Floats]
"""Gives probabilities of `LABELS` for each character of a text."""


@dataclass(frozen=True, slots=True)
class Stream:
    """One long run of text: `text`, and `targets` of shape (len(text), len(LABELS))."""

    text: str
    targets: npt.NDArray[np.float16]


def stream(sentences: Iterable[tuple[str, str]], teacher: Teacher) -> Stream:
    """Join sentences; labels ``?`` take the teacher's probabilities."""
    texts: list[str] = []
    parts: list[npt.NDArray[np.float16]] = []
    eye = np.eye(len(LABELS), dtype=np.float32)
    for text, labels in sentences:
        gold = np.array([LABELS.find(label) for label in labels])
        targets = eye[gold]
        if (gold < 0).any():
            targets = np.where((gold < 0)[:, None], teacher(text), targets)
        texts.append(text)
        parts.append(targets.astype(np.float16))
    return Stream("".join(texts), np.concatenate(parts))


def vocabulary(text: str) -> list[str]:
    """The characters that the model knows, most frequent first; 0 is padding, 1 unknown."""
    return [one for one, _ in Counter(text).most_common(VOCABULARY - 2)]
