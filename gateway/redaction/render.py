"""Cuts stored spans out of a text; a placeholder or a vendor's pseudonym takes their place."""

from collections.abc import Callable, Iterable

from gateway.redaction.digits import BARRIER
from gateway.redaction.errors import SpanMismatchError
from gateway.redaction.spans import PLACEHOLDERS, EntityType, Span

Token = Callable[[EntityType, str], str]
"""Gives what stands in the place of a value of a type, such as a vendor's keyed pseudonym."""


def render(text: str, spans: Iterable[Span], token: Token | None = None) -> str:
    """The text with each span replaced: by its placeholder, or by what `token` makes of it.

    Raises:
        SpanMismatchError: the spans overlap, are out of order, or reach beyond the text.
    """
    parts: list[str] = []
    last = 0
    for span in spans:
        start = span.start
        if start < last or span.end <= start:
            raise SpanMismatchError("spans overlap or are not in order")
        parts.append(text[last:start])
        last = span.end
        parts.append(
            PLACEHOLDERS[span.type] if token is None else token(span.type, text[start:last])
        )
    if last > len(text):
        raise SpanMismatchError("a span ends beyond the text")
    parts.append(text[last:])
    return "".join(parts)


def cut(text: str, spans: Iterable[Span], token: Token | None = None) -> tuple[str, str]:
    """What is left of the text, each span a cut that no finder looks across; and `render`'s text.

    Raises:
        SpanMismatchError: as `render`.
    """
    left: list[str] = []
    shown: list[str] = []
    last = 0
    for start, end, kind, _score, _source in spans:
        if start < last or end <= start:
            raise SpanMismatchError("spans overlap or are not in order")
        piece = text[last:start]
        last = end
        left.append(piece)
        shown.append(piece)
        shown.append(PLACEHOLDERS[kind] if token is None else token(kind, text[start:end]))
    if last > len(text):
        raise SpanMismatchError("a span ends beyond the text")
    left.append(text[last:])
    shown.append(text[last:])
    return BARRIER.join(left), "".join(shown)
