"""The report as PDF: the same facts for people, in Chinese and English, and the JSON's digest."""

import io
from collections.abc import Iterator, Mapping
from typing import Any
from xml.sax.saxutils import escape

from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.platypus import Flowable, Paragraph, SimpleDocTemplate, Spacer

# One of the fonts that every PDF reader brings along (Adobe-GB1): nothing is embedded.
_FONT = "STSong-Light"
_TITLE = ParagraphStyle("title", fontName=_FONT, fontSize=16, leading=24)
_HEAD = ParagraphStyle("head", fontName=_FONT, fontSize=11, leading=18, spaceBefore=8)
_BODY = ParagraphStyle("body", fontName=_FONT, fontSize=8.5, leading=12, wordWrap="CJK")
_KINDS = {"end": "合同终止报告 Contract end", "closed": "合同终止结案报告 Contract closed"}
_SECTIONS = {
    "end": "终止 The end",
    "workers": "生效 Workers that obeyed",
    "revocation_lists": "吊销列表 Revocation lists",
    "inventory": "已提供数据清单 What the vendor still holds",
    "request": "销毁要求 Destruction asked for",
    "destruction": "销毁证明 Destruction certified",
}
_MAX_LISTED = 200


def print_report(content: Mapping[str, Any], sha256: str) -> bytes:
    """The PDF of a report's content; the same content gives the same bytes.

    `sha256` is of the JSON, in hex.
    """
    if _FONT not in pdfmetrics.getRegisteredFontNames():
        pdfmetrics.registerFont(UnicodeCIDFont(_FONT))
    buffer = io.BytesIO()
    title = _KINDS[content["kind"]]
    document = SimpleDocTemplate(
        buffer,
        pagesize=A4,
        title=f"{title} {content['contract']}",
        author="Casegate",
        subject=f"SHA-256 of the JSON: {sha256}",
        invariant=True,
        pageCompression=0,
        leftMargin=20 * mm,
        rightMargin=20 * mm,
    )
    document.build(list(_flow(content, sha256, title)))
    return buffer.getvalue()


def _flow(content: Mapping[str, Any], sha256: str, title: str) -> Iterator[Flowable]:
    yield Paragraph(escape(title), _TITLE)
    yield Paragraph(f"SHA-256 (report.json): {sha256}", _BODY)
    yield Spacer(1, 4 * mm)
    simple = {name: value for name, value in content.items() if name not in _SECTIONS}
    yield from _lines(simple)
    for name, heading in _SECTIONS.items():
        if name in content:
            yield Paragraph(escape(heading), _HEAD)
            yield from _lines(content[name])


def _lines(value: object, path: str = "") -> Iterator[Flowable]:
    if isinstance(value, Mapping) and value:
        for name, part in value.items():
            yield from _lines(part, f"{path}.{name}" if path else str(name))
    elif isinstance(value, list) and value:
        for number, part in enumerate(value[:_MAX_LISTED], 1):
            yield from _lines(part, f"{path}[{number}]")
        if len(value) > _MAX_LISTED:
            more = f"{path}: {len(value) - _MAX_LISTED} more, see report.json"
            yield Paragraph(escape(more), _BODY)
    else:
        yield Paragraph(escape(f"{path}: {_text(value)}"), _BODY)


def _text(value: object) -> str:
    if value is None or value in ({}, []):
        return "无 none"
    if isinstance(value, bool):
        return "是 yes" if value else "否 no"
    return str(value)
