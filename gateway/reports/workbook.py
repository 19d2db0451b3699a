"""Workbooks (XLSX, ECMA-376) written row by row: texts and numbers only, never a formula."""

import io
import re
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from xml.sax.saxutils import escape

from gateway.errors import NotFoundError
from gateway.reports.tables import is_exact_number, table_of, text_of

MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_RELATIONS = "http://schemas.openxmlformats.org/package/2006/relationships"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_TYPES = "http://schemas.openxmlformats.org/package/2006/content-types"
_SHEET_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"
_BOOK_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"
# What XML 1.0 cannot hold, and what a sheet's name cannot.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")
_NOT_IN_NAMES = re.compile(r"[\[\]:*?/\\']")
_LONGEST_NAME, _LONGEST_CELL = 31, 32_767
# The same bytes for the same report: no clock of the machine's.
_WRITTEN = (1980, 1, 1, 0, 0, 0)

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
    """A workbook of sheets, each a name, a head and rows; long numbers become texts."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as package:
        names = [_sheet_name(name) for name, _, _ in sheets]
        _put(package, "[Content_Types].xml", _content_types(len(sheets)))
        _put(
            package,
            "_rels/.rels",
            f'<Relationships xmlns="{_RELATIONS}"><Relationship Id="rId1"'
            f' Type="{_OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        )
        _put(package, "xl/workbook.xml", _book(names))
        _put(package, "xl/_rels/workbook.xml.rels", _links(len(sheets)))
        for number, (_, head, rows) in enumerate(sheets, start=1):
            info = zipfile.ZipInfo(f"xl/worksheets/sheet{number}.xml", _WRITTEN)
            info.compress_type = zipfile.ZIP_DEFLATED
            with package.open(info, "w") as part:
                part.write(f'{_XML}<worksheet xmlns="{_MAIN}"><sheetData>'.encode())
                for row in (head, *rows):
                    part.write(_row(row).encode())
                part.write(b"</sheetData></worksheet>")
    return target.getvalue()


def _row(values: Iterable[object]) -> str:
    return f"<row>{''.join(map(_cell, values))}</row>"


def _cell(value: object) -> str:
    if is_exact_number(value):
        return f"<c><v>{value}</v></c>"
    text = escape(_FORBIDDEN.sub("\ufffd", text_of(value))[:_LONGEST_CELL])
    return f'<c t="inlineStr"><is><t xml:space="preserve">{text}</t></is></c>'


def _sheet_name(name: str) -> str:
    return escape(_NOT_IN_NAMES.sub("_", name)[:_LONGEST_NAME], {'"': "&quot;"})


def _put(package: zipfile.ZipFile, name: str, content: str) -> None:
    info = zipfile.ZipInfo(name, _WRITTEN)
    info.compress_type = zipfile.ZIP_DEFLATED
    package.writestr(info, _XML + content)


def _content_types(count: int) -> str:
    sheets = "".join(
        f'<Override PartName="/xl/worksheets/sheet{number}.xml" ContentType="{_SHEET_TYPE}"/>'
        for number in range(1, count + 1)
    )
    return (
        f'<Types xmlns="{_TYPES}"><Default Extension="rels"'
        ' ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{_BOOK_TYPE}"/>{sheets}</Types>'
    )


def _book(names: Sequence[str]) -> str:
    sheets = "".join(
        f'<sheet name="{name}" sheetId="{number}" r:id="rId{number}"/>'
        for number, name in enumerate(names, start=1)
    )
    return f'<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}"><sheets>{sheets}</sheets></workbook>'


def _links(count: int) -> str:
    links = "".join(
        f'<Relationship Id="rId{number}" Type="{_OFFICE}/worksheet"'
        f' Target="worksheets/sheet{number}.xml"/>'
        for number in range(1, count + 1)
    )
    return f'<Relationships xmlns="{_RELATIONS}">{links}</Relationships>'
