"""Workbooks (XLSX) of lists and reports: texts and numbers only, never a formula."""

import io
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import xlsxwriter

from gateway.errors import NotFoundError
from gateway.reports.tables import is_exact_number, table_of, text_of

MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
# What XML 1.0 cannot hold, and what a sheet's name cannot.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")
_NOT_IN_NAMES = re.compile(r"[\[\]:*?/\\']")
_LONGEST_NAME, _LONGEST_CELL = 31, 32_767
# The same bytes for the same report: no clock of the machine's.
_WRITTEN = datetime(1980, 1, 1, tzinfo=UTC)
_WIDTH = 18

Sheet = tuple[str, Sequence[str], Iterable[Sequence[Any]]]


def report_workbook(reports: Sequence[Mapping[str, Any]]) -> bytes:
    """The reports of one period: a sheet of metrics, one of texts, one of differences.

    Raises:
        NotFoundError: there is none.
    """
    if not reports:
        raise NotFoundError("there is no report of this period")
    plain = [
        {key: value for key, value in one.items() if key not in {"metrics", "differences"}}
        for one in reports
    ]
    numbers = [
        {"revision": one["revision"], "state": one["state"], **one["metrics"]} for one in reports
    ]
    gaps = [
        {"revision": one["revision"], "submitted_at": one["submitted_at"], **gap}
        for one in reports
        for gap in one["differences"]
    ]
    return write_workbook(
        [
            ("metrics", *table_of(numbers)),
            ("report", *table_of(plain)),
            ("differences", *table_of(gaps)),
        ]
    )


def write_workbook(sheets: Sequence[Sheet]) -> bytes:
    """A workbook of sheets, each a name, a head and rows; long numbers become texts.

    Its head stays in sight and can be filtered by.
    """
    target = io.BytesIO()
    # In memory: what is listed here must not lie in a shared folder for temporary files.
    with xlsxwriter.Workbook(target, {"in_memory": True}) as book:
        book.set_properties({"created": _WRITTEN})
        bold = book.add_format({"bold": True})
        for name, head, rows in sheets:
            sheet = book.add_worksheet(_NOT_IN_NAMES.sub("_", name)[:_LONGEST_NAME])
            sheet.freeze_panes(1, 0)
            sheet.set_column(0, max(len(head) - 1, 0), _WIDTH)
            last = 0
            for number, title in enumerate(head):
                sheet.write_string(0, number, _text(title), bold)
            for last, row in enumerate(rows, start=1):
                for number, value in enumerate(row):
                    # By kind, never `write`: that would guess formulas, links and numbers.
                    if is_exact_number(value):
                        sheet.write_number(last, number, value)
                    else:
                        sheet.write_string(last, number, _text(value))
            if head:
                sheet.autofilter(0, 0, last, len(head) - 1)
    return target.getvalue()


def _text(value: object) -> str:
    return _FORBIDDEN.sub("\ufffd", text_of(value))[:_LONGEST_CELL]
