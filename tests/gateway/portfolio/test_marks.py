import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.portfolio.identifiers import check_character
from gateway.portfolio.marks import Mark, MarkKind, is_header, marks_of

NUMBER = "11010519491231002X"


def said(line: str) -> set[tuple[str, str]]:
    return {(mark.kind.value, mark.text) for mark in marks_of(line)}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("张伟,138-1234-5678", {("name", "张伟"), ("phone", "13812345678")}),
        ("电话：１３８ １２３４ ５６７８", {("name", "电话"), ("phone", "13812345678")}),
        ("+86 13812345678 欠款", {("phone", "13812345678"), ("name", "欠款")}),
        ("0755-86543210", {("phone", "075586543210")}),
        ("身份证" + NUMBER, {("name", "身份证"), ("document", NUMBER)}),
        (f"身份证:{NUMBER.lower()}", {("name", "身份证"), ("document", NUMBER)}),
        ("110105194912310021", {("case number", "110105194912310021")}),  # wrong check character
        ("张* 138****5678", {("masked name", "张*"), ("masked phone", "138*5678")}),
        ("欧阳** 138xxxx5678", {("masked name", "欧阳**"), ("masked phone", "138*5678")}),
        ("张某某｜138＊＊＊＊5678", {("masked name", "张**"), ("masked phone", "138*5678")}),
        ("0755-******78", {("masked phone", "0755*78")}),
        ("110105********002X", {("masked document", "110105*002X")}),
        ("尾号 ****1234", {("name", "尾号"), ("masked account", "*1234")}),
        ("阿***·***", {("masked name", "阿***·***")}),
        ("艾力·买买提", {("name", "艾力·买买提")}),
        ("D47KV6VX72TMKQVUPOX2OG6VZN", {("reference", "D47KV6VX72TMKQVUPOX2OG6VZN")}),
        ('{"a": 13812345678, "b": ["张伟"]}', {("phone", "13812345678"), ("name", "张伟")}),
        ('{"a": broken 13812345678', {("phone", "13812345678")}),
        ("WA2026013160260001", {("case number", "WA2026013160260001")}),
        ("6217001234567890123 yuan 5000", {("case number", "6217001234567890123")}),
        ("nothing here, really", set()),
    ],
)
def test_a_row_says(line: str, expected: set[tuple[str, str]]) -> None:
    assert said(line) == expected


@given(
    digits=st.from_regex(r"1[3-9][0-9]{9}", fullmatch=True),
    before=st.sampled_from(["", "手机:", "|", "tel ", "\u200b"]),
    gap=st.sampled_from(["", " ", "-"]),
    width=st.sampled_from(["half", "full"]),
    home=st.sampled_from(["", "+86", "86 ", "0086-"]),
)
def test_a_mobile_is_read_however_it_is_written(
    digits: str, before: str, gap: str, width: str, home: str
) -> None:
    text = f"{home}{digits[:3]}{gap}{digits[3:7]}{gap}{digits[7:]}"
    if width == "full":
        text = text.translate(str.maketrans("0123456789+-", "０１２３４５６７８９＋－"))

    assert Mark(MarkKind.PHONE, digits) in marks_of(before + text)


@given(st.from_regex(r"[1-9][0-9]{5}19[5-9][0-9]0[1-9][0-2][0-9]{4}", fullmatch=True))
def test_an_identity_number_is_read_by_its_check_character(digits: str) -> None:
    body = digits[:10] + "0101" + digits[14:17]
    number = body + check_character(body)

    assert Mark(MarkKind.DOCUMENT, number) in marks_of(f"x,{number.lower()},y")


@given(st.text(max_size=200))
def test_any_text_is_read(line: str) -> None:
    marks_of(line)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("姓名,手机号,备注", True),
        ("编号;余额", True),
        ("张伟,李娜", False),
        ("姓名,138****5678", False),
    ],
)
def test_a_line_of_column_names_is_told_from_names(line: str, *, expected: bool) -> None:
    assert is_header(line) is expected


def test_a_mark_shows_its_kind_alone() -> None:
    assert "13812345678" not in repr(marks_of("13812345678"))
