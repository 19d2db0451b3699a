"""Reads rows out of what was sent: JSON, NDJSON or CSV, packed or not, within bounds."""

import csv
import gzip
import io
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import IO, Any, Self

import orjson
from typing_extensions import override

from gateway.errors import RequestInvalidError
from gateway.intake.parsing_members import NO_RECORD, line_of, lines_as_sent, may_double

MAX_ROWS = 100_000
MAX_ROW_BYTES = 16 * 1024
# Of one row of a table, before it is read; a longer row than MAX_ROW_BYTES is refused by itself.
MAX_LINES_CHARACTERS = 4 * MAX_ROW_BYTES
# What a packed body may grow to, so that a few kilobytes cannot fill a disk.
MAX_CONTENT_BYTES = 256 * 1024 * 1024
# Forms that are read as a whole.
MAX_WHOLE_BYTES = 64 * 1024 * 1024
# Each bracket and each comma of JSON becomes a value, which takes many times its byte: more than
# a batch of whole records has are there to fill the memory.
_MOST_BRACKETS = 8 * MAX_ROWS
_MOST_COMMAS = 64 * MAX_ROWS
# A blank line is no row; looking at millions of them keeps a worker from everything else.
_MOST_BLANK = MAX_ROWS

_WHOLE = frozenset({"ring_s", "talk_s", "sip_cause", "quoted_amount", "script_version"})
_LIST = "disclosures"
_PROMISE_AMOUNT, _PROMISE_DAY = "promise_amount", "promise_due_on"
_TEXT_ENCODINGS = frozenset({"utf-8", "gbk", "gb2312", "gb18030"})
_BOM = b"\xef\xbb\xbf"


class Form(StrEnum):
    """How rows are written."""

    JSON = "application/json"
    NDJSON = "application/x-ndjson"
    CSV = "text/csv"


@dataclass(frozen=True, slots=True)
class Content:
    """What the headers say of a body; `charset` None means that it has to be found out."""

    form: Form
    is_packed: bool = False
    charset: str | None = None


def content_of(content_type: str, content_encoding: str) -> Content:
    """What Content-Type and Content-Encoding stand for.

    Raises:
        RequestInvalidError: a form, coding or charset that is not read here.
    """
    kind, *parameters = (part.strip() for part in content_type.lower().split(";"))
    kind = {"application/jsonl": Form.NDJSON, "application/ndjson": Form.NDJSON}.get(kind, kind)
    if kind not in set(Form):
        raise RequestInvalidError(f"Content-Type is one of {', '.join(Form)}")
    if content_encoding.lower() not in {"", "identity", "gzip"}:
        raise RequestInvalidError("Content-Encoding is gzip, or none")
    charset = None
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name == "charset":
            charset = value.strip('"')
    if charset is not None and charset not in _TEXT_ENCODINGS:
        raise RequestInvalidError("charset is utf-8 or gbk")
    return Content(Form(kind), content_encoding.lower() == "gzip", charset)


def read_rows(source: IO[bytes], content: Content) -> Iterator[bytes]:
    """Each row as one JSON object; nothing of it is checked yet.

    Raises:
        RequestInvalidError: it cannot be read as a whole, is too large, or has no row.
    """
    stream = gzip.GzipFile(fileobj=source, mode="rb") if content.is_packed else source
    bounded = io.BufferedReader(_Bounded(stream))
    rows = 0
    try:
        for row in _rows_of(bounded, content):
            rows += 1
            if rows > MAX_ROWS:
                raise RequestInvalidError(f"a batch has at most {MAX_ROWS:,} rows")
            yield row
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise RequestInvalidError("the body is not whole gzip") from error
    if not rows:
        raise RequestInvalidError("the body has no row")


class _Bounded(io.RawIOBase):
    """Counts what is read, and stops it."""

    def __init__(self, stream: gzip.GzipFile | IO[bytes]) -> None:
        super().__init__()
        self._stream = stream
        self._left = MAX_CONTENT_BYTES

    @override
    def readable(self) -> bool:
        return True

    @override
    def readinto(self, buffer: Any, /) -> int:
        data = self._stream.read(len(buffer))
        self._left -= len(data)
        if self._left < 0:
            raise RequestInvalidError("the body is too large when it is unpacked")
        buffer[: len(data)] = data
        return len(data)


def _rows_of(stream: IO[bytes], content: Content) -> Iterator[bytes]:
    match content.form:
        case Form.NDJSON:
            return _lines(stream)
        case Form.CSV:
            return _csv_rows(_decoded(_whole(stream), content.charset))
        case Form.JSON:
            return _json_rows(_whole(stream))


