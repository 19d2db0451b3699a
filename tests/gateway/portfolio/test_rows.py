import contextlib
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.cases.record import JsonValue
from gateway.portfolio.columns import Column, RawRow, bind_columns
from gateway.portfolio.errors import PortfolioFileError
from gateway.portfolio.reader import open_portfolio
from gateway.portfolio.reasons import ErrorCode, reason
from gateway.portfolio.rows import CaseRow, RowError, RowParser
from policies.fields import FieldClass, load_field_catalog

SOUND = {
    "案件编号": "A1",
    "客户姓名": "张三",
    "身份证号码": "11010519491231002X",
    "手机号码": "13812345678",
    "逾期总金额": "100.00",
    "逾期天数": "45",
}


def _columns(cells: dict[str, str]) -> tuple[Column, ...]:
    return bind_columns(list(cells), load_field_catalog()).columns


def _parse(**changes: str) -> CaseRow | list[RowError]:
    cells = SOUND | changes
    return RowParser(_columns(cells)).parse(RawRow(2, tuple(cells.values())))


def _record(**changes: str) -> dict[str, JsonValue]:
    row = _parse(**changes)
    assert isinstance(row, CaseRow)
    return row.record


def _errors(**changes: str) -> list[tuple[str, ErrorCode]]:
    errors = _parse(**changes)
    assert isinstance(errors, list)
    for error in errors:
        assert error.line == 2
        assert error.reason == reason(error.code)
    return [(error.column, error.code) for error in errors]


def test_a_sound_row_becomes_a_record_with_what_follows_from_it() -> None:
    assert _record() == {
        "source_case_no": "A1",
        "full_name": "张三",
        "id_number": "11010519491231002X",
        "mobile_phone": "13812345678",
        "total_due": 10000,
        "days_past_due": 45,
        "collection_stage": "M2",
        "currency": "CNY",
        "timezone": "Asia/Shanghai",
        "salutation": "女士",
    }


@pytest.mark.parametrize("header", list(SOUND))
def test_each_required_column_must_have_a_value(header: str) -> None:
    assert _errors(**{header: " "}) == [(header, ErrorCode.REQUIRED)]


def test_what_the_file_says_is_not_overwritten() -> None:
    record = _record(逾期阶段="M5", 称谓="老师", 币种="USD", 时区="Asia/Urumqi")

    assert record["collection_stage"] == "M5"
    assert record["salutation"] == "老师"
    assert record["currency"] == "USD"
    assert record["timezone"] == "Asia/Urumqi"


def test_gender_decides_the_salutation_before_the_identity_number() -> None:
    assert _record(性别="男")["salutation"] == "先生"
    assert _record(性别="未知")["salutation"] == "女士"


def test_all_errors_of_a_row_are_told_at_once() -> None:
    assert _errors(手机号码="1.38E+10", 逾期总金额="abc", 首次逾期日="46053") == [
        ("手机号码", ErrorCode.SPREADSHEET_DAMAGED),
        ("逾期总金额", ErrorCode.NOT_MONEY),
        ("首次逾期日", ErrorCode.SPREADSHEET_SERIAL_DATE),
    ]


def test_the_four_parts_must_add_up_when_all_are_given() -> None:
    parts = {"逾期本金": "80", "逾期利息": "15", "逾期罚息": "4.99", "滞纳金": "0.01"}

    assert _record(**parts)["fee_due"] == 1
    assert _errors(**parts | {"滞纳金": "0.02"}) == [("逾期总金额", ErrorCode.PARTS_DO_NOT_ADD_UP)]
    assert "fee_due" not in _record(**parts | {"滞纳金": ""})


def test_a_passport_needs_its_document_type() -> None:
    assert _errors(身份证号码="E12345678") == [("身份证号码", ErrorCode.NOT_AN_ID_NUMBER)]
    record = _record(身份证号码="e12345678", 证件类型="护照")
    assert record["id_number"] == "E12345678"
    assert "salutation" not in record
    assert _errors(身份证号码="110105194912310021", 证件类型="居民身份证") == [
        ("身份证号码", ErrorCode.BAD_CHECK_DIGIT)
    ]


@pytest.mark.parametrize("mark", ["\x00", "\x1b", "\n", "\x85", "\u2028", "\ud800"])
def test_a_control_character_in_a_name_is_refused(mark: str) -> None:
    assert _errors(客户姓名=f"张{mark}三") == [("客户姓名", ErrorCode.CONTROL_CHARACTER)]


def test_a_lost_character_is_refused() -> None:
    assert _errors(客户姓名="张\ufffd") == [("客户姓名", ErrorCode.DAMAGED_CHARACTER)]


def test_invisible_marks_from_pasting_are_taken_away() -> None:
    record = _record(手机号码="\u202d13812345678\u202c", 客户姓名="\u3000张\u200b三\ufeff")

    assert record["mobile_phone"] == "13812345678"
    assert record["full_name"] == "张三"


def test_notes_may_have_lines_and_an_unknown_column_may_hold_anything() -> None:
    assert _record(催记="一\r\n二\t三\r四", 新列="\x00\ufffd")["past_notes"] == "一\n二\t三\n四"


def test_rare_characters_and_middle_dots_stay_as_they_are() -> None:
    for name in ("阿依古丽·买买提", "𠮷野", "Anna Maria Smith", "㛃\ue000"):
        assert _record(客户姓名=name)["full_name"] == name


def test_a_case_number_is_accepted_once_in_a_file() -> None:
    parser = RowParser(_columns(SOUND))

    first, second = (parser.parse(RawRow(line, tuple(SOUND.values()))) for line in (2, 3))

    assert isinstance(first, CaseRow)
    assert second == [
        RowError(3, "案件编号", ErrorCode.DUPLICATE_IN_FILE, reason(ErrorCode.DUPLICATE_IN_FILE))
    ]


@settings(deadline=None)
@given(st.data())
def test_any_text_in_any_cell_is_a_record_or_row_errors(data: st.DataObject) -> None:
    headers = [
        field.headers[0]
        for field in load_field_catalog()
        if field.headers and field.field_class is not FieldClass.K3
    ]
    text = st.text(st.characters(codec=None), max_size=40) | st.sampled_from(
        [*SOUND.values(), "", "1E9", "0.1", "-1", "是", "M3", "2026/1/1"]
    )
    cells = {header: data.draw(text) for header in headers}
    if data.draw(st.booleans()):
        cells |= SOUND

    result = RowParser(_columns(cells)).parse(RawRow(2, tuple(cells.values())))

    if isinstance(result, list):
        assert result
        for error in result:
            assert error.column in headers
            assert error.reason == reason(error.code)
    else:
        assert result.record["source_case_no"]


@settings(deadline=None)
@given(st.lists(st.text(st.characters(exclude_characters="\x00"), max_size=30), max_size=8))
def test_any_text_file_below_a_good_header_gives_rows_or_a_file_error(lines: list[str]) -> None:
    content = "\n".join([",".join(SOUND), *lines]).encode(errors="surrogatepass")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cases.csv"
        path.write_bytes(content)
        results: list[CaseRow | list[RowError]] = []
        with (
            contextlib.suppress(PortfolioFileError),
            open_portfolio(path, load_field_catalog()) as source,
        ):
            parser = RowParser(source.columns)
            results.extend(parser.parse(row) for row in source.rows())
    assert all(isinstance(result, CaseRow) or result for result in results)
