"""The fused scan: one expression finds where a number may be, and only that place is read."""

import re

from gateway.redaction.accounts import find_accounts
from gateway.redaction.backwards import find_backwards, may_say_backwards
from gateway.redaction.codes import find_codes
from gateway.redaction.context import Cue, nearest_cue
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
from gateway.redaction.emails import find_emails, has_sign_or_word
from gateway.redaction.loose import find_loose, find_told, may_tell
from gateway.redaction.pieces import FILLER_BEGINS, FILLERS
from gateway.redaction.plates import find_plates, first_plate
from gateway.redaction.runs import UNITS, find_in_run, find_plain
from gateway.redaction.spans import EntityType, Source, Span, resolve
from gateway.redaction.splits import find_split, first_announced
from gateway.redaction.traces import ANNOUNCED, ANY, BACKWARDS, PLATE, ROW, SIGN, WORDS

_WEAK_CHARACTERS = frozenset(LETTERS.keys() | HOMOPHONES.keys() | STROKES | set("个個"))
_WEAK_CLASS = basic_class(_WEAK_CHARACTERS | CHECK_LETTERS)
_LATIN = "A-Za-zＡ-Ｚａ-ｚ"
# Before a plain number: no letter, and nothing that could tie one to it (E-12345678, +86).
_TIES = f"{_LATIN}{basic_class(SEPARATORS - set('：:，,。；;、！？!?“”‘’「」【】《》|'))}"
_FILLED = rf"(?=[{FILLER_BEGINS}])(?:{FILLERS})[{RUN_CLASS}]"
# What may stand behind a plain number, to the end of the run.
_REST = rf"(?:(?![{MAYBE_DIGIT_CLASS}])[{RUN_CLASS}])*+(?![{RUN_CLASS}])(?!{_FILLED})"
# A run, by what it is read as: most numbers are written plainly, and nothing of them has to be
# folded, joined or looked behind. An empty group says which, and where the number ends. The first
# character is outside all alternatives, so that the engine skips to it.
_MOBILE, _QUANTITY, _PLAIN, _LANDLINE, _ORDINARY = range(1, 6)
_QUANTITIES = (_QUANTITY, _ORDINARY)
_PLAINLY = (
    rf"(?<![{_TIES}].)(?:"
    rf"(?<=1)[3-9][0-9]{{9}}()(?![{_LATIN}])"
    rf"|(?<![{basic_class(STROKES)}].)(?<=[0-9])(?:[0-9]{{4,8}}+(?=[{basic_class(UNITS)}])"
    rf"|[0-9]{{0,3}}+(?![{_LATIN}{_WEAK_CLASS}]))()"
    rf"|(?<=[0-9])[0-9]{{4,}}+(?:(?<=[0-9]{{17}})[Xx])?()(?![{_LATIN}{_WEAK_CLASS}])"
    rf"|(?<=0)[0-9]{{2,3}}-[2-8][0-9]{{6,7}}()(?![-{_LATIN}{_WEAK_CLASS}])"
    rf"){_REST}"
)
_ORDINARILY = (
    rf"(?<=\d)(?:(?:(?<=1)9|(?<=2)0)\d\d[-/.](?:0?[1-9]|1[0-2])[-/.](?:0?[1-9]|[12]\d|3[01])"
    r"(?: {1,2}(?:[01]?\d|2[0-3]):[0-5]\d(?::[0-5]\d)?)?"
    r"|(?:(?<=[01])\d|(?<=2)[0-3]|):[0-5]\d(?::[0-5]\d)?"
    r"|\d{0,2}(?:[,，]\d{3})*(?:\.\d{1,2})?|\d{0,6}\.\d{1,2})()[\s，。、；：！,.;:!)）]{0,4}"
    rf"(?![{RUN_CLASS}])(?!{_FILLED})"
)
_RUN = re.compile(
    rf"[{MAYBE_DIGIT_CLASS}]"
    rf"(?:(?=[{RUN_CLASS}]{{4}})(?:{_PLAINLY}|{_ORDINARILY}|[{RUN_CLASS}]++(?:{_FILLED}[{RUN_CLASS}]*+)*+)"
    rf"|[{RUN_CLASS}]{{0,3}}+(?:{_FILLED}[{RUN_CLASS}]*+)++)"
)
_WEAK_INSIDE = basic_class(_WEAK_CHARACTERS)
_WEAK = re.compile(f"[{_WEAK_INSIDE}]")
# A digit and what may be one touch, or something that may be a digit is between digits.
_TOUCHING = re.compile(f"[{DIGIT_CLASS}][{_WEAK_INSIDE}]|[{_WEAK_INSIDE}][{DIGIT_CLASS}]")
_AMID = re.compile(f"[{DIGIT_CLASS}][{_WEAK_INSIDE}]{{1,4}}+[{DIGIT_CLASS}]")
_TWO_LETTERS = re.compile("[A-Za-zÀ-ǜＡ-ｚⒶ-ⓩ][A-Za-zÀ-ǜＡ-ｚⒶ-ⓩ]")
_SURE = 0.9
# A member of an enumeration takes ten times as long to reach.
_PHONE, _PATTERN, _REFERENCE = EntityType.PHONE, Source.PATTERN, Cue.REFERENCE
_RUN_BEFORE = re.compile(f"[{RUN_CLASS}]{{1,12}}$")
_MAYBE_DIGIT = re.compile(f"[{MAYBE_DIGIT_CLASS}]")


