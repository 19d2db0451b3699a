"""Rows of a CSV case file: quoting by RFC 4180, three delimiters."""

import csv
from collections.abc import Callable, Iterator
from itertools import chain
from operator import itemgetter

from gateway.portfolio.columns import RawRow, best_delimiter, bind_columns
from gateway.portfolio.errors import PortfolioFileError
from gateway.portfolio.guards import unguarded
from gateway.portfolio.reasons import ErrorCode
from policies.fields import FieldCatalog

_MAX_RECORD_LINES = 5_000


class CsvRows:
    """Rows of a CSV file (RFC 4180; comma, tab or semicolon)."""

    def __init__(self, stream: Iterator[str], catalog: FieldCatalog, skipped: int) -> None:
        self._stream = stream
        self._lines = skipped
        self._record_start = skipped
        self._last = ""
        first = next(stream)
        self.delimiter: str | None = best_delimiter(first, catalog)
        self._reader = csv.reader(
            self._counted(chain([first], stream)), delimiter=self.delimiter, strict=True
        )
        header = self._next()
        if not isinstance(header, list):
            raise PortfolioFileError(
                "The quotation marks of the header line do not close.", "Export the file again."
            )
        self._plan = bind_columns(header, catalog)
        self.columns = self._plan.columns

    @property
    def unknown(self) -> tuple[str, ...]:
        """Headers that no field has."""
        return self._plan.unknown

    @property
    def forbidden(self) -> tuple[str, ...]:
        """Headers of authentication data."""
        return self._plan.forbidden

    def __iter__(self) -> Iterator[RawRow]:
        """Yield the rows; PortfolioFileError where the rows cannot be told apart any more."""
        width = self._plan.width
        kept = _picker(self._plan.positions)
        while True:
            line = self._lines + 1
            self._record_start = self._lines
            cells = self._next()
            if cells is None:
                return
            if isinstance(cells, ErrorCode):
                yield RawRow(line, self._salvaged(), cells)
                continue
            if len(cells) != width:
                if not any(map(str.strip, cells)):
                    continue
                # Spreadsheets pad rows with empty cells; these displace nothing.
                if len(cells) < width or any(map(str.strip, cells[width:])):
                    yield RawRow(line, self._salvaged(cells), ErrorCode.COLUMN_COUNT)
                    continue
            picked = kept(cells)
            if self._plan.is_rejects:
                picked = tuple(map(unguarded, picked))
            elif not any(picked):
                continue
            yield RawRow(line, picked)

    def _counted(self, stream: Iterator[str]) -> Iterator[str]:
        for line in stream:
            self._lines += 1
            # One unclosed quotation mark would otherwise swallow the rest of the file.
            if self._lines - self._record_start > _MAX_RECORD_LINES:
                raise _unclosed(self._record_start + 1)
            self._last = line
            yield line

    def _next(self) -> list[str] | ErrorCode | None:
        try:
            return next(self._reader, None)
        except csv.Error:
            # The reader starts afresh on the next line, which is right only if the bad row was
            # one line and not too long for a cell.
            start = self._record_start + 1
            if len(self._last) > csv.field_size_limit():
                raise PortfolioFileError(
                    f"A cell on line {start} is too long.",
                    f"Keep each cell below {csv.field_size_limit()} characters.",
                    line=start,
                ) from None
            if self._lines > start:
                raise _unclosed(start) from None
            return ErrorCode.BAD_QUOTING

    def _salvaged(self, cells: list[str] | None = None) -> tuple[str, ...]:
        """The cells of a bad row as far as they can be shown to the sender again.

        Cells may have moved to a neighbour's column; where a column of authentication data is in
        the file, its value could then be among them, so nothing is kept.
        """
        width = self._plan.width
        if self._plan.forbidden:
            return ("",) * len(self.columns)
        if cells is None:
            cells = self._leniently_read()
        padded = (cells + [""] * width)[:width]
        picked = _picker(self._plan.positions)(padded)
        return tuple(map(unguarded, picked)) if self._plan.is_rejects else picked

    def _leniently_read(self) -> list[str]:
        try:
            return next(csv.reader([self._last], delimiter=self.delimiter or ","), [])
        except csv.Error:
            return []


def _picker(positions: tuple[int, ...]) -> Callable[[list[str]], tuple[str, ...]]:
    # Required columns are more than one, so that itemgetter always gives a tuple.
    pick: Callable[[list[str]], tuple[str, ...]] = itemgetter(*positions)
    return pick


def _unclosed(line: int) -> PortfolioFileError:
    return PortfolioFileError(
        f"A quotation mark that opens on line {line} does not close.",
        "Write each quotation mark inside a cell twice.",
        line=line,
    )
