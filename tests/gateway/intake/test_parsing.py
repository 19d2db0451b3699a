"""Bodies become rows within bounds, whatever they are made of."""

import gzip
import io

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import ContentMismatchError, RequestInvalidError
from gateway.intake import parsing
from gateway.intake.batches_spool import Spool, digests_of
from gateway.intake.parsing import Content, Form, content_of, read_rows

ROW = {"call_id": "c-1", "talk_s": 60, "disclosures": ["WHO_CALLS", "FOR_WHOM"]}


def rows(body: bytes, content: Content) -> list[object]:
    return [orjson.loads(row) for row in read_rows(io.BytesIO(body), content)]


def test_numbers_lists_and_promises_come_out_of_cells() -> None:
    table = (
        "call_id,talk_s,disclosures,promise_amount,promise_due_on,seat_id\r\n"
        "c-1,60,WHO_CALLS; FOR_WHOM,1000,2026-11-27,\r\n"
        "\r\n"
    )
    promised = {"amount": 1000, "due_on": "2026-11-27"}

    assert rows(table.encode(), Content(Form.CSV)) == [{**ROW, "promise": promised}]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gbk", "gb18030"])
def test_what_excel_writes_in_chinese_is_read(encoding: str) -> None:
    table = "call_id,summary\r\nc-1,本人称下周处理\r\n".encode(encoding)

    assert rows(table, Content(Form.CSV)) == [{"call_id": "c-1", "summary": "本人称下周处理"}]


def test_lines_may_be_blank_and_begin_with_a_mark() -> None:
    body = b"\xef\xbb\xbf" + orjson.dumps(ROW) + b"\r\n\n" + orjson.dumps(ROW)

    assert rows(body, Content(Form.NDJSON)) == [ROW, ROW]


@pytest.mark.parametrize(
    ("body", "content", "reason"),
    [
        (b"", Content(Form.NDJSON), "no row"),
        (b"[]", Content(Form.JSON), "no row"),
        (b"call_id\n", Content(Form.CSV), "no row"),
        (b"{", Content(Form.JSON), "not JSON"),
        (b"a,a\n1,2\n", Content(Form.CSV), "twice"),
        (b"\xff\xfe\xff", Content(Form.CSV), "neither UTF-8 nor GBK"),
        (b"{}", Content(Form.JSON, is_packed=True), "not whole gzip"),
        (gzip.compress(b"{}")[:-4], Content(Form.JSON, is_packed=True), "not whole gzip"),
        (b"x" * 20_000, Content(Form.NDJSON), "16,384 bytes"),
    ],
)
def test_what_cannot_be_read_is_refused_in_one_sentence(
    body: bytes, content: Content, reason: str
) -> None:
    with pytest.raises(RequestInvalidError, match=reason):
        rows(body, content)


def test_a_small_body_that_unpacks_into_a_flood_is_stopped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(parsing, "MAX_CONTENT_BYTES", 1 << 20)
    bomb = gzip.compress((b" " * 1023 + b"\n") * (1 << 11))

    with pytest.raises(RequestInvalidError, match="unpacked"):
        rows(bomb, Content(Form.NDJSON, is_packed=True))


@pytest.mark.parametrize(
    ("form", "begin", "again", "end"),
    [
        (Form.JSON, b"[", b"{},", b"{}]"),
        (Form.JSON, b"[", b"0,", b"0]"),
        (Form.JSON, b'{"disclosures":[', b"[],", b"[]]}"),
        (Form.NDJSON, b"", b"\n", b"{}"),
        (Form.CSV, b"call_id\n", b"\n", b"c-1"),
        (Form.CSV, b"call_id", b",", b"\r\n"),
        (Form.CSV, b'call_id\r\n"', b'\n","', b'"\r\n'),
    ],
    ids=[
        "objects",
        "numbers",
        "in-a-row",
        "blank-lines",
        "blank-rows",
        "header",
        "a-row-of-many-lines",
    ],
)
def test_few_bytes_that_would_become_very_many_values_are_refused_before_they_do(
    form: Form, begin: bytes, again: bytes, end: bytes
) -> None:
    body = gzip.compress(begin + again * 7_000_000 + end, 1)
    assert len(body) < 400_000

    with pytest.raises(RequestInvalidError, match=r"x-ndjson|a row has at most|blank"):
        rows(body, Content(form, is_packed=True))


