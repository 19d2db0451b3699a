"""Invented cases among real ones: like them in everything, and told of by one table alone."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import orjson
import psycopg
import pytest

from audit.bundle import decode_bundle
from gateway.errors import NotFoundError, RequestInvalidError
from gateway.findings.record import list_findings
from gateway.masking.places import place_of
from gateway.portfolio.canaries import CanaryUse, canaries_among, list_canaries, note_use
from gateway.portfolio.erasure import ErasureReason
from gateway.portfolio.identifiers import is_female_number, parse_id_number, parse_phone
from gateway.portfolio.invention import Inventor
from gateway.portfolio.planting import digest_of
from gateway.portfolio.sample_cases import sample_records
from policies.fields import load_field_catalog
from tests.gateway.store.lender import ACTOR, START
from tests.gateway.tracing.stage import Pulled, pulled

CASES = 300
PLANTED = 30
OWN = ["13000000001", "130 0000 0002"]


@pytest.fixture(scope="module")
def stage(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Pulled:
    made = pulled(postgres_url, tmp_path_factory.mktemp("lender"), cases=CASES)
    planting = made.lender.office().plant_canaries(
        "alpha", "alpha-2026", count=PLANTED, numbers=OWN, actor=ACTOR
    )
    assert len(planting.case_refs) == PLANTED
    assert planting.made_up_numbers == PLANTED - len(OWN)
    return made


@pytest.fixture
def connection(stage: Pulled) -> Iterator[psycopg.Connection]:
    with stage.lender.role() as opened:
        yield opened


def planted(stage: Pulled) -> list[UUID]:
    rows = stage.lender.query("SELECT case_id FROM casegate.canary ORDER BY case_id")
    return [UUID(str(row[0])) for row in rows]


def both(stage: Pulled) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The invented records and the real ones."""
    records = list(stage.records("alpha"))
    ids = {case_id.hex for case_id in planted(stage)}
    made = [record for record in records if record["case_ref"] in ids]
    return made, [record for record in records if record["case_ref"] not in ids]


def entries(stage: Pulled) -> list[dict[str, Any]]:
    rows = stage.lender.query("SELECT bundle FROM audit.batch ORDER BY first_index")
    return [
        orjson.loads(entry)
        for row in rows
        for entry in decode_bundle(bytes(row[0]))  # type: ignore[call-overload]
    ]


def test_canaries_pass_every_check_and_their_fields_agree(stage: Pulled) -> None:
    made, _real = both(stage)

    assert len(made) == PLANTED
    for record in made:
        number = parse_id_number(record["id_number"])
        assert number == record["id_number"]
        assert record["gender"] == ("F" if is_female_number(number) else "M")
        for field in ("mobile_phone", "work_phone", "related_phone"):
            assert parse_phone(record[field]) == record[field]
        parts = ("principal_due", "interest_due", "penalty_due", "fee_due")
        assert record["total_due"] == sum(record[part] for part in parts)
    assert {"13000000001", "13000000002"} <= {record["mobile_phone"] for record in made}


def test_canaries_are_like_the_vendors_real_cases(stage: Pulled) -> None:
    made, real = both(stage)

    def words(records: list[dict[str, Any]], field: str) -> set[str]:
        return {str(record[field]) for record in records}

    for field in ("product_name", "collection_stage", "relation", "repayment_channel"):
        assert words(made, field) <= words(real, field)
    cities = {place_of(record["home_address"]) for record in real}
    assert {place_of(record["home_address"]) for record in made} <= cities
    assert {frozenset(record) for record in made} <= {frozenset(record) for record in real}
    surnames = {record["full_name"][0] for record in real}
    assert sum(record["full_name"][0] in surnames for record in made) >= PLANTED - 3
    assert {len(r["full_name"]) for r in made if "·" not in r["full_name"]} <= {2, 3, 4}


def test_a_canary_is_nobody_of_the_real_ones(stage: Pulled) -> None:
    made, real = both(stage)

    for field in ("id_number", "mobile_phone", "bank_account_no", "core_account_no"):
        assert not {r[field] for r in made} & {r[field] for r in real}


def test_a_vendor_gets_canaries_as_it_gets_the_others(stage: Pulled) -> None:
    items = stage.received("alpha")
    refs = {
        row[0]
        for row in stage.lender.query(
            "SELECT case_ref FROM casegate.assigned_case JOIN casegate.canary USING (case_id)"
        )
    }
    made = [item for item in items if item["case_ref"] in refs]

    assert len(made) == PLANTED
    real = {frozenset(item) for item in items if item["case_ref"] not in refs}
    assert {frozenset(item) for item in made} <= real


def test_nothing_in_the_store_but_one_table_tells(stage: Pulled) -> None:
    rows = stage.lender.query(
        "SELECT (r.sealed_notes IS NULL), r.kek_id, length(r.wrapped_key), c.case_id IS NOT NULL"
        " FROM casegate.case_record r JOIN casegate.assigned_case a USING (case_id)"
        " LEFT JOIN casegate.canary c USING (case_id) WHERE a.vendor_id = 'alpha'"
    )
    shapes = {bool(row[3]): {row[:3] for row in rows if row[3] == row[3]} for row in rows}

    assert shapes[True] == shapes[False]
    log = entries(stage)
    assert [e["type"] for e in log if e.get("file_sha256")][-2:] == [
        "case.assigned",
        "case.imported",
    ]


