"""Numbers that look-alikes, sounds, words or counts hide in part or whole; judged with care."""

import re
from collections.abc import Iterator
from itertools import accumulate

from gateway.redaction.context import Cue, has_unit_after, is_quantity, nearest_cue
from gateway.redaction.digits import (
    DIGITS,
    HOMOPHONES,
    SEPARATOR_CLASS,
    basic_class,
    is_han,
)
from gateway.redaction.numbers import SHORTEST, Verdict, judge, judge_by_cue
from gateway.redaction.pieces import counts_digits, may_belong_together
from gateway.redaction.runs import NUMBER_CUES, check_letter_after
from gateway.redaction.sounds import DISTANT
from gateway.redaction.spans import EntityType, Source, Span
from gateway.redaction.tokens import Kind, Token, Way, find_worded, read_tokens

_TOLD = basic_class({*HOMOPHONES, *DISTANT, *(one for one in DIGITS if is_han(one)), *"十百拾"})
_ROW = re.compile(f"[{_TOLD}](?:[{SEPARATOR_CLASS}]{{0,2}}[{_TOLD}个個]){{4,}}+")
_NOT_PLAIN = re.compile(f"[{basic_class({*HOMOPHONES, *DISTANT, *'十百拾个個'})}]")
_REACH = 24
_CUE_REACH = 12
_SHORTEST_CUED = 5
_LONGEST_WINDOW = 19
_MOST_TOKENS = 400
_BODY_OF_ID = 17
_MOBILE_LENGTH = 11
# Tokens of the sentence that may touch a number on both sides together.
_SLACK = 3
_ENOUGH_SOUNDS = 8
# At the end of a number they are rather the next word.
_NEXT_WORDS = frozenset("要无留其物误么似量气救久动就以已")
_FEWEST_TENS = 4
_CARD_LENGTHS = range(15, 20)
_CARD = Verdict(EntityType.BANK_CARD, 0.7, Source.PATTERN)
_STROKE = re.compile("[|!丨｜！ǀ∣]")
_TEN = re.compile("[十拾百]")
_Order = tuple[bool, bool, float, int]


def may_tell(text: str) -> bool:
    """Whether five sounds, digits or tens follow each other; in what is cut out of it, as well."""
    return _ROW.search(text) is not None


def find_told(text: str, *, has_rows: bool = True, has_words: bool = True) -> list[Span]:
    """Numbers in rows of sounds (妖伞吧…), of tens (三十八…), of words (yao san ba…).

    `has_rows` is what `may_tell` says of the text, `has_words` whether two letters stand together
    anywhere in it.
    """
    rows: list[tuple[int, int]] = []
    if has_rows:
        rows += (row.span() for row in _ROW.finditer(text) if _NOT_PLAIN.search(text, *row.span()))
    if has_words:
        rows += find_worded(text)
        rows.sort()
    if not rows:
        return []
    spans: list[Span] = []
    last = 0
    for start, end in rows:
        if end > last:
            last = min(len(text), end + _REACH)
            spans += find_loose(text, max(0, start - _REACH), last)
    return spans


def find_loose(text: str, start: int, end: int) -> list[Span]:
    """What tokens in text[start:end] tell that are not digits in any ordinary spelling."""
    ways = [Way()]
    if _STROKE.search(text, start, end):
        ways.append(Way(strokes=True))
    if _TEN.search(text, start, end):
        ways += [Way(greedy_tens=True), Way(merged_tens=True)]
    found: list[tuple[_Order, Span]] = []
    for way in ways:
        for row in _rows(text, start, end, way):
            if any(token.kind for token in row):
                found += _judge_row(text, row)
    spans: list[Span] = []
    for _order, span in sorted(found, key=lambda one: one[0]):
        if not any(one.start < span.end and span.start < one.end for one in spans):
            spans.append(span)
    return spans


def _rows(text: str, start: int, end: int, way: Way) -> Iterator[list[Token]]:
    """Tokens that may belong together: nothing between them but signs, or words that fill."""
    row: list[Token] = []
    for token in read_tokens(text, start, end, way):
        if token.kind is Kind.DIGIT and counts_digits(text, token.start, token.end):
            continue
        if row and not (
            len(row) < _MOST_TOKENS and may_belong_together(text, row[-1].end, token.start)
        ):
            yield row
            row = []
        row.append(token)
    if row:
        yield row


