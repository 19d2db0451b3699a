from pathlib import Path

import pytest

from gateway.portfolio.identifiers import parse_id_number
from gateway.portfolio.reader import open_portfolio
from gateway.portfolio.rows import CaseRow, RowParser
from gateway.portfolio.sample import SAMPLE_FIELDS, write_sample_portfolio
from gateway.portfolio.sample_cases import sample_records
from policies.fields import FieldClass, Origin, load_field_catalog

COUNT = 1_500


@pytest.mark.parametrize("suffix", [".csv", ".ndjson"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_a_sample_passes_its_own_import_and_gives_the_promised_records(
    tmp_path: Path, suffix: str, encoding: str
) -> None:
    path = tmp_path / f"sample{suffix}"
    write_sample_portfolio(COUNT, path, encoding=encoding)

    with open_portfolio(path, load_field_catalog()) as source:
        parser = RowParser(source.columns)
        results = [parser.parse(row) for row in source.rows()]

        assert source.unknown_columns == source.forbidden_columns == ()
    assert [row.record for row in results if isinstance(row, CaseRow)] == list(
        sample_records(COUNT)
    )


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        write_sample_portfolio(50, tmp_path / f"{name}.csv", seed=seed)

    first, second, third = ((tmp_path / f"{name}.csv").read_bytes() for name in "abc")
    assert first == second
    assert first != third


def test_progress_is_told_about_once_a_thousand_and_at_the_end(tmp_path: Path) -> None:
    told: list[int] = []

    write_sample_portfolio(2_300, tmp_path / "a.csv", progress=told.append)
    write_sample_portfolio(1_000, tmp_path / "a.csv", progress=told.append)
    write_sample_portfolio(0, tmp_path / "a.csv", progress=told.append)

    assert told == [1_000, 2_000, 2_300, 1_000, 0]


def test_a_sample_names_only_fields_that_may_be_imported() -> None:
    for name in SAMPLE_FIELDS:
        field = load_field_catalog().field(name)
        assert field.origin is Origin.IMPORT
        assert field.field_class is not FieldClass.K3


def test_invented_cases_are_varied_and_hold_together() -> None:
    records = list(sample_records(COUNT))

    assert len({record["source_case_no"] for record in records}) == COUNT
    assert 0.9 * COUNT < len({record["id_number"] for record in records}) < COUNT
    assert {record["collection_stage"] for record in records} >= {"M1", "M2", "M3", "M7+"}
    assert any("·" in str(record["full_name"]) for record in records)
    assert any("hold_flags" in record for record in records)
    for record in records:
        number = str(record["id_number"])
        assert parse_id_number(number) == number
        assert "1950" <= number[6:10] <= "2006"


def test_notes_carry_the_details_that_a_release_must_find() -> None:
    records = list(sample_records(COUNT))
    notes = [(record, str(record.get("past_notes", ""))) for record in records]

    for field in ("full_name", "mobile_phone", "employer_name", "related_name", "id_number"):
        assert any(str(record[field]) in note for record, note in notes), field
    assert any("住院" in note for _record, note in notes)
    assert any("幺" in note for _record, note in notes)
