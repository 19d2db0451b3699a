"""Accounts in summaries, and what follows when money goes to one that is not the company's."""

from uuid import uuid4

import pytest

from gateway.affairs.consequences import accounts_towards
from gateway.findings.record import Fault, Severity, raise_finding
from gateway.intake.records_seal import RecordSeal
from gateway.redaction.identifiers import IdentifierFinder
from gateway.trial.call_centre import agent_refs
from tests.gateway.affairs.settling import Settling
from tests.gateway.store.lender import START

CARD = "6222021234567890128"


@pytest.mark.parametrize(
    ("text", "is_told"),
    [
        (f"已告知客户转账到 {CARD}", True),
        (f"让客户把钱打到卡号{CARD}", True),
        (f"收款账号: {CARD}", True),
        (f"客户称已用其卡 {CARD} 还款", False),
        ("客户承诺周五还款到账 2000 元", False),
    ],
)
def test_an_account_counts_where_money_goes_to_it(text: str, is_told: bool) -> None:  # noqa: FBT001 - a parameter of the test
    assert bool(accounts_towards(text, IdentifierFinder())) is is_told


@pytest.mark.parametrize("is_ours", [True, False])
def test_a_summary_that_sends_money_elsewhere_suspends_its_agent(
    settling: Settling,
    is_ours: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    settling.lender.clock.at = START
    agent, call = agent_refs("alpha")[2], f"call-{uuid4().hex[:8]}"
    one, *_ = settling.debtors.refs
    if is_ours:
        settling.ledger.register_account(CARD, "还款专户", actor="staff:li")
    else:
        settling.ledger.end_account(CARD, actor="staff:li")
    _summary(settling, one, agent, call, f"已告知客户转账到 {CARD}")

    with settling.lender.role() as connection:
        evidence = {"call_id": call, "case_ref": one}
        fault = Fault("CALL_PERSONAL_DATA", Severity.MINOR, "alpha", evidence, "alpha-2026", agent)
        raise_finding(connection, fault, at=START)
    settling.keeper.keep_time()

    assert settling.agent_status(agent) == ("qualified" if is_ours else "suspended")
    assert len(settling.findings("SUMMARY_FOREIGN_ACCOUNT")) == (0 if is_ours else 1)


def _summary(settling: Settling, ref: str, agent: str, call: str, text: str) -> None:
    with settling.lender.owner() as connection:
        row = connection.execute(
            "SELECT r.log_salt FROM casegate.case_record r JOIN casegate.assigned_case a"
            " USING (case_id) WHERE a.case_ref = %s",
            (ref,),
        ).fetchone()
        assert row is not None
        sealed = RecordSeal(settling.debtors.index_key).seal_summary(text, bytes(row[0]), call)
        connection.execute(
            "INSERT INTO casegate.call_record (vendor_id, contract_id, call_id, case_id, case_ref,"
            " agent_ref, direction, call_kind, started_at, ended_at, talk_s, result_code,"
            " disclosures, sealed_summary, summary_state, received_at, batch_id, body_sha256)"
            " SELECT vendor_id, contract_id, %s, case_id, case_ref, %s, 'outbound', 'interactive',"
            " %s, %s, 60, 'RPC_NO_PTP', '{}', %s, 'held', %s, gen_random_uuid(), ''"
            " FROM casegate.assigned_case WHERE case_ref = %s",
            (call, agent, START, START, sealed, START, ref),
        )
