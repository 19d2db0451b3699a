"""Parsers from the text of one cell to the canonical value of its catalogue type."""

import functools
import re
from collections.abc import Callable
from datetime import date

from gateway.cases.record import JsonValue
from gateway.portfolio.errors import CellError
from gateway.portfolio.identifiers import (
    is_spreadsheet_number,
    parse_id_number,
    parse_mobile,
    parse_phone,
)
from gateway.portfolio.reasons import ErrorCode
from gateway.portfolio.vocabulary import (
    TREATMENTS,
    folded,
    parse_currency,
    parse_flag,
    parse_gender,
    parse_stage,
    parse_timezone,
)
from policies.fields import CatalogField, FieldType

CellParser = Callable[[str], JsonValue]
"""Takes stripped text that is not empty; raises CellError."""

MAX_NOTE = 20_000
"""The longest note, in characters; other limits follow from the type."""

_MAX_LENGTH = {FieldType.TEXT: 500, FieldType.ADDRESS: 300, FieldType.ENUM: 40}
_MAX_CODE = 64
_MAX_FEN = 10**15
_MAX_INTEGER = 10**9
_LONG_FIELDS = frozenset({"past_notes", "vulnerability_detail", "bureau_data"})
# A fee or interest that was charged in error is taken back, and a payment can bounce.
_SIGNED = frozenset({"interest_due", "penalty_due", "fee_due", "last_payment_amount"})
_LARGEST = {"days_past_due": 36_500, "instalment_due_day": 31, "credit_score": 10_000}

_PLAIN_MONEY = re.compile(r"([0-9]{1,12})(?:\.([0-9]{1,2}))?")
_MONEY = re.compile(
    r"(?P<minus>-?)\s*(?:¥|RMB|CNY|人民币)?\s*(?P<inner>-?)"
    r"(?P<whole>[0-9]+|[0-9]{1,3}(?:,[0-9]{3})+)(?:\.(?P<part>[0-9]*))?\s*(?:元|CNY|RMB)?",
    re.IGNORECASE,
)
_DATE = re.compile(
    r"(?P<year>[0-9]{4})(?:-(?P<m1>[0-9]{1,2})-(?P<d1>[0-9]{1,2})"
    r"|/(?P<m2>[0-9]{1,2})/(?P<d2>[0-9]{1,2})|\.(?P<m3>[0-9]{1,2})\.(?P<d3>[0-9]{1,2})"
    r"|年(?P<m4>[0-9]{1,2})月(?P<d4>[0-9]{1,2})日|(?P<m5>[0-9]{2})(?P<d5>[0-9]{2}))"
    r"(?:[ T]0?0:00(?::00(?:\.0+)?)?)?",
)
_SERIAL_DATE = re.compile(r"[1-9][0-9]{4}(?:\.[0-9]+)?")
_INTEGER = re.compile(r"(-?)([0-9]+|[0-9]{1,3}(?:,[0-9]{3})+)(?:\.0*)?(?:天|期|日|次|分|手)?")
_PERCENT = re.compile(r"([0-9]{1,3})(?:\.([0-9]{1,2})0*)?(%?)")
_CODE_BREAK = re.compile(r"[;,、|]")
_ONE_PERCENT = 100


def parser_for(field: CatalogField) -> CellParser:
    """Choose the parser of a field once, so that a row costs one call a cell."""
    by_name = _BY_NAME.get(field.name)
    if by_name is not None:
        return by_name
    if field.type is FieldType.MONEY:
        return _parse_signed_money if field.name in _SIGNED else parse_money
    if field.type is FieldType.INTEGER:
        return functools.partial(parse_integer, largest=_LARGEST.get(field.name, _MAX_INTEGER))
    by_type = _BY_TYPE.get(field.type)
    if by_type is not None:
        return by_type
    longest = MAX_NOTE if field.name in _LONG_FIELDS else _MAX_LENGTH[field.type]
    return functools.partial(parse_text, longest=longest)


def parse_money(text: str, *, signed: bool = False) -> int:
    """An amount of yuan with at most two decimals (more only as zeros), in fen.

    Raises:
        CellError: NOT_MONEY, TOO_MANY_DECIMALS, NEGATIVE, OUT_OF_RANGE, SPREADSHEET_DAMAGED.
    """
    plain = _PLAIN_MONEY.fullmatch(text)
    if plain:
        whole, part = plain.groups("")
        return int(whole) * 100 + int(part.ljust(2, "0"))
    text = folded(text).replace("−", "-")
    found = _MONEY.fullmatch(text)
    if found is None or (found["minus"] and found["inner"]):
        damaged = is_spreadsheet_number(text)
        raise CellError(ErrorCode.SPREADSHEET_DAMAGED if damaged else ErrorCode.NOT_MONEY)
    part = (found["part"] or "").rstrip("0")
    if len(part) > len("fe"):
        raise CellError(ErrorCode.TOO_MANY_DECIMALS)
    fen = _bounded(found["whole"] + part.ljust(2, "0"), _MAX_FEN)
    if fen and (found["minus"] or found["inner"]):
        if not signed:
            raise CellError(ErrorCode.NEGATIVE)
        return -fen
    return fen


