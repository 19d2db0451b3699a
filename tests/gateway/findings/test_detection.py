"""Rules of who reads what, over the real search index and real permits."""

from datetime import datetime, timedelta
from uuid import uuid4

import pytest

from audit.entry import EventType
from gateway.evidence import record_with_change
from gateway.findings.detection import look_for
from gateway.findings.detection_rules import DetectionRule, packaged_rules
from gateway.oversight.indexing import catch_up
from gateway.trial.call_centre import open_call_centre
from tests.gateway.store.lender import START, Lender

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
RULES = {rule.name: rule for rule in packaged_rules()}
ALPHA = ("alpha", "alpha-2026")
# 12:00 in China.
NOON = START.replace(hour=4)


@pytest.fixture(scope="module")
def lender(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Lender:
    made = Lender.fresh(postgres_url, tmp_path_factory.mktemp("lender"))
    open_call_centre(made.office(), [ALPHA])
    return made


def read(lender: Lender, at: datetime, times: int, cases: int | None = None) -> None:
    """Reads in vain, or of so many cases each, as the log has them and the index sums them."""
    with lender.role() as connection:
        for _one in range(times):
            if cases is None:
                record_with_change(
                    connection, EventType.ACCESS_DENIED, at=at, vendor="alpha", code="NOT_FOUND"
                )
            else:
                refs = [uuid4().hex for _case in range(cases)]
                record_with_change(
                    connection, EventType.ACCESS_RELEASE, at=at, vendor="alpha", cases=refs
                )
    with lender.role("publisher") as connection:
        catch_up(connection)


def permit(
    lender: Lender,
    agent: str,
    at: datetime,
    *,
    handling: str = "dial_token",
    network: str | None = None,
    lasts: timedelta = timedelta(minutes=10),
) -> None:
    with lender.owner() as connection:
        connection.execute(
            "INSERT INTO casegate.contact (contact_id, vendor_id, contract_id, case_id,"
            " person_mac, point_mac, point_kind, party, debt, channel, call_kind, agent_ref,"
            " requested_at, expires_at, state, handling, closed_at, counts, network)"
            " SELECT %s, 'alpha', 'alpha-2026', %s, sha256('p'), sha256('n'), 'mobile', 'debtor',"
            " 'd', 'voice_human', 'interactive', %s, %s, %s, 'recorded', %s, %s, 0, %s",
            (*(uuid4(), uuid4(), agent, at, at + lasts), *(handling, at + lasts, network)),
        )


def found(lender: Lender, rule: DetectionRule, agent: str | None = None) -> list[int]:
    """How many each finding of a rule counts, after a look at all days from the next day on."""
    with lender.owner() as connection:
        connection.execute("DELETE FROM casegate.detection_mark")
    with lender.role() as connection:
        look_for(connection, rule, START + DAY)
    rows = lender.query(
        "SELECT (evidence ->> 'count')::integer FROM casegate.finding WHERE rule = %s"
        " AND agent_ref IS NOT DISTINCT FROM %s ORDER BY 1",
        (rule.name, agent),
    )
    return [int(str(row[0])) for row in rows]


def test_ten_reads_in_vain_within_an_hour_are_probing_and_nine_are_not(lender: Lender) -> None:
    read(lender, NOON, 9)
    read(lender, NOON + HOUR, 9)
    assert found(lender, RULES["READS_FAILED"]) == []

    read(lender, NOON + timedelta(minutes=59), 1)
    assert found(lender, RULES["READS_FAILED"]) == [10]
    assert found(lender, RULES["READS_FAILED"]) == [10]


def test_reads_of_one_night_are_counted_together_and_those_of_the_day_are_not(
    lender: Lender,
) -> None:
    # 07:59 and 08:00 belong to one night and to none; 22:00 begins the next.
    night = NOON - 5 * HOUR + timedelta(minutes=59)
    read(lender, night, 2, cases=499)
    read(lender, night + timedelta(minutes=1), 1, cases=600)
    assert found(lender, RULES["READS_AT_NIGHT"]) == []

    read(lender, night - 9 * HOUR, 1, cases=2)
    assert found(lender, RULES["READS_AT_NIGHT"]) == [1000]


def test_an_agent_is_at_two_places_only_while_both_permits_are_open(lender: Lender) -> None:
    rule = RULES["AGENT_ON_TWO_NETWORKS"]
    here, there = "203.0.113.0/24", "198.51.100.0/24"
    permit(lender, "moved", NOON, network=here, lasts=timedelta(minutes=4))
    permit(lender, "moved", NOON + timedelta(minutes=5), network=there)
    permit(lender, "unknown", NOON, network=None)
    permit(lender, "unknown", NOON + timedelta(minutes=1), network=there)
    permit(lender, "one", NOON, network=here)
    permit(lender, "other", NOON + timedelta(minutes=1), network=there)
    assert [found(lender, rule, agent) for agent in ("moved", "unknown", "one", "other")] == [
        *([], [], [], [])
    ]

    permit(lender, "twice", NOON, network=here)
    permit(lender, "twice", NOON + timedelta(minutes=1), network=there)
    assert found(lender, rule, "twice") == [1]


@pytest.mark.parametrize(
    ("days", "hours_late", "shown", "raised"),
    [
        (5, 4, 3, [3]),
        (4, 4, 3, []),
        (5, 2, 3, []),
        (5, 4, 2, []),
        (5, -4, 3, [3]),
    ],
)
def test_numbers_are_shown_after_work_where_a_shift_of_five_days_is_known(
    lender: Lender, days: int, hours_late: int, shown: int, raised: list[int]
) -> None:
    agent = f"a{days}{hours_late}{shown}"
    for day in range(1, days + 1):
        permit(lender, agent, NOON - day * DAY)
    for _one in range(shown):
        permit(lender, agent, NOON + hours_late * HOUR, handling="reveal_once")

    assert found(lender, RULES["REVEALS_OFF_SHIFT"], agent) == raised
