"""The fused scan: one expression finds where a number may be, and only that place is read."""

import re

from gateway.redaction.accounts import find_accounts
from gateway.redaction.codes import find_codes, find_plates
from gateway.redaction.context import is_ordinary_run
from gateway.redaction.digits import (
    CHECK_LETTERS,
    DIGIT_CLASS,
    HOMOPHONES,
    LETTERS,
    MAYBE_DIGIT_CLASS,
    RUN_CLASS,
    SEPARATORS,
    STROKES,
    basic_class,
)
from gateway.redaction.edges import round_off
from gateway.redaction.pieces import FILLER_BEGINS, FILLERS
from gateway.redaction.runs import find_disguised, find_in_run, find_plain
from gateway.redaction.spans import EntityType, Source, Span, resolve
from gateway.redaction.splits import find_split

_RUN = re.compile(
    rf"[{MAYBE_DIGIT_CLASS}]"
    rf"(?:[{RUN_CLASS}]{{4,}}+(?:(?=[{FILLER_BEGINS}])(?:{FILLERS})[{RUN_CLASS}]++)*+"
    rf"|[{RUN_CLASS}]{{0,3}}+(?:(?=[{FILLER_BEGINS}])(?:{FILLERS})[{RUN_CLASS}]++)++)"
)
_WEAK_CHARACTERS = frozenset(LETTERS.keys() | HOMOPHONES.keys() | STROKES | set("个個"))
_WEAK_CLASS = basic_class(_WEAK_CHARACTERS | CHECK_LETTERS)
_LATIN = "A-Za-zＡ-Ｚａ-ｚ"
# Before a plain number: no letter, and nothing that could tie one to it (E-12345678, +86).
_TIES = f"{_LATIN}{basic_class(SEPARATORS - set('：:，,。；;、！？!?“”‘’「」【】《》|'))}"
# Most numbers are written plainly: nothing has to be folded, joined or looked behind.
_PLAIN = re.compile(
    rf"(?<![{_TIES}])([0-9]+(?:(?<=[0-9]{{17}})[Xx])?)(?![{_LATIN}{_WEAK_CLASS}])"
    rf"(?:(?![{MAYBE_DIGIT_CLASS}])[{RUN_CLASS}])*+"
)
_PLAIN_MOBILE = re.compile(
    rf"(?<![{_TIES}])(1[3-9][0-9]{{9}})(?![{_LATIN}])(?:(?![{MAYBE_DIGIT_CLASS}])[{RUN_CLASS}])*+"
)
_WEAK_INSIDE = basic_class(_WEAK_CHARACTERS)
_WEAK = re.compile(f"[{_WEAK_INSIDE}]")
_ALIKE = basic_class(LETTERS)
_GLUED = re.compile(
    f"[{DIGIT_CLASS}](?:[{_ALIKE}]|[{_WEAK_INSIDE}]+[{DIGIT_CLASS}])|[{_ALIKE}][{DIGIT_CLASS}]"
)
_RUN_BEFORE = re.compile(f"[{RUN_CLASS}]{{1,12}}$")
_MAYBE_DIGIT = re.compile(f"[{MAYBE_DIGIT_CLASS}]")
_SHORTEST_DISGUISED = 10


class IdentifierFinder:
    """Finds telephone, identity, card, account, document, plate and firm numbers, and e-mail.

    Stateless; safe to share between threads.
    """

    def find(self, text: str) -> list[Span]:
        """Spans in order of place, none overlapping. Total on any string."""
        named = find_plates(text) + find_accounts(text)
        spans = list(named)
        for run in _RUN.finditer(text):
            start, end = run.span()
            if named and _is_within(text, start, end, named):
                continue
            plain = _PLAIN_MOBILE.match(text, start)
            if plain is not None and plain.end() == end:
                spans.append(Span(start, plain.end(1), EntityType.PHONE, 0.95, Source.PATTERN))
                continue
            plain = _PLAIN.match(text, start)
            if plain is not None and plain.end() == end:
                if span := find_plain(text, *plain.span(1)):
                    spans.append(span)
                continue
            if is_ordinary_run(text, start, end):
                continue
            found = find_in_run(text, start, end)
            found += find_codes(text, start, end, found)
            found += _look_behind_disguise(text, start, end, found)
            spans += found
        spans += find_split(text, spans)
        return resolve([round_off(text, span) for span in spans])


def _is_within(text: str, start: int, end: int, spans: list[Span]) -> bool:
    """Whether a span holds all the digits of a run."""
    return any(
        span.start <= start < span.end
        and (end <= span.end or _MAYBE_DIGIT.search(text, span.end, end) is None)
        for span in spans
    )


def _look_behind_disguise(text: str, start: int, end: int, found: list[Span]) -> list[Span]:
    """Looks again at what is left of a run if it has letters or homophones in it."""
    spans: list[Span] = []
    if text[start - 1 : start] in _WEAK_CHARACTERS and (
        before := _RUN_BEFORE.search(text, max(0, start - 12), start)
    ):
        start = before.start()
    elif _WEAK.search(text, start, end) is None:
        return spans
    if end - start < _SHORTEST_DISGUISED:
        return spans
    if _GLUED.search(text, start, end):
        # Part of a number may have passed for a whole one: the longer span will win.
        return find_disguised(text, start, end)
    edges = [start]
    for span in sorted(found, key=_place):
        edges += (span.start, span.end)
    edges.append(max(end, edges[-1]))
    for low, high in zip(edges[::2], edges[1::2], strict=True):
        if high - low >= _SHORTEST_DISGUISED and _WEAK.search(text, low, high):
            spans += find_disguised(text, low, high)
    return spans


def _place(span: Span) -> int:
    return span.start
