"""Lists as tables for people: rows of cells, and CSV that Excel and WPS open right."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson

# Excel and WPS read UTF-8 only behind a byte order mark.
_MARK = "\ufeff"
# What a spreadsheet takes for a formula, also behind blanks and in full width.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "＝", "＋", "－", "＠")
# A spreadsheet keeps 15 digits of a number; what is longer, or begins with 0, is a text.
_EXACT_DIGITS = 15


def table_of(items: Sequence[Mapping[str, Any]]) -> tuple[list[str], list[list[Any]]]:
    """Head and rows of a list of JSON objects; objects inside become columns `outer.inner`."""
    flat = [_flatten(item) for item in items]
    head = list(dict.fromkeys(name for item in flat for name in item))
    return head, [[item.get(name) for name in head] for item in flat]


def write_csv(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> bytes:
    """CSV (RFC 4180) in UTF-8 with a byte order mark; no cell of it is a formula."""
    target = io.StringIO()
    writer = csv.writer(target, lineterminator="\r\n")
    writer.writerow([defused(str(name)) for name in head])
    for row in rows:
        writer.writerow([_csv_cell(value) for value in row])
    return (_MARK + target.getvalue()).encode()


def defused(text: str) -> str:
    """A text that no spreadsheet takes for a formula: behind an apostrophe where it might."""
    return f"'{text}" if text.lstrip(" \u3000\xa0").startswith(_FORMULA) else text


def is_exact_number(value: object) -> bool:
    """Whether a spreadsheet shows this number as it is."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return isinstance(value, float) or len(str(abs(value))) <= _EXACT_DIGITS


def text_of(value: object) -> str:
    """A cell as text; lists as JSON, nothing as nothing."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return value
    if isinstance(value, int | float):
        return str(value)
    return orjson.dumps(value, default=str).decode()


def _csv_cell(value: object) -> str:
    if is_exact_number(value):
        return str(value)
    text = text_of(value)
    # A long number that is only written would be rounded: as a formula-free text it stays.
    if text.lstrip("-").isdigit() and (len(text) > _EXACT_DIGITS or text.startswith("0")):
        return f"\t{text}" if len(text) > 1 else text
    return defused(text)


def _flatten(item: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in item.items():
        if isinstance(value, Mapping):
            flat.update(_flatten(value, f"{prefix}{name}."))
        else:
            flat[f"{prefix}{name}"] = value
    return flat
