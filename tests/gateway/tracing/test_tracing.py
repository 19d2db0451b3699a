"""Leaked rows lead to the vendor that was given them, in whatever shape they turn up."""

import csv
import random
from io import StringIO
from typing import Any

import orjson
import pytest

from gateway.portfolio.errors import PortfolioFileError
from gateway.tracing.desk import TraceReport
from policies.fields import Stage
from tests.gateway.tracing.stage import Pulled, pulled

CASES = 600
LEAKED = 50


@pytest.fixture(scope="module")
def stage(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Pulled:
    return pulled(postgres_url, tmp_path_factory.mktemp("lender"), cases=CASES)


@pytest.fixture(scope="module")
def own(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Pulled:
    """A small one, for tests that add to what was released."""
    return pulled(postgres_url, tmp_path_factory.mktemp("own"), cases=100)


def some(items: list[dict[str, Any]], seed: int = 3) -> list[dict[str, Any]]:
    return random.Random(seed).sample(items, LEAKED)


def as_text(rows: list[list[Any]]) -> str:
    sheet = StringIO()
    csv.writer(sheet).writerows(rows)
    return sheet.getvalue()


def masked_rows(items: list[dict[str, Any]]) -> str:
    fields = ("full_name", "mobile_phone", "home_address", "total_due")
    header = ["姓名", "手机", "地区", "金额"]
    return as_text([header, *([item.get(name, "") for name in fields] for item in items)])


def assert_found(report: TraceReport, vendor: str) -> None:
    first, *others = report.suspects
    assert first.vendor == vendor
    assert first.likelihood > 0.9
    assert all(one.likelihood < 0.1 for one in others)
    assert report.elsewhere < 0.1


@pytest.mark.parametrize("vendor", ["alpha", "beta"])
def test_masked_names_and_numbers_lead_to_the_vendor(stage: Pulled, vendor: str) -> None:
    report = stage.trace(masked_rows(some(stage.received(vendor))))

    assert_found(report, vendor)
    first = report.suspects[0]
    assert first.in_form >= LEAKED - 5
    assert report.opened == 2 * CASES
    assert sum(receipt.rows for receipt in first.receipts) >= LEAKED - 5


def test_one_vendors_references_are_enough_and_open_no_other_case(stage: Pulled) -> None:
    for name in ("case_ref", "debtor_ref", "contact_point_ref"):
        leaked = some(stage.received("beta"))
        report = stage.trace("\n".join(f"案件 {item[name]} 待处理" for item in leaked))

        assert_found(report, "beta")
        assert report.suspects[0].references == LEAKED
        assert report.opened < 2 * LEAKED


def test_json_lines_of_what_was_released_lead_to_it(stage: Pulled) -> None:
    leaked = some(stage.received("alpha"))
    report = stage.trace(b"\n".join(map(orjson.dumps, leaked)))

    assert_found(report, "alpha")
    assert report.matched == report.lines == LEAKED


def test_full_numbers_that_no_vendor_was_given_are_said_to_be_so(stage: Pulled) -> None:
    leaked = list(stage.records("alpha"))[:LEAKED]
    rows = [[r["full_name"], r["mobile_phone"], r["id_number"]] for r in leaked]
    report = stage.trace(as_text(rows))

    first = report.suspects[0]
    assert (first.vendor, first.given, first.in_form) == ("alpha", LEAKED, 0)
    assert report.elsewhere > 0.5
    assert report.opened == LEAKED


def test_what_was_shown_in_permits_counts_in_that_form(own: Pulled) -> None:
    own.release("alpha", stage=Stage.PERMIT)
    rows = [[r["full_name"], r["mobile_phone"]] for r in own.records("alpha")][:LEAKED]
    report = own.trace(as_text(rows))

    assert_found(report, "alpha")
    assert report.suspects[0].in_form == LEAKED


def test_a_file_of_two_vendors_is_divided_between_them(stage: Pulled) -> None:
    mixed = some(stage.received("alpha"))[:35] + some(stage.received("beta"))[:15]
    report = stage.trace(masked_rows(mixed))

    parts = {one.vendor: one.likelihood for one in report.suspects}
    assert parts["alpha"] == pytest.approx(0.7, abs=0.12)
    assert parts["beta"] == pytest.approx(0.3, abs=0.12)


def test_cases_that_were_assigned_and_never_pulled_accuse_nobody(own: Pulled) -> None:
    held = len(own.received("alpha"))
    own.bring("alpha", 60, seed=9)
    leaked = own.received("alpha")[held:]
    report = own.trace(masked_rows(leaked))

    assert report.matched > 50
    assert report.elsewhere > 0.9
    assert sum(one.given for one in report.suspects) <= 10


def test_strangers_lead_to_nobody(stage: Pulled) -> None:
    report = stage.trace("王小明 13900000000\n6228480402564890018 李雷\n今天天气很好\n")

    assert report.matched == 0
    assert report.suspects == ()


def test_a_workbook_is_refused_with_a_way_out(stage: Pulled) -> None:
    with pytest.raises(PortfolioFileError, match="Save it as CSV"):
        stage.trace(b"PK\x03\x04rest")
    with pytest.raises(PortfolioFileError, match="empty"):
        stage.trace("\n \n")


def test_the_log_tells_of_a_trace_and_nothing_of_its_file(stage: Pulled) -> None:
    leaked = some(stage.received("alpha"))
    report = stage.trace(masked_rows(leaked))
    rows = stage.lender.query("SELECT bundle FROM audit.batch ORDER BY first_index DESC LIMIT 3")
    written = b"".join(bytes(row[0]) for row in rows)  # type: ignore[call-overload]

    assert b'"type":"leak.traced"' in written
    assert b'"view":"trace"' in written
    assert f'"permille":{round(report.suspects[0].likelihood * 1000)}'.encode() in written
    for item in leaked:
        assert item["mobile_phone"].encode() not in written
        assert item["full_name"].encode() not in written
