"""Persons in Chinese text: what the models believe, shaped by how names are made, and cues."""

import re
from collections.abc import Iterator

import numpy as np

from gateway.redaction.cues import find_cued
from gateway.redaction.reading import Flags, Reading, is_han, mean, runs
from gateway.redaction.spans import EntityType, Source, Span
from gateway.redaction.surnames import AMBIGUOUS, COMPOUND, GIVEN, SINGLE, TRANSLITERATED

_SURE = 0.5  # of a character, without any other support
_NAME_SHAPED = 0.15  # mean of a stretch that is made like a name
_ODDLY_NAMED = 0.22  # the same, with a character unusual in names
_FOREIGN = 0.25  # mean of a stretch of characters that transliterate
_WORD_LIKE = 1.5  # how much more where the surname is an everyday word
_TRACE = 0.06  # below this a character is not part of a name
_DOTS = frozenset("·•・‧∙●")
_DOT = re.compile(f"[{''.join(sorted(_DOTS))}]")
_FOREIGN_CHARACTERS = TRANSLITERATED | _DOTS
_TITLES = frozenset(("先生", "女士", "小姐", "太太", "夫人", "主席", "经理", "老师", "同志"))
_SHORTEST_REPEAT = 2


class NameFinder:
    """Finds persons in a reading; without a model, by cues and repetition alone."""

    def find(self, reading: Reading) -> list[Span]:
        """Spans of type PERSON, in order of place, none overlapping."""
        cued = sorted(find_cued(reading))
        flags = believed(reading)
        ruled = np.zeros(len(flags), np.bool_)
        for start, end, _ in cued:
            ruled[start:end] = True
        for start, end in _repeats(reading, flags, cued):
            ruled[start:end] = True
        return [
            _span(reading, ruled, start, end)
            for start, end in _pieces(reading, flags | ruled, cued)
        ]


def believed(reading: Reading) -> Flags:
    """Which characters the models, with the shape of names, hold to be in a person's name."""
    flags = reading.person > _SURE
    if len(flags):
        _name_shaped(reading, flags)
        _foreign(reading, flags)
        _joined(reading, flags)
        _trim(reading, flags)
    return flags


def _name_shaped(reading: Reading, flags: Flags) -> None:
    """A surname and one or two characters need less belief than other words."""
    text, person = reading.text, reading.person
    for start in np.flatnonzero(person > _TRACE / 2).tolist():
        compound = text[start : start + 2] in COMPOUND
        if not compound and text[start] not in SINGLE:
            continue
        family = 2 if compound else 1
        for given in (2, 1):
            end = start + family + given
            name = text[start + family : end]
            if len(name) < given or not all(map(is_han, name)):
                continue
            usual = all(character in GIVEN for character in name)
            part = person[start:end]
            enough = _NAME_SHAPED if usual else _ODDLY_NAMED
            if text[start] in AMBIGUOUS and not compound:
                enough *= _WORD_LIKE
            if part.min() > _TRACE / 2 and part.sum() > enough * len(part):
                flags[start:end] = True
                break


def _foreign(reading: Reading, flags: Flags) -> None:
    """Characters that transliterate, together, need less belief than other words."""
    usual = np.zeros(len(reading.text), np.bool_)
    for place in np.flatnonzero(reading.person > _TRACE).tolist():
        usual[place] = reading.text[place] in _FOREIGN_CHARACTERS
    for start, end in runs(usual):
        if end - start > 1 and mean(reading.person, start, end) > _FOREIGN:
            flags[start:end] = True


def _joined(reading: Reading, flags: Flags) -> None:
    """A dot between two parts of a foreign name belongs to it, and so do both parts."""
    text, person = reading.text, reading.person
    for place in [dot.start() for dot in _DOT.finditer(text)]:
        if not (flags[max(0, place - 3) : place].any() or flags[place + 1 : place + 4].any()):
            continue
        for step in (-1, 1):
            here = place + step
            while 0 <= here < len(text) and is_han(text[here]) and person[here] > _TRACE / 6:
                if text[here] not in TRANSLITERATED and person[here] < _TRACE:
                    break
                flags[here] = True
                flags[place] = True
                here += step


def _trim(reading: Reading, flags: Flags) -> None:
    """What no name can hold is not one, however sure a model is."""
    for place in np.flatnonzero(flags).tolist():
        character = reading.text[place]
        if not (is_han(character) or character in _DOTS or character.isalpha()):
            flags[place] = False


def _repeats(
    reading: Reading, flags: Flags, cued: list[tuple[int, int, float]]
) -> Iterator[tuple[int, int]]:
    """Further places of the names found, and of their given names of two characters."""
    text = reading.text
    names = {text[start:end] for start, end in runs(flags)}
    names |= {text[start:end] for start, end, _ in cued}
    for name in names:
        if not len(name) + 1 > _SHORTEST_REPEAT or not all(map(is_han, name)):
            continue
        full = name[0] in SINGLE and len(name) == 3  # noqa: PLR2004 - surname and two characters
        for form in (name, name[1:]) if full and set(name[1:]) <= GIVEN else (name,):
            if len(form) >= _SHORTEST_REPEAT and text.count(form) > text.count(name) - (
                form == name
            ):
                yield from (match.span() for match in re.finditer(re.escape(form), text))


def _pieces(
    reading: Reading, flags: Flags, cued: list[tuple[int, int, float]]
) -> Iterator[tuple[int, int]]:
    """Runs of flagged characters, cut where one cued name ends and the next begins."""
    ends = {end for _, end, _ in cued}
    for start, end in runs(flags):
        at = start
        for cut in range(start + 1, end):
            if cut in ends and reading.text[cut] in SINGLE and end - cut > 1:
                yield at, cut
                at = cut
        yield at, end


def _span(reading: Reading, ruled: Flags, start: int, end: int) -> Span:
    belief = mean(reading.person, start, end)
    if ruled[start:end].any():
        return Span(start, end, EntityType.PERSON, max(0.8, round(belief, 3)), Source.RULE)
    return Span(start, end, EntityType.PERSON, round(belief, 3), Source.NAME_MODEL)
