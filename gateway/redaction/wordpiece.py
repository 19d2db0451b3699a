"""Splits Latin text into the word pieces that BERT-like models read, with their places.

Lower case and without accents, as the vocabulary wants it; greedy longest match (Devlin et al.,
2018). Places are code points of the text given, whatever normalisation did to it.
"""

import unicodedata
from dataclasses import dataclass

_LONGEST_WORD = 100
_ASCII_END = 128


@dataclass(frozen=True, slots=True)
class Piece:
    """A token's number in the vocabulary and the stretch of text it stands for."""

    number: int
    start: int
    end: int


class WordPieces:
    """Tokens by a vocabulary of one token a line."""

    def __init__(self, vocabulary: str) -> None:
        self._numbers = {token: number for number, token in enumerate(vocabulary.split("\n"))}
        self.unknown = self._numbers["[UNK]"]
        self.first = self._numbers["[CLS]"]
        self.last = self._numbers["[SEP]"]

    def split(self, text: str) -> list[Piece]:
        """The pieces of `text` in order; any text gives some."""
        pieces: list[Piece] = []
        word: list[tuple[str, int]] = []
        for place, character in enumerate(text):
            category = unicodedata.category(character)
            if character.isspace():
                self._close(word, pieces)
            elif category in {"Cc", "Cf", "Cs", "Co", "Cn"} or character in "\0\ufffd":
                continue
            elif _stands_alone(character, category):
                self._close(word, pieces)
                self._close([(character, place)], pieces)
            else:
                word.extend((one, place) for one in _plain(character))
        self._close(word, pieces)
        return pieces

    def _close(self, word: list[tuple[str, int]], pieces: list[Piece]) -> None:
        """Cut one word into the longest known pieces, or call it unknown as a whole."""
        if not word:
            return
        letters = "".join(letter for letter, _ in word)
        found: list[Piece] = []
        start = 0
        while start < len(letters):
            end = len(letters) if len(letters) <= _LONGEST_WORD else start
            while end > start:
                token = letters[start:end] if not start else f"##{letters[start:end]}"
                number = self._numbers.get(token)
                if number is not None:
                    found.append(Piece(number, word[start][1], word[end - 1][1] + 1))
                    break
                end -= 1
            if end == start:
                found = [Piece(self.unknown, word[0][1], word[-1][1] + 1)]
                break
            start = end
        pieces.extend(found)
        word.clear()


def _stands_alone(character: str, category: str) -> bool:
    if ord(character) < _ASCII_END:
        return not character.isalnum()
    return category.startswith("P") or "一" <= character <= "鿿" or "㐀" <= character <= "䶿"


def _plain(character: str) -> str:
    decomposed = unicodedata.normalize("NFD", character.lower())
    return "".join(one for one in decomposed if unicodedata.category(one) != "Mn")
