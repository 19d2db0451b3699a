"""The auditor's views over a small log whose every entry is known."""

from datetime import timedelta
from typing import Any

import psycopg
import pytest

from audit.entry import EventType
from gateway.errors import RequestInvalidError
from gateway.evidence import record_with_change
from gateway.oversight.configuration import note_policies
from gateway.oversight.explanations import explain
from gateway.oversight.indexing import catch_up
from gateway.oversight.query import LogQuery
from gateway.oversight.timeline import Step
from gateway.oversight.views import REFUSALS
from policies.decide import DenyReason
from policies.fields import Stage
from policies.load import load_packaged_bundle
from tests.gateway.store.lender import ACTOR, HEADER, START, Lender, case_row

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
CERTIFICATES = ("aa" * 32, "bb" * 32)
MOBILE = "13800000001"


@pytest.fixture(scope="module")
def lender(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Lender:
    """Two cases at alpha; releases on three days; a policy, refusals, a revocation."""
    folder = tmp_path_factory.mktemp("lender")
    made = Lender.fresh(postgres_url, folder)
    rows = [case_row(1), case_row(2, id_number="53010219200508011X")]
    assert made.put(folder / "cases.csv", "\n".join([HEADER, *rows])).assigned == 2
    first, second = _commitments(made)
    with made.role() as connection:
        note_policies(connection, load_packaged_bundle(), actor=ACTOR, at=START)
        for number in range(6):
            cases = [first, second] if number % 2 else [second]
            index = _release(connection, number, cases)
            if number != 5:
                _end(connection, number, index)
        for number, (code, status) in enumerate(
            [("NOT_FOUND", 404), ("PURPOSE_NOT_ALLOWED", 403), ("CRED_REVOKED", 401)]
        ):
            record_with_change(
                connection,
                EventType.ACCESS_DENIED,
                at=START + 2 * DAY + number * HOUR,
                vendor="alpha",
                request=f"refused-{number}",
                code=code,
                status=status,
                policy="ff" * 32 if status == 403 else None,
            )
        record_with_change(
            connection, EventType.VENDOR_REVOKED, at=START + 2 * DAY, actor=ACTOR, vendor="alpha"
        )
    with made.role("publisher") as connection:
        catch_up(connection)
    return made


def _commitments(lender: Lender) -> tuple[str, str]:
    rows = lender.query("SELECT encode(commitment, 'hex') FROM casegate.assigned_case ORDER BY 1")
    office = lender.office()
    (first,) = office.commitments_of(MOBILE)
    (second,) = {str(row[0]) for row in rows} - {first}
    return first, second


def _profile() -> str:
    policy = load_packaged_bundle().policy("alpha", "alpha-2026")
    assert policy is not None
    scope = policy.scope(Stage.BULK)
    assert scope is not None
    return scope.digest


def _release(connection: psycopg.Connection, number: int, cases: list[str]) -> int:
    return record_with_change(
        connection,
        EventType.ACCESS_RELEASE,
        at=START + (number // 2) * DAY,
        vendor="alpha",
        contract="alpha-2026",
        certificate=CERTIFICATES[number // 4],
        request=f"request-{number}",
        route="/v1/cases",
        purpose="DEBT_COLLECTION_TEL",
        profile=_profile(),
        cases=cases,
        bytes=100,
    )


def _end(connection: psycopg.Connection, number: int, index: int) -> None:
    record_with_change(
        connection,
        EventType.ACCESS_END,
        at=START + (number // 2) * DAY,
        vendor="alpha",
        request=f"request-{number}",
        release=index,
        bytes=90,
        aborted=number == 1,
    )


def _asked(lender: Lender, who: str) -> list[dict[str, Any]]:
    page = lender.office().search(LogQuery(event="log.searched", actor=who), actor="cli:check")
    return [hit.entry["query"] for hit in page.hits]


def test_who_saw_a_debtor_is_told_with_recipient_purpose_fields_and_end(lender: Lender) -> None:
    page = lender.office().desk().disclosures(LogQuery(), identifier=MOBILE, actor="staff:a")

    assert [item.release["request"] for item in page.items] == [
        "request-5",
        "request-3",
        "request-1",
    ]
    newest, middle, oldest = page.items
    assert newest.end is None
    assert middle.end is not None
    assert middle.end["bytes"] == 90
    assert oldest.end is not None
    assert oldest.end["aborted"] is True
    assert oldest.release["vendor"] == "alpha"
    assert oldest.release["certificate"] == CERTIFICATES[0]
    assert oldest.release["purpose"] == "DEBT_COLLECTION_TEL"
    assert oldest.fields is not None
    assert oldest.fields["full_name"].startswith("partial")


def test_a_disclosure_report_does_not_name_the_other_debtors_of_a_page(lender: Lender) -> None:
    first, second = _commitments(lender)

    page = lender.office().desk().disclosures(LogQuery(cases=(first,)), actor="staff:a")

    assert len(page.items) == 3
    assert second not in repr(page)


def test_the_debtors_identifier_stands_nowhere_in_the_log(lender: Lender) -> None:
    lender.office().desk().disclosures(LogQuery(), identifier=MOBILE, actor="staff:b")

    assert _asked(lender, "staff:b") == [{"view": "disclosures", "limit": 100, "cases": 1}]
    needle = MOBILE.encode()
    bundles = lender.query("SELECT bundle FROM audit.batch")
    assert not any(isinstance(row[0], bytes) and needle in row[0] for row in bundles)


def test_disclosures_need_a_person(lender: Lender) -> None:
    with pytest.raises(RequestInvalidError):
        lender.office().desk().disclosures(LogQuery(), actor="staff:b")


def test_a_refusal_comes_with_its_reason_and_the_policy_that_said_no(lender: Lender) -> None:
    page = lender.office().desk().denials(LogQuery(vendor="alpha"), actor="staff:c")

    by_code = {item.entry["code"]: item for item in page.items}
    assert by_code["PURPOSE_NOT_ALLOWED"].rule == "purposes"
    assert by_code["PURPOSE_NOT_ALLOWED"].policy == "ff" * 32
    assert "revoked" in by_code["CRED_REVOKED"].explanation
    assert by_code["CRED_REVOKED"].rule is None
    assert by_code["NOT_FOUND"].policy is None


def test_one_refusal_is_found_by_its_request(lender: Lender) -> None:
    page = lender.office().desk().denials(LogQuery(request="refused-1"), actor="staff:c")

    assert [item.entry["code"] for item in page.items] == ["PURPOSE_NOT_ALLOWED"]


def test_every_reason_of_a_policy_has_its_sentence_and_its_rule() -> None:
    for reason in DenyReason:
        assert explain(reason.value, status=403).rule is not None


def test_only_refusals_are_refusals() -> None:
    assert {"access.denied", "token.refused", "policy.refused"} <= set(REFUSALS)
    assert "witness.refused" not in REFUSALS


def test_changes_stand_beside_the_volume_of_the_hours_around_them(lender: Lender) -> None:
    page = lender.office().desk().changes(LogQuery(), actor="staff:d")

    revoked = next(item for item in page.items if item.entry["type"] == "vendor.revoked")
    assert [(hour.hour - START, hour.releases, hour.cases) for hour in revoked.volume] == [
        (2 * DAY - HOUR, 0, 0),
        (2 * DAY, 2, 3),
        (2 * DAY + HOUR, 0, 0),
    ]
    kinds = {item.entry["type"] for item in page.items}
    assert {"policy.loaded", "credential.registered", "case.assigned"} <= kinds
    assert not any(kind.startswith(("access", "log", "token")) for kind in kinds)


def test_changes_of_one_kind_can_be_asked_for(lender: Lender) -> None:
    page = lender.office().desk().changes(LogQuery(), kinds=("policy",), actor="staff:d")

    assert {item.entry["type"] for item in page.items} == {"policy.loaded"}


def test_an_unknown_kind_of_change_is_refused(lender: Lender) -> None:
    with pytest.raises(RequestInvalidError, match="configuration, policy"):
        lender.office().desk().changes(LogQuery(), kinds=("polcy",), actor="staff:d")


def test_readers_of_the_log_see_themselves(lender: Lender) -> None:
    lender.office().desk().denials(LogQuery(vendor="beta"), actor="staff:e")

    page = lender.office().desk().readers(LogQuery(actor="staff:e"), actor="staff:e")

    assert [item.entry["query"]["view"] for item in page.items] == ["readers", "denials"]


def test_a_timeline_adds_up_days_and_tells_what_was_new(lender: Lender) -> None:
    found = (
        lender.office()
        .desk()
        .timeline(
            "alpha", step=Step.DAY, since=START - HOUR, until=None, limit=10, actor="staff:f"
        )
    )

    third, second, first = found.buckets
    assert (first.releases, first.cases, first.bytes, first.sent) == (2, 3, 200, 180)
    assert (third.releases, third.sent) == (2, 90)
    assert third.denials == {"NOT_FOUND": 1, "PURPOSE_NOT_ALLOWED": 1, "CRED_REVOKED": 1}
    assert {(use.kind, use.word) for use in first.first} >= {
        ("certificate", CERTIFICATES[0]),
        ("route", "/v1/cases"),
        ("profile", _profile()),
    }
    assert second.first == []
    assert [(use.kind, use.word) for use in third.first] == [("certificate", CERTIFICATES[1])]
    assert [(use.profile, use.releases) for use in found.profiles] == [(_profile(), 6)]
    assert found.indexed <= found.size


def test_pages_of_a_timeline_join_to_the_whole(lender: Lender) -> None:
    desk = lender.office().desk()
    starts = []
    until = None
    while True:
        found = desk.timeline(
            "alpha", step=Step.HOUR, since=None, until=until, limit=2, actor="staff:f"
        )
        starts += [bucket.start for bucket in found.buckets]
        until = found.next_until
        if until is None:
            break

    assert starts == sorted(set(starts), reverse=True)
    hours = {0, 24, 48, 49, 50}
    assert {START + hour * HOUR for hour in hours} <= set(starts)


def test_a_vendor_nobody_knows_has_no_timeline(lender: Lender) -> None:
    found = (
        lender.office()
        .desk()
        .timeline("nobody", step=Step.DAY, since=None, until=None, limit=5, actor="staff:f")
    )

    assert found.buckets == []
    assert _asked(lender, "staff:f")[0] == {
        "view": "timeline",
        "vendor": "nobody",
        "step": "day",
        "limit": 5,
    }


def test_views_page_by_keyset(lender: Lender) -> None:
    desk = lender.office().desk()
    whole = desk.changes(LogQuery(), actor="staff:g").items
    collected = []
    before = None
    while True:
        page = desk.changes(LogQuery(before=before, limit=3), actor="staff:g")
        collected += page.items
        before = page.next_before
        if before is None:
            break

    assert [item.index for item in collected] == [item.index for item in whole]
