import csv
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.portfolio.guards import guarded, unguarded
from gateway.portfolio.reader import open_portfolio
from gateway.portfolio.rejects import RejectsWriter, rejects_path
from gateway.portfolio.rows import CaseRow, RowParser
from policies.fields import load_field_catalog

HEADER = [
    "案件编号",
    "客户姓名",
    "身份证号码",
    "手机号码",
    "逾期总金额",
    "逾期天数",
    "新列",
    "CVV",
]
GOOD = ["A1", "张三", "11010519491231002X", "13812345678", "100.00", "12", "k", "951"]


def _write(path: Path, rows: list[list[str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)


def _import(path: Path) -> tuple[list[CaseRow], int]:
    sound: list[CaseRow] = []
    with (
        open_portfolio(path, load_field_catalog()) as source,
        RejectsWriter(rejects_path(path), source.columns) as rejects,
    ):
        parser = RowParser(source.columns)
        for row in source.rows():
            result = parser.parse(row)
            if isinstance(result, CaseRow):
                sound.append(result)
            else:
                rejects.write(row, result)
        return sound, rejects.count


def _cells(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.reader(file))


def test_no_file_appears_when_nothing_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "cases.csv"
    _write(path, [HEADER, GOOD])

    assert _import(path)[1] == 0
    assert list(tmp_path.iterdir()) == [path]


def test_refused_rows_come_back_with_their_line_and_reason(tmp_path: Path) -> None:
    path = tmp_path / "cases.csv"
    bad = ["A2", "李四", "110105194912310021", "1.38E+10", "1", "1", "keep", "952"]
    _write(path, [HEADER, GOOD, bad])

    _import(path)

    rejected = rejects_path(path)
    assert rejected.name == "cases.csv.rejected.csv"
    assert rejected.read_bytes().startswith(b"\xef\xbb\xbf")
    assert rejected.stat().st_mode & 0o777 == 0o600
    header, row = _cells(rejected)
    assert header == [*HEADER[:-1], "导入错误行号", "导入错误"]
    assert [unguarded(cell) for cell in row[:7]] == bad[:-1]
    assert row[7] == "3"
    assert "BAD_CHECK_DIGIT" in row[8]
    assert "手机号码" in row[8]
    assert b"952" not in rejected.read_bytes()


def test_mended_rejects_are_imported_without_a_trace(tmp_path: Path) -> None:
    path = tmp_path / "cases.csv"
    _write(path, [HEADER, ["A2", *GOOD[1:5], "abc", "=1+1", "1"]])
    _import(path)
    rejected = rejects_path(path)
    header, row = _cells(rejected)
    row[5] = "45"
    _write(rejected, [header, row])

    sound, refused = _import(rejected)

    assert refused == 0
    assert sound[0].record["mobile_phone"] == "13812345678"
    assert sound[0].record["days_past_due"] == 45
    with open_portfolio(rejected, load_field_catalog()) as source:
        assert source.unknown_columns == ("新列",)
        assert next(source.rows()).cells[6] == "=1+1"


def test_rejects_of_json_lines_can_be_mended_as_csv(tmp_path: Path) -> None:
    path = tmp_path / "cases.ndjson"
    path.write_text(
        '{"source_case_no":"A1","full_name":"张三","id_number":"11010519491231002X","手机":"1",'
        '"total_due":1.5,"days_past_due":3,"hold_flags":["A","B"],"writeoff_flag":false}\n{\n',
        encoding="utf-8",
    )
    assert _import(path) == ([], 2)
    rejected = rejects_path(path)
    header, row, _unreadable = _cells(rejected)
    row[header.index("手机")] = "13812345678"
    _write(rejected, [header, row])

    sound, refused = _import(rejected)

    assert refused == 0
    assert sound[0].record["hold_flags"] == ["A", "B"]
    assert sound[0].record["writeoff_flag"] is False
    assert sound[0].record["total_due"] == 150


def test_an_older_rejects_file_is_replaced_and_a_planted_link_is_not_followed(
    tmp_path: Path,
) -> None:
    path = tmp_path / "cases.csv"
    _write(path, [HEADER, ["A2", *[""] * 7]])
    target = tmp_path / "precious"
    target.write_text("kept", encoding="utf-8")
    rejects_path(path).symlink_to(target)

    _import(path)

    assert target.read_text(encoding="utf-8") == "kept"
    assert not rejects_path(path).is_symlink()


@pytest.mark.parametrize(
    "cell", ["=1+1", "+86 138", "-5", "@SUM(A1)", " =1", "＝1", "'=1", "13812345678", "010-1"]
)
def test_no_cell_reaches_a_spreadsheet_as_a_formula_or_a_number_it_would_round(cell: str) -> None:
    assert guarded(cell) == "'" + cell
    assert unguarded(guarded(cell)) == cell


@given(st.text())
def test_a_guard_that_is_put_on_comes_off_again(cell: str) -> None:
    assert unguarded(guarded(cell)) == cell


@settings(deadline=None)
@given(
    st.lists(
        st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=20)
        | st.sampled_from(["=a", "'=a", "-1", "\r\n", '"', "\t+1", "'"]),
        min_size=7,
        max_size=7,
    )
)
def test_any_refused_row_is_read_back_as_it_was(cells: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cases.csv"
        # The leading "x" keeps a row of blanks from being skipped.
        _write(path, [HEADER, ["x" + cells[0], *cells[1:6], "not", "951"], GOOD])
        with open_portfolio(path, load_field_catalog()) as source:
            original = next(source.rows())
        _import(path)
        if not rejects_path(path).exists():
            return
        with open_portfolio(rejects_path(path), load_field_catalog()) as source:
            again = next(source.rows())
    assert again.cells == original.cells
