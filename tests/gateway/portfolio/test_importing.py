import csv
import io
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import orjson
import pytest
from psycopg import sql

from audit.bundle import decode_bundle
from gateway.errors import NotFoundError
from gateway.http.problems import problem_of
from gateway.operations.recall import recall_cases
from gateway.portfolio.errors import ContractOverError, PortfolioFileError
from gateway.portfolio.rejects import rejects_path
from tests.gateway.store.lender import ACTOR, HEADER, START, Lender, SetClock, case_row

GOOD = [case_row(number) for number in (1, 2, 3)]


@pytest.fixture
def lender(postgres_url: str, tmp_path: Path) -> Lender:
    return Lender.fresh(postgres_url, tmp_path / "lender")


@pytest.fixture(scope="module")
def idle_lender(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Lender:
    """For tests in which nothing may be imported."""
    return Lender.fresh(postgres_url, tmp_path_factory.mktemp("lender"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cases.csv"


def _file(*rows: str) -> str:
    return "\n".join([HEADER, *rows]) + "\n"


def _entries(lender: Lender, kind: str) -> list[dict[str, object]]:
    bundles = lender.query("SELECT bundle FROM audit.batch ORDER BY first_index")
    entries = [
        orjson.loads(entry)
        for (bundle,) in bundles
        if isinstance(bundle, bytes)
        for entry in decode_bundle(bundle)
    ]
    return [entry for entry in entries if entry["type"] == kind]


def _stored(lender: Lender) -> list[tuple[object, ...]]:
    return lender.query(
        "SELECT case_id, content_mac, wrapped_key, sealed FROM casegate.case_record"
        " ORDER BY case_id"
    )


def _assigned(lender: Lender) -> list[tuple[object, ...]]:
    return lender.query(
        "SELECT vendor_id, case_ref, status, assignment_id FROM casegate.assigned_case"
        " ORDER BY sequence"
    )


def test_good_rows_go_in_and_bad_ones_come_back_to_be_mended(lender: Lender, path: Path) -> None:
    bad = case_row(4, id_number="110105194912310021")
    report = lender.put(path, _file(*GOOD, bad))

    assert (report.rows, report.assigned, report.rejected) == (4, 3, 1)
    assert report.rejects_file == rejects_path(path)
    assert [(error.line, error.code.value) for error in report.errors] == [(5, "BAD_CHECK_DIGIT")]
    rejected = list(csv.reader(io.StringIO(rejects_path(path).read_text("utf-8-sig"))))
    assert len(rejected) == 2
    assert rejected[1][0] == "ZX2026000004"


def test_the_mended_rejects_file_is_imported_as_it_is(
    lender: Lender, path: Path, tmp_path: Path
) -> None:
    lender.put(path, _file(GOOD[0], case_row(4, id_number="110105194912310021")))
    mended = tmp_path / "mended.csv"
    text = rejects_path(path).read_text("utf-8-sig")

    report = lender.put(mended, text.replace("110105194912310021", "11010519491231002X"))

    assert (report.assigned, report.rejected, report.unknown_columns) == (1, 0, ())


def test_the_same_file_twice_changes_nothing_but_leaves_its_trace(
    lender: Lender, path: Path
) -> None:
    lender.put(path, _file(*GOOD))
    before = (_stored(lender), _assigned(lender))

    report = lender.bring(path)

    assert (report.unchanged, report.assigned, report.changed) == (3, 0, 0)
    assert report.assignment_id is None
    assert (_stored(lender), _assigned(lender)) == before
    assert lender.query("SELECT count(*) FROM casegate.assignment") == [(1,)]
    assert len(_entries(lender, "case.imported")) == 2
    assert len(_entries(lender, "case.assigned")) == 1


def test_a_changed_row_is_sealed_under_a_new_key_and_keeps_its_reference(
    lender: Lender, path: Path
) -> None:
    lender.put(path, _file(GOOD[0]))
    ((case_id, mac, key, sealed),) = _stored(lender)
    ((_, reference, _, assignment),) = _assigned(lender)

    report = lender.put(path, _file(case_row(1, total_due="6000.00")))

    assert (report.changed, report.assigned) == (1, 0)
    ((same_id, new_mac, new_key, new_sealed),) = _stored(lender)
    assert same_id == case_id
    assert new_mac != mac
    assert new_key != key
    assert new_sealed != sealed
    assert _assigned(lender) == [("alpha", reference, "assigned", assignment)]
    assert len(_entries(lender, "case.assigned")[-1]["changed"]) == 1  # type: ignore[arg-type]


def test_a_recalled_case_can_go_to_another_vendor_and_come_back(
    lender: Lender, path: Path
) -> None:
    lender.put(path, _file(GOOD[0]))
    own_reference = _assigned(lender)[0][1]
    for holder, following in (("alpha", "beta"), ("beta", "alpha")):
        with lender.role() as connection:
            recall_cases(
                connection, holder, f"{holder}-2026", case_refs=None, actor=ACTOR, at=START
            )
        assert lender.bring(path, following).assigned == 1

    open_rows = [row for row in _assigned(lender) if row[2] == "assigned"]
    assert [(row[0], row[1]) for row in open_rows] == [("alpha", own_reference)]
    assert len(_stored(lender)) == 1
    assert lender.query("SELECT holder_vendor_id FROM casegate.case_record") == [("alpha",)]


def test_a_case_that_another_contract_holds_is_not_taken_from_it(
    lender: Lender, path: Path
) -> None:
    lender.put(path, _file(*GOOD[:2]))
    before = _stored(lender)

    report = lender.put(path, _file(*GOOD), "beta")

    assert (report.assigned, report.rejected) == (1, 2)
    assert {error.code.value for error in report.errors} == {"ASSIGNED_ELSEWHERE"}
    assert [row for row in _stored(lender) if row in before] == before
    assert [row[0] for row in _assigned(lender)] == ["alpha", "alpha", "beta"]


@pytest.mark.parametrize(
    ("vendor", "contract"),
    [("nobody", "alpha-2026"), ("alpha", "nothing"), ("alpha", "beta-2026")],
)
def test_an_unknown_vendor_or_contract_or_one_of_another_is_refused(
    idle_lender: Lender, path: Path, vendor: str, contract: str
) -> None:
    path.write_text(_file(*GOOD))

    with pytest.raises(NotFoundError, match="not active under a running contract"):
        idle_lender.bring(path, vendor, contract)
    assert _stored(idle_lender) == []


@pytest.mark.parametrize("days", [-101, 100, 1000])
def test_outside_its_term_a_contract_takes_no_cases(
    idle_lender: Lender, path: Path, days: int
) -> None:
    path.write_text(_file(*GOOD))
    late = replace(idle_lender, clock=SetClock(START + timedelta(days=days)))

    with pytest.raises(NotFoundError):
        late.bring(path)


@pytest.mark.parametrize("status", ["suspended", "ended", "revoked"])
def test_a_vendor_that_is_not_active_is_given_no_cases(
    idle_lender: Lender, path: Path, status: str
) -> None:
    change = "UPDATE casegate.vendor SET status = %s WHERE vendor_id = 'beta' RETURNING 1"
    idle_lender.query(change, (status,))
    path.write_text(_file(*GOOD))

    with pytest.raises(NotFoundError):
        idle_lender.bring(path, "beta")


class KilledError(Exception):
    """Stands for the death of the process in the middle of an import."""


def test_an_import_killed_in_the_middle_converges_when_run_again(
    lender: Lender, path: Path
) -> None:
    path.write_text(_file(*(case_row(number) for number in range(2500))))

    def die(_read: int, _size: int, rows: int) -> None:
        if rows == 2000:
            raise KilledError

    with pytest.raises(KilledError):
        lender.bring(path, progress=die)
    assert len(_stored(lender)) == 2000
    assert len(_entries(lender, "case.assigned")) == 2
    assert _entries(lender, "case.imported") == []

    report = lender.bring(path)

    assert (report.unchanged, report.assigned) == (2000, 500)
    assert len(_stored(lender)) == len(_assigned(lender)) == 2500
    logged = [entry["cases"] for entry in _entries(lender, "case.assigned")]
    assert sum(len(cases) for cases in logged if isinstance(cases, list)) == 2500


def test_an_import_that_meets_the_contracts_end_says_so_and_stores_nothing_more(
    lender: Lender, path: Path
) -> None:
    path.write_text(_file(*(case_row(number) for number in range(1500))))

    def end(_read: int, _size: int, rows: int) -> None:
        if rows == 1000:
            with lender.owner() as owner:
                owner.execute("UPDATE casegate.contract SET status = 'ended'")

    with pytest.raises(ContractOverError) as refused:
        lender.bring(path, progress=end)

    problem = problem_of(refused.value)
    assert (problem.status, problem.code) == (409, "CONTRACT_NOT_RUNNING")
    assert len(_assigned(lender)) in {0, 1000}  # the first chunk was there before the end, or not


def test_a_file_in_gb18030_holds_the_same_cases_as_in_utf_8(lender: Lender, path: Path) -> None:
    lender.put(path, _file(*GOOD).encode("gb18030"))

    report = lender.put(path, _file(*GOOD))

    assert (report.unchanged, report.changed, report.assigned) == (3, 0, 0)


def test_ndjson_lines_are_imported_like_rows(lender: Lender, path: Path) -> None:
    names = "source_case_no full_name id_number mobile_phone total_due days_past_due home_address"
    lines = [orjson.dumps(dict(zip(names.split(), row.split(","), strict=True))) for row in GOOD]
    lender.put(path, b"\n".join(lines))

    assert lender.put(path, _file(*GOOD)).unchanged == 3


def test_the_second_row_of_one_case_in_a_file_is_refused(lender: Lender, path: Path) -> None:
    report = lender.put(path, _file(GOOD[0], GOOD[1], case_row(1, total_due="1.00")))

    assert (report.assigned, report.rejected) == (2, 1)
    assert report.errors[0].code.value == "DUPLICATE_IN_FILE"


def test_a_file_without_rows_assigns_nothing_and_says_so(lender: Lender, path: Path) -> None:
    report = lender.put(path, _file())

    assert (report.rows, report.assigned, report.assignment_id) == (0, 0, None)
    assert not rejects_path(path).exists()
    assert lender.query("SELECT count(*) FROM casegate.assignment") == [(0,)]
    assert _entries(lender, "case.imported")[0]["rows"] == 0


def test_an_unreadable_place_keeps_the_chunks_before_it(
    lender: Lender, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.portfolio.lines._BLOCK_BYTES", 16 * 1024)
    rows = "\n".join([HEADER, *(case_row(number) for number in range(1500))]).encode()

    with pytest.raises(PortfolioFileError):
        lender.put(path, rows + b"\n" + b"\xff\xfe\xff" * 10 + b"\n")
    assert len(_stored(lender)) == 1000

    assert lender.put(path, rows).assigned == 500


def test_authentication_data_is_reported_and_stored_nowhere(lender: Lender, path: Path) -> None:
    content = f"{HEADER},CVV\n{GOOD[0]},951\n"
    report = lender.put(path, content)

    assert (report.assigned, report.forbidden_columns) == (1, ("CVV",))
    assert _entries(lender, "case.imported")[0]["forbidden_columns"] == 1


def test_no_cell_of_the_file_stands_in_any_column_of_any_table(lender: Lender, path: Path) -> None:
    lender.put(path, _file(*GOOD, case_row(4, id_number="110105194912310021")))
    cells = {
        cell.encode()
        for row in GOOD
        for cell in row.split(",")
        if len(cell) >= 3  # the two digits of a day count are found in any hash
    }
    tables = lender.query(
        "SELECT schemaname, tablename FROM pg_tables WHERE schemaname IN ('casegate', 'audit')"
    )

    assert len(tables) >= 12
    for schema, table in tables:
        for value in _values(lender, str(schema), str(table)):
            assert not any(cell in value for cell in cells), table


def _values(lender: Lender, schema: str, table: str) -> list[bytes]:
    with lender.owner() as connection:
        rows = connection.execute(
            sql.SQL("SELECT * FROM {}").format(sql.Identifier(schema, table))
        ).fetchall()
    return [
        value if isinstance(value, bytes) else str(value).encode() for row in rows for value in row
    ]


def test_a_hundred_wrong_rows_are_all_handed_back_and_the_report_stays_short(
    lender: Lender, path: Path
) -> None:
    wrong = [case_row(number, total_due="-1", days_past_due="x") for number in range(150)]

    report = lender.put(path, _file(*wrong))

    assert report.rejected == 150
    assert len(report.errors) == 200
    assert len(rejects_path(path).read_text("utf-8-sig").splitlines()) == 151
