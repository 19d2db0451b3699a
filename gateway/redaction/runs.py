"""A run of digits becomes typed spans: windows between pieces are judged, the best are kept."""

import re
from collections.abc import Iterable

from gateway.redaction.context import (
    Cue,
    cue_after,
    cues_before,
    has_ordinary_form,
    has_unit_after,
    is_quantity,
    nearest_cue,
)
from gateway.redaction.digits import CHECK_LETTERS, SEPARATORS, is_han
from gateway.redaction.numbers import LONGEST, SHORTEST, Verdict, judge, judge_by_cue
from gateway.redaction.pieces import Stretch, read_stretches
from gateway.redaction.spans import EntityType, Source, Span

_LONGEST_SPACED = 22
_MOST_PIECES = 32
_BODY_OF_ID = 17
_SHORTEST_CUED = 5
# Numerals of ordinary speech that may touch a number read aloud: 打了一三八… twice, 两 numbers.
_SLACK = 2
_INNER_MOBILE = re.compile(r"(?=1[3-9]\d{9})")
_MOBILE_LENGTH = 11
_SUMS = re.compile(r"\.\d{1,2}\s*[元块万%]|\s*[万亿%％]")
UNITS = frozenset("元块万年月天期次岁%")
"""The commonest units; is_quantity knows more."""
_ASCII_LETTER = re.compile(r"[A-Za-z]")
# A member of an enumeration takes ten times as long to reach.
_REFERENCE, _CHECKSUM, _PATTERN = Cue.REFERENCE, Source.CHECKSUM, Source.PATTERN
NUMBER_CUES = frozenset({Cue.PHONE, Cue.ID, Cue.CARD, Cue.CHAT, Cue.ACCOUNT})


def find_in_run(text: str, start: int, end: int) -> list[Span]:
    """Everything in text[start:end], which begins with a digit; spans may end a little further."""
    spans: list[Span] = []
    for stretch in read_stretches(text, start, end):
        if len(stretch.digits) >= _SHORTEST_CUED:
            spans += find_in_stretch(text, stretch)
    return spans


def find_plain(text: str, start: int, end: int) -> Span | None:
    """What text[start:end] is, ASCII digits (or 17 and X) with nothing beside them."""
    digits = text[start:end].upper()
    length = end - start
    if length >= SHORTEST:
        verdict = judge(digits)
        if verdict is not None and not (verdict.firm and verdict.source is _CHECKSUM):
            verdict = _weigh(text, start, end, digits, verdict, is_whole=True)
        if verdict is not None:
            return Span(start, end, verdict.type, verdict.score, verdict.source)
    if length < _SHORTEST_CUED or text[end : end + 1] in UNITS:
        return None
    verdict = _judge_by_words(text, start, end, digits)
    if verdict is None or is_quantity(text, start, end):
        return None
    return Span(start, end, verdict.type, verdict.score, verdict.source)


def _judge_by_words(text: str, start: int, end: int, digits: str) -> Verdict | None:
    """What the nearest word before that fits the length says; else one right behind."""
    for cue in reversed(cues_before(text, start)):
        if cue is _REFERENCE:
            return None
        if verdict := judge_by_cue(digits, cue):
            return verdict
    behind = cue_after(text, end)
    return None if behind is None else judge_by_cue(digits, behind)


def find_in_stretch(text: str, stretch: Stretch) -> list[Span]:
    """What the digits of one stretch are: by themselves, else by the word before them."""
    total = len(stretch.digits)
    if total < SHORTEST:
        return _find_by_cue(text, stretch, 0, len(stretch.edges) - 1)
    taken = bytearray(total)
    spans: list[Span] = []
    for first, after, verdict, place_after in _rank(text, stretch):
        if taken.find(1, first, after) < 0:
            taken[first:after] = b"\x01" * (after - first)
            spans.append(_span(stretch, first, place_after, verdict))
    if not spans and total > _MOBILE_LENGTH and (inner := _find_inner(text, stretch)):
        return [inner]
    for low, high in _untaken(stretch, taken):
        spans += _find_by_cue(text, stretch, low, high)
    return spans


def _span(stretch: Stretch, first: int, place_after: int, verdict: Verdict) -> Span:
    return Span(stretch.places[first], place_after, verdict.type, verdict.score, verdict.source)


