"""A set to measure on, as the modules of this folder offer it to the table."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gateway.redaction.spans import EntityType, Span

Find = Callable[[str], list[Span]]


@dataclass(frozen=True, slots=True)
class Marked:
    """A text and its entities as (start, end, type in the set's own words)."""

    text: str
    entities: tuple[tuple[int, int, str], ...]


@dataclass(frozen=True, slots=True)
class EvalSet:
    """One row: the entities called `wanted` should lie in spans of `type`.

    `finder` makes what looks for them; without it the row is measured once for each choice of name
    models.
    """

    name: str
    sentences: Sequence[Marked]
    wanted: str
    type: EntityType
    finder: Callable[[], Find] | None = None
