from pathlib import Path

import pytest

from audit.errors import TamperedError
from gateway.offboarding import inventory
from gateway.offboarding.ending import Terms, end_contract
from gateway.oversight.indexing import catch_up
from gateway.portfolio.erasure import ErasureReason
from tests.gateway.offboarding.stage import CONTRACT, FIELDS, Stage
from tests.gateway.store.lender import ACTOR


@pytest.fixture
def stage(postgres_url: str, tmp_path: Path) -> Stage:
    return Stage.make(postgres_url, tmp_path)


def test_every_case_that_went_out_is_there_with_fields_times_and_receipts(stage: Stage) -> None:
    stage.load_policy()
    first_at = stage.lender.clock.at
    first = stage.release(0, 1)
    last_at = stage.later(days=1)
    last = stage.release(1, profile="p2")

    facts = stage.offboard().facts["inventory"]

    lines = {line["commitment"]: line for line in stage.inventory()}
    assert set(lines) == set(stage.commitments[:2])
    both = lines[stage.commitments[1]]
    assert both["releases"] == 2
    assert both["first"] == {"receipt": first, "at": f"{first_at:%Y-%m-%dT%H:%M:%S}.000Z"}
    assert both["last"] == {"receipt": last, "at": f"{last_at:%Y-%m-%dT%H:%M:%S}.000Z"}
    assert both["fields"] == ["case_ref", "full_name", "total_due"]
    assert lines[stage.commitments[0]]["fields"] == ["case_ref", "full_name"]
    rows = stage.lender.query(
        "SELECT encode(commitment, 'hex'), case_ref FROM casegate.assigned_case"
    )
    refs = {row[0]: row[1] for row in rows}
    assert both["case_ref"] == refs[stage.commitments[1]]
    assert facts["fields_by_profile"] == FIELDS
    assert (facts["cases"], facts["releases_of_cases"]) == (2, 3)
    assert facts["assigned_but_never_released"] == 2


def test_releases_of_others_and_of_other_contracts_are_not_in_it(stage: Stage) -> None:
    stage.release(0, vendor="beta", contract="beta-2026")
    stage.release(0, contract="alpha-2025")

    assert stage.offboard().facts["inventory"]["cases"] == 0
    assert stage.inventory() == []


def test_a_profile_whose_rules_were_never_logged_is_named_without_fields(stage: Stage) -> None:
    stage.release(0, profile="lost")

    facts = stage.offboard().facts["inventory"]

    assert facts["fields_by_profile"] == {"lost": None}
    assert stage.inventory()[0]["fields"] == []


def test_many_pages_of_the_log_give_what_one_gives(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(23):
        stage.release(number % 4, (number + 1) % 4)
    monkeypatch.setattr(inventory, "_PAGE", 3)

    assert stage.offboard().facts["inventory"]["releases_of_cases"] == 46
    assert sum(line["releases"] for line in stage.inventory()) == 46


def test_an_erased_person_stays_erased(stage: Stage) -> None:
    stage.release(0)
    stage.lender.office().erase_person(
        "11010519491231002X", expected=6, reason=ErasureReason.ORDERED, actor=ACTOR
    )

    facts = stage.offboard().facts["inventory"]

    assert facts["cases_erased_since"] == 1
    assert [line["case_ref"] for line in stage.inventory()] == [None]


def test_an_entry_that_was_altered_stops_the_inventory(stage: Stage) -> None:
    index = stage.release(0)
    with stage.lender.role("publisher") as connection:
        catch_up(connection, rounds=9)
    ((bundle,),) = stage.lender.query(
        "SELECT bundle FROM audit.batch WHERE first_index = %s", (index,)
    )
    altered = bytes(bundle).replace(b'"p1"', b'"p2"')  # type: ignore[call-overload]
    with stage.lender.owner() as owner:
        owner.execute("SET session_replication_role = replica")
        owner.execute(
            "UPDATE audit.batch SET bundle = %s WHERE first_index = %s", (altered, index)
        )

    with pytest.raises(TamperedError):
        stage.offboard()
    assert stage.desk.one(CONTRACT)["step"] == "listed"


def test_the_file_is_for_its_owner_alone(stage: Stage) -> None:
    stage.offboard()

    path = stage.means.directory / CONTRACT / "inventory.ndjson"
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_page_released_before_its_worker_had_heard_of_the_end_is_in_it(stage: Stage) -> None:
    stage.release(0)
    with stage.lender.role() as connection:
        end_contract(
            connection,
            "alpha",
            CONTRACT,
            terms=Terms(),
            actor=ACTOR,
            at=stage.lender.clock.now(),
        )
    stage.release(2)

    assert stage.offboard().facts["inventory"]["cases"] == 2
