"""A case's own values, found in every spelling: this tier misses nothing that it was given."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from functools import lru_cache

from gateway.redaction.edges import round_off
from gateway.redaction.folding import find_folded, fold
from gateway.redaction.known_numbers import NumberFinder, is_number, known_span
from gateway.redaction.known_people import PersonFinder
from gateway.redaction.known_places import PlaceFinder
from gateway.redaction.spans import EntityType, Span, resolve
from gateway.redaction.spellings import name_patterns, organisation_patterns


@dataclass(frozen=True, slots=True)
class KnownValues:
    """What the case record says of its people, each as the record writes it."""

    names: tuple[str, ...] = ()
    phones: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()
    cards: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    organisations: tuple[str, ...] = ()
    emails: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()
    plates: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return any(getattr(self, field.name) for field in fields(self))


class KnownFinder:
    """Compiled from one case's values; finds them in any number of its notes. Immutable."""

    def __init__(self, known: KnownValues) -> None:
        self._patterns = tuple(_patterns(known))
        self._numbers = NumberFinder(
            {
                EntityType.PHONE: known.phones,
                EntityType.ID_NUMBER: known.ids,
                EntityType.BANK_CARD: known.cards,
                EntityType.ACCOUNT_ID: known.accounts,
            }
        )
        self._people = PersonFinder(known.names)
        self._places = PlaceFinder(known.addresses)

    def find(self, text: str) -> list[Span]:
        """Spans of source KNOWN in order of place, none overlapping."""
        spans: list[Span] = []
        for pattern, kind in self._patterns:
            spans += [known_span(start, end, kind) for start, end in find_folded(text, pattern)]
        spans += self._people.find(text)
        spans += self._places.find(text)
        spans += [round_off(text, span) for span in self._numbers.find(text)]
        return resolve(spans)


@lru_cache(maxsize=256)
def finder_for(known: KnownValues) -> KnownFinder:
    """The finder of these values; the same one while a case's notes follow each other."""
    return KnownFinder(known)


def _patterns(known: KnownValues) -> Iterator[tuple[str, EntityType]]:
    sources: tuple[tuple[Iterable[set[str]], EntityType], ...] = (
        (map(name_patterns, known.names), EntityType.PERSON),
        (map(organisation_patterns, known.organisations), EntityType.ORGANISATION),
        (({fold(one)} for one in known.emails), EntityType.EMAIL),
        (({fold(one)} for one in known.plates), EntityType.PLATE),
        (({fold(one)} for one in known.accounts), EntityType.ACCOUNT_ID),
        # Documents with letters; numbers are looked for digit by digit.
        (({fold(one)} for one in known.ids if not is_number(one)), EntityType.PASSPORT_PERMIT),
    )
    for sets, kind in sources:
        for pattern in sorted(set().union(*sets)):
            if pattern and not pattern.isdecimal():
                yield pattern, kind
