"""A run of digits and whatever stands between them, read as pieces of one spelling each."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from gateway.redaction.digits import (
    ASTRAL_DIGITS,
    CANONICAL,
    CHECK_LETTERS,
    DIGIT_CLASS,
    DIGITS,
    ENCLOSED,
    HOMOPHONES,
    LETTERS,
    SEPARATORS,
    STROKES,
    basic_class,
    is_han,
    read_digits,
)

# What people say between the parts of a number that they spell out.
FILLERS = (
    "然后是|然后|接下来是?|接着是?|再来是?|再加上?|再|下面是?|后面是?|后边是?|后头是?|后四位是?|后[34三四]位|前三位是?|"
    "前[34三四]位|中间是?|中间四位|最后是?|最后四位|末尾是?|尾号是?|开头是?|还有|跟着|加上|加|连着|空格|空|横杠|横线|横|杠|"
    "短横|减号?|点|逗号|那个|这个|就是|嗯|呃|额|啊|哦|唔|对|是|和|跟|与|接|到|之后|以后|完了|个|個|"
    "and then|then|and|dash|space|point|dot"
)
# Where a filler can begin: looked at before the list is tried.
FILLER_BEGINS = (
    "然接再下后前中最末尾开还跟加连空横杠短减点逗那这就嗯呃额啊哦唔对是和与到之以完个個atdsp"
)
_FILLED_GAP = re.compile(rf"(?:{FILLERS})+")

_LONGEST_GAP = 8
_HAN = "\u3007\u3400-\u9fff○◯"


@dataclass(slots=True)
class Stretch:
    """Digits that may belong together, with the place of each and where a piece begins.

    `edges` are indices into `digits`, from 0 to its length; a number begins and ends at an edge.
    """

    digits: str
    places: list[int]
    edges: list[int]

    def end_of(self, index: int) -> int:
        """The place after the digit before `index`."""
        return self.places[index - 1] + 1


@dataclass(frozen=True, slots=True)
class Spelling:
    """Which characters count as digits, and how a stretch of them becomes ASCII digits."""

    piece: re.Pattern[str]
    table: dict[int, str]
    loose: bool


def _spelling(*tables: dict[str, str], loose: bool) -> Spelling:
    weak = {one: digit for table in tables for one, digit in table.items()}
    western = basic_class(one for one in weak if not is_han(one))
    han = basic_class(one for one in weak.keys() | DIGITS.keys() if is_han(one))
    others = basic_class(one for one in DIGITS if not is_han(one) and one > "9") + ASTRAL_DIGITS
    enclosed = basic_class(ENCLOSED)
    piece = re.compile(f"[0-9{western}]+|[{han}]+|[{others}]+|[{enclosed}]+")
    return Spelling(piece, str.maketrans(weak | DIGITS), loose)


STRICT = _spelling(loose=False)
WITH_LETTERS = _spelling(LETTERS, loose=True)
WITH_STROKES = _spelling(LETTERS, dict.fromkeys(STROKES, "1"), loose=True)
WITH_HOMOPHONES = _spelling(LETTERS, HOMOPHONES, loose=True)

COUNTED = re.compile(rf"([{DIGIT_CLASS}])\s?[个個]\s?([{DIGIT_CLASS}])")


def read_stretches(text: str, start: int, end: int, spelling: Spelling) -> Iterator[Stretch]:
    """The stretches of text[start:end]: a gap that is too long or says something divides them."""
    stretch: Stretch | None = None
    last = start
    for found in spelling.piece.finditer(text, start, end):
        first, after = found.span()
        if stretch is not None and not _may_belong_together(text, last, first):
            yield stretch
            stretch = None
        piece = found[0]
        digits = (
            piece if piece.isascii() and piece.isdecimal() else piece.translate(spelling.table)
        )
        if piece[0] in ENCLOSED:
            pairs = [(digit, first + offset) for digit, offset in read_digits(piece)]
            digits = "".join(digit for digit, _place in pairs)
            places = [place for _digit, place in pairs]
        else:
            places = list(range(first, after))
        if stretch is None:
            stretch = Stretch(digits, places, [0, len(digits)])
        else:
            stretch.digits += digits
            stretch.places += places
            stretch.edges.append(len(stretch.digits))
        last = after
    if stretch is not None:
        yield stretch


def _may_belong_together(text: str, start: int, end: int) -> bool:
    """Whether what lies between two pieces is punctuation, or words that people put there."""
    if end - start <= 1 and (start == end or text[start] in SEPARATORS):
        return True
    if end - start > _LONGEST_GAP:
        return False
    gap = "".join(
        one for one in text[start:end] if one not in SEPARATORS and one not in CHECK_LETTERS
    )
    return not gap or _FILLED_GAP.fullmatch(gap.lower()) is not None


def read_counted(text: str, start: int, end: int) -> Stretch:
    """The digits of text[start:end] where 三个八 counts as 888."""
    digits: list[str] = []
    places: list[int] = []
    place = start
    while place < end:
        if found := COUNTED.match(text, place, end):
            count, digit = (found[group].translate(CANONICAL) for group in (1, 2))
            if count in "2345678":
                digits += [digit] * int(count)
                places += [found.start()] * (int(count) - 1) + [found.end() - 1]
                place = found.end()
                continue
        for digit, offset in read_digits(text[place]):
            digits.append(digit)
            places.append(place + offset)
        place += 1
    joined = "".join(digits)
    return Stretch(joined, places, [0, len(joined)])
