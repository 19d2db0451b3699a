"""What is kept of an analysis, and the cutting at release: the bytes that were scanned leave."""

from collections.abc import Callable, Iterable
from hashlib import blake2b
from typing import Any

import orjson

from gateway.analysis.errors import RenditionError
from gateway.redaction.digits import CANONICAL
from gateway.redaction.spans import PLACEHOLDERS, EntityType, Span

NUMBERS = 999
"""Numbers of placeholders go from 1 to this."""
Numbering = Callable[[str], int]
"""From a value with its kind to a number between 1 and NUMBERS, by a key of case and contract."""

# Kinds that are no number: characters that may be digits are left as they are.
_WORDED = frozenset({"PERSON", "ADDRESS", "ORGANISATION", "EMAIL"})
_CHECK_BYTES = 12
_OTHER = PLACEHOLDERS[EntityType.OTHER]
_PLACEHOLDERS: dict[str, str] = {kind.value: text for kind, text in PLACEHOLDERS.items()}
_OPENING = _OTHER[:-1]
_OPENINGS = {kind: text[:-1] for kind, text in _PLACEHOLDERS.items()}


def pack(redacted: str, spans: Iterable[Span]) -> bytes:
    """JSON to be sealed: a check of the redacted text, then start, end and type of each span.

    `spans` are in order of place, none overlapping. Score and source end here: a release has no
    use for them.
    """
    found = [[span.start, span.end, span.type.value] for span in spans]
    return orjson.dumps([_check(redacted), *found])


def render(text: str, packed: bytes, numbering: Numbering | None = None) -> str:
    """The text with a placeholder for each span: character for character what was scanned.

    With `numbering`, a placeholder has a number beside its kind, the same one for the same value.

    Raises:
        RenditionError: the spans are not of this text, or placeholders have changed since.
    """
    content: list[Any] = orjson.loads(packed)
    parts = _spliced(text, content)
    redacted = "".join(parts)
    if _check(redacted) != content[0]:
        raise RenditionError("stored spans do not give the text that was scanned")
    if numbering is None:
        return redacted
    parts[1::2] = _numbered(text, content, numbering)
    return "".join(parts)


def unpack(packed: bytes) -> list[tuple[int, int, str]]:
    """Start, end and type of each span, as `pack` was given them."""
    content: list[Any] = orjson.loads(packed)
    return [(start, end, kind) for start, end, kind in content[1:]]


def _spliced(text: str, content: list[Any]) -> list[str]:
    """What is kept of the text, and between two pieces the placeholder of a span."""
    parts: list[str] = []
    last = 0
    for start, end, kind in content[1:]:
        if start < last or end <= start:
            raise RenditionError("stored spans overlap or are not in order")
        parts.append(text[last:start])
        parts.append(_PLACEHOLDERS.get(kind, _OTHER))
        last = end
    parts.append(text[last:])
    return parts


def _numbered(text: str, content: list[Any], numbering: Numbering) -> list[str]:
    """The placeholder of each span with a number in it."""
    placeholders: list[str] = []
    given: dict[str, int] = {}
    for start, end, kind in content[1:]:
        # With its kind: what is a person in one place and a firm in another is not one value.
        value = kind + _canonical(text[start:end], is_worded=kind in _WORDED)
        number = given.get(value)
        if number is None:
            number = numbering(value)
            while number in given.values():  # two values never share a number
                number = number % NUMBERS + 1
            given[value] = number
        placeholders.append(f"{_OPENINGS.get(kind, _OPENING)}{number}〕")
    return placeholders


def _canonical(value: str, *, is_worded: bool) -> str:
    """One form for 138-1234-5678 and １３８１２３４５６７８, and for a name with a space in it."""
    bare = value.replace(" ", "").replace("-", "")
    if is_worded or (bare.isascii() and bare.isalnum()):
        return bare
    return "".join(bare.translate(CANONICAL).split())


def _check(redacted: str) -> str:
    return blake2b(redacted.encode(), digest_size=_CHECK_BYTES).hexdigest()
