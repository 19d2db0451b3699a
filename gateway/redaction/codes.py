"""Documents and firms: numbers with letters in front or between."""

import re
import unicodedata

from gateway.redaction.checks import has_firm_check, has_hong_kong_check, has_taiwan_check
from gateway.redaction.context import Cue, nearest_cue
from gateway.redaction.digits import DIGIT_CLASS, SEPARATOR_CLASS, read_digits
from gateway.redaction.spans import EntityType, Source, Span

_LETTERS = "A-Za-zＡ-Ｚａ-ｚ"
_LETTER = re.compile(f"[{_LETTERS}]")
_LETTER_LED = re.compile(
    rf"(?<![{_LETTERS}0-9])([{_LETTERS}]{{1,3}})[{SEPARATOR_CLASS}]{{0,2}}"
    rf"([{DIGIT_CLASS}](?:[{SEPARATOR_CLASS}]{{0,2}}[{DIGIT_CLASS}]){{5,11}}+)"
    rf"(?:[{SEPARATOR_CLASS}]?[(（][{SEPARATOR_CLASS}]?[{DIGIT_CLASS}AaＡ][{SEPARATOR_CLASS}]?[)）]|[Aa])?"
    rf"(?![{DIGIT_CLASS}{_LETTERS}])"
)
_BRACKETED = re.compile(
    rf"(?<![{DIGIT_CLASS}{_LETTERS}])[157１５７][{DIGIT_CLASS}]{{6}}\s?[(（][{DIGIT_CLASS}][)）]"
)
# A passport, a permit for Hong Kong, Macao or Taiwan, by letters and number of digits.
_PERMIT = re.compile(
    r"[EG]\d{8}|E[A-HJ-NP-Z]\d{7}|[DSP]E?\d{7}|[DSP]\d{8}|[HMCW]\d{8}|[HM]\d{10}|K\d{8}|KJ\d{7}|MA\d{7}"
)
_FOREIGNER = re.compile(r"[A-Z]{3}\d{12}")
_HONG_KONG = re.compile(r"([A-Z]{1,2})(\d{6})([0-9A])")
_TAIWAN = re.compile(r"([A-Z])([1289]\d{8})")
_BRACKET = re.compile("[(（]")
_CUED: dict[Cue | None, EntityType] = {
    Cue.PERMIT: EntityType.PASSPORT_PERMIT,
    Cue.ID: EntityType.ID_NUMBER,
    Cue.ACCOUNT: EntityType.ACCOUNT_ID,
    Cue.CHAT: EntityType.ACCOUNT_ID,
}
# QQ1234567 is an account, whatever its check says.
_CHAT_LETTERS = frozenset(("QQ", "VX", "WX"))
_ALNUM = rf"[{DIGIT_CLASS}{_LETTERS}]"
_FIRM = re.compile(
    rf"(?<![{DIGIT_CLASS}{_LETTERS}])[{DIGIT_CLASS}](?:[{SEPARATOR_CLASS}]{{0,2}}{_ALNUM}){{17}}"
    rf"(?!{_ALNUM})"
)
_FIRM_BEGINS = ("91", "92", "93", "51", "52", "53", "11", "12", "13", "19", "59", "99")
_FIRM_LENGTH = 18
# With two separators after each character, and what must be looked at behind it.
_LONGEST_CODE = 80


def find_codes(text: str, start: int, end: int, found: list[Span]) -> list[Span]:
    """Documents and firms that begin at most four characters before the run, or in it."""
    low = max(0, start - 5)
    spans = []
    if _LETTER.search(text, low, end + 1):
        for code in _LETTER_LED.finditer(text, low, end + _LONGEST_CODE):
            if code.start() >= end:
                break
            if span := _judge_code(text, code):
                spans.append(span)
        if not found:
            firm = _FIRM.search(text, start, end + _LONGEST_CODE)
            if firm is not None and firm.start() < end:
                spans += _judge_firm(text, *firm.span())
    if not found and _BRACKET.search(text, start, end):
        spans += [
            Span(*macao.span(), EntityType.ID_NUMBER, 0.7, Source.PATTERN)
            for macao in _BRACKETED.finditer(text, start, end)
        ]
    return spans


def _plain(text: str) -> str:
    """Letters in capitals and ASCII, digits in ASCII, nothing else."""
    parts = []
    for one in text:
        if _LETTER.match(one):
            parts.append(unicodedata.normalize("NFKC", one).upper())
        else:
            parts += [digit for digit, _place in read_digits(one)]
    return "".join(parts)


def _judge_code(text: str, code: re.Match[str]) -> Span | None:
    start, end = code.span()
    whole = _plain(code[0])
    if whole[:2] in _CHAT_LETTERS:
        return None
    cue = nearest_cue(text, start)
    verdict = _judge_card(whole, has_bracket=_BRACKET.search(code[0]) is not None)
    if verdict is None and cue is not Cue.REFERENCE:
        if _PERMIT.fullmatch(whole) or _FOREIGNER.fullmatch(whole):
            verdict = EntityType.PASSPORT_PERMIT, 0.8, Source.PATTERN
        elif cue in _CUED:
            verdict = _CUED[cue], 0.65, Source.PATTERN
    if verdict is None or (cue is Cue.REFERENCE and verdict[2] is Source.CHECKSUM):
        return None
    return Span(start, end, *verdict)


def _judge_card(whole: str, *, has_bracket: bool) -> tuple[EntityType, float, Source] | None:
    """Identity cards of Hong Kong and Taiwan; the former's brackets are as good as its check."""
    if card := _HONG_KONG.fullmatch(whole):
        if has_hong_kong_check(card[1], card[2], card[3]):
            return EntityType.ID_NUMBER, 0.95, Source.CHECKSUM
        if has_bracket:
            return EntityType.ID_NUMBER, 0.7, Source.PATTERN
    elif (taiwan := _TAIWAN.fullmatch(whole)) and has_taiwan_check(taiwan[1], taiwan[2]):
        return EntityType.ID_NUMBER, 0.95, Source.CHECKSUM
    return None


def _judge_firm(text: str, start: int, end: int) -> list[Span]:
    number = _plain(text[start:end])
    if len(number) != _FIRM_LENGTH:
        return []
    if has_firm_check(number):
        return [Span(start, end, EntityType.USCC, 1.0, Source.CHECKSUM)]
    cue = nearest_cue(text, start)
    if cue is Cue.FIRM or (number[:2] in _FIRM_BEGINS and cue is not Cue.REFERENCE):
        return [Span(start, end, EntityType.USCC, 0.7, Source.PATTERN)]
    return []
