"""Numbers written back to front, where a word says so: 00083100831（倒着念）."""

import re
from collections.abc import Iterator

from gateway.redaction.digits import CHECK_LETTERS, SEPARATORS
from gateway.redaction.numbers import LONGEST, SHORTEST, judge
from gateway.redaction.pieces import Stretch, read_stretches
from gateway.redaction.spans import EntityType, Source, Span

SAYS_BACKWARDS = re.compile(
    r"[倒反逆](?:着|过来|過來|过去|向|序|念|读|讀|写|寫|看|打|报|的|转)|从[后後右末尾](?:面|边|头)?(?:往|向|到|开始|倒)|颠倒|"
    r"由[后後]|backwards?|reversed?"
)
_REACH = 60
_BODY_OF_ID = 17
_TYPES = frozenset((EntityType.PHONE, EntityType.ID_NUMBER, EntityType.BANK_CARD))


def may_say_backwards(text: str) -> bool:
    """Whether part of such a word is anywhere in the text."""
    return (
        "倒" in text
        or "反" in text
        or "逆" in text
        or "从" in text
        or "由" in text
        or "backw" in text
        or "revers" in text
    )


def find_backwards(text: str) -> list[Span]:
    """Digits near such a word that are a number when read from the end."""
    spans: list[Span] = []
    last = 0
    for said in SAYS_BACKWARDS.finditer(text):
        start = max(last, said.start() - _REACH)
        last = min(len(text), said.end() + _REACH)
        for stretch in read_stretches(text, start, last):
            spans += _judge(text, stretch)
    return spans


def _judge(text: str, stretch: Stretch) -> Iterator[Span]:
    edges = stretch.edges
    for low, first in enumerate(edges):
        for after in reversed(edges[low + 1 :]):
            if not SHORTEST <= after - first <= LONGEST:
                continue
            start, digits = stretch.places[first], stretch.digits[first:after][::-1]
            if len(digits) == _BODY_OF_ID and (head := _check_letter_before(text, start)) >= 0:
                start, digits = head, digits + "X"
            verdict = judge(digits)
            if verdict is not None and verdict.type in _TYPES:
                yield Span(start, stretch.end_of(after), verdict.type, 0.8, Source.PATTERN)
                return


def _check_letter_before(text: str, place: int) -> int:
    """The place of an X that the number begins with when it is turned, or -1."""
    for index in range(place - 1, max(-1, place - 4), -1):
        if text[index] in CHECK_LETTERS:
            return index
        if text[index] not in SEPARATORS:
            break
    return -1
