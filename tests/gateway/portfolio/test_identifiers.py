from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.portfolio.errors import CellError
from gateway.portfolio.identifiers import (
    check_character,
    id_number_spellings,
    is_female_number,
    parse_id_number,
    parse_mobile,
    parse_other_document,
    parse_phone,
)
from gateway.portfolio.reasons import ErrorCode

RESIDENT = "11010519491231002X"


@pytest.mark.parametrize(
    "text",
    [
        "13812345678",
        "138 1234 5678",
        "138-1234-5678",
        "+86 138 1234 5678",
        "+8613812345678",
        "008613812345678",
        "8613812345678",
        "（+86）138-1234-5678",
        "１３８１２３４５６７８",
    ],
)
def test_a_mobile_number_is_eleven_digits_however_it_is_written(text: str) -> None:
    assert parse_mobile(text) == "13812345678"


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("010-62345678", "01062345678"),
        ("(0755) 2345 6789", "075523456789"),
        ("+86 10 6234 5678", "01062345678"),
        ("010-62345678-801", "01062345678-801"),
        ("0571-87654321转12", "057187654321-12"),
        ("400-820-1234", "4008201234"),
        ("95588", "95588"),
        ("62345678", "62345678"),
        ("+852 6123 4567", "+85261234567"),
        ("00853 6612 3456", "+85366123456"),
    ],
)
def test_other_numbers_keep_area_code_extension_and_country(text: str, number: str) -> None:
    assert parse_phone(text) == number


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("1.38E+10", ErrorCode.SPREADSHEET_DAMAGED),
        ("1.38123E+10", ErrorCode.SPREADSHEET_DAMAGED),
        ("1381234567", ErrorCode.NOT_A_MOBILE),
        ("12812345678", ErrorCode.NOT_A_MOBILE),
        ("010-62345678", ErrorCode.NOT_A_MOBILE),
        ("13812345678/13912345678", ErrorCode.NOT_A_MOBILE),
        ("张三", ErrorCode.NOT_A_MOBILE),
        ("１３８१२३४५६७८", ErrorCode.NOT_A_MOBILE),
        ("", ErrorCode.NOT_A_MOBILE),
        ("+", ErrorCode.NOT_A_MOBILE),
    ],
)
def test_what_is_not_one_mobile_number_is_refused(text: str, code: ErrorCode) -> None:
    with pytest.raises(CellError) as caught:
        parse_mobile(text)

    assert caught.value.error_code is code


@pytest.mark.parametrize(
    "text", ["11010519491231002X", "11010519491231002x", "110105 19491231 002Ｘ"]
)
def test_a_resident_number_is_upper_case_without_spaces(text: str) -> None:
    assert parse_id_number(text) == RESIDENT


def test_the_old_number_of_fifteen_digits_is_accepted() -> None:
    assert parse_id_number("110105491231002") == "110105491231002"


@pytest.mark.parametrize("prefix", ["810000", "820000", "830000", "911101"])
def test_permits_of_hong_kong_macao_taiwan_and_foreigners_are_accepted(prefix: str) -> None:
    digits = f"{prefix}19900307109"

    assert parse_id_number(digits + check_character(digits)) == digits + check_character(digits)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("110105194912310021", ErrorCode.BAD_CHECK_DIGIT),
        ("11010519491331002X", ErrorCode.BAD_BIRTH_DATE),
        ("110105491331002", ErrorCode.BAD_BIRTH_DATE),
        ("1101051949123100", ErrorCode.NOT_AN_ID_NUMBER),
        ("01010519491231002X", ErrorCode.NOT_AN_ID_NUMBER),
        ("1.10105E+17", ErrorCode.SPREADSHEET_DAMAGED),
    ],
)
def test_a_wrong_identity_number_is_refused_with_its_reason(text: str, code: ErrorCode) -> None:
    with pytest.raises(CellError) as caught:
        parse_id_number(text)

    assert caught.value.error_code is code


@given(st.integers(0, 16), st.integers(1, 9))
def test_any_one_changed_digit_is_noticed(position: int, shift: int) -> None:
    digit = (int(RESIDENT[position]) + shift) % 10
    changed = f"{RESIDENT[:position]}{digit}{RESIDENT[position + 1 :]}"

    with pytest.raises(CellError):
        parse_id_number(changed)


def test_the_order_code_tells_men_from_women() -> None:
    assert is_female_number(RESIDENT) is True
    assert is_female_number("110105194912310014") is False
    assert is_female_number("110105491231002") is True
    assert is_female_number("E12345678") is None


def test_a_passport_is_letters_and_digits() -> None:
    assert parse_other_document("e 1234-5678") == "E12345678"
    for text in ("1234", "护照123", "1.2E+12"):
        with pytest.raises(CellError):
            parse_other_document(text)


@given(st.text(alphabet="0123456789+-()转xX. E＋１２", min_size=1))
def test_any_text_is_a_phone_or_a_cell_error(text: str) -> None:
    try:
        number = parse_phone(text)
    except CellError:
        return
    assert number.removeprefix("+").replace("-", "", 1).isdecimal()
    assert number.isascii()
    assert parse_phone(number) == number


@pytest.mark.parametrize(
    ("number", "spellings"),
    [
        ("11010519491231002X", ("11010519491231002X", "110105491231002")),
        ("110105491231002", ("110105491231002", "11010519491231002X")),
        ("110105200001010014", ("110105200001010014",)),
        ("G12345678", ("G12345678",)),
    ],
)
def test_a_person_born_before_2000_may_stand_under_two_numbers(
    number: str, spellings: tuple[str, ...]
) -> None:
    assert id_number_spellings(number) == spellings


@given(st.dates(date.fromisoformat("1900-01-01")), st.integers(0, 999))
def test_the_two_spellings_of_a_number_lead_to_each_other(birthday: date, order: int) -> None:
    digits = f"110105{birthday:%Y%m%d}{order:03d}"
    number = digits + check_character(digits)

    for spelling in id_number_spellings(number):
        assert parse_id_number(spelling) == spelling
        assert set(id_number_spellings(spelling)) == set(id_number_spellings(number))
