"""What belongs to the ends of a number that was found: +86, an extension, brackets, marks."""

import re
import unicodedata

from gateway.redaction.digits import DIGIT_CLASS, SEPARATOR_CLASS, SEPARATORS
from gateway.redaction.spans import EntityType, Span

_MARKS = re.compile("[\ufe0e\ufe0f\u20e3\u20dd-\u20e0\u0300-\u036f\u200b-\u200d\u2060]+")
_EXTENSION = re.compile(
    rf"[{SEPARATOR_CLASS}]{{0,2}}(?:转|轉|分机|ext\.?|#|-(?=[{DIGIT_CLASS}]{{3,5}}(?![{DIGIT_CLASS}-])))"
    rf"[{SEPARATOR_CLASS}]{{0,2}}[{DIGIT_CLASS}]{{1,6}}(?![{DIGIT_CLASS}])",
    re.IGNORECASE,
)
_COUNTRY = re.compile(
    rf"(?:[+＋]|[0０零〇]{{2}})?[{SEPARATOR_CLASS}]{{0,2}}[8８八捌⑧][6６六陆⑥][{SEPARATOR_CLASS}]{{0,3}}$|[+＋]$"
)
# Single characters only: the empty string, at the ends of the text, is in none of them.
_CLOSING = frozenset(")）")
_OPENING = frozenset("(（")
_MAY_FOLLOW = frozenset(
    one for one in SEPARATORS if unicodedata.category(one) in {"Mn", "Me", "Cf"}
) | frozenset("转轉分eE#-－‐—–  (（)）")
_MAY_PRECEDE = frozenset("6６六陆⑥+＋(（)） -－—\u3000\u00a0")
_HAS_COUNTRY = frozenset("6６六陆⑥+＋")
_CLOSED = re.compile("^[^(（]*[)）]")
_OPENED = re.compile("[(（][^)）]*$")


def round_off(text: str, span: Span) -> Span:
    """The span, or a wider one; marks are those that make a digit an emoji keycap."""
    start, end = span[0], span[1]
    follows = text[end : end + 1]
    if follows not in _MAY_FOLLOW and text[start - 1 : start] not in _MAY_PRECEDE:
        return span
    if follows in _MAY_FOLLOW:
        if after := _MARKS.match(text, end):
            end = after.end()
        if span.type is EntityType.PHONE and (after := _EXTENSION.match(text, end)):
            end = after.end()
        if text[end : end + 1] in _CLOSING and _OPENED.search(text, start, end):
            end += 1
    before_it = text[start - 1 : start]
    if before_it in _MAY_PRECEDE and (
        before_it in _OPENING or not _HAS_COUNTRY.isdisjoint(text[max(0, start - 5) : start])
    ):
        if span.type is EntityType.PHONE and (
            before := _COUNTRY.search(text, max(0, start - 12), start)
        ):
            start = before.start()
        if text[start - 1 : start] in _OPENING and _CLOSED.search(text, start, end):
            start -= 1
    if start == span.start and end == span.end:
        return span
    return Span(start, end, span.type, span.score, span.source)
