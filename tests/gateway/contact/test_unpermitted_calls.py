"""A debtor who was rung counts as rung, whether or not the call had a permit."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from psycopg.types.json import Jsonb

from gateway.call_office import CompanyArchive
from gateway.contact.permits import Granted, Refused
from gateway.contact.simulation import TriedPack, simulate_pack
from gateway.contact.situation import Picture
from gateway.contact.store import AskedCase, PermitStore
from gateway.contact.wish import PermitWish, PointKind
from gateway.trial.call_centre import agent_refs
from policies.contact.model import DenyCode
from tests.gateway.contact.centre import CONTEXT, MORNING, CallCentre, Desks, id_number
from tests.gateway.store.lender import HEADER, case_row

HOUR = timedelta(hours=1)
_KEEP = """
INSERT INTO casegate.call_record
SELECT (jsonb_populate_record(NULL::casegate.call_record, %s || jsonb_build_object(
         'case_id', a.case_id, 'vendor_id', a.vendor_id, 'contract_id', a.contract_id))).*
  FROM casegate.assigned_case a WHERE a.case_ref = %s RETURNING 1
"""


def record_call(
    centre: CallCentre, case_ref: str, result: str = "RPC_NO_COMMIT", **changes: Any
) -> str:
    """Keeps the record of a call that had no permit, as intake keeps it; returns its id."""
    begun: datetime = changes.pop("started_at", MORNING - HOUR)
    call_id = f"c-{uuid4().hex}"
    content = {
        "call_id": call_id,
        "case_ref": case_ref,
        "contact_point": "mobile",
        "agent_ref": agent_refs("alpha")[0],
        "direction": "outbound",
        "call_kind": "interactive",
        "started_at": begun.isoformat(),
        "ended_at": (begun + timedelta(minutes=1)).isoformat(),
        "talk_s": 40,
        "result_code": result,
        "disclosures": [],
        "summary_state": "none",
        "received_at": centre.lender.clock.now().isoformat(),
        "batch_id": str(uuid4()),
        "body_sha256": "\\x" + bytes(32).hex(),
        **changes,
    }
    assert centre.lender.query(_KEEP, (Jsonb(content), case_ref))
    return call_id


def codes(answer: Granted | Refused) -> tuple[DenyCode, ...]:
    return answer.codes if isinstance(answer, Refused) else ()


def test_three_talks_without_a_permit_are_the_days_three(centre: CallCentre) -> None:
    case_ref = centre.case()
    for _call in range(2):
        record_call(centre, case_ref)
    third = centre.ask(case_ref)
    fourth = centre.ask(case_ref)

    assert isinstance(third, Granted)
    assert codes(fourth) == (DenyCode.DAILY_CAP_REACHED,)


def test_another_vendors_call_without_a_permit_counts_for_the_debtor(
    centre: CallCentre, tmp_path: Path
) -> None:
    case_ref = centre.case()
    row = case_row(900, id_number=id_number(centre.next_case - 1))
    centre.lender.put(tmp_path / "beta.csv", f"{HEADER}\n{row}", "beta")
    beta_ref = centre.lender.query(
        "SELECT case_ref FROM casegate.assigned_case WHERE vendor_id = 'beta'"
        " ORDER BY sequence DESC LIMIT 1"
    )[0][0]
    for _call in range(3):
        record_call(centre, str(beta_ref))

    assert codes(centre.ask(case_ref)) == (DenyCode.DAILY_CAP_REACHED,)


@pytest.mark.parametrize("named", ["mobile", None])
def test_six_unanswered_ones_close_the_number_that_they_rang(
    centre: CallCentre, named: str | None
) -> None:
    """One that names no number may have rung any."""
    case_ref = centre.case()
    for _call in range(6):
        record_call(centre, case_ref, "NO_ANSWER", contact_point=named, talk_s=0)

    assert codes(centre.ask(case_ref)) == (DenyCode.NUMBER_CAP_REACHED,)


def test_what_was_rung_yesterday_is_not_of_today(centre: CallCentre) -> None:
    case_ref = centre.case()
    for _call in range(3):
        record_call(centre, case_ref, started_at=MORNING - timedelta(days=1))

    assert isinstance(centre.ask(case_ref), Granted)


def test_tries_without_a_permit_prove_no_loss_of_contact(centre: CallCentre) -> None:
    lost, dead = centre.case(), centre.case()
    for _call in range(3):
        record_call(centre, lost, "NO_ANSWER", talk_s=0)
    record_call(centre, dead, "DECEASED")

    for case_ref in (lost, dead):
        answer = centre.ask(case_ref, point=PointKind.RELATED)
        assert DenyCode.THIRD_PARTY_NOT_ALLOWED in codes(answer)


def test_a_refusal_to_pay_in_such_a_call_ends_the_day(centre: CallCentre) -> None:
    case_ref = centre.case()
    record_call(centre, case_ref, "RPC_REFUSE")

    assert codes(centre.ask(case_ref)) == (DenyCode.COOLDOWN,)


def test_a_correction_is_no_second_call_and_takes_nothing_back(centre: CallCentre) -> None:
    case_ref = centre.case()

    def correct_one() -> None:
        first = record_call(centre, case_ref)
        second = record_call(centre, case_ref, "NOT_DIALED", supersedes_call_id=first, talk_s=0)
        centre.lender.query(
            "UPDATE casegate.call_record SET superseded_by = %s WHERE call_id = %s RETURNING 1",
            (second, first),
        )

    correct_one()
    correct_one()
    third = centre.ask(case_ref)
    correct_one()

    assert isinstance(third, Granted)
    assert codes(centre.ask(case_ref)) == (DenyCode.DAILY_CAP_REACHED,)


def test_a_call_with_its_permit_is_not_counted_twice(centre: CallCentre) -> None:
    case_ref = centre.case()
    for _call in range(2):
        permit = centre.ask(case_ref)
        assert isinstance(permit, Granted)
        record_call(centre, case_ref, permit_id=str(permit.permit_id))

    assert isinstance(centre.ask(case_ref), Granted)


def test_a_pack_is_tried_with_calls_that_had_no_permit(centre: CallCentre) -> None:
    rung, left_alone = centre.case(), centre.case()
    record_call(centre, rung)
    after, other = centre.ask(rung), centre.ask(left_alone)
    rule = "{id: tried.cap, kind: cap, subject: debtor, counts: [effective_call], max: 1,"
    head = 'pack: {id: tried, version: "1", source: Made up, effective_from: 2020-01-01,'
    text = f"{head} status: unverified}}\nrules:\n  - {rule} per: calendar_day}}\n"
    found = simulate_pack(
        CompanyArchive(centre.lender.database),
        TriedPack(text, "packs/tried.yaml", {}),
        since=MORNING,
        until=MORNING + HOUR,
    )
    examples = found.document()["examples"]

    assert isinstance(after, Granted)
    assert isinstance(other, Granted)
    assert str(after.permit_id) in examples
    assert str(other.permit_id) not in examples


@dataclass
class Interrupted:
    """A store in which something happens between the first look and its grant."""

    inner: PermitStore
    happening: Callable[[], object]
    looks: int = 0

    async def ask(
        self, vendor_id: str, contract_id: str, wish: PermitWish, at: datetime
    ) -> tuple[AskedCase, Picture] | None:
        found = await self.inner.ask(vendor_id, contract_id, wish, at)
        self.looks += 1
        if self.looks == 1:
            self.happening()
        return found

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


def ask_interrupted(
    centre: CallCentre, case_ref: str, happening: Callable[[], object], **changes: Any
) -> tuple[Granted | Refused, int]:
    """Asks, and lets something happen meanwhile; the answer, and how often it was looked."""

    async def race(desks: Desks) -> tuple[Granted | Refused, int]:
        store = Interrupted(desks.permits._store, happening)
        desks.permits._store = store
        wish = centre.wish(case_ref, **changes)
        return await desks.permits.ask(centre.principal(), wish, CONTEXT), store.looks

    return centre.run(race)


def test_a_record_that_comes_between_the_look_and_the_grant_is_seen(centre: CallCentre) -> None:
    case_ref = centre.case()
    for _call in range(2):
        record_call(centre, case_ref)
    answer, looks = ask_interrupted(centre, case_ref, lambda: record_call(centre, case_ref))

    assert codes(answer) == (DenyCode.DAILY_CAP_REACHED,)
    assert looks == 2


def test_an_ended_caller_number_ends_the_permits_that_show_it(centre: CallCentre) -> None:
    people = centre.lender.office().people()
    number = "+8657188000099"
    people.add_caller("alpha", "alpha-2026", number, actor="staff:test")
    case_ref = centre.case()
    shown = centre.ask(case_ref, caller_number=number)
    other = centre.ask(centre.case())
    people.end_caller("alpha", "alpha-2026", number, actor="staff:test")

    row = centre.row(shown)
    assert (row["state"], row["void_reason"]) == ("voided", "CALLER")
    assert centre.row(other)["state"] == "granted"


def test_a_number_that_ends_between_the_look_and_the_grant_gets_no_permit(
    centre: CallCentre,
) -> None:
    people = centre.lender.office().people()
    number = "+8657188000098"
    people.add_caller("alpha", "alpha-2026", number, actor="staff:test")

    def end() -> None:
        people.end_caller("alpha", "alpha-2026", number, actor="staff:test")

    answer, looks = ask_interrupted(centre, centre.case(), end, caller_number=number)

    assert codes(answer) == (DenyCode.CALLER_NUMBER_UNREGISTERED,)
    assert looks == 2


def test_who_opts_out_by_a_call_record_ends_the_open_permit_to_the_number(
    centre: CallCentre,
) -> None:
    case_ref = centre.case()
    for _call in range(3):
        permit = centre.ask(case_ref)
        assert isinstance(permit, Granted)
        centre.lender.query(
            "UPDATE casegate.contact SET state = 'recorded', closed_at = requested_at, counts = 3,"
            " is_failed = true, result = 'NO_ANSWER' WHERE contact_id = %s RETURNING 1",
            (permit.permit_id,),
        )
    first = centre.ask(case_ref, point=PointKind.RELATED)
    assert isinstance(first, Granted), first
    second = centre.ask(case_ref, point=PointKind.RELATED)
    case_id: UUID = centre.lender.query(  # type: ignore[assignment]
        "SELECT case_id FROM casegate.contact WHERE contact_id = %s", (first.permit_id,)
    )[0][0]
    centre.lender.query(
        "SELECT casegate.record_effect('alpha', 'alpha-2026', %s, %s, NULL, true, NULL, NULL, %s)",
        (first.permit_id, case_id, MORNING),
    )

    assert centre.row(second)["void_reason"] == "OPTED_OUT"


def test_a_consent_that_is_taken_back_ends_the_permit_that_stood_on_it(
    centre: CallCentre,
) -> None:
    permit, other = centre.ask(centre.case()), centre.ask(centre.case())
    assert isinstance(permit, Granted)
    consent = uuid4()
    centre.lender.query(
        "INSERT INTO casegate.consent (consent_id, vendor_id, contract_id, person_mac, case_id,"
        " case_ref, scope, captured_at, begins, ends, permit_id, given_by, recorded_at)"
        " SELECT %s, vendor_id, contract_id, person_mac, case_id, case_ref, 'amber_time', %s, %s,"
        " %s, contact_id, 'debtor', %s FROM casegate.contact WHERE contact_id = %s RETURNING 1",
        (consent, MORNING, MORNING, MORNING + HOUR, MORNING, permit.permit_id),
    )
    centre.lender.query(
        "UPDATE casegate.contact SET consents = ARRAY[%s::text] WHERE contact_id = %s RETURNING 1",
        (consent, permit.permit_id),
    )
    centre.lender.query("SELECT casegate.revoke_consent(%s, 'staff:test', %s)", (consent, MORNING))

    assert centre.row(permit)["void_reason"] == "CONSENT"
    assert centre.row(other)["state"] == "granted"
