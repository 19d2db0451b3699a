"""One canonical character for all that mean the same, and a search through all spellings."""

import unicodedata
from collections.abc import Iterator

from gateway.redaction.digits import DIGITS, SEPARATORS
from gateway.redaction.wordlists import packaged

_FULL_WIDTH = range(0xFF01, 0xFF5F)
_TONES = range(0x00C0, 0x01DD)
_MOST_BETWEEN = 3
_TONE_NUMBERS = frozenset("12345")
_V = "v"  # how ü is typed


def _table() -> dict[str, str]:
    table = {pair[0]: pair[1] for pair in packaged("traditional.txt")["pairs"]}
    for code in _FULL_WIDTH:
        table[chr(code)] = chr(code - 0xFEE0).lower()
    for code in range(ord("A"), ord("Z") + 1):
        table[chr(code)] = chr(code).lower()
    for one in map(chr, _TONES):
        bare = unicodedata.normalize("NFD", one)
        if len(bare) > 1 and bare[0].isascii():
            table[one] = _V if bare[0] in "uU" and "\u0308" in bare else bare[0].lower()
    return table | DIGITS


FOLD: dict[str, str] = _table()


def _spellings() -> dict[str, tuple[str, ...]]:
    spellings: dict[str, list[str]] = {}
    for one, canonical in FOLD.items():
        spellings.setdefault(canonical, [canonical]).append(one)
    return {canonical: tuple(dict.fromkeys(all_)) for canonical, all_ in spellings.items()}


_SPELLINGS = _spellings()


def fold(text: str) -> str:
    """The canonical form: simplified, lower-case, half-width, digits in ASCII, no separators."""
    return "".join(FOLD.get(one, one) for one in text if one not in SEPARATORS)


def squeeze(text: str) -> tuple[str, list[int]]:
    """The text without separators and hidden characters, and the place of each that is left."""
    places = [place for place, one in enumerate(text) if one not in SEPARATORS]
    if len(places) == len(text):
        return text, places
    return "".join(text[place] for place in places), places


def spellings(canonical: str) -> tuple[str, ...]:
    """All characters that fold to this one."""
    return _SPELLINGS.get(canonical, (canonical,))


def match_at(text: str, place: int, pattern: str) -> int:
    """The place after `pattern`, a folded text, if it stands at `place` in any spelling, or 0.

    Up to three separators may stand between two characters, and a tone behind a syllable.
    """
    between = 0
    index = 0
    may_hold_tones = pattern.isascii() and pattern.isalpha()
    for one in text[place : place + len(pattern) * (_MOST_BETWEEN + 1)]:
        if FOLD.get(one, one) == pattern[index]:
            index += 1
            between = 0
            if index == len(pattern):
                end = place + 1
                has_tone = may_hold_tones and text[end : end + 1] in _TONE_NUMBERS
                return end + 1 if has_tone and not text[end + 1 : end + 2].isdecimal() else end
        elif (
            (one not in SEPARATORS and not (may_hold_tones and one in _TONE_NUMBERS))
            or between == _MOST_BETWEEN
            or index == 0
        ):
            return 0
        else:
            between += 1
        place += 1
    return 0


def find_folded(text: str, pattern: str) -> Iterator[tuple[int, int]]:
    """Every place where `pattern`, a folded text that is not empty, stands in any spelling.

    A pattern in Latin letters or digits is found as a whole word only.
    """
    anchor = _anchor(pattern)
    for first in spellings(pattern[anchor]):
        place = text.find(first)
        while place >= 0:
            end = match_at(text, place, pattern[anchor:])
            if end:
                start = match_before(text, place, pattern[:anchor])
                if start >= 0 and _stands_alone(text, start, end, pattern):
                    yield start, end
            place = text.find(first, place + 1)


def _anchor(pattern: str) -> int:
    """Where to begin: digits have too many spellings."""
    for index, one in enumerate(pattern):
        if not one.isdecimal():
            return index
    return 0


def match_before(text: str, place: int, pattern: str) -> int:
    """Where `pattern` begins if it ends at `place`, or -1."""
    between = 0
    index = len(pattern)
    while index:
        place -= 1
        if place < 0:
            return -1
        one = text[place]
        if FOLD.get(one, one) == pattern[index - 1]:
            index -= 1
            between = 0
        elif one not in SEPARATORS or between == _MOST_BETWEEN:
            return -1
        else:
            between += 1
    return place


def _stands_alone(text: str, start: int, end: int, pattern: str) -> bool:
    return not (
        (start and _is_same_word(text[start - 1], pattern[0]))
        or (end < len(text) and _is_same_word(text[end], pattern[-1]))
    )


def _is_same_word(neighbour: str, one: str) -> bool:
    beside = FOLD.get(neighbour, neighbour)
    return ("a" <= one <= "z" and "a" <= beside <= "z") or (
        one.isdecimal() and one.isascii() and neighbour.isdecimal()
    )
