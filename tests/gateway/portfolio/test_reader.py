from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.portfolio.columns import RawRow
from gateway.portfolio.errors import PortfolioFileError
from gateway.portfolio.lines import MAX_LINE_BYTES
from gateway.portfolio.reader import open_portfolio
from gateway.portfolio.reasons import ErrorCode
from policies.fields import load_field_catalog

HEADER = "案件编号,客户姓名,身份证号码,手机号码,逾期总金额,逾期天数"
ROW = "A1,张三,11010519491231002X,13812345678,100.00,12"
CELLS = tuple(ROW.split(","))
JSON_ROW = (
    '{"source_case_no":"A1","full_name":"张三","id_number":"11010519491231002X",'
    '"mobile_phone":13812345678,"total_due":100.00,"days_past_due":12}'
)


@pytest.fixture
def written(tmp_path: Path) -> Callable[[str | bytes], Path]:
    def write(content: str | bytes) -> Path:
        path = tmp_path / "cases.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def _rows(path: Path) -> list[RawRow]:
    with open_portfolio(path, load_field_catalog()) as source:
        return list(source.rows())


def _refusal(path: Path) -> PortfolioFileError:
    with pytest.raises(PortfolioFileError) as caught:
        _rows(path)
    assert caught.value.problem.endswith(".")
    assert caught.value.way_out.endswith(".")
    return caught.value


@pytest.mark.parametrize("delimiter", [",", "\t", ";"])
@pytest.mark.parametrize(
    ("encoding", "told"), [("utf-8", "utf-8"), ("utf-8-sig", "utf-8"), ("gb18030", "gb18030")]
)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_csv_file_is_read_in_each_encoding_and_delimiter(
    written: Callable[[bytes], Path], delimiter: str, encoding: str, told: str, end: str
) -> None:
    text = f"{HEADER}{end}{ROW}{end}".replace(",", delimiter)
    path = written(text.encode(encoding))

    with open_portfolio(path, load_field_catalog()) as source:
        rows = list(source.rows())

        assert source.encoding == told
        assert source.delimiter == delimiter
        assert source.bytes_read == source.size == path.stat().st_size
    assert rows == [RawRow(2, CELLS)]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_an_ndjson_file_is_read_in_each_encoding(
    written: Callable[[bytes], Path], encoding: str
) -> None:
    path = written(f"{JSON_ROW}\n\n{JSON_ROW}".encode(encoding))

    with open_portfolio(path, load_field_catalog()) as source:
        rows = list(source.rows())
        named = [
            {
                column.header: cell
                for column, cell in zip(source.columns, row.cells, strict=True)
                if cell
            }
            for row in rows
        ]

    assert [row.line for row in rows] == [1, 3]
    assert named[0]["total_due"] == "100.00"
    assert named[0]["mobile_phone"] == "13812345678"
    assert named[0] == named[1]


def test_quoted_cells_may_hold_delimiters_quotes_and_line_feeds(
    written: Callable[[str], Path],
) -> None:
    path = written(f'{HEADER},催记\n{ROW},"说""明天""\n再还, 一半"\n{ROW},短\n')

    rows = _rows(path)

    assert rows[0].cells[-1] == '说"明天"\n再还, 一半'
    assert [row.line for row in rows] == [2, 4]


def test_snake_case_and_full_width_headers_are_known(written: Callable[[str], Path]) -> None:
    header = "source_case_no,ＦＵＬＬ_name, 身份证号码 ,手机,应还总额,逾期天数"

    assert _rows(written(f"{header}\n{ROW}\n")) == [RawRow(2, CELLS)]


def test_an_unknown_column_is_told_once_and_changes_nothing_known(
    written: Callable[[str], Path],
) -> None:
    path = written(f"{HEADER},新字段,委派编号\n{ROW},x,y\n")

    with open_portfolio(path, load_field_catalog()) as source:
        assert source.unknown_columns == ("新字段", "委派编号")
        assert source.forbidden_columns == ()


def test_a_field_of_the_gateway_is_not_read_from_a_file(written: Callable[[str], Path]) -> None:
    with open_portfolio(
        written(f"{HEADER},assignment_id,\n{ROW},A-1,\n"), load_field_catalog()
    ) as source:
        assert source.unknown_columns == ("assignment_id",)
        assert [column.field for column in source.columns[-2:]] == [None, None]


