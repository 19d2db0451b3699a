"""A stretch of text read token by token: digits, look-alikes, sounds, words and counted digits."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

from gateway.redaction.digits import (
    CANONICAL,
    CHECK_LETTERS,
    DIGIT_CLASS,
    DIGITS,
    ENCLOSED,
    HOMOPHONES,
    LETTERS,
    STROKES,
)
from gateway.redaction.letters import letters_in_ascii
from gateway.redaction.sounds import DISTANT, READINGS


class Kind(IntEnum):
    """How sure it is that a token is a digit; the surest first."""

    DIGIT = 0
    WORD = 1
    ALIKE = 2
    SOUND = 3
    DISTANT = 4


@dataclass(frozen=True, slots=True)
class Token:
    """One or more digits told by text[start:end]."""

    digits: str
    start: int
    end: int
    kind: Kind


@dataclass(frozen=True, slots=True)
class Way:
    """What may be read in two ways: |, a digit or between digits; 一十三, 113 or 13.

    And 六十二十四: 60 and 24, or with `greedy_tens` 62 and 14.
    """

    strokes: bool = False
    merged_tens: bool = False
    greedy_tens: bool = False


_ENGLISH = {
    "zero": "0",
    "oh": "0",
    "one": "1",
    "two": "2",
    "three": "3",
    "four": "4",
    "five": "5",
    "six": "6",
    "seven": "7",
    "eight": "8",
    "nine": "9",
}
WORDS: dict[str, str] = READINGS | _ENGLISH
"""Pinyin and English words for digits, small letters."""
_LISTED = "|".join(sorted(WORDS, key=len, reverse=True))
_WORD = re.compile(rf"({_LISTED})(?:[1-5](?![0-9]))?")
# Letters between letters are a word for digits only if words fill the whole of it.
_WORDS = re.compile(rf"(?<![a-z])(?:(?:{_LISTED})(?:[1-5](?![0-9]))?)+(?![a-z])")
_WORDS_IN_A_ROW = re.compile(
    rf"(?<![a-z])(?:{_LISTED})(?:[^a-z\u3400-\u9fff]{{0,3}}(?:{_LISTED})){{4,}}(?![a-z])"
)
# Long enough for five words; what e-mail, accounts and dates hold ends it.
_ANY_LATIN = re.compile(r"[A-Za-zÀ-ǜＡ-ｚⒶ-ⓩ][^\u3400-\u9fff05-9@_\ufdd0]{12,}")
COUNTED = re.compile(rf"([{DIGIT_CLASS}])\s?[个個]\s?([{DIGIT_CLASS}])")
_TENS = re.compile("[零〇一二三四五六七八九两十百拾]*[十百拾][零〇一二三四五六七八九两十百拾]*")
_NOUGHT = frozenset("零〇")
_TEN = frozenset("十拾")
_UNITS = frozenset("十拾百")


# The letters of QQ are no noughts.
_ANNOUNCED = re.compile(
    r"(?<![A-Za-z0-9])(?:q ?q|vx|wx|wechat|weixin|id|tel|phone|mobile|no|sfz)", re.IGNORECASE
)
_ANNOUNCING = frozenset("qvwitpmnsQVWITPMNS")


def _blank(word: re.Match[str]) -> str:
    return " " * len(word[0])


def find_worded(text: str) -> Iterator[tuple[int, int]]:
    """Where five or more Pinyin or English words for digits follow each other."""
    for run in _ANY_LATIN.finditer(text):
        folded = _ANNOUNCED.sub(_blank, letters_in_ascii(run[0]).lower())
        if len(folded) == len(run[0]):
            for found in _WORDS_IN_A_ROW.finditer(folded):
                yield run.start() + found.start(), run.start() + found.end()


def read_tokens(text: str, start: int, end: int, way: Way) -> Iterator[Token]:
    """The tokens of text[start:end] in order; what is none is passed over."""
    words = _words(text, start, end)
    place = start
    while place < end:
        one = text[place]
        if one in _ANNOUNCING and (announced := _ANNOUNCED.match(text, place, end)):
            place = announced.end()
        elif place in words:
            yield from words[place]
            place = words[place][-1].end
        elif (counted := COUNTED.match(text, place, end)) and (repeated := _repeat(counted)):
            yield repeated
            place = counted.end()
        elif one in _UNITS or (one in DIGITS and text[place + 1 : place + 2] in _UNITS):
            tens = _TENS.match(text, place, end)
            if tens is None:
                place += 1
                continue
            after = tens.end()
            if text[after : after + 1] in CHECK_LETTERS and text[after - 1] in DIGITS:
                after -= 1  # 三十七x is 30 and 7X
            yield from _read_tens(text[place:after], place, way)
            place = after
        else:
            if token := _read_character(one, place, way):
                yield token
            place += 1


def _words(text: str, start: int, end: int) -> dict[int, list[Token]]:
    """The words for digits by the place where a row of them begins."""
    folded = letters_in_ascii(text[start:end]).lower()
    if len(folded) != end - start:
        return {}
    folded = _ANNOUNCED.sub(_blank, folded)
    return {
        start + row.start(): [
            Token(WORDS[word[1]], start + word.start(), start + word.end(), Kind.WORD)
            for word in _WORD.finditer(folded, row.start(), row.end())
        ]
        for row in _WORDS.finditer(folded)
        if not _is_alike(text, start + row.start(), start + row.end())
    }


def _is_alike(text: str, start: int, end: int) -> bool:
    """Whether letters are more likely look-alikes than a word: 0SI9 is no si."""
    around = text[max(0, start - 1) : start] + text[end : end + 1]
    return any("0" <= one <= "9" for one in around) and all(
        one in LETTERS for one in text[start:end]
    )


def _repeat(counted: re.Match[str]) -> Token | None:
    count, digit = (counted[group].translate(CANONICAL) for group in (1, 2))
    if count not in set("2345678") or not digit.isdecimal():
        return None
    return Token(digit * int(count), counted.start(), counted.end(), Kind.WORD)


def _read_character(one: str, place: int, way: Way) -> Token | None:  # noqa: PLR0911  # a table each
    if digit := DIGITS.get(one):
        return Token(digit, place, place + 1, Kind.DIGIT)
    if digits := ENCLOSED.get(one):
        return Token(digits, place, place + 1, Kind.DIGIT)
    if digit := LETTERS.get(one):
        return Token(digit, place, place + 1, Kind.ALIKE)
    if one in STROKES:
        return Token("1", place, place + 1, Kind.ALIKE) if way.strokes else None
    if digit := HOMOPHONES.get(one):
        return Token(digit, place, place + 1, Kind.SOUND)
    if digit := DISTANT.get(one):
        return Token(digit, place, place + 1, Kind.DISTANT)
    return None


def _read_tens(run: str, place: int, way: Way) -> Iterator[Token]:
    """三十八 as 38, 一百三十八 as 138, 七十零一 as 70 and 01."""
    at = 0
    while at < len(run):
        digits, length = _read_numeral(run, at, way)
        if digits:
            yield Token(digits, place + at, place + at + length, Kind.WORD)
        at += length


def _read_numeral(run: str, at: int, way: Way) -> tuple[str, int]:  # noqa: PLR0911  # one exit a form
    """The digits of the numeral that begins at `at`, and its length."""
    one = run[at]
    after = run[at + 1 : at + 2]
    if one in _TEN:
        unit = _unit(run, at + 1, way)
        return "1" + (unit or "0"), 1 + len(unit)
    if one == "百":
        return "", 1
    digit = DIGITS[one]
    if one in _NOUGHT and after and after in _NOUGHT:
        return "00", 2
    if one in _NOUGHT and run[at + 2 : at + 3] in _TEN and run[at + 2 :] and after not in _UNITS:
        # 零二十九 is 02 and 19, unless whoever reads it does not count by twos.
        return (digit, 1) if way.merged_tens else (digit + DIGITS[after], 2)
    if after == "百":
        return _read_hundreds(run, at, digit, way)
    if after and after in _TEN and one not in _NOUGHT and (way.merged_tens or digit != "1"):
        unit = _unit(run, at + 2, way)
        return digit + (unit or "0"), 2 + len(unit)
    return digit, 1


def _read_hundreds(run: str, at: int, digit: str, way: Way) -> tuple[str, int]:
    rest = at + 2
    follows = run[rest : rest + 1]
    if follows and follows in _NOUGHT and (unit := _unit(run, rest + 1, way)):
        return digit + "0" + unit, 4
    if follows and follows not in _UNITS | _NOUGHT and run[rest + 1 : rest + 2] in _TEN:
        unit = _unit(run, rest + 2, way)
        return digit + DIGITS[follows] + (unit or "0"), 4 + len(unit)
    if unit := _unit(run, rest, way):
        return digit + unit + "0", 3
    return digit + "00", 2


def _unit(run: str, at: int, way: Way) -> str:
    """The digit at `at` if it is not nought and no numeral begins with it, as one character."""
    one = run[at : at + 1]
    if not one or one in _UNITS | _NOUGHT:
        return ""
    digit = DIGITS[one]
    begins_one = run[at + 1 : at + 2] in _UNITS and run[at + 1 : at + 2] != ""
    if begins_one and not way.greedy_tens and (digit != "1" or way.merged_tens):
        return ""
    return digit
