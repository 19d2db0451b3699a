"""Administrative divisions of China: provinces, prefectures, counties and districts."""

import re
from collections.abc import Iterator

from gateway.redaction.wordlists import packaged

_SECTIONS = packaged("divisions.txt")
_STEM = 2  # characters that a short form keeps at least

PROVINCES = tuple(_SECTIONS["provinces"])
PREFECTURES = tuple(_SECTIONS["prefectures"])
DIVISIONS = tuple(_SECTIONS["counties and districts"])
"""Counties, districts, banners and cities of that level."""


def _stem(name: str) -> str:
    for tail in ("特别行政区", "维吾尔自治区", "壮族自治区", "回族自治区", "自治区"):
        if name.endswith(tail):
            return name.removesuffix(tail)
    return name[:-1] if name[-1] in "省市" and len(name) > _STEM else name


STEMS = tuple(sorted({stem for stem in map(_stem, (*PROVINCES, *PREFECTURES)) if len(stem) > 1}))
"""The short forms of provinces and prefectures: 浙江, 内蒙古, 杭州."""


def _by_head() -> dict[str, tuple[str, ...]]:
    heads: dict[str, list[str]] = {}
    for name in {*PROVINCES, *PREFECTURES, *DIVISIONS, *STEMS}:
        heads.setdefault(name[:_STEM], []).append(name)
    return {head: tuple(sorted(names, key=len, reverse=True)) for head, names in heads.items()}


_HEADS = _by_head()
_FIRST, _SECOND = ("".join(sorted(set(characters))) for characters in zip(*_HEADS, strict=True))
# Where the first two characters of a name may be.
_BEGIN = re.compile(f"[{_FIRST}](?=[{_SECOND}])")


def find_divisions(text: str) -> Iterator[tuple[int, int]]:
    """The stretches that name a division, longest first where several start at one place."""
    end = 0
    for begin in _BEGIN.finditer(text):
        start = begin.start()
        if start < end:
            continue
        for name in _HEADS.get(text[start : start + _STEM], ()):
            if text.startswith(name, start):
                end = start + len(name)
                yield start, end
                break