def test_authentication_data_is_an_alarm_and_its_cells_are_never_kept(
    written: Callable[[str], Path],
) -> None:
    path = written(f"CVV,{HEADER},银行卡号\n999,{ROW},6222020000000000000\n")

    with open_portfolio(path, load_field_catalog()) as source:
        rows = list(source.rows())

        assert source.forbidden_columns == ("CVV", "银行卡号")
    assert rows == [RawRow(2, CELLS)]


def test_authentication_data_in_json_is_an_alarm_too(written: Callable[[str], Path]) -> None:
    path = written(JSON_ROW[:-1] + ',"pin":"135790","x":{"a":1}}\n')

    with open_portfolio(path, load_field_catalog()) as source:
        rows = list(source.rows())

        assert source.forbidden_columns == ("pin",)
        assert source.unknown_columns == ("x",)
    assert "135790" not in repr(rows)


def test_cells_that_moved_are_not_kept_where_authentication_data_is_in_the_file(
    written: Callable[[str], Path],
) -> None:
    path = written(f"{HEADER},CVV,催记\n{ROW},x,951,note\n")

    rows = _rows(path)

    assert rows[0].problem is ErrorCode.COLUMN_COUNT
    assert "951" not in repr(rows)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"\n \r\n", "empty"),
        (b"\xef\xbb\xbf", "empty"),
        (f"{HEADER}\n{ROW}\n".encode("utf-16"), "UTF-16"),
        (f"{HEADER}\n{ROW}\n".encode("utf-16-le"), "UTF-16"),
        (b"PK\x03\x04rest", "XLSX"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "XLS"),
        (b"a,b\x00c\n", "binary"),
        (b"one,two\n1,2\n", "No column"),
        (b'{"one":1}\n', "No column"),
        (b"[" + JSON_ROW.encode() + b"]\n", "JSON list"),
        (f'"案件编号"x,{HEADER}\n{ROW}\n'.encode(), "header line"),
        (f"{HEADER},手机号\n{ROW},1\n".encode(), "手机号码 and 手机号 are the same field"),
        (f"{HEADER.replace(',逾期天数', '')}\n".encode(), "逾期天数 (days_past_due)"),
        (f'{HEADER}\n"{ROW}\n{ROW}\n{ROW}\n'.encode(), "opens on line 2"),
        (f"{HEADER}\n{ROW}\n".encode() + b"x" * (MAX_LINE_BYTES + 1), "Line 3 is longer"),
        (f"{HEADER}\n{ROW}\n".encode() + b"x" * 200_000, "cell on line 3"),
        (f'{HEADER}\n"'.encode() + b"\n" * 6_000, "opens on line 2"),
    ],
)
def test_a_file_that_cannot_be_right_is_refused_with_a_way_out(
    written: Callable[[bytes], Path], content: bytes, words: str
) -> None:
    assert words in _refusal(written(content)).problem


def test_a_folder_or_a_missing_file_is_refused(tmp_path: Path) -> None:
    assert "not a file" in _refusal(tmp_path).problem
    assert "no such file" in _refusal(tmp_path / "none.csv").problem


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030"])
@pytest.mark.parametrize(
    "header", [HEADER, "source_case_no,full_name,id_number,手机,total_due,逾期天数"]
)
def test_one_wrong_byte_is_named_by_its_line(
    written: Callable[[bytes], Path], encoding: str, header: str
) -> None:
    lines = [line.encode(encoding) for line in [header, *[ROW] * 9_000]]
    lines[7_999] = lines[7_999].replace(b"A1", b"A\xff")

    refusal = _refusal(written(b"\n".join(lines)))

    assert refusal.line == 8_000
    assert "A1" not in str(refusal)
    assert encoding.upper() in refusal.problem


def test_utf_8_with_one_broken_byte_is_not_taken_for_gb18030(
    written: Callable[[bytes], Path],
) -> None:
    broken = f"{HEADER}\n{ROW}\n".encode().replace("三".encode(), "三".encode()[:2])

    assert _refusal(written(broken)).line == 2


