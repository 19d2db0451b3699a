"""Samples, incidents, reviews and the end of a month."""

from dataclasses import replace
from datetime import date, timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import sql

from gateway.errors import (
    AlreadyExistsError,
    IllegalTransitionError,
    NotFoundError,
    PeriodNotEndedError,
    RequestInvalidError,
)
from gateway.people.paging import Page
from gateway.quality.checks import Draw, Verdict
from gateway.quality.desk import QualityDesk
from gateway.quality.incidents import Incident
from gateway.quality.own import OwnChecks
from gateway.quality.sampling import calls_digest, draw_calls
from gateway.release.cursor import CursorCipher
from gateway.reports.closing import Meeting
from gateway.reports.periods import parse_period
from keys.secret import Secret
from tests.gateway.reports.month import CONTRACT, NOW, VENDOR, Month

ALPHA = (VENDOR, CONTRACT)
WHO = "staff:li"
PASSED = Verdict(is_passed=True)


@pytest.fixture
def desk(month: Month) -> QualityDesk:
    month.lender.clock.at = NOW
    return month.lender.office().quality()


def failed(rule: str | None = "QUALITY_THREAT", clause: str | None = "3.2.4") -> Verdict:
    return Verdict(is_passed=False, rule=rule, clause=clause)


def drawn(desk: QualityDesk, number: int, calls: int = 30, period: str = "2026-04") -> Draw:
    return desk.draw(ALPHA, period, calls=calls, seed=f"{number:032x}", actor=WHO)


def checks(desk: QualityDesk, draw: Draw) -> list[dict[str, Any]]:
    return desk.checks(draw=draw.draw_id, limit=200).items


def events(month: Month, kind: str) -> list[str]:
    bundles = month.lender.query("SELECT bundle FROM audit.batch ORDER BY first_index")
    log = b"".join(bytes(row[0]) for row in bundles)  # type: ignore[call-overload]
    marked = f'"type":"{kind}"'.encode()
    return [part.decode(errors="replace") for part in log.split(b'{"') if marked in part]


def own_page(month: Month, vendor: str = VENDOR, limit: int = 200, cursor: Any = None) -> Page:
    own = OwnChecks(
        lambda: month.lender.office().connection("vendor"), CursorCipher(Secret(bytes(32)))
    )
    return own.page(month.principal(vendor), cursor=cursor, limit=limit)


def test_anybody_who_has_the_calls_draws_the_same_sample_again(
    month: Month, desk: QualityDesk
) -> None:
    made = drawn(desk, 1)

    rows = month.lender.query("SELECT call_id FROM casegate.call_record WHERE talk_s > 0")
    spoken = sorted(str(row[0]) for row in rows)
    assert list(made.calls) == draw_calls(made.seed, spoken, 30)
    assert (made.found, made.calls_sha256) == (len(spoken), calls_digest(spoken))
    told = [one for one in own_page(month).items if one["draw_id"] == str(made.draw_id)]
    assert [one["call_id"] for one in reversed(told)] == list(made.calls)
    assert {(one["seed"], one["calls"], one["state"]) for one in told} == {
        (made.seed, made.found, "open")
    }
    assert {one["calls_sha256"] for one in told} == {calls_digest(spoken).hex()}
    assert any(made.seed in entry for entry in events(month, "quality.drawn"))


def test_a_seed_is_made_where_nobody_names_one_and_counts_once(desk: QualityDesk) -> None:
    made = desk.draw(ALPHA, "2026-04-01", calls=2, seed=None, actor=WHO)

    assert len(made.seed) == 64
    with pytest.raises(AlreadyExistsError):
        desk.draw(ALPHA, "2026-04-01", calls=2, seed=made.seed, actor=WHO)


def test_nothing_is_drawn_too_early_from_nothing_or_of_a_strange_contract(
    desk: QualityDesk,
) -> None:
    with pytest.raises(PeriodNotEndedError):
        drawn(desk, 2, period="2026-05")
    with pytest.raises(NotFoundError, match="nobody was spoken to"):
        drawn(desk, 2, period="2026-04-05")
    with pytest.raises(NotFoundError, match="contract"):
        desk.draw(("beta", CONTRACT), "2026-04", calls=1, seed=None, actor=WHO)
    with pytest.raises(RequestInvalidError):
        drawn(desk, 2, calls=0)


