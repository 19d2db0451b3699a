"""What is kept of an analysis, and the cutting at release: the bytes that were scanned leave."""

from collections.abc import Iterable
from hashlib import blake2b
from typing import Any

import orjson

from gateway.analysis.errors import RenditionError
from gateway.redaction.spans import PLACEHOLDERS, EntityType, Span

_CHECK_BYTES = 12
_OTHER = PLACEHOLDERS[EntityType.OTHER]
_PLACEHOLDERS: dict[str, str] = {kind.value: text for kind, text in PLACEHOLDERS.items()}


def pack(redacted: str, spans: Iterable[Span]) -> bytes:
    """JSON to be sealed: a check of the redacted text, then start, end and type of each span.

    `spans` are in order of place, none overlapping. Score and source end here: a release has no
    use for them.
    """
    found = [[span.start, span.end, span.type.value] for span in spans]
    return orjson.dumps([_check(redacted), *found])


def render(text: str, packed: bytes) -> str:
    """The text with a placeholder for each span: character for character what was scanned.

    Raises:
        RenditionError: the spans are not of this text, or placeholders have changed since.
    """
    content: list[Any] = orjson.loads(packed)
    parts: list[str] = []
    last = 0
    for start, end, kind in content[1:]:
        if start < last or end <= start:
            raise RenditionError("stored spans overlap or are not in order")
        parts.append(text[last:start])
        parts.append(_PLACEHOLDERS.get(kind, _OTHER))
        last = end
    parts.append(text[last:])
    redacted = "".join(parts)
    if _check(redacted) != content[0]:
        raise RenditionError("stored spans do not give the text that was scanned")
    return redacted


def _check(redacted: str) -> str:
    return blake2b(redacted.encode(), digest_size=_CHECK_BYTES).hexdigest()
