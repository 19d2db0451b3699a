"""From one row of text to a canonical case record, or to everything that is wrong with it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

from gateway.cases.record import CaseRecord
from gateway.portfolio.columns import REQUIRED_FIELDS, Column, RawRow
from gateway.portfolio.errors import CellError
from gateway.portfolio.identifiers import is_female_number, parse_other_document
from gateway.portfolio.reasons import ErrorCode, reason
from gateway.portfolio.values import parser_for
from gateway.portfolio.vocabulary import stage_of

DEFAULT_CURRENCY = "CNY"
DEFAULT_TIMEZONE = "Asia/Shanghai"

_PARTS = ("principal_due", "interest_due", "penalty_due", "fee_due")
_SALUTATIONS = {"M": "先生", "F": "女士"}
# The documents whose numbers follow the resident identity number's scheme.
_RESIDENT_DOCUMENTS = ("身份证", "居住证", "永久居留")
# What pasting from a chat or an address book leaves behind: zero-width and direction marks.
_INVISIBLE = dict.fromkeys([*range(0x200B, 0x2010), *range(0x202A, 0x202F), 0x2060, 0xFEFF])
_INVISIBLE |= dict.fromkeys(range(0x2066, 0x206A))
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]")
_CONTROL_IN_NOTES = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_MULTILINE = frozenset({"past_notes"})
_REPLACEMENT = "\ufffd"


@dataclass(frozen=True, slots=True)
class CaseRow:
    """A sound row: `record` has an entry for each field with a value, and none for an empty one.

    Money is in fen, percentages in hundredths of a percent, dates are YYYY-MM-DD.
    """

    line: int
    record: CaseRecord


@dataclass(frozen=True, slots=True)
class RowError:
    """One thing wrong with a row; `column` is the header in the file, empty for the whole row."""

    line: int
    column: str
    code: ErrorCode
    reason: str


class RowParser:
    """Parses the rows of one file; it remembers the case numbers that it has seen."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self._cells = tuple(
            (position, column.field.name, parser_for(column.field))
            for position, column in enumerate(columns)
            if column.field is not None
        )
        self._headers = {
            column.field.name: column.header for column in columns if column.field is not None
        }
        # Eight bytes a case: among ten million, two different numbers meet once in 400,000 files.
        self._case_numbers: set[bytes] = set()

    def parse(self, row: RawRow) -> CaseRow | list[RowError]:
        """Give the canonical record of a row, or all its errors; raises nothing."""
        if row.problem is not None:
            return [_row_error(row.line, row.problem_column, row.problem)]
        cells = row.cells
        text_of_row = "".join(cells)
        if not text_of_row.isprintable() or _REPLACEMENT in text_of_row:
            cells, problems = self._cleaned(cells)
        else:
            problems = {}
        record = self._parsed(cells, problems)
        self._verify_together(record, problems)
        if problems:
            return [
                _row_error(row.line, self._headers.get(name, name), code)
                for name, code in problems.items()
            ]
        _complete(record)
        return CaseRow(row.line, record)

    def _parsed(self, cells: tuple[str, ...], problems: dict[str, ErrorCode]) -> CaseRecord:
        record: CaseRecord = {}
        for position, name, parse in self._cells:
            text = cells[position].strip()
            if text:
                try:
                    value = parse(text)
                except CellError as error:
                    problems.setdefault(name, error.error_code)
                else:
                    if value is not None:
                        record[name] = value
        if "id_number" in problems:
            self._retry_other_document(cells, record, problems)
        for name in REQUIRED_FIELDS:
            if name not in record:
                problems.setdefault(name, ErrorCode.REQUIRED)
        return record

    def _cleaned(self, cells: tuple[str, ...]) -> tuple[tuple[str, ...], dict[str, ErrorCode]]:
        """Take away invisible marks and find forbidden characters, in the rows that have any."""
        clean = [cell.translate(_INVISIBLE) for cell in cells]
        problems: dict[str, ErrorCode] = {}
        for position, name, _parse in self._cells:
            text = clean[position].strip()
            forbidden = _CONTROL_IN_NOTES if name in _MULTILINE else _CONTROL
            if forbidden.search(text):
                problems[name] = ErrorCode.CONTROL_CHARACTER
            elif _REPLACEMENT in text:
                problems[name] = ErrorCode.DAMAGED_CHARACTER
            if name in _MULTILINE:
                clean[position] = text.replace("\r\n", "\n").replace("\r", "\n")
        return tuple(clean), problems

    def _retry_other_document(
        self,
        cells: tuple[str, ...],
        record: CaseRecord,
        problems: dict[str, ErrorCode],
    ) -> None:
        kind = record.get("id_type")
        if not isinstance(kind, str) or any(word in kind for word in _RESIDENT_DOCUMENTS):
            return
        for position, name, _parse in self._cells:
            if name == "id_number":
                try:
                    record[name] = parse_other_document(cells[position].strip())
                except CellError as error:
                    problems[name] = error.error_code
                else:
                    del problems[name]

    def _verify_together(self, record: CaseRecord, problems: dict[str, ErrorCode]) -> None:
        total = record.get("total_due")
        parts = [value for name in _PARTS if isinstance(value := record.get(name), int)]
        if isinstance(total, int) and len(parts) == len(_PARTS) and sum(parts) != total:
            problems.setdefault("total_due", ErrorCode.PARTS_DO_NOT_ADD_UP)
        number = record.get("source_case_no")
        if isinstance(number, str) and "source_case_no" not in problems:
            digest = blake2b(number.encode(), digest_size=8).digest()
            if digest in self._case_numbers:
                problems["source_case_no"] = ErrorCode.DUPLICATE_IN_FILE
            self._case_numbers.add(digest)


def _complete(record: CaseRecord) -> None:
    """Fill what can be known without being told."""
    record.setdefault("currency", DEFAULT_CURRENCY)
    record.setdefault("timezone", DEFAULT_TIMEZONE)
    days = record["days_past_due"]
    if "collection_stage" not in record and isinstance(days, int):
        record["collection_stage"] = stage_of(days)
    if "salutation" not in record:
        gender = record.get("gender")
        number = record["id_number"]
        if gender is None and isinstance(number, str):
            female = is_female_number(number)
            gender = None if female is None else "F" if female else "M"
        if isinstance(gender, str):
            record["salutation"] = _SALUTATIONS[gender]


def _row_error(line: int, column: str, code: ErrorCode) -> RowError:
    return RowError(line, column, code, reason(code))
