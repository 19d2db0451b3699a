"""Writes refused rows to a CSV file that can be mended in a spreadsheet and imported again."""

import csv
import os
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO

from gateway.portfolio.columns import REJECT_LINE_HEADER, REJECT_REASON_HEADER, Column, RawRow
from gateway.portfolio.guards import guarded
from gateway.portfolio.reasons import chinese_reason
from gateway.portfolio.rows import RowError

# A spreadsheet cuts longer cells itself; every limit of the parsers is lower, so a cut cell stays
# refused until somebody mends it.
_MAX_CELL = 32_767


def rejects_path(source: Path) -> Path:
    """Where the refused rows of a file go: beside it, ``FILE.rejected.csv``."""
    return source.with_name(source.name + ".rejected.csv")


class RejectsWriter:
    """The refused rows of one import, in UTF-8 with a byte order mark, readable by its owner only.

    The file appears with the first row and replaces one that an earlier import left. It has the
    columns of the source (never those of authentication data) and two more at the end, the line
    in the source and the errors, which the reader skips.
    """

    def __init__(self, path: Path, columns: Sequence[Column]) -> None:
        self.path = path
        self.count = 0
        self._headers = [guarded(column.header) for column in columns]
        self._file: TextIO | None = None

    def __enter__(self) -> Self:
        """Nothing is created yet."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the file if there is one."""
        if self._file is not None:
            self._file.close()

    def write(self, row: RawRow, errors: Sequence[RowError]) -> None:
        """Append one refused row; OSError when the disk refuses."""
        if self._file is None:
            self._file = self._created()
            self._append(self._file, [*self._headers, REJECT_LINE_HEADER, REJECT_REASON_HEADER])
        why = "；".join(
            f"{error.column}: {chinese_reason(error.code)} ({error.code.value})"
            for error in errors
        )
        self._append(self._file, [*map(_safe, row.cells), str(row.line), guarded(why)])
        self.count += 1

    def _created(self) -> TextIO:
        # A new file instead of an old one's content: its mode is ours, and a planted link or
        # a reader that holds the old one open gets nothing.
        self.path.unlink(missing_ok=True)
        handle = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        return os.fdopen(handle, "w", encoding="utf-8-sig", errors="replace", newline="")

    def _append(self, file: TextIO, cells: list[str]) -> None:
        csv.writer(file).writerow(cells)


def _safe(cell: str) -> str:
    # NUL would make the file unreadable as text; the row is refused for it until it is mended.
    return guarded(cell[:_MAX_CELL].replace("\x00", "\ufffd"))
