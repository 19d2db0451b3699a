"""The project's own small tagger: persons, addresses, organisations, about a millisecond a note.

A convolutional network over characters and character pairs, trained on invented text alone
(tests/eval/training makes the text and the weights). The pairs are hashed into a table; the same
hash is part of the training.
"""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

import numpy as np
import numpy.typing as npt

from gateway.redaction.weights import (
    Floats,
    half_width,
    open_session,
    read_verified,
    shares_of,
    windows,
)

PAIRS = 1 << 15
"""Slots of the table of character pairs."""

DIGESTS = {
    "tagger.onnx": "a3bbae775abda70b1f7ee52a31537a900860477addf248bc6aea0c953945ba85",
    "tagger.txt": "4b844cf6b9cb1d0a1e28fb51b7a512c3f77dd587ab51daed25a935c9db139dfb",
}
_WINDOW = 1_024
_LABELS = 7
_UNKNOWN = 1
_PLANES = 0x110000

Ids = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class TaggerMarks:
    """Probabilities for each character; `address` in a whole address, `place` in a bare name."""

    person: Floats
    person_begins: Floats
    address: Floats
    place: Floats
    organisation: Floats
    organisation_begins: Floats


class Tagger:
    """The loaded network; `load_tagger` gives the process's one instance."""

    def __init__(self, model: bytes, vocabulary: str) -> None:
        self._session = open_session(model)
        self._ids = np.full(_PLANES, _UNKNOWN, np.int32)
        for number, character in enumerate(vocabulary, _UNKNOWN + 1):
            self._ids[ord(character)] = number

    def read(self, text: str) -> TaggerMarks:
        """Probabilities for each character of `text`; any text, of any length."""
        plain = text.translate(half_width())
        parts = [self._shares(plain[start:end]) for start, end in windows(plain, _WINDOW)]
        table = np.concatenate(parts, axis=1) if parts else np.zeros((_LABELS, 0), np.float32)
        return TaggerMarks(
            person=table[1] + table[2],
            person_begins=table[1],
            address=table[3],
            place=table[4],
            organisation=table[5] + table[6],
            organisation_begins=table[5],
        )

    def _shares(self, text: str) -> Floats:
        codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
        before = pair_slots(codes)
        feeds = {
            "ids": self._ids[codes][None],
            "before": before[None],
            "after": np.append(before[1:], np.int32(0))[None],
        }
        return shares_of(self._session.run(None, feeds)[0][0])


def pair_slots(codes: npt.NDArray[np.uint32]) -> Ids:
    """The table slot of each character with the one before it."""
    earlier = np.concatenate([np.zeros(1, np.uint32), codes[:-1]])
    mixed = earlier * np.uint32(0x9E3779B1) + codes * np.uint32(0x85EBCA77)
    mixed ^= mixed >> np.uint32(15)
    slots: Ids = (mixed % np.uint32(PAIRS)).astype(np.int32)
    return slots


@cache
def load_tagger() -> Tagger:
    """Load the packaged network once a process; raises ModelAlteredError when a file differs."""
    directory = Path(str(files("gateway.redaction"))) / "data"
    model, vocabulary = (
        read_verified(directory / name, digest) for name, digest in DIGESTS.items()
    )
    return Tagger(model, vocabulary.decode("utf-8"))
