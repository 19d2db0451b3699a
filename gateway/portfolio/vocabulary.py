"""The words of a case file that have a code: yes and no, gender, stage, currency, time zone."""

import functools
import re
import zoneinfo
from unicodedata import normalize

from gateway.portfolio.errors import CellError
from gateway.portfolio.reasons import ErrorCode

_STAGE = re.compile(r"M([0-9]{1,2})(\+?)", re.IGNORECASE)
_LAST_STAGE = 7
_CURRENCY = re.compile(r"[A-Z]{3}")

_YES = ("是", "有", "真", "y", "yes", "1", "true", "t", "已核销")
_NO = ("否", "无", "假", "n", "no", "0", "false", "f", "未核销")
_FLAGS = dict.fromkeys(_YES, True) | dict.fromkeys(_NO, False)
_GENDERS = {"男": "M", "男性": "M", "m": "M", "male": "M", "1": "M"}
_GENDERS |= {"女": "F", "女性": "F", "f": "F", "female": "F", "2": "F"}
TREATMENTS = frozenset(
    {"VULN_CARE", "DISPUTED", "PLAN_ACTIVE", "LAWYER", "NO_THIRD_PARTY", "TIME_PREF"}
)
"""What an agent may be told to heed; a word outside it could carry a diagnosis to a vendor."""

_CURRENCIES = {"人民币": "CNY", "人民币元": "CNY", "RMB": "CNY", "¥": "CNY"}


def parse_flag(text: str) -> bool:
    """Yes or no in the spellings of Chinese and English exports; CellError NOT_A_FLAG."""
    value = _FLAGS.get(text)
    if value is None:
        value = _FLAGS.get(folded(text).lower())
    if value is None:
        raise CellError(ErrorCode.NOT_A_FLAG)
    return value


def parse_gender(text: str) -> str | None:
    """``M`` or ``F``, None where the file says that it does not know; CellError NOT_A_GENDER."""
    text = folded(text).lower()
    if text in {"未知", "不详", "u", "0", "9"}:
        return None
    value = _GENDERS.get(text)
    if value is None:
        raise CellError(ErrorCode.NOT_A_GENDER)
    return value


def parse_stage(text: str) -> str:
    """``M0`` to ``M6`` or ``M7+``; "M3+" could be any later stage and is CellError NOT_A_STAGE."""
    found = _STAGE.fullmatch(folded(text))
    number = int(found[1]) if found else 0
    if found is None or (found[2] and number < _LAST_STAGE):
        raise CellError(ErrorCode.NOT_A_STAGE)
    return f"M{number}" if number < _LAST_STAGE else "M7+"


def stage_of(days_past_due: int) -> str:
    """The stage of a number of days: M0 for none, M1 for 1 to 30, then one a 30 days to M7+."""
    number = (days_past_due + 29) // 30
    return f"M{number}" if number < _LAST_STAGE else "M7+"


def parse_currency(text: str) -> str:
    """A currency code of three capital letters (ISO 4217); CellError NOT_A_CURRENCY."""
    text = folded(text).upper()
    text = _CURRENCIES.get(text, text)
    if not _CURRENCY.fullmatch(text):
        raise CellError(ErrorCode.NOT_A_CURRENCY)
    return text


def parse_timezone(text: str) -> str:
    """The name of an IANA time zone; CellError NOT_A_TIMEZONE."""
    if text not in _timezones():
        raise CellError(ErrorCode.NOT_A_TIMEZONE)
    return text


@functools.cache
def _timezones() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones())


def folded(text: str) -> str:
    """Full-width digits and signs as ASCII, without blanks around (Unicode form NFKC)."""
    return text if text.isascii() else normalize("NFKC", text).strip()
