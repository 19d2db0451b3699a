"""Number plates of vehicles, in any letters and digits."""

import re

from gateway.redaction.digits import BARRIER, DIGIT_CLASS, DIGITS, SEPARATOR_CLASS, basic_class
from gateway.redaction.letters import LATIN, bare_view
from gateway.redaction.spans import EntityType, Source, Span

_PROVINCES = "京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼使滬蘇遼鄂"
_BASIC = "".join(sorted(one for one in LATIN if one < "\U00010000" and LATIN[one].isalpha()))
# Whatever may be a letter; the higher planes as a whole.
_LETTERISH = f"A-Za-z{re.escape(_BASIC)}\U0001d400-\U0001d7cb\U0001f110-\U0001f1ff"
_MAYBE = re.compile(
    rf"[{_PROVINCES}](?=[{SEPARATOR_CLASS}（(【]{{0,3}}[{_LETTERISH}][^\u3400-\u9fff{BARRIER}]{{0,8}}"
    rf"(?:[{DIGIT_CLASS}{_LETTERISH}]|点|杠|然后|后面))"
)
_SIGNS = r"[^a-z0-9\u3400-\u9fff\ufdd0]{0,3}"
_BETWEEN = rf"(?:{_SIGNS}(?:点|杠|横杠|然后是?|后面是?|再|空格)?{_SIGNS})"
_PLATE = re.compile(
    rf"[a-z]{_BETWEEN}[a-z0-9](?:{_SIGNS}[a-z0-9]){{3,5}}(?:{_SIGNS}[学警港澳挂领試试超])?(?![a-z0-9])"
)
# As most plates are written, with at least three digits and an ordinary word behind.
_PLAIN = re.compile(
    rf"[{_PROVINCES}][A-HJ-NP-Z](?=[A-Z]*[0-9][A-Z]*[0-9][A-Z]*[0-9])[A-HJ-NP-Z0-9]{{5,6}}"
    rf"(?=[，。；、！]?[\u3400-\u9fff])(?![，。；、！]?[学警港澳挂领試试超{basic_class(DIGITS)}])"
)
_PLATE_TYPE, _PATTERN = EntityType.PLATE, Source.PATTERN
_LONGEST = 40
_BODY = range(4, 7)
_FEWEST_DIGITS = 3
# No plate has these letters; they stand for 1 and 0.
_NEVER_LETTERS = frozenset("oil")


def first_plate(text: str) -> re.Match[str] | None:
    """Where the first plate may be. What is cut out of a text without one has none either."""
    return _MAYBE.search(text)


def find_plates(text: str, start: int = 0) -> list[Span]:
    """Province, letter, five or six more, of which three are digits; from `start` on."""
    spans: list[Span] = []
    for begin in _MAYBE.finditer(text, start):
        if plain := _PLAIN.match(text, begin.start()):
            spans.append(Span(*plain.span(), _PLATE_TYPE, 0.85, _PATTERN))
            continue
        end = min(len(text), begin.end() + _LONGEST)
        view, places = bare_view(text, begin.end(), end)
        plate = _PLATE.search(view, 0)
        if plate is None or view[: plate.start()].strip(" \n·.-—－（(【[*、") != "":
            continue
        body = [one for one in plate[0][1:] if one.isascii() and one.isalnum()]
        ends = plate[0][-1] in "学警港澳挂领試试超"
        if len(body) + ends in _BODY and (
            sum(one.isdecimal() or one in _NEVER_LETTERS for one in body) >= _FEWEST_DIGITS
        ):
            spans.append(
                Span(
                    begin.start(),
                    places[plate.end() - 1] + 1,
                    _PLATE_TYPE,
                    0.85,
                    _PATTERN,
                )
            )
    return spans
