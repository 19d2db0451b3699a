"""What a row of a leaked file says: numbers, names, masked forms, references."""

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from unicodedata import normalize

import orjson
from typing_extensions import override

from gateway.portfolio.errors import CellError
from gateway.portfolio.identifiers import parse_id_number, parse_phone
from policies.fields import load_field_catalog

_LONGEST_ROW = 20_000
_MOBILE_DIGITS = 11
_DOCUMENT_LENGTHS = (15, 18)
_LAST_SHOWN = 4

_INVISIBLE = dict.fromkeys((*range(0x200B, 0x2010), 0x2060, 0xFEFF))
_DOTS = str.maketrans(dict.fromkeys("•‧∙⋅・●﹒．", "·"))
# 138xxxx5678 and 138####5678 hide as stars do.
_OTHER_STARS = re.compile(r"(?<=[0-9])[xX×#✱∗]{3,14}(?=[0-9])")
_HAN = r"\u3400-\u4dbf\u4e00-\u9fff\u3007\U00020000-\U0003ffff"
_HEADERS = frozenset(
    {"序号", "编号", "电话", "号码", "地区", "金额", "余额", "欠款", "身份证", "name"}
)
_BREAK = re.compile(r"[\s,;|:、，；：\"'“”‘’(){}\[\]<>=/]+")
_NAME = re.compile(rf"[{_HAN}]{{2,6}}|[{_HAN}]{{1,12}}(?:·[{_HAN}]{{1,12}})+")
_MASKED_NAME = re.compile(rf"[{_HAN}]{{1,2}}[*某]{{1,5}}|[{_HAN}][*]{{0,11}}(?:·[*]{{1,12}})+")
_CASE_NUMBER = re.compile(r"(?=(?:[^0-9]*[0-9]){4})[0-9A-Za-z_-]{6,40}")
_REFERENCE = re.compile(r"(?<![0-9A-Za-z])[A-Z2-7]{26}(?![0-9A-Za-z])")
_DOCUMENT = re.compile(r"(?<![0-9A-Za-z*])[1-9](?:[0-9]{16}[0-9Xx]|[0-9]{14})(?![0-9A-Za-z*])")
_PHONE = re.compile(
    r"(?<![0-9A-Za-z*])(?:(?:\+|00)?86[ -]?)?"
    r"(?:1[3-9][0-9](?:[ -]?[0-9]){8}|0[0-9]{2,3}[ -]?[0-9]{7,8}(?:-[0-9]{1,6})?)(?![0-9A-Za-z*])"
)
_MASK = re.compile(
    r"(?<![0-9A-Za-z*])(?P<head>[0-9]{0,10})-?(?P<stars>\*{2,16})(?P<tail>[0-9]{0,8}[Xx]?)"
    r"(?![0-9A-Za-z*])"
)


class MarkKind(StrEnum):
    """What sort of thing a mark is; references are those that the gateway made for a vendor."""

    REFERENCE = "reference"
    DOCUMENT = "document"
    PHONE = "phone"
    NAME = "name"
    CASE_NUMBER = "case number"
    MASKED_PHONE = "masked phone"
    MASKED_DOCUMENT = "masked document"
    MASKED_ACCOUNT = "masked account"
    MASKED_NAME = "masked name"


MASKED = frozenset(kind for kind in MarkKind if kind.value.startswith("masked"))


@dataclass(frozen=True, slots=True)
class Mark:
    """One thing that a row says, in its canonical spelling; a mask is `head*tail`."""

    kind: MarkKind
    text: str

    @override
    def __repr__(self) -> str:
        return f"Mark({self.kind.value})"


@dataclass(frozen=True, slots=True)
class MarkedRow:
    """A row that says something; `number` counts from 1."""

    number: int
    marks: frozenset[Mark]


