"""The digits of a case's own numbers, found whatever stands between them or in their place."""

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise

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
    SEPARATORS,
    STROKES,
    basic_class,
    read_digits,
)
from gateway.redaction.folding import fold, squeeze
from gateway.redaction.sounds import DISTANT
from gateway.redaction.spans import EntityType, Source, Span
from gateway.redaction.splits import silence_idioms
from gateway.redaction.tokens import COUNTED, Kind, Token, Way, find_worded, read_tokens

_SHORTEST_NUMBER = 6
_RESIDENT_LENGTH = 18
_SHORTEST_TURNED = 8
_AREA = re.compile(r"0(?:10|2\d|[3-9]\d\d)(?=\d{7,8}$)")
_DIGIT_RUN = re.compile(f"[{DIGIT_CLASS}]+")
_ENCLOSED = re.compile(f"[{basic_class(ENCLOSED)}]")
_HIDING = LETTERS | HOMOPHONES | DISTANT
# Digits and whatever may be one, by how much is taken for one.
_TAKEN = (LETTERS, LETTERS | HOMOPHONES, _HIDING)
_MAY_HIDE = tuple(
    re.compile(f"[{DIGIT_CLASS}{basic_class({*taken, *strokes})}]+")
    for taken in _TAKEN
    for strokes in (frozenset[str](), STROKES)
)
_HIDDEN = str.maketrans(_HIDING | DIGITS | dict.fromkeys(STROKES, "1"))
_FEWEST_TENS = 3
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
                joined = "".join(_DIGIT_RUN.findall(quiet)).translate(CANONICAL)
                for number, kind in self._numbers:
                    if number in joined:
                        yield from _locate(quiet, number, kind)
        if "十" in text or "拾" in text:
            yield from self._find_by_twos(text)
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
        """Look-alikes, sounds, words and counts, all of one kind or of several."""
        is_told = (
            text.count("十") >= _FEWEST_TENS
            or COUNTED.search(text) is not None
            or next(find_worded(text), None) is not None
        )
        if not is_told:
            rows = ["".join(row.findall(text)).translate(_HIDDEN) for row in _MAY_HIDE]
            if not any(number in row for number, _kind in self._numbers for row in rows):
                return
        for way in (Way(), Way(strokes=True), Way(greedy_tens=True), Way(merged_tens=True)):
            tokens = list(read_tokens(text, 0, len(text), way))
            for surest in (Kind.WORD, Kind.ALIKE, Kind.SOUND, Kind.DISTANT):
                some = [token for token in tokens if token.kind <= surest]
                for number, kind in self._numbers:
                    yield from _tell(text, some, number, kind)

    def _find_by_twos(self, text: str) -> Iterator[Span]:
        """Numbers told in pairs, 十三八十: what cannot be read in one way can be written so."""
        bare, places = squeeze(text)
        folded = fold(bare)
        if len(folded) != len(bare):
            return
        for number, kind in self._numbers:
            for pattern in _by_twos(number):
                index = folded.find(pattern)
                if index >= 0:
                    last = places[index + len(pattern) - 1]
                    end = _end_of_check_letter(text, last + 1)
                    yield known_span(places[index], end, kind)


def _by_twos(number: str) -> Iterator[str]:
    """The number in pairs from its first and from its second digit; 13 as 十三 and as 一十三."""
    for head in (0, 1):
        pairs = [number[place : place + 2] for place in range(head, len(number), 2)]
        for ten in ("", "1"):
            yield number[:head] + "".join(_pair(pair, ten) for pair in pairs)


def _pair(pair: str, ten: str) -> str:
    if len(pair) == 1 or pair[0] == "0":
        return pair
    tens = ten if pair[0] == "1" else pair[0]
    return f"{tens}十{pair[1].replace('0', '')}"


def _tell(text: str, tokens: list[Token], number: str, kind: EntityType) -> Iterator[Span]:
    joined = "".join(token.digits for token in tokens)
    index = joined.find(number)
    if index < 0:
        return
    owners = [token for token in tokens for _digit in token.digits]
    while index >= 0:
        told = owners[index : index + len(number)]
        if all(after.start - one.end <= _LONGEST_GAP for one, after in pairwise(told)) and not (
            BARRIER in text and BARRIER in text[told[0].start : told[-1].end]
        ):
            end = told[-1].end
            if kind is EntityType.ID_NUMBER:
                end = _end_of_check_letter(text, end)
            yield known_span(told[0].start, end, kind)
        index = joined.find(number, index + 1)


def _end_of_check_letter(text: str, place: int) -> int:
    """The place after an X that follows, or the same place."""
    for index in range(place, min(place + 4, len(text))):
        if text[index] in CHECK_LETTERS:
            return index + 1
        if text[index] not in SEPARATORS:
            break
    return place


def known_span(start: int, end: int, kind: EntityType) -> Span:
    """A span that a case's own value is the reason of."""
    return Span(start, end, kind, 1.0, Source.KNOWN)


def is_number(value: str) -> bool:
    """Whether a value is digits alone, or digits and X, in any spelling."""
    return fold(value).removesuffix("x").isdecimal()


def _numbers(values: Mapping[EntityType, Iterable[str]]) -> Iterator[tuple[str, EntityType]]:
    """Each number once, in its forms, and from its end."""
    seen: set[str] = set()
    for kind, listed in values.items():
        for value in listed:
            for form in _number_forms(fold(value), kind):
                turned = (form[::-1],) if len(form) >= _SHORTEST_TURNED else ()
                for number in (form, *turned):
                    if (
                        len(number) >= _SHORTEST_NUMBER
                        and number.isdecimal()
                        and number not in seen
                    ):
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
        if kind is EntityType.ID_NUMBER:
            end = _end_of_check_letter(text, end)
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
