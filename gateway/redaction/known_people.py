"""A case's own people, found by sound, by half a name, in parts and back to front."""

from collections.abc import Iterable, Iterator
from functools import cache

from gateway.redaction.backwards import SAYS_BACKWARDS
from gateway.redaction.folding import FOLD, fold, spellings, squeeze
from gateway.redaction.known_numbers import known_span
from gateway.redaction.spans import EntityType, Span
from gateway.redaction.spellings import (
    NOT_AFTER_PREFIX,
    PREFIXES,
    TITLES,
    readings,
    readings_of_surnames,
    split_name,
)
from gateway.redaction.wordlists import packaged

_FOLD = str.maketrans(FOLD)
_NICK_TITLES = ("哥", "姐", "弟", "妹", "总", "叔", "姨", "嫂", "爷")
_SHORTEST = 2
_LONGEST = 5
_NEAR = 12
# Two words of different sentences are no name.
_DIVIDING = frozenset("，。；！？、,;!?\n：:")
_INTRODUCING = ("名", "名字", "名是", "名字是", "名字叫", "名叫", "叫", "叫做", "叫作", "唤")


class PersonFinder:
    """Compiled from the names of one case; for what `name_patterns` cannot tell. Immutable."""

    def __init__(self, names: Iterable[str]) -> None:
        bare = ["".join(name.split()) for name in names]
        people = [
            name
            for name in bare
            if _SHORTEST <= len(name) <= _LONGEST and all("㐀" <= one <= "鿿" for one in name)
        ]
        self._sounding = tuple(
            (coded, fold(name)) for name in people for coded in _coded_forms(fold(name))
        )
        self._in_parts = tuple(part for name in people for part in _in_parts(name))
        self._turned = tuple(fold(name)[::-1] for name in people)
        self._titled = tuple(_titled_forms(bare))

    def find(self, text: str) -> Iterator[Span]:
        """Spans of source KNOWN; they may overlap."""
        for forms in self._titled:
            yield from _find_titled(text, forms)
        if not self._sounding:
            return
        bare, places = squeeze(text)
        folded = bare.translate(_FOLD)
        for first, last in self._places_in(text, folded, places):
            yield known_span(places[first], places[last] + 1, EntityType.PERSON)

    def _places_in(self, text: str, folded: str, places: list[int]) -> Iterator[tuple[int, int]]:
        """First and last index into `folded` of whatever gives a person away."""
        coded = folded.translate(_sounds())
        for pattern, name in self._sounding:
            for first, last in _all(coded, pattern):
                found = folded[first : last + 1]
                is_word = len(name) == _SHORTEST and found != name and found in _everyday()
                if not is_word and not _is_divided(text, places[first], places[last]):
                    yield first, last
        for before, pattern in self._in_parts:
            for first, last in _all(folded, before + pattern):
                yield first + len(before), last
        for pattern in self._turned:
            for first, last in _all(folded, pattern):
                start, end = places[first], places[last] + 1
                if SAYS_BACKWARDS.search(text, max(0, start - _NEAR), end + _NEAR) or (
                    len(pattern) > _SHORTEST and not _is_divided(text, start, end - 1)
                ):
                    yield first, last


def _all(text: str, pattern: str) -> Iterator[tuple[int, int]]:
    """Every place of a pattern, as its first and last index."""
    index = text.find(pattern)
    while index >= 0:
        yield index, index + len(pattern) - 1
        index = text.find(pattern, index + 1)


def _is_divided(text: str, start: int, last: int) -> bool:
    """Whether what stands between the characters is more than a few signs."""
    return not _DIVIDING.isdisjoint(text[start:last])


@cache
def _codes() -> dict[str, int]:
    """One code point of private use for each reading."""
    told = sorted({*readings().values(), *readings_of_surnames().values()})
    return {reading: 0xE000 + place for place, reading in enumerate(told)}


@cache
def _sounds() -> dict[int, int]:
    """Each character to the code of its usual reading."""
    return {ord(one): _codes()[reading] for one, reading in readings().items()}


def _coded_forms(name: str) -> set[str]:
    """The name as codes, with the surname's own reading and with the usual one."""
    known = readings()
    if any(one not in known for one in name):
        return set()
    first = {known[name[0]], readings_of_surnames().get(name[0], known[name[0]])}
    rest = "".join(chr(_codes()[known[one]]) for one in name[1:])
    return {chr(_codes()[one]) + rest for one in first}


@cache
def _everyday() -> frozenset[str]:
    return frozenset(packaged("sounding.txt")["everyday"])


@cache
def _apart() -> dict[str, list[str]]:
    table: dict[str, list[str]] = {}
    for pair in packaged("sounding.txt")["apart"]:
        parts, surname = pair.split(":")
        table.setdefault(surname, []).append(parts)
    return table


def _in_parts(name: str) -> Iterator[tuple[str, str]]:
    """What stands before, and the part that gives the person away: 弓长国华, 姓张, 名国华."""
    surname, given = split_name(fold(name))
    if given:
        for parts in _apart().get(surname, ()):
            for form in (parts + given, parts + surname + given):
                yield "", fold(form)
        for before in _INTRODUCING:
            yield before, given
    for before in ("姓", "姓氏是", "姓是"):
        yield before, surname


def _titled_forms(names: Iterable[str]) -> Iterator[tuple[tuple[str, ...], bool]]:
    """The surnames and last characters that a title or a prefix may go with, in each spelling."""
    seen: set[str] = set()
    for name in names:
        if not name or not "㐀" <= name[0] <= "鿿" or "·" in name:
            continue
        surname, given = split_name(name)
        for part, is_surname in ((surname, True), (given[-1:], False)):
            if part and part not in seen:
                seen.add(part)
                forms = spellings(fold(part)) if len(part) == 1 else (part,)
                yield tuple(one for one in forms if not one.isascii()), is_surname


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
