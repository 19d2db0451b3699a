"""Permits over a real database: when they end, what they count, what ends them."""

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest

from audit.errors import AuditUnavailableError
from gateway.contact.expiry import PermitExpiry
from gateway.contact.permits import Granted, Refused
from gateway.contact.wish import PointKind
from gateway.errors import NotFoundError, PermitStateError
from gateway.operations.recall import recall_cases
from gateway.oversight.search import LogQuery
from gateway.people.agents import AgentKey
from gateway.trial.call_centre import agent_refs
from policies.contact.model import Channel, DenyCode, Measure
from policies.limits import NumberHandling
from tests.gateway.contact.centre import CONTEXT, MORNING, CallCentre, Desks


def test_a_permit_lives_ten_minutes_and_never_past_the_end_of_the_window(
    centre: CallCentre,
) -> None:
    morning = centre.row(centre.ask(centre.case()))
    centre.lender.clock.at = datetime(2026, 5, 7, 9, 55, tzinfo=UTC)  # 17:55 in Shanghai
    evening = centre.row(centre.ask(centre.case()))
    centre.lender.clock.at = datetime(2026, 5, 7, 10, 0, tzinfo=UTC)
    late = centre.ask(centre.case())

    assert morning["expires_at"] == MORNING + timedelta(minutes=10)
    assert evening["expires_at"] == datetime(2026, 5, 7, 10, 0, tzinfo=UTC)
    assert isinstance(late, Refused)
    assert late.codes == (DenyCode.OUTSIDE_WINDOW_AMBER_NO_CONSENT,)
    assert late.allowed_from == datetime(2026, 5, 8, 1, 0, tzinfo=UTC)


def test_a_permit_keeps_the_network_that_it_was_asked_from(centre: CallCentre) -> None:
    wish = centre.wish(centre.case())
    context = replace(CONTEXT, source="203.0.113.9")
    granted = centre.run(lambda desks: desks.permits.ask(centre.principal(), wish, context))

    assert isinstance(granted, Granted)
    assert centre.lender.query(
        "SELECT network FROM casegate.contact WHERE contact_id = %s", (granted.permit_id,)
    ) == [("203.0.113.0/24",)]


def test_sixty_four_ask_at_once_and_three_get_through(centre: CallCentre) -> None:
    case_ref = centre.case()

    async def race(desks: Desks) -> list[Granted | Refused]:
        wish = centre.wish(case_ref)
        return await asyncio.gather(
            *(desks.permits.ask(centre.principal(), wish, CONTEXT) for _ask in range(64))
        )

    answers = centre.run(race)
    assert Counter(type(answer) for answer in answers) == {Granted: 3, Refused: 61}


def test_a_permit_that_cannot_be_logged_is_not_given_and_takes_no_slot(
    centre: CallCentre,
) -> None:
    case_ref = centre.case()

    async def fail(desks: Desks) -> None:
        desks.evidence.is_down = True
        for _ask in range(5):
            with pytest.raises(AuditUnavailableError):
                await desks.permits.ask(centre.principal(), centre.wish(case_ref), CONTEXT)

    centre.run(fail)
    assert isinstance(centre.ask(case_ref), Granted)


def test_a_recall_ends_the_open_permit_in_its_own_transaction(centre: CallCentre) -> None:
    case_ref = centre.case()
    permit = centre.ask(case_ref)
    with centre.lender.role() as connection:
        recall_cases(
            connection, "alpha", "alpha-2026", case_refs=[case_ref], actor="test", at=MORNING
        )

    assert centre.row(permit)["void_reason"] == "RECALLED"
    with pytest.raises(NotFoundError):
        centre.ask(case_ref)


def test_a_hold_ends_permits_of_all_the_debtors_cases(centre: CallCentre) -> None:
    case_ref = centre.case()
    permit = centre.ask(case_ref)
    with centre.lender.owner() as connection:
        connection.execute(
            "SELECT casegate.place_hold(%s, r.person_mac, NULL, 'fraud_claim', 'company',"
            " 'staff:test', %s) FROM casegate.assigned_case a"
            " JOIN casegate.case_record r USING (case_id) WHERE a.case_ref = %s",
            (uuid4(), MORNING, case_ref),
        )

    row = centre.row(permit)
    assert (row["state"], row["void_reason"]) == ("voided", "HOLD")
    refused = centre.ask(case_ref)
    assert isinstance(refused, Refused)
    assert refused.codes == (DenyCode.HOLD,)


def test_a_suspended_agent_loses_his_permits_and_gets_no_more(centre: CallCentre) -> None:
    agent = agent_refs("alpha")[2]
    case_ref = centre.case()
    permit = centre.ask(case_ref, agent_ref=agent)
    centre.lender.office().people().suspend(
        AgentKey("alpha", "alpha-2026", agent), actor="staff:test"
    )

    assert centre.row(permit)["void_reason"] == "AGENT"
    refused = centre.ask(case_ref, agent_ref=agent)
    assert isinstance(refused, Refused)
    assert DenyCode.AGENT_SUSPENDED in refused.codes