def test_a_utf_8_line_inside_a_gb18030_file_is_named(written: Callable[[bytes], Path]) -> None:
    stray = f"{ROW.replace('张三', '浙江省杭州市西湖')}\n".encode()
    content = f"{HEADER}\n{ROW}\n".encode("gb18030") + stray

    # The codec itself would not have noticed.
    assert stray.decode("gb18030")

    assert _refusal(written(content)).line == 3


def test_an_encoding_is_settled_by_the_first_byte_that_tells(
    written: Callable[[bytes], Path],
) -> None:
    header = "source_case_no,full_name,id_number,mobile_phone,total_due,days_past_due\n"
    plain = ROW.replace("张三", "Anna") + "\n"
    content = (header + plain * 6_000 + ROW).encode("gb18030")

    assert _rows(written(content))[-1].cells == CELLS


def test_a_row_with_bad_quoting_is_one_bad_row(written: Callable[[str], Path]) -> None:
    rows = _rows(written(f'{HEADER}\n"A0"x,张三,,,,\n{ROW}\n'))

    assert [row.problem for row in rows] == [ErrorCode.BAD_QUOTING, None]
    assert rows[0].cells[1] == "张三"
    assert rows[1] == RawRow(3, CELLS)


def test_rows_with_other_widths_are_bad_unless_only_padded(written: Callable[[str], Path]) -> None:
    rows = _rows(written(f"{HEADER}\n{ROW},,\n{ROW},x\nA2,李四\n,,,,,\n\n{ROW}\n"))

    assert [row.problem for row in rows] == [
        *(None, ErrorCode.COLUMN_COUNT, ErrorCode.COLUMN_COUNT, None)
    ]
    assert rows[0].cells == CELLS
    assert rows[-1].line == 7


@pytest.mark.parametrize(
    ("line", "problem", "column"),
    [
        ("{", ErrorCode.NOT_JSON, ""),
        ("[1]", ErrorCode.NOT_JSON, ""),
        ("12", ErrorCode.NOT_JSON, ""),
        ('{"total_due":NaN}', ErrorCode.NOT_JSON, ""),
        ('{"a":' * 50_000, ErrorCode.NOT_JSON, ""),
        ('{"total_due":1,"total_due":2}', ErrorCode.DUPLICATE_KEY, "total_due"),
        ('{"手机":1,"手机号":2}', ErrorCode.DUPLICATE_KEY, "mobile_phone"),
        ('{"x":1,"x":2}', ErrorCode.DUPLICATE_KEY, ""),
        ('{"full_name":{"a":1}}', ErrorCode.NOT_A_SINGLE_VALUE, "full_name"),
        ('{"full_name":["a"]}', ErrorCode.NOT_A_SINGLE_VALUE, "full_name"),
        ('{"x":[1],"full_name":12,"gender":null,"writeoff_flag":true}', None, ""),
        ('{"hold_flags":["a",["b"]]}', ErrorCode.NOT_A_SINGLE_VALUE, "hold_flags"),
    ],
)
def test_a_bad_json_line_is_one_bad_row(
    written: Callable[[str], Path], line: str, problem: ErrorCode | None, column: str
) -> None:
    rows = _rows(written(f"{JSON_ROW}\n{line}\n{JSON_ROW}\n"))

    assert [row.problem for row in rows] == [None, problem, None]
    assert rows[1].problem_column == column


def test_ever_new_json_keys_are_reported_up_to_a_bound(written: Callable[[str], Path]) -> None:
    lines = [JSON_ROW, *(f'{{"k{number}":1}}' for number in range(3_000))]

    with open_portfolio(written("\n".join(lines)), load_field_catalog()) as source:
        assert sum(1 for _ in source.rows()) == 3_001
        assert len(source.unknown_columns) == 100


def test_bytes_read_grows_while_rows_are_streamed(written: Callable[[str], Path]) -> None:
    path = written("\n".join([HEADER, *[ROW] * 20_000]))

    with open_portfolio(path, load_field_catalog()) as source:
        seen = [source.bytes_read for _ in source.rows()]

    assert len(set(seen)) > 3
    assert seen == sorted(seen)
    assert seen[0] < seen[-1] == path.stat().st_size
