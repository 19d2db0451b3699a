"""Canaries: values that nothing else writes, and the search for them wherever they could be."""

import base64
import csv
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import httpx
import psycopg
from psycopg import sql

from policies.fields import CatalogField, FieldClass, FieldType, Origin, load_field_catalog

MARK = "金丝雀"
ASCII_MARK = "CANARY7Q"
MOBILE = "13977312468"
ID_NUMBER = "440308199003077338"
SECRET = "90417736215849"
_NUMBERS = {
    "mobile_phone": MOBILE,
    "home_phone": "075582917364",
    "work_phone": "075529173648",
    "related_phone": "13866412975",
    "id_number": ID_NUMBER,
    "bank_account_no": "6217001230049183745",
    "core_account_no": "XK70091837465021",
    "pan": "6225768830194472851",
    # Four parts and their sum.
    "principal_due": "7391846.53",
    "interest_due": "1283746.29",
    "penalty_due": "2938471.17",
    "fee_due": "3847561.83",
    "total_due": "15461625.82",
    "contract_amount": "83720194.61",
    "monthly_income": "61930482.75",
    "min_payment": "5018273.94",
    "last_payment_amount": "4827360.19",
    "instalment_amount": "9183047.62",
    "paid_amount": "2750918.43",
    "birth_date": "1931-07-23",
    "as_of": "1947-02-11",
    "first_default_date": "1952-11-29",
    "last_payment_date": "1958-08-17",
}
# So short, or of so few values, that finding them would prove nothing.
PLAIN = {
    "gender": "男",
    "collection_stage": "M3",
    "days_past_due": "77",
    "placement_number": "3",
    "credit_score": "611",
    "writeoff_flag": "否",
    "commission_rate": "12.5%",
    "treatment_codes": "VULN_CARE;DISPUTED",
    "timezone": "Asia/Shanghai",
    "currency": "CNY",
    "instalments_total": "36",
    "instalment_due_day": "15",
    "instalments_overdue": "4",
    "instalments_paid": "9",
}
_SPACING = re.compile(rb"[\s\-().,/+_]+")
_DIGITS = re.compile(r"[0-9]{9,}")


def imported_fields() -> list[CatalogField]:
    """Every field that a lender's file can have a column for, forbidden ones too."""
    return [known for known in load_field_catalog() if known.origin is Origin.IMPORT]


def canary_row(number: int) -> dict[str, str]:
    """A sound row by field name: a canary in every cell that can hold one."""
    return {known.name: _cell(known, number) for known in imported_fields()}


def _cell(known: CatalogField, number: int) -> str:
    own = _NUMBERS | PLAIN | {"source_case_no": f"{ASCII_MARK}{number:04d}"}
    own["full_name"] = f"{MARK}丙"
    if known.name in own:
        return own[known.name]
    if known.field_class is FieldClass.K3:
        return f"{MARK}{SECRET}"
    if known.type is FieldType.ADDRESS:
        return f"广东省深圳市南山区{MARK}路{number}号"
    if known.type in {FieldType.CODE, FieldType.CODES}:
        return f"{ASCII_MARK}{known.name[:20]}"
    assert known.type in {FieldType.TEXT, FieldType.ENUM}, known.name
    return f"{MARK}{known.name}"


def write_csv(path: Path, rows: Iterable[dict[str, str]]) -> None:
    """A case file with a column for every field, under the lender's own headers."""
    headers = {known.name: (*known.headers, known.name)[0] for known in imported_fields()}
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(headers.values()))
        writer.writeheader()
        writer.writerows({headers[name]: cell for name, cell in row.items()} for row in rows)


def all_canaries() -> set[str]:
    """What may be found nowhere: the canaries, and digests of them that need no key to make."""
    amounts = {text.replace(".", "") for text in _NUMBERS.values() if "." in text}
    identifiers = (ID_NUMBER, MOBILE, f"{MARK}丙", _NUMBERS["bank_account_no"])
    digests = {
        hashlib.new(algorithm, text.encode()).hexdigest()
        for algorithm in ("md5", "sha1", "sha256")
        for text in identifiers
    }
    return {MARK, ASCII_MARK, SECRET, *_NUMBERS.values(), *amounts, *digests}