def parse_date(text: str) -> str:
    """A calendar date from 1900 to 2100, as YYYY-MM-DD; a time of midnight behind it is dropped.

    Raises:
        CellError: NOT_A_DATE, OUT_OF_RANGE or SPREADSHEET_SERIAL_DATE.
    """
    found = _DATE.fullmatch(text) or _DATE.fullmatch(folded(text))
    if found is None:
        serial = _SERIAL_DATE.fullmatch(text)
        raise CellError(ErrorCode.SPREADSHEET_SERIAL_DATE if serial else ErrorCode.NOT_A_DATE)
    year, month, day = (int(part) for part in found.groups() if part is not None)
    try:
        value = date(year, month, day)
    except ValueError:
        raise CellError(ErrorCode.NOT_A_DATE) from None
    if not date.fromisoformat("1900-01-01") <= value <= date.fromisoformat("2100-12-31"):
        raise CellError(ErrorCode.OUT_OF_RANGE)
    return value.isoformat()


def parse_integer(text: str, *, largest: int = _MAX_INTEGER) -> int:
    """A whole number from 0 to `largest`; a unit such as 天 or 期 behind it is dropped.

    Raises:
        CellError: NOT_AN_INTEGER, NEGATIVE, OUT_OF_RANGE or SPREADSHEET_DAMAGED.
    """
    if text.isdecimal() and text.isascii():
        return _bounded(text, largest)
    text = folded(text).replace("−", "-")
    found = _INTEGER.fullmatch(text)
    if found is None:
        damaged = is_spreadsheet_number(text)
        raise CellError(ErrorCode.SPREADSHEET_DAMAGED if damaged else ErrorCode.NOT_AN_INTEGER)
    value = _bounded(found[2], largest)
    if value and found[1]:
        raise CellError(ErrorCode.NEGATIVE)
    return value


def parse_percent(text: str) -> int:
    """A percentage from 0 to 100 in hundredths of a percent (basis points).

    Without a percent sign a number below 1 could be a fraction or a percentage: it is refused.

    Raises:
        CellError: NOT_A_PERCENTAGE or OUT_OF_RANGE.
    """
    found = _PERCENT.fullmatch(folded(text))
    if found is None:
        raise CellError(ErrorCode.NOT_A_PERCENTAGE)
    points = int(found[1]) * 100 + int((found[2] or "").ljust(2, "0"))
    if not found[3] and 0 < points < _ONE_PERCENT:
        raise CellError(ErrorCode.NOT_A_PERCENTAGE)
    if points > 100 * _ONE_PERCENT:
        raise CellError(ErrorCode.OUT_OF_RANGE)
    return points


def parse_codes(text: str) -> list[JsonValue] | None:
    """Codes between ; , 、 or |, each once and in order; CellError TOO_LONG."""
    parts = (part.strip() for part in _CODE_BREAK.split(folded(text)))
    return [parse_code(part) for part in dict.fromkeys(parts) if part] or None


def parse_treatments(text: str) -> list[JsonValue] | None:
    """Treatment codes in any case, between the same signs; CellError NOT_A_TREATMENT."""
    codes = parse_codes(folded(text).upper())
    if codes is not None and not TREATMENTS.issuperset(codes):
        raise CellError(ErrorCode.NOT_A_TREATMENT)
    return codes


def parse_code(text: str) -> str:
    """A number or code that nobody calculates with; CellError TOO_LONG, SPREADSHEET_DAMAGED."""
    if len(text) > _MAX_CODE:
        raise CellError(ErrorCode.TOO_LONG)
    if not text.isdecimal() and is_spreadsheet_number(text):
        raise CellError(ErrorCode.SPREADSHEET_DAMAGED)
    return text


def parse_text(text: str, *, longest: int) -> str:
    """Text as it stands; CellError TOO_LONG above `longest` characters."""
    if len(text) > longest:
        raise CellError(ErrorCode.TOO_LONG)
    return text


def _parse_signed_money(text: str) -> int:
    return parse_money(text, signed=True)


def _bounded(digits: str, largest: int) -> int:
    # The length first: int() of a million digits is slow, and refused by Python itself.
    digits = digits.replace(",", "").lstrip("0") or "0"
    if len(digits) > len(str(largest)) or (value := int(digits)) > largest:
        raise CellError(ErrorCode.OUT_OF_RANGE)
    return value


_BY_NAME: dict[str, CellParser] = {
    "mobile_phone": parse_mobile,
    "gender": parse_gender,
    "collection_stage": parse_stage,
    "currency": parse_currency,
    "timezone": parse_timezone,
    "treatment_codes": parse_treatments,
}
_BY_TYPE: dict[FieldType, CellParser] = {
    FieldType.DATE: parse_date,
    FieldType.FLAG: parse_flag,
    FieldType.PERCENT: parse_percent,
    FieldType.CODE: parse_code,
    FieldType.CODES: parse_codes,
    FieldType.ACCOUNT: parse_code,
    FieldType.PHONE: parse_phone,
    FieldType.ID_NUMBER: parse_id_number,
}
