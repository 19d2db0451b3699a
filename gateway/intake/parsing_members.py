"""Finds objects of JSON in which a member stands twice: parsers keep the last and say nothing."""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

import orjson

from gateway.errors import RequestInvalidError

# What is no record, and is refused as a row of its own.
NO_RECORD = b"[]"
_GAP = re.compile(rb'"[ \t\r\n]+:')
_BETWEEN = re.compile(r"[ \t\r\n,\ufeff]*")


def has_more_members(text: bytes, members: int) -> bool:
    """Whether JSON may hold more members than were read of it.

    Every name ends in `":` as long as nothing stands between the two. More of these are names
    that stand twice, or texts that look like one: who asks has to look closer.
    """
    return text.count(b'":') != members or _GAP.search(text) is not None


def may_double(body: bytes, rows: Sequence[Any]) -> bool:
    """The same of a body and the rows that were read from it."""
    return has_more_members(body, sum(_members(row) for row in rows))


def line_of(row: Any) -> bytes:  # noqa: ANN401  # whatever was sent
    """A row by itself."""
    return orjson.dumps(row) if isinstance(row, dict) else NO_RECORD


def lines_as_sent(body: bytes, rows: Sequence[Any]) -> Iterator[bytes]:
    """Each row by itself; one in which a member stands twice as it was written.

    Raises:
        RequestInvalidError: it is nested too deeply to be looked through.
    """
    text = body.decode()
    doubled: list[bool] = []
    # Values are of no interest here, and numbers may be as long as they like.
    decoder = json.JSONDecoder(
        object_pairs_hook=lambda members: doubled.append(_is_double(members)),
        parse_int=len,
        parse_float=len,
    )
    at = _after(text, 0)
    at += text[at] == "["
    for row in rows:
        begin = _after(text, at)
        doubled.clear()
        try:
            _value, at = decoder.raw_decode(text, begin)
        except (ValueError, RecursionError) as error:
            raise RequestInvalidError("the body is not JSON, or nested too deeply") from error
        # On one line: what ends a line stands between members only.
        written = text[begin:at].replace("\n", " ").replace("\r", " ").encode()
        yield written if any(doubled) and isinstance(row, dict) else line_of(row)


def _after(text: str, at: int) -> int:
    """Where what stands between two values ends."""
    between = _BETWEEN.match(text, at)
    return at if between is None else between.end()


def _members(value: Any) -> int:  # noqa: ANN401
    if not isinstance(value, dict):
        return 0
    return len(value) + sum(len(inner) for inner in value.values() if isinstance(inner, dict))


def _is_double(members: list[tuple[str, Any]]) -> bool:
    return len({name for name, _value in members}) < len(members)