def test_what_nobody_closes_counts_for_good(centre: CallCentre) -> None:
    shown, token = centre.ask(centre.case()), _third_person(centre, centre.case())
    centre.lender.clock.at = MORNING + timedelta(minutes=11)
    PermitExpiry(centre.lender.office().connection, centre.lender.clock).keep_time()

    attempt = int(Measure.ATTEMPT | Measure.UNANSWERED)
    assert centre.row(shown)["state"] == centre.row(token)["state"] == "expired"
    assert centre.row(token)["counts"] == attempt
    assert centre.row(shown)["counts"] & Measure.EFFECTIVE
    with pytest.raises(PermitStateError) as over:
        centre.run(
            lambda desks: desks.calls.give_back(centre.principal(), _id(shown), replace(CONTEXT))
        )
    assert over.value.code == "PERMIT_EXPIRED"


def test_the_reveals_of_a_day_are_counted_exactly(centre: CallCentre) -> None:
    policy = next(iter(centre.profiles.bundle))
    most = policy.limits.quotas.reveals_per_agent
    used = centre.lender.query(
        "SELECT coalesce(max(used), 0) FROM casegate.reveal_use WHERE agent_ref = %s",
        (agent_refs("alpha")[1],),
    )[0][0]
    assert isinstance(used, int)
    centre.lender.query(
        "INSERT INTO casegate.reveal_use VALUES ('alpha', 'alpha-2026', '2026-05-07', %s, %s)"
        " RETURNING 1",
        (agent_refs("alpha")[1], most - 3),
    )
    cases = [centre.case() for _case in range(8)]

    async def race(desks: Desks) -> list[Granted | Refused]:
        wishes = [centre.wish(ref, agent_ref=agent_refs("alpha")[1]) for ref in cases]
        asks = (desks.permits.ask(centre.principal(), wish, CONTEXT) for wish in wishes)
        return await asyncio.gather(*asks)

    answers = centre.run(race)
    refused = [answer for answer in answers if isinstance(answer, Refused)]
    assert len(refused) == 5
    assert {answer.codes for answer in refused} == {(DenyCode.RATE_LIMIT,)}


def test_a_call_to_a_canary_raises_a_finding_and_answers_as_any_other(
    centre: CallCentre,
) -> None:
    plain, canary = centre.case(), centre.case()
    centre.lender.query(
        "INSERT INTO casegate.canary (case_id, vendor_id, contract_id, planted_at, planted_by)"
        " SELECT case_id, vendor_id, contract_id, %s, 'staff:test' FROM casegate.assigned_case"
        " WHERE case_ref = %s RETURNING 1",
        (MORNING, canary),
    )

    async def ask(desks: Desks) -> tuple[list[set[str]], list[str]]:
        shapes = []
        for case_ref in (plain, canary):
            wish = centre.wish(case_ref)
            answer = await desks.permits.ask(centre.principal(), wish, CONTEXT)
            assert isinstance(answer, Granted)
            shapes.append(set(orjson.loads(answer.body)))
        return shapes, [entry["type"] for entry in desks.evidence.entries]

    shapes, entries = centre.run(ask)
    assert shapes[0] == shapes[1]
    assert sorted(entries) == ["finding.raised", "permit.issued", "permit.issued"]


def test_an_erased_debtors_calls_lead_nowhere(centre: CallCentre) -> None:
    case_ref = centre.case()
    permit = centre.ask(case_ref)
    centre.lender.query(
        "SELECT casegate.erase_people(ARRAY[r.person_mac]) FROM casegate.case_record r"
        " JOIN casegate.assigned_case a USING (case_id) WHERE a.case_ref = %s",
        (case_ref,),
    )
    found = centre.lender.query(
        "SELECT person_mac, point_mac, debt, case_ref, state FROM casegate.contact"
        " WHERE contact_id = %s",
        (_id(permit),),
    )
    assert found == [(bytes(32), bytes(32), "", None, "voided")]


def test_a_third_persons_number_is_never_shown(centre: CallCentre) -> None:
    assert next(iter(centre.profiles.bundle)).limits.numbers is NumberHandling.REVEAL_ONCE
    permit = _third_person(centre, centre.case())

    point = orjson.loads(permit.body)["contact_point"]
    assert point.keys() == {"kind", "masked", "dial_token"}
    assert point["masked"] is None


