"""Members that stand twice in an object of JSON."""

import io
import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import RequestInvalidError
from gateway.intake.parsing import Content, Form, read_rows
from gateway.intake.parsing_members import NO_RECORD

NAMES = st.sampled_from(["call_id", "agent", "promise", 'a":', "b"])
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.integers(-5, 5) | st.text(alphabet='a":\\{[ ,\n', max_size=6),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(NAMES, inner, max_size=2),
    max_leaves=4,
)
ROWS = st.lists(st.lists(st.tuples(NAMES, VALUES), max_size=4), min_size=1, max_size=3)


def rows_of(body: bytes) -> list[bytes]:
    return list(read_rows(io.BytesIO(body), Content(Form.JSON)))


@given(ROWS, st.sampled_from([(",", ":"), (", ", ": "), (" , ", " : "), (",\n", "\n:\t")]))
def test_of_an_array_only_rows_with_a_doubled_member_are_left_as_they_were_written(
    rows: list[list[tuple[str, Any]]], marks: tuple[str, str]
) -> None:
    between, after = marks
    written = [
        "{"
        + between.join(f"{json.dumps(name)}{after}{json.dumps(value)}" for name, value in row)
        + "}"
        for row in rows
    ]
    found = rows_of(f" [ {between.join(written)} ] ".encode())

    for row, text, line in zip(rows, written, found, strict=True):
        is_double = len(dict(row)) < len(row)
        assert orjson.loads(line) == dict(row)
        assert b"\n" not in line
        assert line == (text.replace("\n", " ").encode() if is_double else orjson.dumps(dict(row)))


def test_one_object_with_a_doubled_member_is_left_as_it_was_written() -> None:
    body = b'\xef\xbb\xbf {"agent": "a", "agent": "b"} '

    assert rows_of(body) == [b'{"agent": "a", "agent": "b"}']


def test_what_is_no_object_stays_no_record_beside_a_doubled_member() -> None:
    assert rows_of(b'[[[1]], {"a":1,"a":2}, 12e3, [{"a":1,"a":2}], "x"]') == [
        NO_RECORD,
        b'{"a":1,"a":2}',
        NO_RECORD,
        NO_RECORD,
        NO_RECORD,
    ]


def test_what_is_nested_too_deeply_to_be_looked_through_is_refused() -> None:
    deep = b"[" * 1_010 + b"]" * 1_010
    with pytest.raises(RequestInvalidError):
        rows_of(b'[{"a":1,"a":' + deep + b"}]")
