import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.cases.record import JsonValue
from gateway.portfolio.errors import CellError
from gateway.portfolio.reasons import ErrorCode, chinese_reason, reason
from gateway.portfolio.values import (
    parse_code,
    parse_codes,
    parse_date,
    parse_integer,
    parse_money,
    parse_percent,
    parser_for,
)
from policies.fields import load_field_catalog


def _code_of(field: str, text: str) -> ErrorCode:
    with pytest.raises(CellError) as caught:
        parser_for(load_field_catalog().field(field))(text)
    assert text not in str(caught.value)
    return caught.value.error_code


def _parsed(field: str, text: str) -> JsonValue:
    return parser_for(load_field_catalog().field(field))(text)


@pytest.mark.parametrize(
    ("text", "fen"),
    [
        ("12345.67", 1234567),
        ("12,345.67", 1234567),
        ("¥12345.6", 1234560),
        ("￥ 1,234", 123400),
        ("１２３．４５", 12345),
        ("0", 0),
        ("0.5", 50),
        ("-0.00", 0),
        ("100元", 10000),
        ("CNY 7.", 700),
        ("12345.6700", 1234567),
        ("10000000000000.00", 10**15),
    ],
)
def test_money_is_read_as_fen(text: str, fen: int) -> None:
    assert parse_money(text) == fen


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("12.345", ErrorCode.TOO_MANY_DECIMALS),
        ("12,34", ErrorCode.NOT_MONEY),
        ("1.234,56", ErrorCode.NOT_MONEY),
        ("-5", ErrorCode.NEGATIVE),
        ("1.5万", ErrorCode.NOT_MONEY),
        ("--5", ErrorCode.NOT_MONEY),
        ("-¥-5", ErrorCode.NOT_MONEY),
        ("1.2E+05", ErrorCode.SPREADSHEET_DAMAGED),
        ("10000000000000.01", ErrorCode.OUT_OF_RANGE),
        ("9" * 5000, ErrorCode.OUT_OF_RANGE),
        ("٣٤", ErrorCode.NOT_MONEY),
    ],
)
def test_what_is_not_an_amount_is_refused_with_its_reason(text: str, code: ErrorCode) -> None:
    assert _code_of("total_due", text) is code


def test_a_fee_may_be_taken_back_but_a_total_may_not_be_negative() -> None:
    assert _parsed("fee_due", "-12.30") == -1230
    assert _parsed("fee_due", "¥-12.30") == -1230
    assert _code_of("principal_due", "-12.30") is ErrorCode.NEGATIVE


@given(st.integers(0, 10**15))
def test_every_amount_survives_being_written_and_read(fen: int) -> None:
    assert parse_money(f"{fen // 100}.{fen % 100:02d}") == fen
    assert parse_money(f"{fen // 100:,}.{fen % 100:02d}") == fen


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-31",
        "2026/1/31",
        "20260131",
        "2026年1月31日",
        "2026.01.31",
        "2026-01-31 00:00:00",
        "2026/1/31 0:00",
        "２０２６年１月３１日",
    ],
)
def test_a_date_is_read_in_each_usual_spelling(text: str) -> None:
    assert parse_date(text) == "2026-01-31"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("46053", ErrorCode.SPREADSHEET_SERIAL_DATE),
        ("46053.5", ErrorCode.SPREADSHEET_SERIAL_DATE),
        ("2026-02-29", ErrorCode.NOT_A_DATE),
        ("31/01/2026", ErrorCode.NOT_A_DATE),
        ("2026-01/31", ErrorCode.NOT_A_DATE),
        ("2026-01-31 10:15", ErrorCode.NOT_A_DATE),
        ("1899-12-31", ErrorCode.OUT_OF_RANGE),
    ],
)
def test_what_is_not_a_date_is_refused_with_its_reason(text: str, code: ErrorCode) -> None:
    assert _code_of("as_of", text) is code


def test_a_leap_day_is_a_date_only_in_a_leap_year() -> None:
    assert parse_date("20240229") == "2024-02-29"


def test_whole_numbers_lose_their_unit_and_keep_their_range() -> None:
    assert parse_integer("1,024") == 1024
    assert parse_integer("62天") == 62
    assert parse_integer("12.0") == 12
    assert _code_of("days_past_due", "-3") is ErrorCode.NEGATIVE
    assert _code_of("days_past_due", "3.5") is ErrorCode.NOT_AN_INTEGER
    assert _code_of("days_past_due", "1.2E+02") is ErrorCode.SPREADSHEET_DAMAGED
    assert _code_of("instalment_due_day", "32") is ErrorCode.OUT_OF_RANGE


def test_a_percentage_is_hundredths_of_a_percent_and_never_a_guess() -> None:
    assert parse_percent("12.5%") == 1250
    assert parse_percent("３０％") == 3000
    assert parse_percent("0.3%") == 30
    assert _code_of("commission_rate", "0.3") is ErrorCode.NOT_A_PERCENTAGE
    assert _code_of("commission_rate", "101%") is ErrorCode.OUT_OF_RANGE


def test_codes_are_split_at_each_usual_mark_and_kept_once() -> None:
    assert parse_codes("LAWYER;DISPUTED,LAWYER、TIME_PREF|A；B，C") == [
        *("LAWYER", "DISPUTED", "TIME_PREF", "A", "B", "C")
    ]
    assert parse_codes(";、") is None


def test_a_code_that_a_spreadsheet_rounded_is_refused() -> None:
    assert parse_code("委2026第001号") == "委2026第001号"
    assert _code_of("source_case_no", "2.02601E+13") is ErrorCode.SPREADSHEET_DAMAGED
    assert _code_of("source_case_no", "x" * 65) is ErrorCode.TOO_LONG


def test_enumerations_with_a_code_are_normalised_and_others_stay_chinese() -> None:
    assert _parsed("gender", "男") == "M"
    assert _parsed("gender", "female") == "F"
    assert _parsed("gender", "未知") is None
    assert _parsed("marital_status", "离异") == "离异"
    assert _parsed("currency", "人民币") == "CNY"
    assert _code_of("gender", "甲") is ErrorCode.NOT_A_GENDER
    assert _code_of("currency", "元") is ErrorCode.NOT_A_CURRENCY


def test_each_code_has_a_sentence_in_both_languages() -> None:
    for code in ErrorCode:
        assert reason(code).isascii() or "+" in reason(code)
        assert not chinese_reason(code).isascii()


# No deadline: the first time zone reads the whole list from disk.
@settings(deadline=None)
@given(st.sampled_from([field.name for field in load_field_catalog()]), st.text(min_size=1))
def test_any_text_in_any_field_is_a_value_or_a_cell_error(field: str, text: str) -> None:
    definition = load_field_catalog().field(field)
    if definition.type == "timestamp":
        return
    with contextlib.suppress(CellError):
        value = parser_for(definition)(text)
        assert value is None or isinstance(value, bool | int | str | list)
