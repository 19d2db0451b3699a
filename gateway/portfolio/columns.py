"""The columns of one case file, bound to the field catalogue once, from its header."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.portfolio.errors import PortfolioFileError
from gateway.portfolio.reasons import ErrorCode
from policies.fields import CatalogField, FieldCatalog, FieldClass, Origin

REQUIRED_FIELDS = (
    "source_case_no",
    "full_name",
    "id_number",
    "mobile_phone",
    "total_due",
    "days_past_due",
)
"""Without these a case can be neither told apart, nor called, nor explained."""

REJECT_LINE_HEADER = "导入错误行号"
REJECT_REASON_HEADER = "导入错误"
_REJECT_HEADERS = frozenset({REJECT_LINE_HEADER, REJECT_REASON_HEADER})
_DELIMITERS = (",", "\t", ";")
# A header comes from the file; what of it is repeated to a person stays short.
_MAX_REPORTED = 100
_MAX_HEADER = 60


@dataclass(frozen=True, slots=True)
class Column:
    """One column whose cells are kept: its header as written, and its field when it has one."""

    header: str
    field: CatalogField | None


@dataclass(frozen=True, slots=True)
class ColumnPlan:
    """What to do with each column of a file.

    `columns` are the kept ones, `positions` their places in the file's rows of `width` cells.
    `unknown` and `forbidden` are headers to report once: no such field is imported, and
    authentication data (K3), whose cells are dropped where they are read. `is_rejects` says that
    the file was written by the rejects writer, whose guarded cells must be read back.
    """

    columns: tuple[Column, ...]
    positions: tuple[int, ...]
    width: int
    unknown: tuple[str, ...]
    forbidden: tuple[str, ...]
    is_rejects: bool


@dataclass(frozen=True, slots=True)
class RawRow:
    """One row as text: the kept cells in the order of the columns, and the line it begins on.

    `problem` tells why the cells cannot be used; `problem_column` names the header when one cell
    is to blame.
    """

    line: int
    cells: tuple[str, ...]
    problem: ErrorCode | None = None
    problem_column: str = ""


def best_delimiter(line: str, catalog: FieldCatalog) -> str:
    """The delimiter under which a header line names most fields of the catalogue.

    Raises:
        PortfolioFileError: it names none under any delimiter.
    """
    counts = {mark: _known_headers(line, mark, catalog) for mark in _DELIMITERS}
    best = max(counts, key=lambda mark: counts[mark])
    if not counts[best]:
        raise unknown_header_error()
    return best


def unknown_header_error() -> PortfolioFileError:
    """The refusal of a file in which no column is known; its text must not repeat the header."""
    return PortfolioFileError(
        "No column of this file is known.",
        "Put the column headers in the first line, as policies/catalog/fields.yaml lists them.",
    )


def bind_columns(header: Sequence[str], catalog: FieldCatalog) -> ColumnPlan:
    """Bind a header row to the catalogue.

    Raises:
        PortfolioFileError: no column is known, two columns carry one field, or a required column
            is missing.
    """
    headers = [cell.strip() for cell in header]
    columns: list[Column] = []
    positions: list[int] = []
    unknown: list[str] = []
    forbidden: list[str] = []
    seen: dict[str, str] = {}
    for position, text in enumerate(headers):
        field = catalog.by_header(text)
        if field is not None and field.field_class is FieldClass.K3:
            forbidden.append(text)
            continue
        if text in _REJECT_HEADERS:
            continue
        if not is_importable(field):
            field = None
            if text:
                unknown.append(text)
        elif field is not None:
            _verify_single(field, text, seen)
        columns.append(Column(text, field))
        positions.append(position)
    if not seen:
        raise unknown_header_error()
    _verify_required(seen, catalog)
    return ColumnPlan(
        columns=tuple(columns),
        positions=tuple(positions),
        width=len(headers),
        unknown=reported(unknown),
        forbidden=reported(forbidden),
        is_rejects=REJECT_LINE_HEADER in headers and REJECT_REASON_HEADER in headers,
    )


def is_importable(field: CatalogField | None) -> bool:
    """Whether a value of this field may come from a lender's file and be kept."""
    return (
        field is not None
        and field.origin is Origin.IMPORT
        and field.field_class is not FieldClass.K3
    )


def reported(headers: Sequence[str]) -> tuple[str, ...]:
    """Headers fit to be shown: each once, shortened, and not without end."""
    shown = dict.fromkeys(header[:_MAX_HEADER] for header in headers)
    return tuple(shown)[:_MAX_REPORTED]


def _known_headers(line: str, delimiter: str, catalog: FieldCatalog) -> int:
    try:
        cells = next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error:
        return 0
    return sum(1 for cell in cells if catalog.by_header(cell) is not None)


def _verify_single(field: CatalogField, header: str, seen: dict[str, str]) -> None:
    earlier = seen.setdefault(field.name, header)
    if earlier is not header:
        raise PortfolioFileError(
            f"The columns {earlier} and {header} are the same field, {field.name}.",
            "Keep one of the two.",
        )


def _verify_required(seen: dict[str, str], catalog: FieldCatalog) -> None:
    missing = [catalog.field(name) for name in REQUIRED_FIELDS if name not in seen]
    if missing:
        names = "、".join(f"{field.headers[0]} ({field.name})" for field in missing)
        raise PortfolioFileError(
            f"A required column is missing: {names}.",
            "Add the column to the file, with a value in each row.",
        )
