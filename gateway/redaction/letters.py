"""Latin letters in every costume, one to one: circled, mathematical, wide, Cyrillic, toned."""

import re
import unicodedata
from collections.abc import Callable
from functools import partial

from gateway.redaction.digits import DIGITS, basic_class

_RANGES = (
    (0x00C0, 0x0250),
    (0x1E00, 0x1F00),
    (0x2100, 0x2150),
    (0x249C, 0x24EA),
    (0xFE50, 0xFE70),
    (0xFF00, 0xFF5F),
    (0x1D400, 0x1D7CC),
    (0x1F110, 0x1F18A),
    (0x1F1E6, 0x1F200),
)
_NAME = re.compile(r"(SMALL|CAPITAL|SYMBOL)? ?LETTER ([A-Z])(?: WITH .*)?$")
# Letters of other alphabets that no reader tells from Latin ones, in pairs.
_ALIKE = """
аa еe оo рp сc хx уy іi ѕs јj ԁd һh ԛq ԝw кk мm тt нh вb гr пn АA ВB ЕE КK МM НH ОO РP СC ТT ХX
ІI ЅS ЈJ УY ԚQ ԜW αa οo ρp νv ιi κk τt υu χx ΑA ΒB ΕE ΖZ ΗH ΙI ΚK ΜM ΝN ΟO ΡP ΤT ΥY ΧX ɑa ɡg
"""


def _letters() -> dict[str, str]:
    table = {pair[0]: pair[1] for pair in _ALIKE.split()}
    for low, high in _RANGES:
        for one in map(chr, range(low, high)):
            bare = "".join(
                part for part in unicodedata.normalize("NFKD", one) if part.isascii()
            ).strip("()")
            if len(bare) == 1 and "!" <= bare <= "~":
                table[one] = bare
            elif named := _NAME.search(unicodedata.name(one, "")):
                table[one] = named[2].lower() if named[1] == "SMALL" else named[2]
    return table


LATIN: dict[str, str] = _letters()
"""Each letter or sign that is an ASCII one in disguise."""

_HIDDEN = frozenset(
    one for one in map(chr, range(0x10000)) if unicodedata.category(one) in {"Cf", "Mn", "Me"}
)
_CAPITALS = {chr(code): chr(code + 32) for code in range(ord("A"), ord("Z") + 1)}
_ASCII = LATIN | DIGITS
# One to one: lower() of some letters is two characters.
_BARE = {one: letter.lower() for one, letter in LATIN.items()} | DIGITS | _CAPITALS
_HIDDEN_CHARACTER = re.compile(f"[{basic_class(_HIDDEN)}]")


def _replacer(table: dict[str, str]) -> Callable[[str], str]:
    """Replaces characters by a table; looks at those alone that may be in it.

    str.translate asks the table about every character, which takes much longer.
    """
    others = (one for one, canonical in table.items() if one != canonical)
    may_be_listed = re.compile(f"[{basic_class(others)}\U00010000-\U0001ffff]")

    def replace(found: re.Match[str]) -> str:
        return table.get(one := found[0], one)

    return partial(may_be_listed.sub, replace)


_to_ascii = _replacer(_ASCII)
_to_bare = _replacer(_BARE)
_to_latin = _replacer(LATIN)


def in_ascii(text: str) -> str:
    """Letters and digits in ASCII, case kept, the rest as it is; as long as the text."""
    return text if text.isascii() else _to_ascii(text)


def letters_in_ascii(text: str) -> str:
    """Letters and signs in ASCII, digits as they are; as long as the text."""
    return text if text.isascii() else _to_latin(text)


def bare_view(text: str, start: int, end: int) -> tuple[str, list[int]]:
    """text[start:end] in ASCII, small, without marks and hidden characters; the place of each."""
    places = list(range(start, end))
    stretch = text[start:end]
    if not stretch.isascii() and _HIDDEN_CHARACTER.search(stretch):
        places = [place for place in places if text[place] not in _HIDDEN]
        stretch = "".join(text[place] for place in places)
    return _to_bare(stretch), places
