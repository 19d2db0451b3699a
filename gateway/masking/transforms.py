"""The forms a released value may take: pure, total on any JSON value, None for "leave it out".

None of these functions raises. What a form does not understand gives the form's safest answer:
stars where the vendor should see that there is a value, None where a wrong band would mislead.
"""

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Callable
from itertools import pairwise
from types import MappingProxyType

from gateway.masking.names import HIDDEN, masked_name
from gateway.masking.places import place_of
from policies.fields import Form

JsonValue = bool | int | float | str | list["JsonValue"] | dict[str, "JsonValue"] | None
Transform = Callable[[JsonValue], JsonValue]

MASK = "****"
REDACTED = "***"

_LONGEST_NUMBER = 64
_LAST_SHOWN = 4
_SHORTEST_ACCOUNT = 8
_FEN_IN_YUAN = 100

_PHONE_SEPARATORS = re.compile(r"[\s()./\u2010-\u2015\u2212-]+")
_MOBILE = re.compile(r"(?:(?:\+|00)?86|0)?(1[3-9][0-9]{9})")
_LANDLINE = re.compile(r"(?:(?:\+|00)?86)?0?(10|2[0-9]|[3-9][0-9]{2})([2-9][0-9]{6,7})")
_TRUNK = re.compile(r"(?:\+|00)?86|0")
_ACCOUNT_SEPARATORS = re.compile(r"[\s-]+")
_ACCOUNT = re.compile(r"[0-9A-Za-z]+")
_DATE = re.compile(r"([0-9]{4})-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])(?:[T ].*)?", re.DOTALL)
_WHOLE_NUMBER = re.compile(r"[0-9]{1,18}")

_DPD_EDGES = (1, 31, 61, 91, 181, 361)
_DPD_BANDS = ("0", "1-30", "31-60", "61-90", "91-180", "181-360", ">360")
# 100, 200, 500, 1000, ... 10 000 000 yuan: each band is a little more than twice the one before,
# so a band tells the size of a debt and not the debt.
_AMOUNT_EDGES = (*(step * 10**power for power in range(2, 7) for step in (1, 2, 5)), 10**7)
_AMOUNT_BANDS = (
    f"<{_AMOUNT_EDGES[0]}",
    *(f"{low}-{high}" for low, high in pairwise(_AMOUNT_EDGES)),
    f">={_AMOUNT_EDGES[-1]}",
)
_AGE_EDGES = (18, 60)
_AGE_BANDS = ("<18", "18-59", ">=60")
_OLDEST = 130

_YES_WORDS = """
是 有 已诉 已诉讼 已起诉 诉讼中 起诉中 立案 已立案 已判决 执行中 已执行 yes y true 1 filed
"""
_NO_WORDS = """
否 无 没有 未诉 未诉讼 未起诉 未立案 no n none false 0
"""
_FAMILY_WORDS = """
配偶 夫妻 丈夫 妻子 爱人 父母 父亲 母亲 父 母 爸爸 妈妈 父子 父女 母子 母女 子女 儿子 女儿 子 女
兄弟 姐妹 兄弟姐妹 兄妹 姐弟 哥哥 弟弟 姐姐 妹妹 兄 弟 姐 妹 祖父 祖母 祖父母 外祖父 外祖母
孙子 孙女 岳父 岳母 公公 婆婆 亲属 亲戚 家人 直系亲属
spouse husband wife parent father mother child son daughter sibling brother sister grandparent
relative family
"""
_YES = frozenset(_YES_WORDS.split())
_NO = frozenset(_NO_WORDS.split())
_FAMILY = frozenset(_FAMILY_WORDS.split())


def redacted(_: JsonValue) -> JsonValue:
    """Say that there is a value, and nothing about it."""
    return REDACTED


def name(value: JsonValue) -> JsonValue:
    """Keep the surname or the initials; see `masked_name`. `*` for what is not a name."""
    return masked_name(value) if isinstance(value, str) else HIDDEN


def phone_cn(value: JsonValue) -> JsonValue:
    """138****5678 for a mainland mobile, 0755-******78 for a landline, `****` for the rest.

    Spaces, brackets, dashes, full-width digits and the country code are accepted.
    """
    text = _number_text(value)
    if text is None:
        return MASK
    digits = _PHONE_SEPARATORS.sub("", text)
    mobile = _MOBILE.fullmatch(digits)
    if mobile is not None:
        number = mobile[1]
        return f"{number[:3]}{MASK}{number[-4:]}"
    landline = _LANDLINE.fullmatch(digits)
    # Without a trunk or country prefix, seven to eleven digits may be anything.
    if landline is not None and _TRUNK.match(digits):
        area, number = landline[1], landline[2]
        return f"0{area}-{'*' * (len(number) - 2)}{number[-2:]}"
    return MASK


