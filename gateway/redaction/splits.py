"""A number that one word announces and others break up: 电话是一三八,你记一下,零零一三,…."""

import re

from gateway.redaction.context import Cue, has_unit_after, nearest_cue
from gateway.redaction.digits import BARRIER, DIGIT_CLASS, read_digits
from gateway.redaction.numbers import judge
from gateway.redaction.spans import EntityType, Source, Span

_REACH = 80
_LONGEST_APPROACH = 14
_LONGEST_GAP = 12
# A word that announces a number, with two parts of it not far behind.
_ANNOUNCED = re.compile(
    r"(?:电话|電話|手机|手機|号码|號碼|联系方式|座机|微信|证件|身份证|卡号|银行卡|账号|打我|打他|打她|打这|拨这|记一下|记下)(?!〕)"
    rf"(?=[^{DIGIT_CLASS}{BARRIER}]{{0,{_LONGEST_GAP - 1}}}+[{DIGIT_CLASS}]++"
    rf"[^{DIGIT_CLASS}{BARRIER}]{{1,{_LONGEST_GAP}}}+[{DIGIT_CLASS}])"
)
_PART = re.compile(f"[{DIGIT_CLASS}]+")
# Numerals of ordinary speech are no part of a number.
_NUMERALS = "0-9０-９一二两三四五六七八九十"
_SPOKEN = "零〇一二三四五六七八九两"
IDIOM_BEGINS = f"{_NUMERALS}万几第统唯再下后前上"
"""The first characters of what `silence_idioms` silences, for a character class."""
# The first character is outside all alternatives, so that the engine skips to it.
_IDIOM = re.compile(
    rf"[{IDIOM_BEGINS}](?:"
    rf"(?<=[前后後末尾头首第][{_NUMERALS}])[{_NUMERALS}]?(?=[位个個段组节])|"
    r"(?<=一)[下点會会直起样定般些遍次句段边个旦共切]|(?<=[两三几])[下次遍句段边个]|"
    r"(?<=[万第统唯再下后前上])一|(?<=三)更|(?<=四)处|"
    rf"(?<![{_SPOKEN}].)(?<=七)八(?![{_SPOKEN}]))"
)
_MOST_PARTS = 20
_SHORTEST = 10
_LONGEST = 19
_DIVIDES = re.compile(rf"[元块万亿%％期岁{BARRIER}]|[年月日天]|电话|手机|卡号|身份证")


def silence_idioms(text: str) -> str:
    """The text, as long as before, without the numerals of ordinary speech: 一下, 第一, 两次."""
    return _IDIOM.sub(_silence, text)


def _silence(idiom: re.Match[str]) -> str:
    return " " * len(idiom[0])


def first_announced(text: str) -> re.Match[str] | None:
    """Where two parts first follow such a word. What is cut out of a text has no others."""
    return _ANNOUNCED.search(text)


def find_split(text: str, found: list[Span], start: int = 0) -> list[Span]:
    """Numbers in parts within 80 characters after a word that announces one, where none is yet.

    From `start` on.
    """
    spans: list[Span] = []
    last = 0
    starts = [span[0] for span in found]
    for announced in _ANNOUNCED.finditer(text, start):
        place = announced.end()
        if place < last:
            continue
        nearest = place + _LONGEST_APPROACH
        if any(place <= begin <= nearest for begin in starts):
            continue
        parts = _read_parts(text, place)
        if len(parts) > 1 and (span := _join(text, parts)):
            spans.append(span)
            last = span.end
    return spans


def _read_parts(text: str, place: int) -> list[tuple[str, int, int]]:
    """The digits of each part, and its place; they end where the gap is long or says something."""
    window = silence_idioms(text[place : place + _REACH])
    parts: list[tuple[str, int, int]] = []
    last = 0
    for part in _PART.finditer(window):
        if part.start() - last > _LONGEST_GAP or len(parts) == _MOST_PARTS:
            break
        if parts and _DIVIDES.search(window, last, part.start()):
            break
        digits = "".join(digit for digit, _place in read_digits(part[0]))
        parts.append((digits, place + part.start(), place + part.end()))
        last = part.end()
    return parts


def _join(text: str, parts: list[tuple[str, int, int]]) -> Span | None:
    """The longest series of parts that is a number; the first may be a numeral of the sentence."""
    for low in range(len(parts) - 1):
        for high in range(len(parts), low + 1, -1):
            digits = "".join(part[0] for part in parts[low:high])
            if not _SHORTEST <= len(digits) <= _LONGEST:
                continue
            start, end = parts[low][1], parts[high - 1][2]
            verdict = judge(digits)
            if verdict is None or has_unit_after(text, end):
                continue
            is_phone = verdict.type is EntityType.PHONE
            if nearest_cue(text, start) is Cue.REFERENCE and not (is_phone and verdict.firm):
                continue
            return Span(start, end, verdict.type, 0.7, Source.PATTERN)
    return None
