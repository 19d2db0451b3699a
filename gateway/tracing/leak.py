"""Reads a leaked file of any shape into rows of marks."""

import hashlib
from dataclasses import dataclass
from typing import BinaryIO

from gateway.portfolio.errors import PortfolioFileError
from gateway.portfolio.lines import LineSource
from gateway.portfolio.marks import Mark, MarkedRow, is_header, marks_of

MAX_ROWS = 100_000


@dataclass(frozen=True, slots=True)
class Leak:
    """The rows that say something of somebody; `lines` are all that are not empty.

    `sha256` (hex) is over the text: it is for the log only under a key, since a short list of
    numbers can be found from its hash.
    """

    rows: tuple[MarkedRow, ...]
    lines: int
    sha256: str


def read_leak(file: BinaryIO) -> Leak:
    """Reads CSV, one JSON object a line, or plain lines, in UTF-8 or GB18030; a line is a row.

    Raises:
        PortfolioFileError: not text, empty, a line over 1 MiB, or more than 100,000 rows.
    """
    rows: list[MarkedRow] = []
    lines = 0
    digest = hashlib.sha256()
    for number, line in enumerate(LineSource(file), start=1):
        if not line.strip():
            continue
        lines += 1
        if lines > MAX_ROWS:
            raise PortfolioFileError(
                "The file has more than 100,000 rows.", "Trace a part of it: a few hundred do."
            )
        digest.update(line.encode())
        marks = frozenset[Mark]() if lines == 1 and is_header(line) else marks_of(line)
        if marks:
            rows.append(MarkedRow(number, marks))
    if not lines:
        raise PortfolioFileError("The file is empty.", "Name a file with the leaked rows.")
    return Leak(tuple(rows), lines, digest.hexdigest())
