"""A spot check from the draw to what follows: thirty calls, one recording short, one threat."""

from collections import Counter
from uuid import UUID

import psycopg
import pytest

from gateway.quality.checks import Verdict
from gateway.quality.sampling import draw_calls
from tests.gateway.reports.month import CONTRACT, NOW, VENDOR, Month

WHO = "staff:li"


def failed(rule: str, clause: str) -> Verdict:
    return Verdict(is_passed=False, rule=rule, clause=clause)


@pytest.fixture
def seed(month: Month) -> str:
    """A seed of which nobody could choose the calls; all agents are at work when it is used."""
    month.lender.clock.at = NOW
    month.run("UPDATE casegate.agent_person SET standing = 'clear'")
    month.run("UPDATE casegate.agent SET status = 'qualified' WHERE status = 'suspended'")
    return "18" * 32


def test_thirty_calls_are_drawn_and_what_is_heard_in_them_has_its_consequences(
    month: Month, seed: str
) -> None:
    office = month.lender.office()
    desk = office.quality()
    drawn = desk.draw((VENDOR, CONTRACT), "2026-W17", calls=30, seed=seed, actor=WHO)
    week = month.lender.query(
        "SELECT call_id FROM casegate.call_record WHERE talk_s > 0 AND started_at >="
        " '2026-04-20T00:00+08:00' AND started_at < '2026-04-27T00:00+08:00'"
    )
    assert list(drawn.calls) == draw_calls(seed, [str(row[0]) for row in week], 30)
    month.run("DELETE FROM casegate.recording WHERE call_id = %s", drawn.calls[7])

    found = desk.checks(draw=drawn.draw_id, limit=30).items
    verdicts = {
        drawn.calls[3]: failed("QUALITY_THREAT", "2.4.4"),
        **{call: failed("QUALITY_IDENTITY_UNCHECKED", "3.2.4") for call in drawn.calls[4:7]},
    }
    for check in found:
        call = str(check["call_id"])
        lacks = failed("QUALITY_RECORDING_MISSING", "3.3.1")
        verdict = verdicts.get(call, Verdict(is_passed=True) if check["has_recording"] else lacks)
        desk.settle(UUID(str(check["check_id"])), verdict, actor=WHO)
    office.affair_keeper().keep_time()

    told = Counter(
        (one["state"], one["rule"]) for one in desk.checks(draw=drawn.draw_id, limit=30).items
    )
    assert told == {
        ("pass", None): 25,
        ("fail", "QUALITY_THREAT"): 1,
        ("fail", "QUALITY_IDENTITY_UNCHECKED"): 3,
        ("fail", "QUALITY_RECORDING_MISSING"): 1,
    }
    notices = month.lender.query(
        "SELECT severity, state FROM casegate.affair WHERE kind = 'rectification'"
        " AND codes @> '{QUALITY_IDENTITY_UNCHECKED}'"
    )
    assert notices == [("major", "issued")]
    threats = month.lender.query(
        "SELECT severity, state FROM casegate.affair WHERE kind = 'rectification'"
        " AND codes @> '{QUALITY_THREAT}'"
    )
    assert threats == [("critical", "drafted")]  # a second person issues what is critical
    threatens = month.lender.query(
        "SELECT a.agent_ref, a.id_hash, a.status FROM casegate.agent a"
        " JOIN casegate.call_record c USING (vendor_id, contract_id, agent_ref)"
        " WHERE c.call_id = %s",
        (drawn.calls[3],),
    )
    assert [row[2] for row in threatens] == ["suspended"]
    _verify_he_comes_back_under_no_other_name(month, threatens[0][1])


def _verify_he_comes_back_under_no_other_name(month: Month, person: object) -> None:
    with month.lender.role("vendor") as connection:
        connection.execute("SELECT set_config('casegate.vendor_id', 'alpha', false)")
        with pytest.raises(psycopg.Error) as refused:
            connection.execute(
                "SELECT casegate.register_agent('alpha', 'alpha-2026', 'alpha-new', %s,"
                " '2026-05-01', 50, %s)",
                (person, NOW),
            )
    assert refused.value.sqlstate == "CG141"
