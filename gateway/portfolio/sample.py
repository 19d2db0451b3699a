"""Writes a portfolio of invented Chinese cases as a lender would export it."""

import csv
from collections.abc import Callable, Iterable
from datetime import date
from pathlib import Path

import orjson

from gateway.cases.record import CaseRecord, JsonValue
from gateway.portfolio.sample_cases import (
    DEFAULT_AS_OF,
    DEFAULT_SEED,
    sample_records,
)
from policies.fields import CatalogField, FieldType, load_field_catalog

SAMPLE_FIELDS = (
    *("source_case_no", "core_account_no", "product_type", "product_name", "collection_stage"),
    *("placement_number", "days_past_due", "hold_flags", "treatment_codes", "strategy_code"),
    *("writeoff_flag", "litigation_status", "commission_rate", "full_name", "gender", "id_type"),
    *("id_number", "mobile_phone", "home_phone", "marital_status", "education"),
    *("monthly_income", "home_address", "employer_name", "job_title", "work_address"),
    *("work_phone", "related_name", "related_phone", "relation", "contract_amount", "total_due"),
    *("principal_due", "interest_due", "penalty_due", "fee_due", "first_default_date"),
    *("instalments_total", "instalment_due_day", "instalment_amount", "instalments_overdue"),
    *("paid_amount", "instalments_paid", "last_payment_date", "last_payment_amount"),
    *("repayment_channel", "bank_account_no", "as_of", "past_notes"),
)
"""The columns of a sample file; salutation, currency and time zone are left for the import."""

_PROGRESS_ROWS = 1_000


def write_sample_portfolio(
    count: int,
    path: Path,
    *,
    seed: int = DEFAULT_SEED,
    as_of: date = DEFAULT_AS_OF,
    encoding: str = "utf-8",
    progress: Callable[[int], None] | None = None,
) -> None:
    """Write `count` invented cases: CSV with Chinese headers, or NDJSON when `path` says so.

    The suffix ``.ndjson`` or ``.jsonl`` chooses NDJSON with snake_case keys. `encoding` is one of
    ``utf-8``, ``utf-8-sig`` and ``gb18030``. `progress` hears the number of cases written, about
    once a thousand and at the end. The same arguments give the same bytes.
    """
    records = _told(sample_records(count, seed=seed, as_of=as_of), progress)
    catalog = load_field_catalog()
    fields = [catalog.field(name) for name in SAMPLE_FIELDS]
    with path.open("w", encoding=encoding, newline="") as file:
        if path.suffix in {".ndjson", ".jsonl"}:
            kinds = [(field.name, field.type) for field in fields]
            for record in records:
                file.write(orjson.dumps(_json_object(record, kinds)).decode() + "\n")
        else:
            writer = csv.writer(file)
            writer.writerow([field.headers[0] for field in fields])
            cells = [(field.name, _cell_writer(field)) for field in fields]
            writer.writerows(
                [write(record[name]) if name in record else "" for name, write in cells]
                for record in records
            )


def _told(
    records: Iterable[CaseRecord], progress: Callable[[int], None] | None
) -> Iterable[CaseRecord]:
    written = 0
    for written, record in enumerate(records, 1):
        yield record
        if progress is not None and written % _PROGRESS_ROWS == 0:
            progress(written)
    if progress is not None and (written % _PROGRESS_ROWS or not written):
        progress(written)


def _cell_writer(field: CatalogField) -> Callable[[JsonValue], object]:
    if field.name == "gender":
        return {"M": "男", "F": "女"}.__getitem__  # type: ignore[return-value]
    return _CELL_WRITERS.get(field.type, _as_is)


def _json_object(record: CaseRecord, kinds: list[tuple[str, FieldType]]) -> dict[str, object]:
    members: dict[str, object] = {}
    for name, kind in kinds:
        value = record.get(name)
        if value is None:
            continue
        if kind is FieldType.MONEY:
            value = _money(value)
        elif kind is FieldType.PERCENT:
            value = _percent(value)
        members[name] = value
    return members


def _money(value: JsonValue) -> str:
    return f"{value // 100}.{value % 100:02d}" if isinstance(value, int) else ""


def _percent(value: JsonValue) -> str:
    return f"{_money(value)}%"


def _flag(value: JsonValue) -> str:
    return "是" if value else "否"


def _codes(value: JsonValue) -> str:
    return ";".join(map(str, value)) if isinstance(value, list) else ""


def _as_is(value: JsonValue) -> object:
    return value


_CELL_WRITERS: dict[FieldType, Callable[[JsonValue], object]] = {
    FieldType.MONEY: _money,
    FieldType.PERCENT: _percent,
    FieldType.FLAG: _flag,
    FieldType.CODES: _codes,
}
