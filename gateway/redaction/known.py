"""A case's own values, found in every spelling: this tier misses nothing that it was given."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from functools import lru_cache

from gateway.redaction.edges import round_off
from gateway.redaction.folding import find_folded, fold, spellings
from gateway.redaction.known_numbers import NumberFinder, is_number, known_span
from gateway.redaction.spans import EntityType, Span, resolve
from gateway.redaction.spellings import (
    NOT_AFTER_PREFIX,
    PREFIXES,
    TITLES,
    address_patterns,
    name_patterns,
    organisation_patterns,
    split_name,
)


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
        self._people = tuple(_people(known.names))

    def find(self, text: str) -> list[Span]:
        """Spans of source KNOWN in order of place, none overlapping."""
        spans: list[Span] = []
        for pattern, kind in self._patterns:
            spans += [known_span(start, end, kind) for start, end in find_folded(text, pattern)]
        for firsts in self._people:
            spans += _find_titled(text, firsts)
        spans += [round_off(text, span) for span in self._numbers.find(text)]
        return resolve(spans)


@lru_cache(maxsize=256)
def finder_for(known: KnownValues) -> KnownFinder:
    """The finder of these values; the same one while a case's notes follow each other."""
    return KnownFinder(known)


def _patterns(known: KnownValues) -> Iterator[tuple[str, EntityType]]:
    sources: tuple[tuple[Iterable[set[str]], EntityType], ...] = (
        (map(name_patterns, known.names), EntityType.PERSON),
        (map(address_patterns, known.addresses), EntityType.ADDRESS),
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


def _is_number(value: str) -> bool:
    return fold(value).removesuffix("x").isdecimal()


def _people(names: Iterable[str]) -> Iterator[tuple[tuple[str, ...], bool]]:
    """The surnames and last characters that a title or a prefix may go with, in each spelling."""
    seen: set[str] = set()
    for name in names:
        bare = "".join(name.split())
        if not bare or not "\u3400" <= bare[0] <= "\u9fff" or "·" in bare:
            continue
        surname, given = split_name(bare)
        for part, is_surname in ((surname, True), (given[-1:], False)):
            if part and part not in seen:
                seen.add(part)
                forms = spellings(fold(part)) if len(part) == 1 else (part,)
                yield tuple(one for one in forms if not one.isascii()), is_surname


_NICK_TITLES = ("哥", "姐", "弟", "妹", "总", "叔", "姨", "嫂", "爷")


def _find_titled(text: str, person: tuple[tuple[str, ...], bool]) -> Iterator[Span]:
    """张先生, 张某, 小张, 强哥, 阿强."""
    forms, is_surname = person
    titles = TITLES if is_surname else _NICK_TITLES
    for form in forms:
        place = text.find(form)
        while place >= 0:
            start, end = place, place + len(form)
            after = end + (1 if text[end : end + 1] in {" ", "\u3000"} else 0)
            if text.startswith(titles, after):
                end = after + max(len(one) for one in titles if text.startswith(one, after))
            if start and text[start - 1] in PREFIXES and form not in NOT_AFTER_PREFIX:
                start -= 1
            if end - start > len(form):
                yield known_span(start, end, EntityType.PERSON)
            place = text.find(form, place + 1)
