"""What a finder reports: a stretch of text, what it is, and how overlaps are settled."""

from collections.abc import Iterable
from enum import StrEnum
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple


class EntityType(StrEnum):
    """The twelve kinds of personal data that are told apart in free text."""

    PERSON = "PERSON"
    PHONE = "PHONE"
    ID_NUMBER = "ID_NUMBER"
    BANK_CARD = "BANK_CARD"
    ADDRESS = "ADDRESS"
    ORGANISATION = "ORGANISATION"
    EMAIL = "EMAIL"
    ACCOUNT_ID = "ACCOUNT_ID"
    PLATE = "PLATE"
    PASSPORT_PERMIT = "PASSPORT_PERMIT"
    USCC = "USCC"
    OTHER = "OTHER"

    # Enum's own is written in Python, and every note asks for it several times.
    __hash__ = str.__hash__


PLACEHOLDERS: dict[EntityType, str] = {
    EntityType.PERSON: "〔姓名〕",
    EntityType.PHONE: "〔电话〕",
    EntityType.ID_NUMBER: "〔证件号〕",
    EntityType.BANK_CARD: "〔银行卡〕",
    EntityType.ADDRESS: "〔地址〕",
    EntityType.ORGANISATION: "〔单位〕",
    EntityType.EMAIL: "〔邮箱〕",
    EntityType.ACCOUNT_ID: "〔账号〕",
    EntityType.PLATE: "〔车牌〕",
    EntityType.PASSPORT_PERMIT: "〔通行证〕",
    EntityType.USCC: "〔统一代码〕",
    EntityType.OTHER: "〔其他〕",
}
"""What stands in the place of a span unless a vendor gets pseudonyms."""


OWN_PLACEHOLDER = rf"〔(?:{'|'.join(text[1:-1] for text in PLACEHOLDERS.values())})[0-9]{{0,3}}〕"
"""An expression for any of them, with or without a number (`analysis/renditions.py`)."""


class Source(StrEnum):
    """Why a span is believed, strongest first."""

    KNOWN = "KNOWN"
    CHECKSUM = "CHECKSUM"
    PATTERN = "PATTERN"
    RULE = "RULE"
    NAME_MODEL = "NAME_MODEL"

    __hash__ = str.__hash__


class Span(NamedTuple):
    """A stretch of text: code points `start` to `end` (exclusive), `score` from 0 to 1.

    A tuple, as a frozen dataclass takes four times as long to make, and notes have several.
    """

    start: int
    end: int
    type: EntityType
    score: float
    source: Source


_RANK = {source: rank for rank, source in enumerate(Source)}
_PLACE = attrgetter("start")


def resolve(spans: Iterable[Span]) -> list[Span]:
    """Return spans in order of place, none overlapping, that cover exactly what was found.

    The longest wins, then the stronger source, then the earlier. What a loser covers beyond the
    winner stays covered under its own type: nothing that any finder saw is shown.
    """
    ordered = list(spans)
    if _are_apart(ordered):
        return ordered
    ordered.sort(key=_PLACE)
    return ordered if _are_apart(ordered) else _resolve_overlaps(ordered)


def _are_apart(spans: list[Span]) -> bool:
    """Whether they are in order and none overlaps another."""
    last = 0
    for start, end, _kind, _score, _source in spans:
        if start < last:
            return False
        last = end
    return True


def _resolve_overlaps(spans: list[Span]) -> list[Span]:
    """Paints the stretches of overlapping spans, character by character, the winners first."""
    kept: list[Span] = []
    cluster: list[Span] = []
    end = 0
    for span in spans:
        if cluster and span.start >= end:
            kept += _paint(cluster, end)
            cluster = []
        cluster.append(span)
        end = max(end, span.end)
    return kept + _paint(cluster, end)


def _paint(spans: list[Span], end: int) -> list[Span]:
    if len(spans) == 1:
        return spans
    begin = spans[0].start
    free = list(range(end - begin + 1))  # from each place, where the next free one may be
    owners: list[Span | None] = [None] * (end - begin)
    for span in sorted(spans, key=_strength):
        place = _next_free(free, span.start - begin)
        while place < span.end - begin:
            owners[place] = span
            free[place] = place + 1
            place = _next_free(free, place)
    painted: list[Span] = []
    place = begin
    for owner, places in groupby(owners):
        after = place + sum(1 for _ in places)
        if owner is not None:
            painted.append(owner._replace(start=place, end=after))
        place = after
    return painted


def _strength(span: Span) -> tuple[int, int, int]:
    return span.start - span.end, _RANK[span.source], span.start


def _next_free(free: list[int], place: int) -> int:
    root = place
    while free[root] != root:
        root = free[root]
    while free[place] != root:
        free[place], place = root, free[place]
    return root