def test_brackets_and_commas_in_a_summary_are_text() -> None:
    row = {"call_id": "c-1", "summary": "[{,}] " * 80}

    assert rows(orjson.dumps([row] * 50), Content(Form.JSON)) == [row] * 50


def test_a_row_of_csv_may_hold_several_lines() -> None:
    table = 'call_id,summary\r\nc-1,"a\r\nb"\r\nc-2,"c"\r\n' + 'c,"d\ne"\r\n' * 20_000

    found = rows(table.encode(), Content(Form.CSV))

    assert found[:2] == [
        {"call_id": "c-1", "summary": "a\r\nb"},
        {"call_id": "c-2", "summary": "c"},
    ]
    assert len(found) == 20_002


def test_a_batch_has_a_most_of_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parsing, "MAX_ROWS", 3)

    assert len(rows(b"{}\n" * 3, Content(Form.NDJSON))) == 3
    with pytest.raises(RequestInvalidError, match="at most 3 rows"):
        rows(b"{}\n" * 4, Content(Form.NDJSON))


@given(st.binary(max_size=300), st.sampled_from(Form), st.booleans())
def test_any_bytes_are_rows_or_one_refusal(body: bytes, form: Form, is_packed: bool) -> None:  # noqa: FBT001
    packed = gzip.compress(body) if is_packed else body
    try:
        found = list(read_rows(io.BytesIO(packed), Content(form, is_packed)))
    except RequestInvalidError:
        return
    assert found


@pytest.mark.parametrize(
    ("kind", "encoding", "expected"),
    [
        ("application/json", "", Content(Form.JSON)),
        (
            "Application/JSON; charset=utf-8",
            "gzip",
            Content(Form.JSON, is_packed=True, charset="utf-8"),
        ),
        ("application/jsonl", "identity", Content(Form.NDJSON)),
        ('text/csv; charset="GBK"', "", Content(Form.CSV, charset="gbk")),
    ],
)
def test_headers_say_what_a_body_is(kind: str, encoding: str, expected: Content) -> None:
    assert content_of(kind, encoding) == expected


@pytest.mark.parametrize(
    ("kind", "encoding"),
    [("text/plain", ""), ("", ""), ("text/csv; charset=latin-1", ""), ("text/csv", "br")],
)
def test_other_forms_are_refused(kind: str, encoding: str) -> None:
    with pytest.raises(RequestInvalidError):
        content_of(kind, encoding)


def test_one_of_several_digests_that_is_wrong_is_enough() -> None:
    # RFC 9530, B.1: of {"hello": "world"} and a line feed.
    right = (
        "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:, md5=:AAAA:,"
        "sha-512=:YMAam51Jz/jOATT6/zvHrLVgOYTGFy1d6GJiOHTohq4yP+pgk4vf2aCsyRZOtw8MjkM7iw7yZ/"
        "WkppmM44T3qg==:"
    )
    assert set(digests_of(right)) == {"sha-256", "sha-512"}
    with Spool(right) as spool:
        spool.write(b'{"hello": "world"}')
        with pytest.raises(ContentMismatchError):
            spool.whole()
        spool.write(b"\n")
        assert spool.whole().read() == b'{"hello": "world"}\n'


@pytest.mark.parametrize("header", ["", "md5=:AAAA:", "sha-256=RK/0", "sha-256=:R:", "x"])
def test_a_digest_that_says_nothing_is_refused(header: str) -> None:
    with pytest.raises(RequestInvalidError, match="Content-Digest"):
        digests_of(header)
