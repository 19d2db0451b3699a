from pathlib import Path

import pytest

import policies
from policies.errors import PolicyFileError
from policies.load import load_packaged_bundle
from policies.tables import run_policy_table

TABLES = sorted(Path(policies.__file__).parent.joinpath("examples").glob("*_test.yaml"))


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.stem)
def test_every_example_table_holds(table: Path) -> None:
    assert run_policy_table(table, load_packaged_bundle()) == []


def test_every_packaged_vendor_has_a_table() -> None:
    vendors = {policy.vendor for policy in load_packaged_bundle()}

    assert vendors == {table.stem.removesuffix("_test") for table in TABLES}


@pytest.mark.parametrize(
    ("expectation", "words"),
    [
        (
            "fields: { full_name: clear }",
            "expected `full_name` as `clear`, but it is `partial name`",
        ),
        ("fields: { full_name: drop }", "expected `full_name` as `drop`"),
        ("fields: { id_number: clear }", "but it is `drop`"),
        ("denied: CONTRACT_ENDED", "expected CONTRACT_ENDED, but the request is permitted"),
        ("nothing_else: yes, fields: { full_name: partial name }", "expected nothing else"),
        ("at: 2030-01-01, fields: { full_name: drop }", "expected a permit, but"),
        ("at: 2030-01-01, denied: PURPOSE_MISSING", "expected PURPOSE_MISSING, but the answer"),
    ],
)
def test_a_wrong_expectation_is_reported_with_its_line(
    tmp_path: Path, expectation: str, words: str
) -> None:
    table = _table(tmp_path, expectation)

    failures = run_policy_table(table, load_packaged_bundle())

    assert words in failures[0]
    assert failures[0].startswith("wrong_test.yaml, line 3: ")


@pytest.mark.parametrize(
    ("expectation", "words"),
    [
        ("fields: { full_nmae: drop }", "no such field"),
        ("stage: bulk", "given twice"),
        ("nothing_else: yes", "needs one expectation"),
        ("denied: NO_SUCH_CODE", "not known"),
        ("nothing_else: maybe, fields: { full_name: drop }", "not known"),
    ],
)
def test_a_table_that_would_prove_nothing_is_refused(
    tmp_path: Path, expectation: str, words: str
) -> None:
    with pytest.raises(PolicyFileError, match=words):
        run_policy_table(_table(tmp_path, expectation), load_packaged_bundle())


def test_a_table_without_a_check_is_refused(tmp_path: Path) -> None:
    table = tmp_path / "empty_test.yaml"
    table.write_text("checks: []\n", encoding="utf-8")

    with pytest.raises(PolicyFileError, match="no check"):
        run_policy_table(table, load_packaged_bundle())


def _table(folder: Path, expectation: str) -> Path:
    table = folder / "wrong_test.yaml"
    table.write_text(
        "at: 2026-06-01\nchecks:\n  - { principal: alpha/alpha-2026, stage: bulk,"
        f" purpose: DEBT_COLLECTION_TEL, {expectation} }}\n",
        encoding="utf-8",
    )
    return table