def marks_of(line: str) -> frozenset[Mark]:
    """All marks of a row of any shape: a line of CSV, a JSON object, plain text.

    Digits and letters of any width are read, telephone numbers with spaces, hyphens or +86, stars
    of several sorts. Names have to stand by themselves between separators; a name in Latin
    letters is not a mark.
    """
    text = _folded(line)
    found: set[Mark] = set()
    rest = text
    for pattern, read in _READERS:
        rest = _taken(pattern, read, rest, found)
    for token in _BREAK.split(rest):
        mark = _of_token(token)
        if mark is not None:
            found.add(mark)
    return frozenset(found)


def is_header(line: str) -> bool:
    """Whether a first line names columns: two words or more, one of which heads columns."""
    words = [word for word in _BREAK.split(_folded(line)) if word]
    catalog = load_field_catalog()
    is_named = any(word in _HEADERS or catalog.by_header(word) is not None for word in words)
    return is_named and len(words) > 1 and not any(char.isdecimal() for char in line)


def mask_of(value: str, head: int, tail: int) -> str:
    """A value as a mask that shows so many characters of its beginning and of its end."""
    return f"{value[:head]}*{value[len(value) - tail :]}"


def mask_shape(mask: Mark) -> tuple[int, int]:
    """How many characters a mask shows at each end."""
    head, _star, tail = mask.text.partition("*")
    return len(head), len(tail)


def _folded(line: str) -> str:
    text = line[:_LONGEST_ROW].strip()
    if text.startswith(("{", "[")):
        with suppress(orjson.JSONDecodeError):  # then it is a line of text all the same
            text = "\n".join(_leaves(orjson.loads(text)))
    text = normalize("NFKC", text).translate(_INVISIBLE).translate(_DOTS)
    return _OTHER_STARS.sub(lambda found: "*" * len(found[0]), text)


def _leaves(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for item in value.values():
            yield from _leaves(item)
    elif isinstance(value, list):
        for item in value:
            yield from _leaves(item)
    elif value is not None:
        yield str(value)


def _taken(
    pattern: re.Pattern[str],
    read: Callable[[re.Match[str]], Mark | None],
    text: str,
    found: set[Mark],
) -> str:
    """Takes what a pattern reads out of the text, so that nothing is read twice."""

    def take(match: re.Match[str]) -> str:
        mark = read(match)
        if mark is None:
            return match[0]
        found.add(mark)
        return " "

    return pattern.sub(take, text)


def _reference(match: re.Match[str]) -> Mark:
    return Mark(MarkKind.REFERENCE, match[0])


def _document(match: re.Match[str]) -> Mark | None:
    try:
        return Mark(MarkKind.DOCUMENT, parse_id_number(match[0]))
    except CellError:
        return None


def _phone(match: re.Match[str]) -> Mark | None:
    try:
        return Mark(MarkKind.PHONE, parse_phone(match[0]))
    except CellError:
        return None


def _mask(match: re.Match[str]) -> Mark | None:
    head, stars, tail = match["head"], match["stars"], match["tail"].upper()
    length = len(head) + len(stars) + len(tail)
    mask = f"{head}*{tail}"
    is_mobile = re.match(r"1[3-9][0-9]", head) is not None and len(tail) >= _LAST_SHOWN - 1
    if head and tail and length in _DOCUMENT_LENGTHS:
        return Mark(MarkKind.MASKED_DOCUMENT, mask)
    if (is_mobile and length <= _MOBILE_DIGITS) or (head.startswith("0") and tail):
        return Mark(MarkKind.MASKED_PHONE, mask)
    if len(tail) >= _LAST_SHOWN:
        return Mark(MarkKind.MASKED_ACCOUNT, mask)
    return None


def _of_token(token: str) -> Mark | None:
    if _NAME.fullmatch(token) and "某" not in token:
        return Mark(MarkKind.NAME, token)
    if _MASKED_NAME.fullmatch(token):
        return Mark(MarkKind.MASKED_NAME, token.replace("某", "*"))
    if _CASE_NUMBER.fullmatch(token):
        return Mark(MarkKind.CASE_NUMBER, token)
    return None


_READERS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], Mark | None]], ...] = (
    (_REFERENCE, _reference),
    (_DOCUMENT, _document),
    (_PHONE, _phone),
    (_MASK, _mask),
)