def account(value: JsonValue) -> JsonValue:
    """Keep the last four of at least eight letters and digits; `****` for the rest."""
    text = _number_text(value)
    if text is None:
        return MASK
    number = _ACCOUNT_SEPARATORS.sub("", text)
    if len(number) < _SHORTEST_ACCOUNT or not _ACCOUNT.fullmatch(number):
        return MASK
    return MASK + number[-_LAST_SHOWN:]


def month(value: JsonValue) -> JsonValue:
    """Keep YYYY-MM of an ISO date or time; None for the rest."""
    found = _DATE.fullmatch(value) if isinstance(value, str) else None
    return None if found is None else f"{found[1]}-{found[2]}"


def dpd_band(value: JsonValue) -> JsonValue:
    """Band days past due: 0, 1-30, 31-60, 61-90, 91-180, 181-360, >360; None for the rest."""
    days = _whole_number(value)
    return None if days is None else _DPD_BANDS[bisect_right(_DPD_EDGES, days)]


def amount_band(value: JsonValue) -> JsonValue:
    """Band an amount of minor units (fen) by 1, 2, 5 in each decade of yuan.

    `5000-10000` holds 5 000.00 and not 10 000.00. Everything below 100 yuan is one band and so
    is everything from 10 million, because the ends of a portfolio are its rarest people. None for
    a negative amount and for what is not a whole number.
    """
    fen = _whole_number(value)
    if fen is None:
        return None
    return _AMOUNT_BANDS[bisect_right(_AMOUNT_EDGES, fen // _FEN_IN_YUAN)]


def city(value: JsonValue) -> JsonValue:
    """Keep province and city of a Chinese address; see `place_of`. None when it is unclear."""
    return place_of(value) if isinstance(value, str) else None


def hold(value: JsonValue) -> JsonValue:
    """Say `["HOLD"]` for any code at all, so that illness and court cases look alike."""
    codes = value if isinstance(value, list) else [value]
    is_held = any(code.strip() if isinstance(code, str) else code for code in codes)
    return ["HOLD"] if is_held else []


def yes_no(value: JsonValue) -> JsonValue:
    """Say yes or no for a known word or a boolean; None for the rest."""
    word = _word(value)
    if word in _YES:
        return "yes"
    return "no" if word in _NO else None


def relation(value: JsonValue) -> JsonValue:
    """Say `family` for a known word of kinship, `other` for everything else."""
    return "family" if _word(value) in _FAMILY else "other"


def age_band(birth_date: JsonValue, as_of: JsonValue) -> JsonValue:
    """Band the age on the day `as_of`: <18, 18-59, >=60; None when either date is unclear.

    The day comes from the record, so a replay of a release gives the same band.
    """
    born = _DATE.fullmatch(birth_date) if isinstance(birth_date, str) else None
    today = _DATE.fullmatch(as_of) if isinstance(as_of, str) else None
    if born is None or today is None:
        return None
    years = int(today[1]) - int(born[1])
    if (today[2], today[3]) < (born[2], born[3]):
        years -= 1
    if not 0 <= years <= _OLDEST:
        return None
    return _AGE_BANDS[bisect_right(_AGE_EDGES, years)]


TRANSFORMS = MappingProxyType[Form, Transform](
    {
        Form.NAME: name,
        Form.PHONE_CN: phone_cn,
        Form.ACCOUNT: account,
        Form.MONTH: month,
        Form.DPD_BAND: dpd_band,
        Form.AMOUNT_BAND: amount_band,
        Form.CITY: city,
        Form.HOLD: hold,
        Form.YES_NO: yes_no,
        Form.RELATION: relation,
    }
)


def _number_text(value: JsonValue) -> str | None:
    """Return a short text or whole number folded to half width, or None."""
    if isinstance(value, int) and not isinstance(value, bool):
        # Bounded first: Python refuses to print whole numbers of thousands of digits.
        value = str(value) if 0 <= value < 10**_LONGEST_NUMBER else None
    if not isinstance(value, str) or len(value) > _LONGEST_NUMBER:
        return None
    return value if value.isascii() else unicodedata.normalize("NFKC", value)


def _whole_number(value: JsonValue) -> int | None:
    if isinstance(value, str):
        text = value.strip()
        return int(text) if _WHOLE_NUMBER.fullmatch(text) else None
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        return None
    return value


def _word(value: JsonValue) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return "1" if value == 1 else "0" if value == 0 else ""
    if not isinstance(value, str):
        return ""
    return unicodedata.normalize("NFKC", value[:_LONGEST_NUMBER]).strip().casefold()
