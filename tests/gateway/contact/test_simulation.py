"""A pack tried on the past: it refuses what its own rules forbid, and nothing that they allow."""

import pickle
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.call_office import CompanyArchive
from gateway.contact import simulation
from gateway.contact.permits import Granted
from gateway.contact.simulation import PackSimulation, TriedPack, simulate_pack
from gateway.contact.wish import PointKind
from gateway.oversight.search import LogQuery
from policies.contact.model import CallKind
from tests.gateway.contact.centre import CONTEXT, MORNING, CallCentre, Desks

_HEAD = """
pack: {id: tried, version: "1", source: "made up", effective_from: 2030-01-01,
       effective_to: null, status: unverified, timezone_basis: debtor_local}
rules:
"""
ONE_A_DAY = """
  - {id: tried.cap, kind: cap, subject: debtor, counts: [attempt], max: 1, per: calendar_day}
"""
NEVER = """
  - {id: tried.never, kind: time_window, effect: deny, from: "00:00:00", to: "23:59:59"}
"""
NOT_AFTER_A_REFUSAL = """
  - {id: tried.rest, kind: cooldown, subject: debtor, results: [RPC_REFUSE], days: 2,
     first_day: event_day}
"""


@pytest.fixture(scope="module")
def centre(postgres_url: str, open_directory: Path) -> CallCentre:
    """Nine permits of four debtors on one day, and one wish at night."""
    made = CallCentre.make(postgres_url, open_directory / "simulated-centre", cases=12)
    made.lender.clock.at = MORNING
    for results in (["NO_ANSWER"] * 3, ["NO_ANSWER", "RPC_PTP"], ["RPC_REFUSE"], ["NO_ANSWER"]):
        call(made, made.case(), results)
    made.lender.clock.at = MORNING + timedelta(days=1)
    call(made, made.refs[2], ["NO_ANSWER"])
    call(made, made.case(), ["BUSY"], call_kind=CallKind.NOTIFY)
    made.lender.clock.at = MORNING + timedelta(hours=14)
    made.ask(made.case())
    made.lender.clock.at = MORNING + timedelta(days=2)
    return made


def call(centre: CallCentre, case_ref: str, results: Sequence[str], **changes: object) -> None:
    async def calling(desks: Desks) -> None:
        for result in results:
            answer = await desks.permits.ask(
                centre.principal(), centre.wish(case_ref, **changes), CONTEXT
            )
            assert isinstance(answer, Granted), answer
            await desks.calls.close(centre.principal(), answer.permit_id, result, CONTEXT)

    centre.run(calling)


def tried(centre: CallCentre, rules: str, *, days: int = 30) -> PackSimulation:
    until = centre.lender.clock.at
    return simulate_pack(
        CompanyArchive(centre.lender.database),
        TriedPack(_HEAD + rules, "packs/tried.yaml", {}),
        since=until - timedelta(days=days),
        until=until,
    )


def test_a_stricter_cap_refuses_the_calls_after_the_first(centre: CallCentre) -> None:
    found = tried(centre, ONE_A_DAY)
    document = found.document()

    assert (found.permits, found.refused, found.percent) == (9, 3, 33.333)
    assert document["by_rule"] == {"tried.cap": {"refused": 3, "percent": 33.333}}
    assert document["by_vendor"] == {"alpha": {"permits": 9, "refused": 3, "percent": 33.333}}
    assert {day: share["refused"] for day, share in document["by_day"].items()} == {
        "2026-05-07": 3,
        "2026-05-08": 0,
    }


def test_examples_are_the_ids_of_permits_and_nothing_else(centre: CallCentre) -> None:
    known = {str(row[0]) for row in centre.lender.query("SELECT contact_id FROM casegate.contact")}
    document = tried(centre, ONE_A_DAY).document()

    assert len(document["examples"]) == 3
    assert set(document["examples"]) <= known


def test_what_happened_counts_as_what_it_turned_out_to_be(centre: CallCentre) -> None:
    found = tried(centre, NOT_AFTER_A_REFUSAL)

    assert found.refused == 1


def test_what_the_pack_would_have_refused_does_not_count_against_what_came_later(
    centre: CallCentre,
) -> None:
    # The call that was refused by the debtor would not have been made: no rest follows from it.
    found = tried(centre, NEVER + NOT_AFTER_A_REFUSAL)

    assert found.document()["by_rule"] == {"tried.never": {"refused": 9, "percent": 100.0}}


def test_wishes_that_were_refused_are_asked_again_too(centre: CallCentre) -> None:
    assert tried(centre, ONE_A_DAY).findings.refusals == 1
    assert tried(centre, ONE_A_DAY).findings.refused_again == 0
    assert tried(centre, NEVER).findings.refused_again == 1


def test_only_the_days_that_were_asked_for_are_replayed_but_older_ones_count(
    centre: CallCentre,
) -> None:
    assert tried(centre, NOT_AFTER_A_REFUSAL, days=1).permits == 2
    assert tried(centre, NOT_AFTER_A_REFUSAL, days=1).refused == 1


def test_the_packs_in_force_refuse_nothing_that_they_granted(centre: CallCentre) -> None:
    desk = centre.lender.office().packs()
    in_force = [one.pack for one in desk.standing() if one.in_force]
    found = [desk.simulate(pack, timedelta(days=30), actor="cli:test") for pack in in_force]

    assert len(found) > 1
    assert {one.refused for one in found} == {0}
    assert {one.permits for one in found} == {9}
    assert any(one.findings.refused_again for one in found)


def test_two_processes_find_the_same(centre: CallCentre, monkeypatch: pytest.MonkeyPatch) -> None:
    here = tried(centre, ONE_A_DAY)
    monkeypatch.setattr(simulation, "_WORTH_WORKERS", 0)

    assert tried(centre, ONE_A_DAY) == here


def test_what_travels_to_a_process_shows_no_password(centre: CallCentre) -> None:
    archive = CompanyArchive(centre.lender.database)

    assert pickle.loads(pickle.dumps(archive)) == archive  # noqa: S301  # its own
    assert "password" not in repr(archive)


def test_who_tried_a_pack_is_in_the_log(centre: CallCentre) -> None:
    office = centre.lender.office()
    office.packs().simulate("company-seed", timedelta(days=7), actor="cli:somebody")
    query = LogQuery(event="log.searched", limit=10)
    (hit,) = [
        hit
        for hit in office.search(query, actor="cli:test").hits
        if hit.entry["actor"] == "cli:somebody"
    ]

    assert hit.entry["query"]["view"] == "pack-simulation"


def test_the_desk_tells_packs_of_files_from_packs_in_force(centre: CallCentre) -> None:
    standing = {one.pack: one for one in centre.lender.office().packs().standing()}

    assert standing["company-seed"].in_force
    assert not standing["company-seed"].is_changed
    assert not standing["us-regf"].in_force
    assert standing["us-regf"].is_changed


def test_a_contact_person_is_replayed_as_one(centre: CallCentre) -> None:
    rule = "\n  - {id: tried.third, kind: party, effect: deny, party: [contact]}\n"
    case_ref = centre.case()
    centre.lender.clock.at = MORNING + timedelta(days=1, hours=1)
    call(centre, case_ref, ["NO_ANSWER"] * 3)
    answer = centre.ask(case_ref, point=PointKind.RELATED)
    centre.lender.clock.at = MORNING + timedelta(days=2)

    assert isinstance(answer, Granted)
    assert tried(centre, rule).document()["examples"] == [str(answer.permit_id)]
