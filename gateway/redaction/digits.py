"""Every spelling of a digit and everything that people put between digits, one to one."""

import re
import unicodedata
from collections.abc import Iterable, Iterator

# Ordinary Chinese, bank forms, the telephone's 幺, regional and traditional variants.
_HAN_DIGITS = {
    0: "零〇○◯洞",
    1: "一壹弌幺壱弋",
    2: "二贰弍两貳兩贰弐",
    3: "三叁参叄參弎仨",
    4: "四肆亖",
    5: "五伍㐅",
    6: "六陆陸",
    7: "七柒拐",
    8: "八捌",
    9: "九玖勾",
}
# Letters of three alphabets that look like a digit. They count only where real digits are.
_LETTER_DIGITS = {
    0: "OoQDОоΟοØøσ°",
    1: "lIiLıІіΙι",
    2: "ZzΖ",
    3: "ЗзЭэ",
    4: "Чч",
    5: "SsЅѕ",
    6: "bGб",
    7: "Т",
    8: "BВ",
    9: "gq",
}
# Read aloud the same, or nearly. They count only where a number is unmistakable.
_HOMOPHONES = {
    0: "冻动懂灵林玲铃凌令领欧哦噢圈蛋",
    1: "要腰妖邀夭药吆么衣伊依医",
    2: "俩量爱尔儿耳饵",
    3: "山散伞衫删善",
    4: "死司斯丝思寺似",
    5: "吾武舞无午屋物误",
    6: "溜留柳刘流路鹿录牛",
    7: "奇妻气其欺器",
    8: "吧爸巴扒拔罢叭疤",
    9: "酒久救旧狗沟钩",
}
# Sometimes a 1, mostly a stroke between digits.
_STROKES = "|!丨｜！ǀ∣"
_MATHS_LETTERS = range(0x1D400, 0x1D6A4, 26)
_CHECK_LETTERS = "XxХхΧχ×✕✖ⅩⅹＸｘ叉Ⓧⓧ⒳🅇🅧🆇🇽" + "".join(chr(code + 23) for code in _MATHS_LETTERS)

# In no other table: a stretch of it ends every run. Redactor takes it out of what comes in.
BARRIER = "\ufdd0"

_LAST_PLANE_LOOKED_AT = 0x20000
_SURROGATES = range(0xD800, 0xE000)
_LARGEST_ENCLOSED = 50


def _fold_width(letters: str) -> str:
    """The letters and their full-width forms."""
    wide = (chr(ord(one) + 0xFEE0) for one in letters if "!" <= one <= "~")
    return letters + "".join(wide)


def _read_unicode() -> tuple[dict[str, str], dict[str, str], list[str]]:
    digits: dict[str, str] = {}
    enclosed: dict[str, str] = {}
    separators: list[str] = []
    for code in range(_LAST_PLANE_LOOKED_AT):
        if code in _SURROGATES:
            continue
        one = chr(code)
        category = unicodedata.category(one)
        if category[0] == "N":
            value = unicodedata.numeric(one, -1.0)
            if value in range(10):
                digits[one] = str(int(value))
            elif value in range(10, _LARGEST_ENCLOSED + 1) and one not in _CHECK_LETTERS:
                enclosed[one] = str(int(value))
        elif category[0] in "PSZMC" and category not in {"Cn", "Co", "Cs"}:
            separators.append(one)
    return digits, enclosed, separators


_UNICODE_DIGITS, ENCLOSED, _PUNCTUATION = _read_unicode()

DIGITS: dict[str, str] = _UNICODE_DIGITS | {
    one: str(value) for value, spellings in _HAN_DIGITS.items() for one in spellings
}
"""What is a digit wherever it stands. `ENCLOSED` has those that are two digits, such as ⑩."""

LETTERS: dict[str, str] = {
    one: str(value) for value, letters in _LETTER_DIGITS.items() for one in _fold_width(letters)
}
HOMOPHONES: dict[str, str] = {
    one: str(value) for value, spellings in _HOMOPHONES.items() for one in spellings
}
STROKES = frozenset(_STROKES)
CHECK_LETTERS = frozenset(_CHECK_LETTERS)
_TAKEN = DIGITS.keys() | ENCLOSED.keys() | LETTERS.keys() | HOMOPHONES.keys() | CHECK_LETTERS
SEPARATORS = frozenset(one for one in _PUNCTUATION if one not in _TAKEN)


def _class(characters: frozenset[str]) -> str:
    codes = sorted(map(ord, characters))
    ranges: list[list[int]] = []
    for code in codes:
        if ranges and code == ranges[-1][1] + 1:
            ranges[-1][1] = code
        else:
            ranges.append([code, code])
    return "".join(
        re.escape(chr(low)) + (f"-{re.escape(chr(high))}" if high > low else "")
        for low, high in ranges
    )


_FIRST_ASTRAL = "\U00010000"


def basic_class(characters: Iterable[str]) -> str:
    """The inside of a character class, as ranges, of those on the basic plane."""
    return _class(frozenset(one for one in characters if one < _FIRST_ASTRAL))


# Of the higher planes a few ranges stand for all: many of them make the expression ten times
# slower, and whoever reads a match looks each character up in the tables above.
ASTRAL_DIGITS = "\U0001d7ce-\U0001d7ff\U0001f100-\U0001f10c\U0001fbf0-\U0001fbf9"
DIGIT_CLASS = basic_class(DIGITS.keys() | ENCLOSED.keys()) + ASTRAL_DIGITS
SEPARATOR_CLASS = basic_class(SEPARATORS) + "\U0001f000-\U0001f0ff\U0001f10d-\U0001faff"
MAYBE_DIGIT_CLASS = basic_class(DIGITS.keys() | ENCLOSED.keys()) + "\U00010000-\U0001ffff"
RUN_CLASS = basic_class(_TAKEN | STROKES | SEPARATORS) + "\U00010000-\U0001ffff"

# One to one: digits become ASCII, what may stand between them a space, the rest stays.
CANONICAL = str.maketrans(DIGITS | dict.fromkeys(SEPARATORS | CHECK_LETTERS, " "))

_FIRST_HAN = "\u3007"
_LAST_HAN = "\u9fff"


def is_han(character: str) -> bool:
    """Whether a digit is spelled as a Chinese character (〇 and ○ included)."""
    return _FIRST_HAN <= character <= _LAST_HAN or character in "○◯"


def read_digits(text: str) -> Iterator[tuple[str, int]]:
    """Every digit of the text with its place; ⑫ gives two with the same place."""
    for place, one in enumerate(text):
        digit = DIGITS.get(one)
        if digit is not None:
            yield digit, place
        elif one in ENCLOSED:
            for part in ENCLOSED[one]:
                yield part, place
