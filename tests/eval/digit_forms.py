"""Ways in which people write digits so that no filter sees a number."""

from collections.abc import Callable, Sequence
from itertools import groupby
from random import Random

Spelled = list[str]
"""Pieces that have to be hidden at even places, words between them at odd places."""
Form = Callable[[Sequence[str], Random], Spelled]

HAN = dict(zip("0123456789X", "〇一二三四五六七八九X", strict=True))
_ZERO = dict(zip("0123456789X", "零一二三四五六七八九x", strict=True))
_RADIO = dict(zip("0123456789X", "洞幺两三四五六拐八勾X", strict=True))
_FINANCE = dict(zip("0123456789X", "零壹贰叁肆伍陆柒捌玖X", strict=True))
FULL = dict(zip("0123456789X", "０１２３４５６７８９Ｘ", strict=True))
CIRCLED = dict(zip("0123456789X", "⓪①②③④⑤⑥⑦⑧⑨X", strict=True))
_BLACK = dict(zip("0123456789X", "⓿❶❷❸❹❺❻❼❽❾X", strict=True))
_BRACKETED = dict(zip("0123456789X", "0⑴⑵⑶⑷⑸⑹⑺⑻⑼X", strict=True))
_DOTTED = dict(zip("0123456789X", "0⒈⒉⒊⒋⒌⒍⒎⒏⒐X", strict=True))
_BOLD = dict(zip("0123456789X", "𝟎𝟏𝟐𝟑𝟒𝟓𝟔𝟕𝟖𝟗𝐗", strict=True))
_RAISED = dict(zip("0123456789X", "⁰¹²³⁴⁵⁶⁷⁸⁹X", strict=True))
_ROMAN = dict(zip("0123456789X", "0ⅠⅡⅢⅣⅤⅥⅦⅧⅨⅩ", strict=True))
_SUZHOU = dict(zip("0123456789X", "〇〡〢〣〤〥〦〧〨〩X", strict=True))
KEYCAPS = {d: f"{d}\ufe0f\u20e3" for d in "0123456789"} | {"X": "X"}
_SOUNDS = dict(zip("0123456789X", "灵妖爱伞死舞溜妻吧酒叉", strict=True))
_PINYIN = dict(
    zip(
        "0123456789X",
        ["ling", "yao", "er", "san", "si", "wu", "liu", "qi", "ba", "jiu", "x"],
        strict=True,
    )
)
_ENGLISH = dict(
    zip(
        "0123456789X",
        ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "x"],
        strict=True,
    )
)
_COUNTS = {3: "三个", 4: "四个", 5: "五个", 6: "六个"}
_TENS = "一二三四五六七八九"


def _glyphs(table: dict[str, str], between: Sequence[str] = ("",)) -> Form:
    def spell(groups: Sequence[str], rng: Random) -> Spelled:
        return [rng.choice(between).join("".join(table[d] for d in one) for one in groups)]

    return spell


def _joined(*between: str) -> Form:
    return lambda groups, rng: [rng.choice(between).join(groups)]


def _each(*between: str) -> Form:
    """The same separator between all digits."""
    return lambda groups, rng: [rng.choice(between).join("".join(groups))]


def _odd_separators(groups: Sequence[str], rng: Random) -> Spelled:
    """Stretches of one to four digits with another sign after each."""
    rest, text = "".join(groups), ""
    while rest:
        cut = rng.randint(1, 4)
        text += rest[:cut] + (rng.choice("=~*+|_/、，;：^…><!") if rest[cut:] else "")
        rest = rest[cut:]
    return [text]


def _mixed(groups: Sequence[str], rng: Random) -> Spelled:
    tables: tuple[dict[str, str], ...] = (
        HAN,
        _RADIO,
        _FINANCE,
        FULL,
        CIRCLED,
        _BRACKETED,
        _DOTTED,
        {},
    )
    return ["".join(rng.choice(tables).get(d, d) for one in groups for d in one)]


def _mixed_apart(groups: Sequence[str], rng: Random) -> Spelled:
    return [rng.choice(("-", " ", ".", "=")).join(_mixed(one, rng)[0] for one in groups)]


def _letters(groups: Sequence[str], rng: Random) -> Spelled:
    """O and l for most noughts and ones."""
    alike = {"0": "oO", "1": "lI"}
    number = "".join(groups)
    return [
        "".join(rng.choice(alike[d]) if d in alike and rng.random() < 0.7 else d for d in number)
    ]


def _more_letters(groups: Sequence[str], rng: Random) -> Spelled:
    """S, B, Z, q, b for one or two of the other digits."""
    alike = {"5": "S", "8": "B", "2": "Z", "9": "q", "6": "b"}
    number = list("".join(groups))
    places = [place for place, d in enumerate(number) if d in alike]
    for place in rng.sample(places, min(2, len(places))):
        number[place] = alike[number[place]]
    return ["".join(number)]


def _shapes(groups: Sequence[str], rng: Random) -> Spelled:
    """Strokes and rings for one and nought."""
    alike = {"0": "○◯", "1": "丨|"}
    return ["".join(rng.choice(alike[d]) if d in alike else d for one in groups for d in one)]


