"""Rows of an NDJSON case file: one flat object a line, doubled keys refused."""

import json
from collections.abc import Iterator
from typing import NoReturn

from gateway.portfolio.columns import (
    Column,
    RawRow,
    is_importable,
    reported,
    unknown_header_error,
)
from gateway.portfolio.reasons import ErrorCode
from policies.fields import FieldCatalog, FieldClass, FieldType

_MAX_KEYS = 1_000


class _Pairs(list[tuple[str, object]]):
    """The members of one object in their order, with doubled keys still visible."""


def _refuse_constant(_name: str) -> NoReturn:
    raise ValueError("NaN and Infinity are not JSON")


# Numbers stay text: 0.1 has no exact float, and the parsers of cells read text anyway.
_DECODER = json.JSONDecoder(
    object_pairs_hook=_Pairs,
    parse_float=str,
    parse_int=str,
    parse_constant=_refuse_constant,
)


class JsonRows:
    """Rows of an NDJSON file; its columns are all importable fields, in the catalogue's order.

    A column is named after the key that the first object has for it, else after the field.
    """

    def __init__(self, stream: Iterator[str], catalog: FieldCatalog, skipped: int) -> None:
        self.delimiter: str | None = None
        self._catalog = catalog
        self._line = skipped
        self._unknown: dict[str, None] = {}
        self._forbidden: dict[str, None] = {}
        fields = [field for field in catalog if is_importable(field)]
        self._positions = {field.name: index for index, field in enumerate(fields)}
        self._codes = {
            index for index, field in enumerate(fields) if field.type is FieldType.CODES
        }
        self._known_keys: dict[str, int | None] = {}
        first = next(stream)
        spelled = self._spelled(first)
        self.columns = tuple(
            Column(spelled.get(field.name, field.name), field) for field in fields
        )
        self._first = first
        self._stream = stream

    @property
    def unknown(self) -> tuple[str, ...]:
        """Keys that no field has, met so far."""
        return reported(tuple(self._unknown))

    @property
    def forbidden(self) -> tuple[str, ...]:
        """Keys of authentication data, met so far."""
        return reported(tuple(self._forbidden))

    def __iter__(self) -> Iterator[RawRow]:
        """Yield the rows; a line that is not one flat object is a row with a problem."""
        yield self._row(self._first)
        for text in self._stream:
            if text.isspace():
                self._line += 1
                continue
            yield self._row(text)

    def _row(self, text: str) -> RawRow:
        self._line += 1
        cells = [""] * len(self.columns)
        members = _members(text)
        if members is None:
            return RawRow(self._line, tuple(cells), ErrorCode.NOT_JSON)
        seen: set[object] = set()
        problem: ErrorCode | None = None
        problem_column = ""
        for key, value in members:
            position = self._position(key)
            # Two spellings of one field are as bad as one key twice.
            identity: object = key if position is None else position
            if identity in seen:
                problem, problem_column = ErrorCode.DUPLICATE_KEY, self._header(position)
            seen.add(identity)
            if position is None:
                continue
            cell = value if isinstance(value, str) else self._cell(value, position)
            if cell is None:
                problem, problem_column = ErrorCode.NOT_A_SINGLE_VALUE, self._header(position)
            else:
                cells[position] = cell
        return RawRow(self._line, tuple(cells), problem, problem_column)

    def _cell(self, value: object, position: int) -> str | None:
        if value is None:
            return ""
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, list) and not isinstance(value, _Pairs) and position in self._codes:
            codes = [code for code in value if isinstance(code, str)]
            return ";".join(codes) if len(codes) == len(value) else None
        return None

    def _position(self, key: str) -> int | None:
        try:
            return self._known_keys[key]
        except KeyError:
            return self._met(key)

    def _met(self, key: str) -> int | None:
        field = self._catalog.by_header(key)
        position: int | None = None
        if field is not None and field.field_class is FieldClass.K3:
            self._forbidden[key] = None
        elif is_importable(field):
            position = self._positions[field.name] if field is not None else None
        elif len(self._unknown) < _MAX_KEYS:
            self._unknown[key] = None
        # A file with ever new keys must not fill the memory.
        if len(self._known_keys) < _MAX_KEYS:
            self._known_keys[key] = position
        return position

    def _header(self, position: int | None) -> str:
        return "" if position is None else self.columns[position].header

    def _spelled(self, first: str) -> dict[str, str]:
        members = _members(first)
        if members is None:
            return {}
        spelled: dict[str, str] = {}
        for key, _value in members:
            field = self._catalog.by_header(key)
            if field is not None and is_importable(field):
                spelled.setdefault(field.name, key)
        if not spelled:
            raise unknown_header_error()
        return spelled


def _members(text: str) -> _Pairs | None:
    try:
        decoded = _DECODER.decode(text)
    except (ValueError, RecursionError):
        return None
    return decoded if isinstance(decoded, _Pairs) else None
