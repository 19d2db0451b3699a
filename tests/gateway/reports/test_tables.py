import csv
import io

import pytest
from fastapi import Request, Response
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import load_workbook

from gateway.errors import NotFoundError
from gateway.http.spreadsheets import as_table
from gateway.http.staffing import json_answer
from gateway.reports.tables import defused, table_of, write_csv
from gateway.reports.workbook import MEDIA_TYPE, report_workbook, write_workbook


def _cells(book: bytes, sheet: int = 1) -> list[list[object]]:
    """As a foreign reader sees them."""
    opened = load_workbook(io.BytesIO(book))
    return [list(row) for row in opened.worksheets[sheet - 1].iter_rows(values_only=True)]


def test_a_csv_file_begins_with_a_mark_and_keeps_chinese_and_long_numbers() -> None:
    items = [
        {"名称": "张三", "amount": 1234, "account": "6222021234567890123", "nested": {"a": 1}}
    ]

    content = write_csv(*table_of(items))

    assert content.startswith(b"\xef\xbb\xbf")
    rows = list(csv.reader(io.StringIO(content.decode("utf-8-sig"))))
    assert rows[0] == ["名称", "amount", "account", "nested.a"]
    assert rows[1] == ["张三", "1234", "\t6222021234567890123", "1"]


@given(st.text(max_size=12))
def test_no_cell_of_text_begins_a_formula(text: str) -> None:
    rows = write_csv(["x"], [[text]]).decode("utf-8-sig")
    cell = next(iter(list(csv.reader(io.StringIO(rows, newline="")))[1:]), [""])

    first = (cell or [""])[0].lstrip(" \u3000\xa0")
    assert not first.startswith(("=", "+", "-", "@", "\r", "\n", "|"))
    assert not first.startswith("\t") or first[1:].lstrip("-").isdigit()


@pytest.mark.parametrize("text", ["=1+1", "+86", "-2", "@SUM(A1)", "  =cmd|' /C calc'!A0", "＝1"])
def test_a_formula_stands_behind_an_apostrophe(text: str) -> None:
    assert defused(text) == f"'{text}"


def test_a_workbook_is_sound_xml_with_numbers_as_numbers_and_formulas_as_text() -> None:
    book = write_workbook(
        [("清单/1", ["a", "b"], [[1.5, "=1+1"], [10**17, "<&>\x00"], [None, True]])]
    )

    assert _cells(book) == [
        ["a", "b"],
        [1.5, "=1+1"],
        ["100000000000000000", "<&>\ufffd"],
        ["", "yes"],
    ]
    assert load_workbook(io.BytesIO(book)).worksheets[0]["B2"].data_type == "s"
    assert book == write_workbook(
        [("清单/1", ["a", "b"], [[1.5, "=1+1"], [10**17, "<&>\x00"], [None, True]])]
    )


def test_the_workbook_of_a_period_has_its_numbers_texts_and_differences() -> None:
    gap = {"metric": "dial_attempts", "reported": 2, "counted": 1}
    report = {
        "revision": 1,
        "state": "rejected",
        "submitted_at": "2026-05-08T10:00:00Z",
        "metrics": {"dial_attempts": 2},
        "differences": [gap],
    }
    book = report_workbook([report])

    assert _cells(book)[1] == [1, "rejected", 2]
    assert _cells(book, 3)[1] == [1, "2026-05-08T10:00:00Z", "dial_attempts", 2, 1]
    with pytest.raises(NotFoundError):
        report_workbook([])


def _asked(accept: str) -> Request:
    headers = [(b"accept", accept.encode())]
    scope = {"type": "http", "method": "GET", "path": "/company/v1/holds", "headers": headers}
    return Request({**scope, "query_string": b"", "server": ("x", 1), "scheme": "https"})


def test_any_list_is_answered_as_a_file_to_who_asks_for_one() -> None:
    answer = json_answer({"items": [{"code": "=x"}], "next_cursor": "c"})

    table = as_table(_asked("text/csv"), answer)
    assert bytes(table.body).decode("utf-8-sig") == "code\r\n'=x\r\n"
    assert table.headers["Casegate-Next-Cursor"] == "c"
    assert table.headers["Content-Disposition"] == 'attachment; filename="holds.csv"'
    assert as_table(_asked(MEDIA_TYPE), answer).media_type == MEDIA_TYPE
    assert as_table(_asked("*/*"), answer) is answer
    bare = Response(b"x", media_type="text/plain")
    assert as_table(_asked("text/csv"), bare) is bare
    one = json_answer({"a": 1})
    assert as_table(_asked("text/csv"), one) is one
