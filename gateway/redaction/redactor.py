"""Finds what a note gives away, cuts it out, looks again, and withholds the note if in doubt."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

from gateway.redaction.digits import BARRIER
from gateway.redaction.known import KnownValues, finder_for
from gateway.redaction.render import Token, cut
from gateway.redaction.spans import PLACEHOLDERS, EntityType, Span, resolve

_ALL_TYPES = frozenset(EntityType)
_OUR_OWN = re.compile("|".join(PLACEHOLDERS.values()))


class Finder(Protocol):
    """Reports spans of a text. Total on any string, deterministic, safe between threads."""

    def find(self, text: str) -> list[Span]:
        """Spans in order of place, none overlapping."""
        ...


@dataclass(frozen=True, slots=True)
class Redaction:
    """A redacted text, the spans that were found in the original, in order of place.

    When `withheld`, something was still found in what was left: `text` is empty.
    """

    text: str
    spans: tuple[Span, ...]
    withheld: bool


class Redactor:
    """One engine for notes that arrive, for releases and for `casegate redact`.

    `finder` looks for everything; `gate` looks at the result once more, by what can be decided
    without a model.
    """

    def __init__(self, finder: Finder, gate: Finder) -> None:
        self._finder = finder
        self._gate = gate

    def find(self, text: str, known: KnownValues | None = None) -> list[Span]:
        """Spans in order of place, none overlapping; code points of `text`."""
        if BARRIER in text:
            text = text.replace(BARRIER, " ")
        spans = self._finder.find(text)
        if known:
            spans = resolve([*finder_for(known).find(text), *spans])
        if "〔" in text:
            return _outside_placeholders(text, spans)
        return spans

    def redact(
        self,
        text: str,
        known: KnownValues | None = None,
        *,
        types: Collection[EntityType] = _ALL_TYPES,
        token: Token | None = None,
    ) -> Redaction:
        """The text without what was found of these types; nothing at all if some of it is left."""
        spans = self.find(text, known)
        if types is not _ALL_TYPES:
            spans = [span for span in spans if span.type in types]
        left, redacted = cut(text, spans, token)
        if self.is_clean(left, known, types=types):
            return Redaction(redacted, tuple(spans), withheld=False)
        return Redaction("", tuple(spans), withheld=True)

    def is_clean(
        self,
        remainder: str,
        known: KnownValues | None = None,
        *,
        types: Collection[EntityType] = _ALL_TYPES,
    ) -> bool:
        """Whether neither a known value nor an identifier is in what was kept of a text."""
        found = self._gate.find(remainder)
        if known:
            found = [*found, *finder_for(known).find(remainder)]
        if not found:
            return True
        return not any(span.type in types for span in _outside_placeholders(remainder, found))


def _outside_placeholders(text: str, spans: list[Span]) -> list[Span]:
    """Without what a finder saw in an earlier pass's own placeholders."""
    if not spans or "〔" not in text:
        return spans
    own = [found.span() for found in _OUR_OWN.finditer(text)]
    return [
        span
        for span in spans
        if not any(start <= span.start and span.end <= end for start, end in own)
    ]