class IdentifierFinder:
    """Finds telephone, identity, card, account, document, plate and firm numbers, and e-mail.

    Stateless; safe to share between threads.
    """

    def find(self, text: str) -> list[Span]:
        """Spans in order of place, none overlapping. Total on any string."""
        return self.look(text)[0]

    def look(self, text: str, traces: int = ANY) -> tuple[list[Span], int]:
        """What `find` gives, and the traces that are in the text (`traces.py`).

        For a text that was cut out of another, `traces` are those of the other: the same is found
        as without them, in less time.
        """
        seen = 0
        named: list[Span] = []
        has_words = traces & WORDS != 0 and _TWO_LETTERS.search(text) is not None
        if has_words:
            seen = WORDS
        if traces & PLATE and (plate := first_plate(text)):
            seen |= PLATE
            named += find_plates(text, plate.start())
        has_sign = traces & SIGN != 0 and has_sign_or_word(text)
        if has_sign:
            seen |= SIGN
        if has_words or has_sign:
            named += find_emails(text, has_words=has_words, has_sign=has_sign)
        named += find_accounts(text)
        spans = _read_runs(text, named)
        has_rows = traces & ROW != 0 and may_tell(text)
        if has_rows:
            seen |= ROW
        if has_words or has_rows:
            spans += find_told(text, has_rows=has_rows, has_words=has_words)
        if traces & ANNOUNCED and (announced := first_announced(text)):
            seen |= ANNOUNCED
            spans += find_split(text, spans, announced.start())
        if traces & BACKWARDS and may_say_backwards(text):
            seen |= BACKWARDS
            spans += find_backwards(text)
        return resolve([round_off(text, span) for span in spans]) if spans else spans, seen


def _read_runs(text: str, named: list[Span]) -> list[Span]:
    """The spans that are there already, and those of all runs that are in none of them."""
    spans = named.copy()
    for run in _RUN.finditer(text):
        form = run.lastindex
        if form in _QUANTITIES or (named and _is_within(text, *run.span(), named)):
            continue
        if form == _MOBILE:
            spans.append(Span(run.start(), run.end(form), _PHONE, 0.95, _PATTERN))
        elif form is None or not _add_plain(text, run, form, spans):
            spans += _read_run(text, *run.span())
    return spans


def _add_plain(text: str, run: re.Match[str], form: int, spans: list[Span]) -> bool:
    """Adds what digits alone or a landline are; whether nothing else can be in the run."""
    start, end = run.start(), run.end(form)
    if form == _LANDLINE:
        if nearest_cue(text, start) is not _REFERENCE:
            spans.append(Span(start, end, _PHONE, 0.8, _PATTERN))
        return True
    span = find_plain(text, start, end)
    if span is not None:
        spans.append(span)
    return text[start - 1 : start] not in STROKES or (span is not None and span.score >= _SURE)


def _read_run(text: str, start: int, end: int) -> list[Span]:
    """What is in a run of any other spelling, disguised or not."""
    found = find_in_run(text, start, end)
    found += find_codes(text, start, end, found)
    found += _look_behind_disguise(text, start, end, found)
    return found


def _is_within(text: str, start: int, end: int, spans: list[Span]) -> bool:
    """Whether a span holds all the digits of a run."""
    for span in spans:
        if span.start <= start < span.end:
            return end <= span.end or (
                text[span.end] not in _WEAK_CHARACTERS
                and _MAYBE_DIGIT.search(text, span.end, end) is None
            )
    return False


def _look_behind_disguise(text: str, start: int, end: int, found: list[Span]) -> list[Span]:
    """Looks again at a run where letters or sounds touch digits that are no sure number."""
    if text[start - 1 : start] in _WEAK_CHARACTERS and (
        before := _RUN_BEFORE.search(text, max(0, start - 12), start)
    ):
        start = before.start()
    elif _WEAK.search(text, start, end) is None:
        return []
    if _AMID.search(text, start, end):
        return find_loose(text, start, end)
    sure = [span for span in found if span.score >= _SURE]
    for glued in _TOUCHING.finditer(text, start, end):
        if not any(span.start <= glued.end() and glued.start() <= span.end for span in sure):
            return find_loose(text, start, end)
    return []