def _judge_row(text: str, row: list[Token]) -> Iterator[tuple[_Order, Span]]:
    """All windows that may be a number, with what puts the likeliest first."""
    digits = "".join(token.digits for token in row)
    if len(digits) < _SHORTEST_CUED:
        return
    edges = [0, *accumulate(len(token.digits) for token in row)]
    is_any = False
    for first in range(len(row)):
        for after in range(first + 1, len(row) + 1):
            length = edges[after] - edges[first]
            if length > _LONGEST_WINDOW:
                break
            if length < SHORTEST:
                continue
            window = digits[edges[first] : edges[after]]
            if span := _judge_window(text, row, first, after, window):
                is_any = True
                is_proved = span.type is EntityType.ID_NUMBER and span.source is Source.CHECKSUM
                is_whole = first == 0 and after == len(row)
                yield (not is_proved, not is_whole, -span.score, -length), span
    if not is_any and (span := _judge_by_word(text, row)):
        yield (True, True, 0.0, -len(digits)), span


def _judge_window(text: str, row: list[Token], first: int, after: int, digits: str) -> Span | None:
    """The window as a span if it is a number for sure, or a likely one with nothing beside it."""
    start, end = row[first].start, row[after - 1].end
    if len(digits) == _BODY_OF_ID and (tail := check_letter_after(text, end)):
        digits, end = digits + "X", tail
    verdict = judge(digits)
    if verdict is None and len(digits) in _CARD_LENGTHS and _is_told_in_tens(row, first, after):
        verdict = _CARD
    if verdict is None or not any(token.kind for token in row[first:after]):
        return None
    if not verdict.firm and (has_unit_after(text, end) or not _is_enough(row[first:after])):
        return None
    slack = first + len(row) - after
    cue = nearest_cue(text, start)
    is_announced = cue in NUMBER_CUES
    is_proved = verdict.type is EntityType.ID_NUMBER and verdict.firm
    if cue is Cue.REFERENCE and not is_proved:
        return None
    if verdict.type is EntityType.PHONE and verdict.firm:
        if _touches_digit(row, first, after) or not (slack <= _SLACK or is_announced):
            return None
        return _span(start, end, verdict)
    if verdict.firm:
        is_likely = slack <= _SLACK or is_announced or verdict.type is EntityType.ID_NUMBER
    else:
        is_likely = slack <= 1
    return _span(start, end, verdict) if is_likely else None


def _is_told_in_tens(row: list[Token], first: int, after: int) -> bool:
    """Whether the whole row is told in tens: where 四十三十三 is cut, no check digit can say."""
    return (
        len(row) - (after - first) <= 1
        and sum(len(token.digits) > 1 for token in row[first:after]) >= _FEWEST_TENS
    )


def _is_enough(tokens: list[Token]) -> bool:
    """Whether enough of it are digits, or so many sounds that it can be no sentence."""
    plain = sum(len(token.digits) for token in tokens if token.kind <= Kind.WORD)
    total = sum(len(token.digits) for token in tokens)
    alike = sum(token.kind is Kind.ALIKE for token in tokens)
    return 2 * plain >= total or (total >= _ENOUGH_SOUNDS and alike < total - plain)


def _touches_digit(row: list[Token], first: int, after: int) -> bool:
    """Whether a digit right beside the window belongs to the same number."""
    before = row[first - 1] if first else None
    behind = row[after] if after < len(row) else None
    return (
        before is not None and before.kind is Kind.DIGIT and before.end == row[first].start
    ) or (behind is not None and behind.kind is Kind.DIGIT and behind.start == row[after - 1].end)


def _judge_by_word(text: str, row: list[Token]) -> Span | None:
    """The whole row if a word right before it says what it is."""
    low, high = 0, len(row)
    cue = nearest_cue(text, row[low].start, reach=_CUE_REACH)
    if cue is None or cue is Cue.REFERENCE:
        return None
    while high - low > 1 and _is_next_word(text, row[high - 1]):
        high -= 1
    while high - low > 1 and row[low].kind is Kind.DISTANT and row[low + 1].kind <= Kind.WORD:
        low += 1
    tokens = row[low:high]
    digits = "".join(token.digits for token in tokens)
    plain = sum(len(token.digits) for token in tokens if token.kind <= Kind.WORD)
    if all(token.kind in {Kind.DIGIT, Kind.ALIKE} for token in tokens) and not plain:
        return None
    start, end = tokens[0].start, tokens[-1].end
    if cue is Cue.ID and (tail := check_letter_after(text, end)):
        end, digits = tail, digits + "X"
    if cue not in {Cue.CHAT, Cue.ACCOUNT} and 2 * plain < len(digits):
        return None
    verdict = judge_by_cue(digits, cue)
    if verdict is None or is_quantity(text, start, end):
        return None
    return _span(start, end, verdict)


def _is_next_word(text: str, token: Token) -> bool:
    return token.kind is Kind.DISTANT or (
        token.kind is Kind.SOUND and text[token.start] in _NEXT_WORDS
    )


def _span(start: int, end: int, verdict: Verdict) -> Span:
    return Span(start, end, verdict.type, min(verdict.score, 0.9), verdict.source)