def test_the_vendor_sees_its_own_checks_in_pages_and_nobody_elses(
    month: Month, desk: QualityDesk
) -> None:
    drawn(desk, 3)
    whole = own_page(month).items
    paged: list[dict[str, Any]] = []
    cursor: str | None = ""
    while cursor is not None:
        page = own_page(month, limit=7, cursor=cursor or None)
        paged, cursor = paged + page.items, page.next_cursor

    assert paged == whole
    assert own_page(month, "beta").items == []
    assert not {"drawn_by", "agent_ref"} & set(whole[0])
    for table in ("quality_check", "quality_draw", "incident", "access_review"):
        query = sql.SQL("SELECT * FROM casegate.{}").format(sql.Identifier(table))
        with (
            month.lender.role("vendor") as connection,
            pytest.raises(psycopg.errors.InsufficientPrivilege),
        ):
            connection.execute(query)


def test_a_check_says_whether_its_recording_is_there(month: Month, desk: QualityDesk) -> None:
    made = drawn(desk, 4)
    lost = made.calls[0]
    month.run("UPDATE casegate.recording SET call_id = 'lost' WHERE call_id = %s", lost)

    missing = {one["call_id"] for one in checks(desk, made) if not one["has_recording"]}
    told = {
        one["call_id"]
        for one in own_page(month).items
        if one["draw_id"] == str(made.draw_id) and not one["has_recording"]
    }
    month.run("UPDATE casegate.recording SET call_id = %s WHERE call_id = 'lost'", lost)

    assert missing == told == {lost}


def test_a_failed_check_is_a_finding_and_a_threat_takes_the_agent_out(
    month: Month, desk: QualityDesk
) -> None:
    made = drawn(desk, 5, calls=2)
    first, second = checks(desk, made)
    settled = desk.settle(UUID(first["check_id"]), failed(), actor=WHO)
    desk.settle(UUID(second["check_id"]), PASSED, actor=WHO)

    rows = month.lender.query(
        "SELECT f.severity, f.agent_ref, f.evidence ->> 'call', f.evidence ->> 'clause', a.status"
        "  FROM casegate.finding f JOIN casegate.agent a USING (vendor_id, contract_id, agent_ref)"
        " WHERE f.finding_id = %s",
        (settled["finding_id"],),
    )
    assert rows == [("critical", first["agent_ref"], first["call_id"], "3.2.4", "suspended")]
    states = {one["check_id"]: (one["state"], one["rule"]) for one in checks(desk, made)}
    assert states == {
        first["check_id"]: ("fail", "QUALITY_THREAT"),
        second["check_id"]: ("pass", None),
    }
    assert first["call_id"] not in "".join(events(month, "quality.checked"))
    open_ones = desk.checks(draw=made.draw_id, only_open=True)
    assert open_ones.items == []


def test_a_result_is_final_and_a_failure_says_what_failed(desk: QualityDesk) -> None:
    check = UUID(checks(desk, drawn(desk, 6, calls=1))[0]["check_id"])
    for unfit in (
        failed(None, None),
        failed(clause=None),
        failed("QUALITY_MOOD"),
        failed(clause="客户张伟"),
        replace(failed(), is_passed=True),
    ):
        with pytest.raises(RequestInvalidError):
            desk.settle(check, unfit, actor=WHO)
    desk.settle(check, PASSED, actor=WHO)
    with pytest.raises(IllegalTransitionError):
        desk.settle(check, PASSED, actor=WHO)
    with pytest.raises(NotFoundError):
        desk.settle(uuid4(), PASSED, actor=WHO)


def test_results_are_numbers_of_the_report_of_their_own_time(
    month: Month, desk: QualityDesk
) -> None:
    before = month.counted("2026-W20")
    made = drawn(desk, 7, calls=3)
    month.lender.clock.at = NOW + timedelta(days=4)  # a Tuesday of week 20
    verdicts = (PASSED, PASSED, failed("QUALITY_SCRIPT_LEFT", "3.2.2"))
    for one, verdict in zip(checks(desk, made), verdicts, strict=True):
        desk.settle(UUID(one["check_id"]), verdict, actor=WHO)
    after = month.counted("2026-W20")
    month.lender.clock.at = NOW

    assert (before["qc_sampled"], before["qc_fail_rate"]) == (0, None)
    # They were drawn the week before.
    assert (after["qc_sampled"], after["qc_fail_rate"]) == (0, 33.3)


