"""Finds what a note gives away, cuts it out, looks again, and withholds the note if in doubt."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from gateway.redaction.digits import BARRIER
from gateway.redaction.known import KnownValues, finder_for
from gateway.redaction.render import Token, cut
from gateway.redaction.spans import OWN_PLACEHOLDER, EntityType, Span, resolve
from gateway.redaction.traces import ANY

_ALL_TYPES = frozenset(EntityType)
_OUR_OWN = re.compile(OWN_PLACEHOLDER)


class Finder(Protocol):
    """Reports spans of a text. Total on any string, deterministic, safe between threads."""

    def find(self, text: str) -> list[Span]:
        """Spans in order of place, none overlapping."""
        ...


@runtime_checkable
class TracingFinder(Finder, Protocol):
    """Tells what it saw of a text, and looks at pieces of the text in less time by it."""

    def look(self, text: str, traces: int = ANY) -> tuple[list[Span], int]:
        """What `find` gives and the text's traces; `traces` are of what it was cut out of."""
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
        self._look = finder.look if isinstance(finder, TracingFinder) else None
        self._look_again = gate.look if isinstance(gate, TracingFinder) else None

    def find(self, text: str, known: KnownValues | None = None) -> list[Span]:
        """Spans in order of place, none overlapping; code points of `text`."""
        return self._find(text, known)[0]

    def _find(self, text: str, known: KnownValues | None) -> tuple[list[Span], int]:
        if BARRIER in text:
            text = text.replace(BARRIER, " ")
        spans, traces = (self._finder.find(text), ANY) if self._look is None else self._look(text)
        if known:
            spans = resolve([*finder_for(known).find(text), *spans])
        if "〔" in text:
            return _outside_placeholders(text, spans), traces
        return spans, traces

    def redact(
        self,
        text: str,
        known: KnownValues | None = None,
        *,
        types: Collection[EntityType] = _ALL_TYPES,
        token: Token | None = None,
    ) -> Redaction:
        """The text without what was found of these types; nothing at all if some of it is left."""
        spans, traces = self._find(text, known)
        if types is not _ALL_TYPES:
            spans = [span for span in spans if span.type in types]
        left, redacted = cut(text, spans, token)
        if self.is_clean(left, known, types=types, traces=traces):
            return Redaction(redacted, tuple(spans), withheld=False)
        return Redaction("", tuple(spans), withheld=True)

    def is_clean(
        self,
        remainder: str,
        known: KnownValues | None = None,
        *,
        types: Collection[EntityType] = _ALL_TYPES,
        traces: int = ANY,
    ) -> bool:
        """Whether neither a known value nor an identifier is in what was kept of a text.

        `traces` are the text's, where it was looked at before.
        """
        found = (
            self._gate.find(remainder)
            if self._look_again is None
            else self._look_again(remainder, traces)[0]
        )
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
