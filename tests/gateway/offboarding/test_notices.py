from datetime import date, datetime, time, timedelta
from pathlib import Path
from uuid import UUID

import pytest

from audit.entry import EventType
from gateway.clock import rfc3339
from gateway.identity.principal import CredentialScope
from gateway.offboarding.notices import notice_due
from gateway.operations.approval import decide
from gateway.working_days import CHINA
from tests.gateway.offboarding.stage import CONTRACT, Stage
from tests.gateway.store.lender import ACTOR

# 1 May 2026 begins a holiday; ten working days after it:
DUE = date(2026, 5, 18)


@pytest.fixture
def stage(postgres_url: str, tmp_path: Path) -> Stage:
    made = Stage.make(postgres_url, tmp_path, cases=1)
    made.offboard()
    return made


def _live_until(stage: Stage, last: date) -> list[tuple[str, str]]:
    """Rounds at nine in the morning, twice each day; the notices then."""
    day = stage.lender.clock.at.date()
    while day < last:
        day += timedelta(days=1)
        stage.lender.clock.at = datetime.combine(day, time(9), CHINA)
        stage.desk.keep_time()
        stage.desk.keep_time()
    return [(made["kind"], made["day"]) for made in stage.desk.one(CONTRACT)["notices"]]


def test_it_asks_reminds_twice_and_then_escalates_every_day(stage: Stage) -> None:
    assert stage.desk.one(CONTRACT)["facts"]["request"]["due_day"] == DUE.isoformat()

    told = _live_until(stage, DUE + timedelta(days=3))

    assert told == [
        ("asked", "2026-05-18"),
        ("three-days", "2026-05-18"),
        ("one-day", "2026-05-18"),
        ("overdue", "2026-05-19"),
        ("overdue", "2026-05-20"),
        ("overdue", "2026-05-21"),
    ]
    notices = [
        entry["notice"]
        for entry in stage.entries(EventType.OFFBOARDING_ADVANCED)
        if "notice" in entry
    ]
    assert notices == [kind for kind, _day in told]


def test_a_filed_certificate_ends_the_reminders_and_a_contested_one_does_not(
    stage: Stage,
) -> None:
    closing = stage.closing_principal()
    stage.file(closing)
    assert len(_live_until(stage, DUE + timedelta(days=1))) == 1

    stage.desk.contest(CONTRACT, reason="not signed", actor=ACTOR)

    assert _live_until(stage, DUE + timedelta(days=2))[1:] == [("overdue", "2026-05-20")]


@pytest.mark.parametrize(
    ("today", "kind"),
    [
        (date(2026, 5, 12), None),
        (date(2026, 5, 13), "three-days"),
        (date(2026, 5, 14), "three-days"),
        (date(2026, 5, 15), "one-day"),
        (date(2026, 5, 17), "one-day"),
        (DUE, "one-day"),
        (date(2026, 5, 19), "overdue"),
    ],
)
def test_which_notice_a_day_calls_for(today: date, kind: str | None) -> None:
    found = notice_due(today, DUE)

    assert (found and found[0]) == kind


def test_the_outbox_comes_in_pages_newest_first_and_tells_of_the_closing_invitation(
    stage: Stage,
) -> None:
    _live_until(stage, DUE + timedelta(days=2))

    first = stage.desk.notices(limit=2)
    rest = stage.desk.notices(after=first[-1]["id"], limit=200)
    (listed,) = stage.desk.listing("alpha")

    assert [told["kind"] for told in [*first, *rest]] == [
        *("overdue", "overdue", "one-day", "three-days", "asked"),
    ]
    assert {(told["vendor"], told["contract"]) for told in rest} == {("alpha", CONTRACT)}
    # The end itself has asked for the second person, and the request outlives the usual days.
    invitation = listed["closing_invitation"]
    assert (invitation["status"], invitation["invited_at"]) == ("open", None)
    with stage.lender.role() as connection:
        at = stage.lender.clock.at
        proposal = UUID(invitation["proposal"])
        decide(connection, proposal, is_approved=True, actor="staff:li", at=at)
    made = (
        stage.lender.office()
        .onboarding()
        .invite(
            "alpha",
            CONTRACT,
            system="closing",
            scope=CredentialScope.CLOSING,
            hours=24,
            actor=ACTOR,
        )
    )
    (listed,) = stage.desk.listing("alpha")
    assert listed["closing_invitation"]["status"] == "approved"
    assert listed["closing_invitation"]["expires_at"] == rfc3339(made.expires_at)