def spellings(canary: str) -> set[bytes]:
    """A canary as different writers would put it."""
    utf8 = canary.encode()
    # UTF-16 in both orders, and what Chinese systems write.
    forms = {
        utf8,
        canary.encode("gb18030"),
        canary.encode("utf-16-le"),
        canary.encode("utf-16-be"),
    }
    found = set(forms)
    for form in forms:
        found |= {form.hex().encode(), form.hex().upper().encode()} | _base64(form)
    escaped = canary.encode("ascii", "backslashreplace")
    percent = quote(canary)
    found |= {escaped, escaped.upper().replace(b"\\U", b"\\u")}
    found |= {
        percent.encode(),
        percent.lower().encode(),
        quote(canary, encoding="gb18030").encode(),
    }
    found |= {canary.encode("ascii", "xmlcharrefreplace"), repr(utf8)[2:-1].encode()}
    return found


def _base64(data: bytes) -> set[bytes]:
    """Its base64 wherever it begins in a longer text: without the characters at the edges."""
    found = set()
    for before in range(3):
        whole = base64.b64encode(bytes(before) + data + b"\0\0")
        first, last = (before * 8 + 5) // 6, (before + len(data)) * 8 // 6
        inner = whole[first:last]
        found |= {inner, inner.replace(b"+", b"-").replace(b"/", b"_")}
    return found


@dataclass(slots=True)
class Sinks:
    """Everything that left the gateway or stayed behind, by where it was found."""

    canaries: set[str] = field(default_factory=all_canaries)
    found: dict[str, bytes] = field(default_factory=dict)
    codes: set[str] = field(default_factory=set)

    def __setitem__(self, name: str, data: bytes) -> None:
        self.found[name] = data

    def __getitem__(self, name: str) -> bytes:
        return self.found[name]

    def refusal(self, answer: httpx.Response) -> None:
        """Keeps a refusal; it must be a problem of the kind that it seems."""
        assert answer.status_code >= 400, answer.status_code
        self.codes.add(answer.json()["code"])
        self.answer(answer)

    def answer(self, answer: httpx.Response) -> None:
        """Keeps an answer that may hold no case data: head and body."""
        number = f"answer {len(self.found)}: {answer.status_code} {answer.request.url.path[:20]}"
        self[number] = repr(sorted(answer.headers.items())).encode() + answer.content

    def directory(self, name: str, directory: Path, *, without: Iterable[Path] = ()) -> int:
        """Keeps the names and contents of all files below; returns how many."""
        kept = [
            path
            for path in sorted(directory.rglob("*"))
            if path.is_file() and not any(path.is_relative_to(other) for other in without)
        ]
        for path in kept:
            self[f"{name}: {path.relative_to(directory)}"] = str(path).encode() + path.read_bytes()
        return len(kept)

    def tables(self, connection: psycopg.Connection) -> None:
        """Keeps every cell of every table, as text and as the bytes of what is binary."""
        tables = connection.execute(
            "SELECT schemaname, tablename FROM pg_tables"
            " WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
        ).fetchall()
        for schema, table in tables:
            name = sql.Identifier(schema, table)
            cursor = connection.execute(sql.SQL("SELECT * FROM {}").format(name))
            cells = [cell for row in cursor.fetchall() for cell in row]
            self[f"table {schema}.{table}"] = b"\n".join(
                bytes(cell) if isinstance(cell, bytes | memoryview) else str(cell).encode()
                for cell in cells
            )

    def hits(self) -> dict[str, list[str]]:
        """The canaries found in each sink, in any spelling; numbers also when spaced out."""
        needles = {canary: spellings(canary) for canary in sorted(self.canaries)}
        found: dict[str, list[str]] = {}
        for sink, data in self.found.items():
            squeezed = _SPACING.sub(b"", data)
            hits = [
                canary
                for canary, forms in needles.items()
                if any(form in data for form in forms)
                or (_DIGITS.fullmatch(canary) and canary.encode() in squeezed)
            ]
            if hits:
                found[sink] = hits
        return found
