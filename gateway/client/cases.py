"""Cases pulled page by page, into NDJSON or CSV that is there whole or not at all."""

import csv
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlencode

import orjson

from gateway.client.connection import Connection

PAGE = 500
# What a spreadsheet would take for a formula at the beginning of a cell.
_FORMULAS = ("=", "+", "-", "@", "\t", "\r")
_BOM = "\ufeff"

Progress = Callable[[int], None]


def pull_cases(
    connection: Connection, *, assignment: str | None = None, limit: int = PAGE
) -> Iterator[dict[str, Any]]:
    """All cases that are yours now, in pages of `limit`.

    Raises:
        RefusedError, UnreachableError: see Connection.ask; what came before stays given.
    """
    wanted = {"limit": str(limit)} | ({"assignment": assignment} if assignment else {})
    cursor: str | None = None
    while True:
        query = urlencode(wanted | ({"cursor": cursor} if cursor else {}))
        page = connection.ask("GET", f"/v1/cases?{query}").document()
        yield from page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            return


def write_ndjson(cases: Iterator[dict[str, Any]], path: Path, progress: Progress) -> int:
    """Writes one case a line; returns how many."""
    with _replacing(path) as file:
        return _lines(cases, file, progress)


def write_csv(cases: Iterator[dict[str, Any]], path: Path, progress: Progress) -> int:
    """Writes a table in UTF-8 that Excel and WPS open right; returns how many rows.

    Policies differ in their fields, so the columns are all that some case has. Lists and objects
    are written as JSON. A cell that a spreadsheet would compute gets an apostrophe before it.
    """
    with tempfile.TemporaryFile(dir=path.resolve().parent) as spool:
        number = _lines(cases, spool, progress)
        spool.seek(0)
        names: dict[str, None] = {}
        for line in spool:
            names.update(dict.fromkeys(orjson.loads(line)))
        spool.seek(0)
        with _replacing(path) as file:
            file.write(_BOM.encode())
            writer = csv.writer(_Text(file))
            writer.writerow(names)
            for line in spool:
                case = orjson.loads(line)
                writer.writerow([defused(case.get(name)) for name in names])
    return number


def defused(value: object) -> str:
    """A cell's text, which no spreadsheet computes."""
    if value is None:
        return ""
    text = value if isinstance(value, str) else orjson.dumps(value).decode()
    is_number = not isinstance(value, str) and isinstance(value, int | float)
    return f"'{text}" if text.startswith(_FORMULAS) and not is_number else text


class _Text:
    """What csv writes to: text for a file of bytes."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def write(self, text: str) -> int:
        return self._file.write(text.encode())


def _lines(cases: Iterator[dict[str, Any]], file: IO[bytes], progress: Progress) -> int:
    number = 0
    for number, case in enumerate(cases, start=1):
        file.write(orjson.dumps(case) + b"\n")
        if number % PAGE == 0:
            progress(number)
    progress(number)
    return number


class _replacing:  # noqa: N801  # used like open()
    """A file that takes its name when all of it is written; for its owner only."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> IO[bytes]:
        self._own = self._path.with_name(f".{self._path.name}.{os.getpid()}.part")
        self._file = open(  # noqa: PTH123  # with its mode from the first byte on
            os.open(self._own, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb"
        )
        return self._file

    def __exit__(self, kind: type[BaseException] | None, *_rest: object) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        if kind is None:
            self._own.replace(self._path)
        else:
            self._own.unlink(missing_ok=True)
