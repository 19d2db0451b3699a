"""Opens a lender's case file (CSV or NDJSON) and streams its rows with bounded memory."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Protocol

from gateway.portfolio.columns import Column, RawRow
from gateway.portfolio.csv_rows import CsvRows
from gateway.portfolio.errors import PortfolioFileError
from gateway.portfolio.json_rows import JsonRows
from gateway.portfolio.lines import LineSource
from policies.fields import FieldCatalog


class Rows(Protocol):
    """The rows of one format."""

    columns: tuple[Column, ...]
    delimiter: str | None

    @property
    def unknown(self) -> tuple[str, ...]:
        """Headers that no field has, met so far."""

    @property
    def forbidden(self) -> tuple[str, ...]:
        """Headers of authentication data, met so far."""

    def __iter__(self) -> Iterator[RawRow]:
        """Yield the rows once."""


class PortfolioFile:
    """A case file that is open for one pass.

    `columns` are the columns whose cells each row carries; `size` is the file's length in bytes
    and `bytes_read` how far the pass has come. `unknown_columns` are ignored, `forbidden_columns`
    name authentication data (K3) that must not have been sent: raise an alarm, their cells were
    never kept. In an NDJSON file both can still grow while rows are read.
    """

    def __init__(self, path: Path, size: int, lines: LineSource, rows: Rows) -> None:
        self.path = path
        self.size = size
        self._lines = lines
        self._rows = rows
        self.columns = rows.columns

    @property
    def bytes_read(self) -> int:
        """How many bytes of the file have been read."""
        return self._lines.bytes_read

    @property
    def encoding(self) -> str:
        """``ascii`` until another byte is met, then ``utf-8`` or ``gb18030``."""
        return self._lines.encoding

    @property
    def delimiter(self) -> str | None:
        """The delimiter of a CSV file, None for NDJSON."""
        return self._rows.delimiter

    @property
    def unknown_columns(self) -> tuple[str, ...]:
        """Columns that no field has; at most 100, shortened."""
        return self._rows.unknown

    @property
    def forbidden_columns(self) -> tuple[str, ...]:
        """Columns that carry authentication data."""
        return self._rows.forbidden

    def rows(self) -> Iterator[RawRow]:
        """Stream the rows, once.

        Raises:
            PortfolioFileError: a later part of the file cannot be read; earlier rows were sound.
        """
        return iter(self._rows)


@contextmanager
def open_portfolio(path: Path, catalog: FieldCatalog) -> Iterator[PortfolioFile]:
    """Open a case file and bind its columns; the format is told by its content.

    Raises:
        PortfolioFileError: not a file, empty, not text, no or doubled or missing columns.
    """
    if not path.is_file():
        raise PortfolioFileError(
            "There is no such file." if not path.exists() else "This is not a file.",
            "Name one CSV or NDJSON file.",
        )
    with path.open("rb") as binary:
        lines = LineSource(binary)
        stream = iter(lines)
        skipped = 0
        first = ""
        for first in stream:
            if not first.isspace():
                break
            skipped += 1
        if not first.strip():
            raise PortfolioFileError("The file is empty.", "Export it again, with its cases.")
        stream = chain([first], stream)
        if first.lstrip().startswith("["):
            raise PortfolioFileError(
                "The file is one JSON list.",
                "Write one object a line (NDJSON), without the list around them.",
            )
        rows: Rows
        if first.lstrip().startswith("{"):
            rows = JsonRows(stream, catalog, skipped)
        else:
            rows = CsvRows(stream, catalog, skipped)
        yield PortfolioFile(path, path.stat().st_size, lines, rows)
