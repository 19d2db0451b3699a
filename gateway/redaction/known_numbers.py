"""The digits of a case's own numbers, found whatever stands between them or in their place."""

import re
from collections.abc import Iterable, Iterator, Mapping

from gateway.redaction.digits import (
    BARRIER,
    CANONICAL,
    CHECK_LETTERS,
    DIGIT_CLASS,
    DIGITS,
    ENCLOSED,
    HOMOPHONES,
    LETTERS,
    SEPARATOR_CLASS,
    basic_class,
    read_digits,
)
from gateway.redaction.folding import fold
from gateway.redaction.pieces import (
    WITH_HOMOPHONES,
    WITH_LETTERS,
    WITH_STROKES,
    read_stretches,
)
from gateway.redaction.spans import EntityType, Source, Span
from gateway.redaction.splits import silence_idioms

_SHORTEST_NUMBER = 6
_RESIDENT_LENGTH = 18
_AREA = re.compile(r"0(?:10|2\d|[3-9]\d\d)(?=\d{7,8}$)")
_DIGIT_RUN = re.compile(f"[{DIGIT_CLASS}]+")
_ENCLOSED = re.compile(f"[{basic_class(ENCLOSED)}]")
_ANY_DIGIT = basic_class(DIGITS.keys() | LETTERS.keys() | HOMOPHONES.keys())
_DISGUISED = re.compile(f"[{_ANY_DIGIT}](?:[{SEPARATOR_CLASS}]{{0,3}}[{_ANY_DIGIT}]){{5,}}+")
_WEAK = re.compile(f"[{basic_class(LETTERS.keys() | HOMOPHONES.keys())}|｜!！]")
_LONGEST_GAP = 24
_SHORTEST_TAIL = 4
_TAIL = re.compile(
    rf"(?:尾号|尾數|尾号码|尾数|[后後末][四4六6]位|末尾|结尾|最后|尾)[^{DIGIT_CLASS}]{{0,5}}"
    rf"([{DIGIT_CLASS}](?:[{SEPARATOR_CLASS}]{{0,2}}[{DIGIT_CLASS}]){{2,5}}(?:[{SEPARATOR_CLASS}]?[Xx])?)"
    rf"(?![{DIGIT_CLASS}])"
)
_STARRED = re.compile(
    rf"([{DIGIT_CLASS}]{{2,8}})[*＊xX×#＃.·…_]{{2,16}}([{DIGIT_CLASS}]{{2,6}}[Xx]?)"
)


class NumberFinder:
    """Compiled from the numbers of one case, by their type. Immutable."""

    def __init__(self, values: Mapping[EntityType, Iterable[str]]) -> None:
        self._numbers = tuple(_numbers(values))

    def find(self, text: str) -> Iterator[Span]:
        """Spans of source KNOWN; they may overlap."""
        if not self._numbers:
            return
        runs = _DIGIT_RUN.findall(text)
        if runs:
            joined = "".join(runs)
            if not joined.isascii():
                joined = joined.translate(CANONICAL)
            has_enclosed = not joined.isascii() and _ENCLOSED.search(joined) is not None
            for number, kind in self._numbers:
                if has_enclosed or number in joined:
                    yield from _locate(text, number, kind)
            yield from self._find_parts(text)
            quiet = silence_idioms(text)
            if quiet != text:
                for number, kind in self._numbers:
                    yield from _locate(quiet, number, kind)
        if _WEAK.search(text):
            yield from self._find_disguised(text)

    def _find_parts(self, text: str) -> Iterator[Span]:
        """The last four or six after a word for it; the ends around stars."""
        if "尾" in text or "后" in text or "末" in text or "後" in text:
            for tail in _TAIL.finditer(text):
                last = fold(tail[1])
                if len(last) < _SHORTEST_TAIL:
                    continue
                for number, kind in self._numbers:
                    if number.endswith(last.removesuffix("x")):
                        yield known_span(*tail.span(1), kind)
        if "*" in text or "＊" in text or "xx" in text or "XX" in text:
            for starred in _STARRED.finditer(text):
                first, last = fold(starred[1]), fold(starred[2]).upper().rstrip("X")
                for number, kind in self._numbers:
                    if number.startswith(first) and number.endswith(last):
                        yield known_span(*starred.span(), kind)

    def _find_disguised(self, text: str) -> Iterator[Span]:
        for run in _DISGUISED.finditer(text):
            if _WEAK.search(run[0]) is None:
                continue
            for spelling in (WITH_LETTERS, WITH_STROKES, WITH_HOMOPHONES):
                for stretch in read_stretches(text, *run.span(), spelling):
                    for number, kind in self._numbers:
                        yield from _spans_of(stretch.digits, stretch.places, number, kind)


def known_span(start: int, end: int, kind: EntityType) -> Span:
    """A span that a case's own value is the reason of."""
    return Span(start, end, kind, 1.0, Source.KNOWN)


def is_number(value: str) -> bool:
    """Whether a value is digits alone, or digits and X, in any spelling."""
    return fold(value).removesuffix("x").isdecimal()


def _numbers(values: Mapping[EntityType, Iterable[str]]) -> Iterator[tuple[str, EntityType]]:
    seen: set[str] = set()
    for kind, listed in values.items():
        for value in listed:
            for number in _number_forms(fold(value), kind):
                if len(number) >= _SHORTEST_NUMBER and number.isdecimal() and number not in seen:
                    seen.add(number)
                    yield number, kind


def _number_forms(digits: str, kind: EntityType) -> Iterator[str]:
    """The digits; a phone without prefix or area code; an identity number in its old form."""
    number = digits.removesuffix("x")
    if kind is EntityType.PHONE:
        for prefix in ("0086", "86"):
            if len(number) > 11 and number.startswith(prefix):  # noqa: PLR2004  # a mobile's length
                number = number.removeprefix(prefix)
        yield number
        yield _AREA.sub("", number)
    else:
        yield number
        if kind is EntityType.ID_NUMBER and len(digits) == _RESIDENT_LENGTH:
            yield number[:6] + number[8:17]


def _locate(text: str, number: str, kind: EntityType) -> Iterator[Span]:
    """Every place where the digits follow each other, whatever stands between them."""
    pairs = list(read_digits(text))
    places = [place for _digit, place in pairs]
    joined = "".join(digit for digit, _place in pairs)
    for span in _spans_of(joined, places, number, kind):
        end = span.end
        if BARRIER in text and BARRIER in text[span.start : end]:
            continue
        if kind is EntityType.ID_NUMBER and text[end : end + 1] in CHECK_LETTERS:
            end += 1
        yield known_span(span.start, end, kind)


def _spans_of(joined: str, places: list[int], number: str, kind: EntityType) -> Iterator[Span]:
    """Where the number is in the joined digits; repeated digits that overlap are one span."""
    index = joined.find(number)
    start = end = -1
    while index >= 0:
        last = index + len(number) - 1
        if _are_near(places, index, last):
            if places[index] >= end:
                if end > 0:
                    yield known_span(start, end, kind)
                start = places[index]
            end = places[last] + 1
        index = joined.find(number, index + 1)
    if end > 0:
        yield known_span(start, end, kind)


def _are_near(places: list[int], first: int, last: int) -> bool:
    return all(places[index + 1] - places[index] <= _LONGEST_GAP for index in range(first, last))