def _third_person(centre: CallCentre, case_ref: str) -> Granted:
    async def lose(desks: Desks) -> Granted | Refused:
        for _call in range(3):
            permit = await desks.permits.ask(centre.principal(), centre.wish(case_ref), CONTEXT)
            await desks.calls.close(centre.principal(), _id(permit), "NO_ANSWER", CONTEXT)
        wish = centre.wish(case_ref, point=PointKind.RELATED)
        return await desks.permits.ask(centre.principal(), wish, CONTEXT)

    answer = centre.run(lose)
    assert isinstance(answer, Granted), answer
    return answer


def _id(answer: Granted | Refused) -> UUID:
    assert isinstance(answer, Granted), answer
    return answer.permit_id


def test_a_dispute_holds_the_debtor_tells_the_vendor_and_is_logged(centre: CallCentre) -> None:
    case_ref = centre.case()

    async def dispute(desks: Desks) -> list[dict[str, Any]]:
        permit = await desks.permits.ask(centre.principal(), centre.wish(case_ref), CONTEXT)
        await desks.calls.close(centre.principal(), _id(permit), "RPC_DISPUTE", CONTEXT)
        return desks.evidence.entries

    entries = centre.run(dispute)
    assert [entry["type"] for entry in entries] == [
        "permit.issued",
        "permit.closed",
        "hold.placed",
    ]
    assert entries[2]["cases"] == entries[0]["cases"]
    told = centre.lender.query(
        "SELECT kind, data FROM casegate.change WHERE case_ref = %s ORDER BY place", (case_ref,)
    )
    assert [kind for kind, _data in told] == ["assigned", "held"]


def test_who_opts_out_is_not_called_by_a_permit_that_was_open_then(centre: CallCentre) -> None:
    case_ref = centre.case()
    first = _third_person(centre, case_ref)
    second = centre.ask(case_ref, point=PointKind.RELATED)
    assert isinstance(second, Granted), second
    centre.run(
        lambda desks: desks.calls.close(
            centre.principal(), _id(first), "THIRD_PARTY_REFUSE", CONTEXT
        )
    )

    row = centre.row(second)
    assert (row["state"], row["void_reason"], row["counts"]) == ("voided", "OPTED_OUT", 0)
    assert isinstance(centre.ask(case_ref, point=PointKind.RELATED), Refused)


def test_the_log_is_told_once_which_permits_something_else_has_ended(centre: CallCentre) -> None:
    permit = centre.ask(centre.case())
    ((case_id,),) = centre.lender.query(
        "SELECT case_id FROM casegate.contact WHERE contact_id = %s", (_id(permit),)
    )
    with centre.lender.role() as connection:
        connection.execute(
            "UPDATE casegate.assigned_case SET status = 'recalled', recalled_at = %s"
            " WHERE case_id = %s",
            (MORNING, case_id),
        )
    office = centre.lender.office()
    for _round in range(2):
        PermitExpiry(office.connection, centre.lender.clock).keep_time()
    hits = office.search(LogQuery(event="permit.voided"), actor="cli:test").hits
    told = [hit.entry for hit in hits if str(_id(permit)) in hit.entry["permits"]]

    assert [entry["reason"] for entry in told] == ["RECALLED"]
    assert told[0]["vendor"] == "alpha"


def test_what_a_caller_typed_into_a_reference_does_not_come_into_the_log(
    centre: CallCentre,
) -> None:
    typed = {
        "agent_ref": "440308199003077338",
        "script_id": "13977312468",
        "caller_number": "+8613977312468",
    }

    async def ask(desks: Desks) -> dict[str, Any]:
        wish = centre.wish(centre.case(), **typed)
        assert isinstance(await desks.permits.ask(centre.principal(), wish, CONTEXT), Refused)
        return desks.evidence.entries[-1]

    entry = centre.run(ask)
    assert (entry["agent"], entry["script"], entry["caller"]) == (None, None, None)
    assert not any(value in str(entry) for value in typed.values())
    kept = centre.lender.query("SELECT agent_ref FROM casegate.permit_refusal")
    assert ("440308199003077338",) not in kept


def test_a_channel_that_the_debtor_refuses_is_closed_to_every_vendor(centre: CallCentre) -> None:
    case_ref = centre.case()
    open_permit = centre.ask(case_ref)

    async def refuse(desks: Desks) -> list[str]:
        for _again in range(2):
            await desks.calls.refuse_channel(
                centre.principal(), case_ref, Channel.VOICE_HUMAN, CONTEXT
            )
        with pytest.raises(NotFoundError):
            await desks.calls.refuse_channel(centre.principal(), "A" * 26, Channel.SMS, CONTEXT)
        return [entry["type"] for entry in desks.evidence.entries]

    assert centre.run(refuse) == ["channel.refused", "channel.refused"]
    assert centre.row(open_permit)["void_reason"] == "CHANNEL_REFUSED"
    refused = centre.ask(case_ref)
    assert isinstance(refused, Refused)
    assert refused.codes == (DenyCode.MEDIUM_OPTED_OUT,)
