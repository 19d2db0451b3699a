"""A run of digits and whatever stands between them, read as pieces of one spelling each."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from gateway.redaction.digits import (
    ASTRAL_DIGITS,
    CHECK_LETTERS,
    DIGITS,
    ENCLOSED,
    SEPARATORS,
    basic_class,
    is_han,
    read_digits,
)

# What people say between the parts of a number that they spell out.
FILLERS = (
    "(?:最|倒数)?[前后後中末尾头首](?:面|边|头|段|部分|间|几|半段)?(?:的)?"
    "(?:[0-9０-９一二两三四五六七八九十]{1,2}[位个個段])?(?:数字?|号码?)?(?:分别)?[是为]?|"
    "第[0-9一二三四五六](?:段|组|部分|节|截)[是为]?|开头是?|打头是?|起头是?|结尾是?|"
    "然后是|然后|接下来是?|接着是?|紧接着|再来是?|再加上?|再[记写打念]?|下面是?|还有|跟着|加上|加|连着|空格|空|"
    "横杠|横线|横|杠|短横|减号?|点|逗号|那个|这个|就是|嗯|呃|额|啊|哦|噢|唔|对|是|和|跟|与|接|到|之后|"
    "以后|完了|个|個|and then|then|and|dash|space|point|dot"
)
# Where a filler can begin: looked at before the list is tried.
FILLER_BEGINS = (
    "然接再下后後前中最末尾头首倒第打起结紧开还跟加连空横杠短减点逗"
    "那这就嗯呃额啊哦噢唔对是和与到之以完个個atdsp"
)
_FILLED_GAP = re.compile(rf"(?:{FILLERS})+")

# How many digits follow is no digit: 后4位, 前三位, 第一段.
_BEFORE_COUNT = frozenset("前后後末尾头首第面边")
_AFTER_COUNT = frozenset("位个個段组节截部")
_AFTER_ONE = frozenset("直起下会會定样樣般些共切旦边再")
_LONGEST_GAP = 10
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


def _piece() -> re.Pattern[str]:
    han = basic_class(one for one in DIGITS if is_han(one))
    others = basic_class(one for one in DIGITS if not is_han(one) and one > "9") + ASTRAL_DIGITS
    return re.compile(f"[0-9]+|[{han}]+|[{others}]+|[{basic_class(ENCLOSED)}]+")


_PIECE = _piece()
_DIGITS = str.maketrans(DIGITS)


def read_stretches(text: str, start: int, end: int) -> Iterator[Stretch]:
    """The stretches of text[start:end]: a gap that is too long or says something divides them."""
    stretch: Stretch | None = None
    last = start
    for found in _PIECE.finditer(text, start, end):
        first, after = found.span()
        if counts_digits(text, first, after):
            continue
        if text[after - 1] == "一" and text[after : after + 1] in _AFTER_ONE and after < len(text):
            after -= 1  # 一直, 一起: the next word
            if after == first:
                continue
        if stretch is not None and not may_belong_together(text, last, first):
            yield stretch
            stretch = None
        piece = text[first:after]
        digits = piece if piece.isascii() else piece.translate(_DIGITS)
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


def counts_digits(text: str, start: int, end: int) -> bool:
    """Whether text[start:end] says how many digits follow, or which part of the number: 后4位."""
    return (
        end - start <= 2  # noqa: PLR2004  # 后12位
        and start > 0
        and text[start - 1] in _BEFORE_COUNT
        and text[end : end + 1] in _AFTER_COUNT
        and end < len(text)
    )


def may_belong_together(text: str, start: int, end: int) -> bool:
    """Whether what lies between two pieces is punctuation, or words that people put there."""
    if end - start <= 1 and (start == end or text[start] in SEPARATORS):
        return True
    if end - start > _LONGEST_GAP:
        return False
    gap = "".join(
        one for one in text[start:end] if one not in SEPARATORS and one not in CHECK_LETTERS
    )
    return not gap or _FILLED_GAP.fullmatch(gap.lower()) is not None
