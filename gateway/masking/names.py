"""The partial form of a person's name: 张三 to 张*, Anna Maria Smith to A*** S****."""

import re
import unicodedata

HIDDEN = "*"

_COMPOUND_TABLE = """
欧阳 上官 司马 诸葛 司徒 皇甫 尉迟 公孙 慕容 令狐 宇文 长孙 司空 夏侯 东方 独孤 南宫 端木 轩辕 百里
呼延 申屠 太史 公冶 濮阳 淳于 单于 澹台 东郭 西门 赫连 钟离 闾丘 公羊 仲孙 拓跋 闻人 万俟 第五 梁丘
左丘 夹谷 宰父 谷梁 段干 巫马 漆雕 乐正 壤驷 公良 东里 鲜于 亓官 纳兰 耶律 完颜 叶赫
歐陽 司馬 諸葛 尉遲 公孫 長孫 東方 獨孤 軒轅 澹臺 赫連 鍾離 東郭 西門 閭丘 仲孫 聞人 万俟 樂正 單于
"""

# A name of three or more characters that begins with one of these keeps both of them.
COMPOUND_SURNAMES = frozenset(_COMPOUND_TABLE.split())

_MAX_CHARACTERS = 64
_MAX_HAN_NAME = 6
_HAN = r"\u3400-\u4dbf\u4e00-\u9fff\u3007\U00020000-\U0003ffff"
_HAN_NAME = re.compile(rf"[{_HAN}]{{1,{_MAX_HAN_NAME}}}")
_DOTTED_NAME = re.compile(rf"[{_HAN}]+(·[{_HAN}]+)+")
_LATIN_NAME = re.compile(
    r"[A-Za-zÀ-ÖØ-öø-ɏ]['’\-.A-Za-zÀ-ÖØ-öø-ɏ]*( [A-Za-zÀ-ÖØ-öø-ɏ]['’\-.A-Za-zÀ-ÖØ-öø-ɏ]*)*"
)
# Every dot that keyboards and exports put between the parts of a minority or foreign name.
_DOTS = str.maketrans(dict.fromkeys("•‧∙⋅・●﹒．᛫", "·"))


def masked_name(text: str) -> str:
    """Return the name with all but its surname or initials starred; `*` when it is unclear.

    Chinese: the surname (two characters if compound) and one star a hidden character. With a
    middle dot: the first character of the first part. Latin: the initials of the first and the
    last word, the words between left out. At most two characters in a row are the source's.
    """
    if len(text) > _MAX_CHARACTERS:
        return HIDDEN
    # Nearly every name is this; the steps below would leave it as it stands.
    if _HAN_NAME.fullmatch(text) and unicodedata.is_normalized("NFKC", text):
        return _masked_han(text)
    name = " ".join(unicodedata.normalize("NFKC", text.translate(_DOTS)).split())
    if _LATIN_NAME.fullmatch(name):
        return _masked_latin(name)
    # Registers pad two-character names with a space: 张 三.
    name = name.translate(_DOTS).replace(" ", "")
    if _HAN_NAME.fullmatch(name):
        return _masked_han(name)
    if _DOTTED_NAME.fullmatch(name):
        return _masked_dotted(name)
    return HIDDEN


def _masked_han(name: str) -> str:
    if len(name) == 1:
        return HIDDEN
    kept = 2 if len(name) > 2 and name[:2] in COMPOUND_SURNAMES else 1  # noqa: PLR2004
    return name[:kept] + HIDDEN * (len(name) - kept)


def _masked_dotted(name: str) -> str:
    first, *others = name.split("·")
    return "·".join([_initial(first), *(HIDDEN * len(part) for part in others)])


def _masked_latin(name: str) -> str:
    first, *others = name.split(" ")
    return " ".join(_initial(word) for word in (first, *others[-1:]))


def _initial(word: str) -> str:
    # A part of one character would be shown whole.
    return HIDDEN if len(word) == 1 else word[0] + HIDDEN * (len(word) - 1)
