"""What is counted over a marked set: entities fully covered, and what was masked beside them."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from gateway.redaction.spans import EntityType, Span
from tests.eval.rows import Find, Marked


@dataclass(slots=True)
class Score:
    """Sums over a set, and the shares in percent that are made of them."""

    wanted: int = 0
    covered: int = 0
    covered_by_any: int = 0
    characters: int = 0
    hit: int = 0
    plain: int = 0
    masked_plain: int = 0
    outside: int = 0
    masked_outside: int = 0
    missed: list[str] = field(default_factory=list)
    beside: list[str] = field(default_factory=list)

    @property
    def full(self) -> float:
        """Entities whose every character lies in spans of their type."""
        return 100 * self.covered / max(1, self.wanted)

    @property
    def full_by_any(self) -> float:
        """Entities whose every character lies in spans of whatever type."""
        return 100 * self.covered_by_any / max(1, self.wanted)

    @property
    def recall(self) -> float:
        """Characters of entities that lie in spans of their type."""
        return 100 * self.hit / max(1, self.characters)

    @property
    def precision(self) -> float:
        """Characters in spans of the type that belong to entities."""
        return 100 * self.hit / max(1, self.hit + self.masked_plain)

    @property
    def over(self) -> float:
        """Characters outside entities that lie in spans of the type."""
        return 100 * self.masked_plain / max(1, self.plain)

    @property
    def over_any(self) -> float:
        """Characters outside every entity that the set marks, in spans of whatever type."""
        return 100 * self.masked_outside / max(1, self.outside)


def score(sentences: Iterable[Marked], find: Find, *, wanted: str, type_: EntityType) -> Score:
    """Compare the spans of `type_` with the entities called `wanted`."""
    total = Score()
    for sentence in sentences:
        spans = find(sentence.text)
        same = _places(span for span in spans if span.type is type_)
        masked = _places(spans)
        gold: set[int] = set()
        marked = {place for one in sentence.entities for place in range(one[0], one[1])}
        total.outside += len(sentence.text) - len(marked)
        total.masked_outside += len(masked - marked)
        for start, end, kind in sentence.entities:
            if kind != wanted:
                continue
            places = set(range(start, end))
            gold |= places
            total.wanted += 1
            total.covered += places <= same
            total.covered_by_any += places <= masked
            if not places <= same:
                total.missed.append(_shown(sentence.text, start, end))
        total.characters += len(gold)
        total.hit += len(gold & same)
        total.plain += len(sentence.text) - len(gold)
        total.masked_plain += len(same - gold)
        total.beside.extend(
            _shown(sentence.text, span.start, span.end)
            for span in spans
            if span.type is type_ and not gold & set(range(span.start, span.end))
        )
    return total


def _places(spans: Iterable[Span]) -> set[int]:
    return {place for span in spans for place in range(span.start, span.end)}


def _shown(text: str, start: int, end: int) -> str:
    return f"{text[max(0, start - 8) : start]}[{text[start:end]}]{text[end : end + 8]}"