def _rank(text: str, stretch: Stretch) -> Iterable[tuple[int, int, Verdict, int]]:
    """The windows that are something: right check digits first, then whole pieces, then long."""
    edges = stretch.edges
    found: list[tuple[tuple[int, int, int], int, int, Verdict, int]] = []
    for number, first in enumerate(edges[:-1]):
        for ahead in range(number + 1, len(edges)):
            after = edges[ahead]
            length = after - first
            is_whole = ahead == number + 1
            if length < SHORTEST:
                continue
            if length > (LONGEST if is_whole else _LONGEST_SPACED):
                break
            place_after = stretch.end_of(after)
            digits = stretch.digits[first:after]
            if length == _BODY_OF_ID and (tail := check_letter_after(text, place_after)):
                digits, place_after = digits + "X", tail
            verdict = judge(digits)
            if verdict is None:
                continue
            verdict = _weigh(
                text, stretch.places[first], place_after, digits, verdict, is_whole=is_whole
            )
            if verdict is None:
                continue
            order = 0 if verdict.score == 1.0 else 1 if is_whole else 2
            found.append(((order, -length, first), first, after, verdict, place_after))
    found.sort(key=lambda one: one[0])
    return [one[1:] for one in found]


def check_letter_after(text: str, place: int) -> int:
    """The place after an X that ends an identity number, or 0."""
    for index in range(place, min(place + 4, len(text))):
        if text[index] in CHECK_LETTERS:
            return index + 1
        if text[index] not in SEPARATORS:
            break
    return 0


def _weigh(
    text: str, start: int, end: int, digits: str, verdict: Verdict, *, is_whole: bool
) -> Verdict | None:
    """The verdict, the one that the word before asks for, or None: it is an ordinary number."""
    if verdict.source is _CHECKSUM and verdict.firm:
        return verdict
    is_glued = start > 0 and _ASCII_LETTER.match(text[start - 1]) is not None
    is_sum = _SUMS.match(text, end) is not None
    if verdict.firm and is_whole and not is_glued:
        return None if is_sum else verdict
    cue = nearest_cue(text, start)
    if (
        is_sum
        or cue is _REFERENCE
        or (is_glued and cue is None and not verdict.firm)
        or (not is_whole and cue not in NUMBER_CUES and _is_list(text, start, end, verdict))
    ):
        return None
    if verdict.source is _PATTERN and cue is not None and not verdict.firm:
        return judge_by_cue(digits, cue) or verdict
    return verdict


def _is_list(text: str, start: int, end: int, verdict: Verdict) -> bool:
    """Whether several ordinary numbers only look like one when they are joined."""
    return has_ordinary_form(text, start, end) or (
        verdict.type is EntityType.PHONE and has_unit_after(text, end)
    )


def _find_inner(text: str, stretch: Stretch) -> Span | None:
    """A mobile read aloud with a numeral of the sentence touching it: …八零零零一直关机."""
    starts = [found.start() for found in _INNER_MOBILE.finditer(stretch.digits)]
    if not starts:
        return None
    first, after = starts[0], starts[-1] + _MOBILE_LENGTH
    slack = max(first, len(stretch.digits) - after)
    is_spoken = is_han(text[stretch.places[first]]) or is_han(text[stretch.places[after - 1]])
    if slack > _SLACK or not is_spoken or nearest_cue(text, stretch.places[0]) is _REFERENCE:
        return None
    return Span(
        stretch.places[first], stretch.end_of(after), EntityType.PHONE, 0.8, Source.PATTERN
    )


def _untaken(stretch: Stretch, taken: bytearray) -> Iterable[tuple[int, int]]:
    """The stretches of edges, as indices into `edges`, that no window has taken."""
    low = 0
    last = len(stretch.edges) - 1
    for number, edge in enumerate(stretch.edges[:-1]):
        if taken[edge]:
            if number > low:
                yield low, number
            low = number + 1
    if low < last:
        yield low, last


def _find_by_cue(text: str, stretch: Stretch, low: int, high: int) -> list[Span]:
    """The longest window from the first edge that fits the word before it."""
    edges = stretch.edges
    first = edges[low]
    if edges[high] - first < _SHORTEST_CUED:
        return []
    start = stretch.places[first]
    for ahead in range(min(high, low + _MOST_PIECES), low, -1):
        after = edges[ahead]
        end = stretch.end_of(after)
        digits = stretch.digits[first:after]
        if len(digits) == _BODY_OF_ID and (tail := check_letter_after(text, end)):
            end, digits = tail, digits + "X"
        verdict = _judge_by_words(text, start, end, digits)
        if (
            verdict is not None
            and not is_quantity(text, start, end)
            and not has_ordinary_form(text, start, end)
        ):
            return [Span(start, end, verdict.type, verdict.score, verdict.source)]
    return []