def _some_sounds(groups: Sequence[str], rng: Random) -> Spelled:
    """One to three digits written as a character of the same sound."""
    number = list("".join(groups))
    for place in rng.sample(range(1, len(number)), rng.randint(1, 3)):
        number[place] = _SOUNDS[number[place]]
    return ["".join(number)]


def _all_sounds(groups: Sequence[str], _: Random) -> Spelled:
    return ["".join(_SOUNDS[d] for one in groups for d in one)]


def _counted(groups: Sequence[str], rng: Random) -> Spelled:
    """Digits that stand three times or more are counted: `三个8`; plain if none does."""
    tables: tuple[dict[str, str], ...] = ({}, HAN)
    table = rng.choice(tables)
    text, plain = "", "".join(groups)
    for digit, run in groupby(plain):
        count = len(list(run))
        text += _COUNTS[count] + table.get(digit, digit) if count in _COUNTS else digit * count
    return [text]


def _by_twos(groups: Sequence[str], _: Random) -> Spelled:
    """Read in pairs as numbers below a hundred: `三十八`."""
    number = "".join(groups)
    head = len(number) % 2
    pairs = [number[start : start + 2] for start in range(head, len(number), 2)]
    return ["".join([_below_hundred(number[:head]), *map(_below_hundred, pairs)])]


def _below_hundred(pair: str) -> str:
    if len(pair) < 2 or pair[0] == "0" or "X" in pair:
        return "".join(_ZERO[d] for d in pair)
    tens = "" if pair[0] == "1" else HAN[pair[0]]
    return tens + "十" + ("" if pair[1] == "0" else _TENS[int(pair[1]) - 1])


def _worded(*words: str) -> Form:
    """A word between groups."""

    def spell(groups: Sequence[str], rng: Random) -> Spelled:
        spelled: Spelled = [groups[0]]
        for group in groups[1:]:
            spelled += [rng.choice(words), group]
        return spelled

    return spell


def _told_in_parts(groups: Sequence[str], rng: Random) -> Spelled:
    """Each part announced: `前3位…，中间…，后面…`."""
    opening = rng.choice(("前面是", "开头", f"前{len(groups[0])}位"))
    spelled: Spelled = ["", opening, groups[0]]
    for group in groups[1:-1]:
        spelled += [rng.choice(("，中间是", "，中间", "，接下来")), group]
    return [*spelled, rng.choice(("，最后是", "，后面", f"，后{len(groups[-1])}位")), groups[-1]]


def bracketed_groups(groups: Sequence[str], rng: Random) -> Spelled:
    """`(138)(1234)`: the brackets need not be hidden."""
    left, right = rng.choice(("()", "（）", "【】", "[]", "「」"))
    spelled: Spelled = ["", left, groups[0]]
    for group in groups[1:]:
        spelled += [right + left, group]
    return [*spelled, right]


def _reversed(groups: Sequence[str], rng: Random) -> Spelled:
    note = rng.choice(("（倒过来念）", "，反着读", "(从后往前)"))
    return ["".join(groups)[::-1], note]


DIGIT_FORMS: dict[str, Form] = {
    "as it is": _joined(""),
    "spaces": _joined(" ", "  ", "\u3000", "\u00a0"),
    "space after each": _each(" "),
    "dashes": _joined("-", "—", "－", "–", "--"),
    "dots": _joined(".", "·", "。", "．", "•"),
    "sign after each": _each("-", ".", "/", "*", "、", "，", "_", "~"),
    "other signs": _odd_separators,
    "hidden characters": _each("\u200b", "\u200c", "\u200d", "\u2060", "\ufeff", "\u00ad"),
    "line break": _joined("\n", "\r\n", " \n", "\t"),
    "brackets": bracketed_groups,
    "emoji between": _joined("📞", "❤️", "👉", "😂😂", "🔥"),
    "full-width": _glyphs(FULL, ("", "－", "　")),
    "circled": _glyphs(CIRCLED),
    "black circled": _glyphs(_BLACK),
    "bracketed glyphs": _glyphs(_BRACKETED),
    "dotted glyphs": _glyphs(_DOTTED),
    "maths digits": _glyphs(_BOLD, ("", "-")),
    "superscript": _glyphs(_RAISED),
    "Roman": _glyphs(_ROMAN),
    "Suzhou": _glyphs(_SUZHOU),
    "keycaps": _glyphs(KEYCAPS),
    "Han": _glyphs(HAN, ("", "", "-", "，", " ")),
    "Han with 零": _glyphs(_ZERO, ("", "", "、")),
    "radio Han": _glyphs(_RADIO, ("", "", " ", "，")),
    "finance Han": _glyphs(_FINANCE, ("", "", "-")),
    "mixed": _mixed,
    "mixed, apart": _mixed_apart,
    "O and l": _letters,
    "S B Z q b": _more_letters,
    "rings and strokes": _shapes,
    "some by sound": _some_sounds,
    "all by sound": _all_sounds,
    "counted": _counted,
    "by twos": _by_twos,
    "Pinyin": lambda groups, _: [" ".join(_PINYIN[d] for one in groups for d in one)],
    "English": lambda groups, _: [" ".join(_ENGLISH[d] for one in groups for d in one)],
    "words between": _worded("然后", "再", "接着", "空格", "杠", "嗯", "后面是", "横杠", "那个"),
    "told in parts": _told_in_parts,
    "backwards": _reversed,
}