def _whole(stream: IO[bytes]) -> bytes:
    data = stream.read(MAX_WHOLE_BYTES + 1)
    if len(data) > MAX_WHOLE_BYTES:
        raise RequestInvalidError("a body of this size comes as application/x-ndjson")
    return data


def _lines(stream: IO[bytes]) -> Iterator[bytes]:
    is_first, blank = True, 0
    while line := stream.readline(MAX_ROW_BYTES + 1):
        if len(line) > MAX_ROW_BYTES:
            raise RequestInvalidError(f"a row has at most {MAX_ROW_BYTES:,} bytes")
        if is_first:
            line, is_first = line.removeprefix(_BOM), False
        if stripped := line.strip():
            yield stripped
        else:
            blank = _verify_few(blank + 1)


def _verify_few(blank: int) -> int:
    if blank > _MOST_BLANK:
        raise RequestInvalidError("too many lines of the body are blank")
    return blank


def _json_rows(data: bytes) -> Iterator[bytes]:
    if data.count(b"{") + data.count(b"[") > _MOST_BRACKETS or data.count(b",") > _MOST_COMMAS:
        raise RequestInvalidError("a body of so many values comes as application/x-ndjson")
    try:
        content = orjson.loads(data.removeprefix(_BOM))
    except orjson.JSONDecodeError as error:
        raise RequestInvalidError("the body is not JSON") from error
    rows = content if isinstance(content, list) else [content]
    lines = lines_as_sent(data, rows) if may_double(data, rows) else map(line_of, rows)
    for line in lines:
        if len(line) > MAX_ROW_BYTES:
            raise RequestInvalidError(f"a row has at most {MAX_ROW_BYTES:,} bytes")
        yield line


def _decoded(data: bytes, charset: str | None) -> str:
    """UTF-8 with or without a mark, or what Excel writes on a Chinese Windows."""
    names = ("utf-8-sig", "gb18030")
    if charset is not None:
        names = ("utf-8-sig",) * 2 if charset == "utf-8" else ("gb18030",) * 2
    try:
        return data.decode(names[0])
    except UnicodeDecodeError:
        try:
            return data.decode(names[1])
        except UnicodeDecodeError as error:
            raise RequestInvalidError("the text is neither UTF-8 nor GBK") from error


class _Lines:
    """The lines of a table, of which no row takes more than it may be long."""

    def __init__(self, text: str) -> None:
        self._text = io.StringIO(text, newline="")
        self.taken = 0

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        line = self._text.readline(MAX_LINES_CHARACTERS + 1)
        self.taken += len(line)
        if self.taken > MAX_LINES_CHARACTERS:
            raise RequestInvalidError(f"a row has at most {MAX_LINES_CHARACTERS:,} characters")
        if not line:
            raise StopIteration
        return line


def _csv_rows(text: str) -> Iterator[bytes]:
    source = _Lines(text)
    lines = csv.reader(source, strict=True)
    try:
        header = [name.strip() for name in next(lines, [])]
        if len(set(header)) < len(header):
            raise RequestInvalidError("a column stands in the header twice")
        source.taken = blank = 0
        for cells in lines:
            source.taken = 0
            if not any(cell.strip() for cell in cells):
                blank = _verify_few(blank + 1)
                continue
            yield _csv_row(header, cells)
    except csv.Error as error:
        raise RequestInvalidError("the body is not CSV") from error


def _csv_row(header: list[str], cells: list[str]) -> bytes:
    """The same as JSON: numbers as numbers, disclosures by semicolons, a promise as an object."""
    if len(cells) > len(header):
        return NO_RECORD
    row: dict[str, Any] = {}
    promise: dict[str, Any] = {}
    for name, cell in zip(header, cells, strict=False):
        value = cell.strip()
        if not value:
            continue
        if name in _WHOLE:
            row[name] = _number(value)
        elif name == _LIST:
            row[name] = [part.strip() for part in value.split(";") if part.strip()]
        elif name == _PROMISE_AMOUNT:
            promise["amount"] = _number(value)
        elif name == _PROMISE_DAY:
            promise["due_on"] = value
        else:
            row[name] = value
    if promise:
        row["promise"] = promise
    line = orjson.dumps(row)
    return line if len(line) <= MAX_ROW_BYTES else NO_RECORD


def _number(value: str) -> int | str:
    is_whole = value.isascii() and value.isdigit() and len(value) <= 15  # noqa: PLR2004  # 2**53
    return int(value) if is_whole else value