def test_an_incident_is_detected_contained_and_closed_in_this_order(
    month: Month, desk: QualityDesk
) -> None:
    told = Incident(*ALPHA, "lost_device", "major", NOW - timedelta(hours=3))
    incident = UUID(str(desk.open_incident(told, actor=WHO)["incident_id"]))
    with pytest.raises(IllegalTransitionError, match="contained first"):
        desk.move_incident(incident, "closed", actor=WHO)
    states = [
        desk.move_incident(incident, to, actor=WHO)["state"] for to in ("contained", "closed")
    ]
    with pytest.raises(IllegalTransitionError, match="is closed"):
        desk.move_incident(incident, "contained", actor=WHO)

    assert states == ["contained", "closed"]
    assert str(incident) in {one["incident_id"] for one in desk.incidents(vendor=VENDOR).items}
    still_open = desk.incidents(vendor=VENDOR, only_open=True).items
    assert str(incident) not in {one["incident_id"] for one in still_open}
    assert len([one for one in events(month, "incident.changed") if str(incident) in one]) == 3
    for unfit in (
        replace(told, kind="张伟的手机"),
        replace(told, level="bad"),
        replace(told, detected_at=NOW + timedelta(hours=1)),
    ):
        with pytest.raises(RequestInvalidError):
            desk.open_incident(unfit, actor=WHO)
    with pytest.raises(NotFoundError):
        desk.open_incident(replace(told, vendor_id="beta"), actor=WHO)
    with pytest.raises(NotFoundError):
        desk.move_incident(uuid4(), "contained", actor=WHO)


def test_a_month_has_one_access_review_and_its_report_says_so(
    month: Month, desk: QualityDesk
) -> None:
    assert month.counted("2026-03")["data_access_review_done"] is False
    made = desk.review(ALPHA, "2026-03", actor=WHO)

    assert (made["credentials"], made["reviewed_by"]) == (1, WHO)
    assert month.counted("2026-03")["data_access_review_done"] is True
    with pytest.raises(AlreadyExistsError):
        desk.review(ALPHA, "2026-03", actor=WHO)
    for period in ("2026-06", "2026-W12", "2026-04-01"):
        with pytest.raises(RequestInvalidError):
            desk.review(ALPHA, period, actor=WHO)
    newest = desk.reviews(limit=1)
    older = desk.reviews(limit=1, cursor=newest.next_cursor)
    assert [one["period"] for one in (*newest.items, *older.items)] == ["2026-04", "2026-03"]


def test_a_month_is_closed_after_its_meeting_and_its_report_and_once(month: Month) -> None:
    reports = month.lender.office().reports()
    april = parse_period("2026-04")
    meeting = Meeting(*ALPHA, april, date(2026, 5, 7), "5e" * 32, 4)
    with pytest.raises(IllegalTransitionError, match="0 of 1 meetings"):
        reports.close(ALPHA, "2026-04", actor=WHO)
    reports.meet(meeting, actor=WHO)
    with pytest.raises(IllegalTransitionError, match="neither accepted nor waived"):
        reports.close(ALPHA, "2026-04", actor=WHO)
    month.submit(month.filing("2026-04"))

    assert reports.close(ALPHA, "2026-04", actor=WHO)["period"] == "2026-04"
    with pytest.raises(IllegalTransitionError, match="closed already"):
        reports.close(ALPHA, "2026-04", actor=WHO)
    (known,) = reports.months(vendor=VENDOR).items
    assert (known["state"], known["meetings"], known["actions"]) == ("closed", 1, 4)
    assert (len(events(month, "meeting.recorded")), len(events(month, "month.closed"))) == (1, 1)
    with pytest.raises(AlreadyExistsError):
        reports.meet(meeting, actor=WHO)
    for unfit in (
        replace(meeting, held_on=date(2026, 5, 9)),
        replace(meeting, held_on=date(2026, 3, 31)),
        replace(meeting, minutes_sha256="minutes"),
        replace(meeting, period=parse_period("2026-W18")),
        replace(meeting, actions=-1),
    ):
        with pytest.raises(RequestInvalidError):
            reports.meet(unfit, actor=WHO)
    with pytest.raises(NotFoundError):
        reports.meet(replace(meeting, vendor_id="beta"), actor=WHO)


def test_a_month_whose_report_is_to_be_revised_is_not_closed(month: Month) -> None:
    reports = month.lender.office().reports()
    march = Meeting(*ALPHA, parse_period("2026-03"), date(2026, 4, 3), "ab" * 32, 0)
    reports.meet(march, actor=WHO)
    sent = month.submit(month.filing("2026-03"))
    month.run(
        "INSERT INTO casegate.report_reopening VALUES (%s, 'alpha', 'alpha-2026', %s, 1)",
        sent["report_id"],
        NOW,
    )

    with pytest.raises(IllegalTransitionError, match="revision is due"):
        reports.close(ALPHA, "2026-03", actor=WHO)
    month.submit(replace(month.filing("2026-03"), revision=2))
    assert reports.close(ALPHA, "2026-03", actor=WHO)["period"] == "2026-03"
