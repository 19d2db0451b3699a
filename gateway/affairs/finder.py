"""What looks through texts: gateway.redaction.identifiers.IdentifierFinder fits, loaded late."""

from collections.abc import Sequence
from typing import Protocol

from gateway.redaction.spans import Span


class PersonalFinder(Protocol):
    """Finds numbers of persons in a text."""

    def find(self, text: str) -> Sequence[Span]:
        """Where they are, in order; empty when there is none."""
        ...
