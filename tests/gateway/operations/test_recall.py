from pathlib import Path

import pytest

from gateway.errors import NotFoundError
from gateway.operations.recall import recall_cases
from gateway.oversight.search import LogQuery
from tests.gateway.store.lender import ACTOR, HEADER, START, Lender, case_row


@pytest.fixture
def lender(postgres_url: str, tmp_path: Path) -> Lender:
    made = Lender.fresh(postgres_url, tmp_path)
    rows = "\n".join(case_row(number) for number in range(3))
    made.put(tmp_path / "cases.csv", f"{HEADER}\n{rows}\n")
    return made


def _recall(lender: Lender, vendor: str, refs: list[str] | None) -> int:
    with lender.role() as connection:
        return recall_cases(
            connection, vendor, f"{vendor}-2026", case_refs=refs, actor=ACTOR, at=START
        )


def _open_refs(lender: Lender) -> list[str]:
    rows = lender.query(
        "SELECT case_ref FROM casegate.assigned_case WHERE status = 'assigned' ORDER BY sequence"
    )
    return [str(ref) for (ref,) in rows]


def test_named_cases_are_recalled_and_the_rest_stays(lender: Lender) -> None:
    first, second, third = _open_refs(lender)

    assert _recall(lender, "alpha", [first, third]) == 2

    assert _open_refs(lender) == [second]
    holders = lender.query(
        "SELECT count(*) FROM casegate.case_record WHERE holder_vendor_id = 'alpha'"
    )
    assert holders == [(1,)]


def test_without_names_all_cases_of_the_contract_are_recalled(lender: Lender) -> None:
    assert _recall(lender, "alpha", None) == 3
    assert _open_refs(lender) == []
    assert _recall(lender, "alpha", None) == 0


@pytest.mark.parametrize("vendor", ["beta", "nobody"])
def test_a_case_cannot_be_recalled_from_a_vendor_that_does_not_hold_it(
    lender: Lender, vendor: str
) -> None:
    refs = _open_refs(lender)

    with pytest.raises(NotFoundError, match="none of these cases"):
        _recall(lender, vendor, refs)
    assert _open_refs(lender) == refs


def test_a_case_recalled_before_is_not_recalled_again(lender: Lender) -> None:
    first = _open_refs(lender)[:1]
    _recall(lender, "alpha", first)

    with pytest.raises(NotFoundError):
        _recall(lender, "alpha", first)


def test_recalled_cases_stand_in_the_log_by_their_commitments(
    lender: Lender, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.operations.recall._MAX_LOGGED", 2)
    commitments = {
        bytes(row[0]).hex()  # type: ignore[call-overload]
        for row in lender.query("SELECT commitment FROM casegate.assigned_case")
    }

    _recall(lender, "alpha", None)

    hits = lender.office().search(LogQuery(event="case.recalled"), actor=ACTOR).hits
    assert [len(hit.entry["cases"]) for hit in hits] == [1, 2]
    assert {case for hit in hits for case in hit.entry["cases"]} == commitments