def test_the_log_proves_which_were_planted_and_names_no_vendor(stage: Pulled) -> None:
    (entry,) = [e for e in entries(stage) if e["type"] == "canary.planted"]

    assert entry["canaries"] == PLANTED
    assert entry["cases_sha256"] == digest_of(planted(stage))
    assert "alpha" not in orjson.dumps(entry).decode()


def test_a_used_canary_raises_one_finding_and_a_real_case_none(
    stage: Pulled, connection: psycopg.Connection
) -> None:
    canary = planted(stage)[0]
    (real,) = stage.lender.query(
        "SELECT case_id FROM casegate.case_record r WHERE NOT EXISTS"
        " (SELECT FROM casegate.canary c WHERE c.case_id = r.case_id) LIMIT 1"
    )
    said = {"permit": "p-1"}
    cases = [canary, UUID(str(real[0]))]
    first = note_use(connection, cases, use=CanaryUse.PERMIT, said=said, at=START)
    again = note_use(connection, cases, use=CanaryUse.PERMIT, said=said, at=START)
    other = note_use(connection, cases, use=CanaryUse.CALL, said={}, at=START)

    assert (len(first), len(again), len(other)) == (1, 0, 1)
    (finding,) = [f for f in list_findings(connection) if f.finding_id == first[0]]
    assert (finding.rule, finding.severity, finding.vendor_id) == (
        "CANARY_USED",
        "critical",
        "alpha",
    )
    assert finding.evidence["use"] == "permit"
    assert finding.evidence["permit"] == "p-1"
    assert canaries_among(connection, cases) == {canary: "alpha"}
    used = [one for one in list_canaries(connection, vendor="alpha", limit=500) if one.findings]
    assert [one.findings for one in used] == [2]


def test_a_listener_of_vendors_can_note_a_use_and_has_no_list_of_canaries(stage: Pulled) -> None:
    canary = planted(stage)[1]
    with stage.lender.role("vendor") as connection:
        raised = note_use(connection, [canary], use=CanaryUse.PAYMENT, said={}, at=START)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SELECT count(*) FROM casegate.canary")

    assert len(raised) == 1


def test_a_leaked_canary_leads_to_its_vendor_and_raises_a_finding(stage: Pulled) -> None:
    stage.release("alpha")
    made, _real = both(stage)
    leaked = made[5:8]
    report = stage.trace("\n".join(f"{r['full_name']} {r['mobile_phone']}" for r in leaked))

    assert report.suspects[0].vendor == "alpha"
    assert report.suspects[0].canaries == 3
    assert len(report.findings) == 3


def test_planting_is_bounded_and_only_under_a_running_contract(stage: Pulled) -> None:
    office = stage.lender.office()
    for count in (0, 501):
        with pytest.raises(RequestInvalidError):
            office.plant_canaries("alpha", "alpha-2026", count=count, numbers=[], actor=ACTOR)
    with pytest.raises(RequestInvalidError, match="mobile"):
        office.plant_canaries("alpha", "alpha-2026", count=1, numbers=["42"], actor=ACTOR)
    with pytest.raises(NotFoundError):
        office.plant_canaries("alpha", "beta-2026", count=1, numbers=[], actor=ACTOR)


def test_an_inventor_learns_from_one_case_and_copies_nobody() -> None:
    (model,) = sample_records(1, seed=5)
    model |= {"full_name": "欧阳娜娜", "vulnerability_detail": "病"}
    inventor = Inventor([model], load_field_catalog())
    made = [inventor.record(with_notes=True) for _n in range(30)]

    assert all("vulnerability_detail" not in record for record in made)
    assert {len(str(record["full_name"])) for record in made} <= {3, 4}
    assert model["id_number"] not in {record["id_number"] for record in made}
    assert all(str(model["mobile_phone"]) not in str(record["past_notes"]) for record in made)


def test_an_erased_case_is_no_canary_and_stands_in_no_finding(stage: Pulled) -> None:
    office = stage.lender.office()
    (row,) = stage.lender.query(
        "SELECT c.case_id, a.case_ref FROM casegate.canary c"
        " JOIN casegate.assigned_case a USING (case_id) ORDER BY c.case_id DESC LIMIT 1"
    )
    case_id, ref = UUID(str(row[0])), str(row[1])
    number = next(r["id_number"] for r in stage.records("alpha") if r["case_ref"] == case_id.hex)
    with stage.lender.role() as connection:
        assert note_use(connection, [case_id], use=CanaryUse.CALL, said={}, at=START)
        office.erase_person(number, expected=1, reason=ErasureReason.ORDERED, actor=ACTOR)
        findings = list_findings(connection, limit=200)

    assert case_id not in planted(stage)
    assert findings
    assert ref not in str([finding.evidence for finding in findings])
