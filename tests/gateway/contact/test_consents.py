from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from gateway.contact.consent import ConsentTerms, ConsentWish
from gateway.contact.consents import ConsentDesk
from gateway.contact.wish import PointKind
from gateway.errors import (
    ConsentRejectedError,
    GatewayError,
    IdempotencyKeyReusedError,
    NotFoundError,
    RequestInvalidError,
)
from gateway.installation import kek_keys
from gateway.operations.recall import recall_cases
from keys.kek import KeyRing
from policies.contact.model import Channel, ConsentScope, PartyRole
from tests.gateway.contact.debtors import AnyCall, Debtors
from tests.gateway.store.lender import ACTOR, START

HOUR = timedelta(hours=1)
TERMS = ConsentTerms(max_days=7, needs_recording=True)


def _wish(ref: str) -> ConsentWish:
    return ConsentWish(
        case_ref=ref,
        scope=ConsentScope.AMBER_TIME,
        captured_at=START,
        begins=START + HOUR,
        ends=START + timedelta(days=2),
        permit_id=uuid4(),
        given_by=PartyRole.DEBTOR,
        contact_point=PointKind.MOBILE,
        evidence_recording_id="rec-1",
    )


def _desk(debtors: Debtors, *, is_permitted: bool = True) -> ConsentDesk:
    lender = debtors.lender
    return ConsentDesk(
        lambda: lender.role("vendor"),
        lender.clock,
        TERMS,
        KeyRing(kek_keys(lender.database.settings)),
        debtors.cursors,
        AnyCall(is_permitted=is_permitted),
    )


@pytest.mark.parametrize(
    ("changes", "refusal", "reason"),
    [
        ({"begins": START - HOUR}, ConsentRejectedError, "after it was given"),
        ({"captured_at": START + HOUR}, ConsentRejectedError, "to come"),
        ({"ends": START + timedelta(days=7, seconds=1)}, ConsentRejectedError, "at most 7 days"),
        ({"evidence_recording_id": None}, ConsentRejectedError, "recording"),
        ({"ends": START + HOUR}, RequestInvalidError, "ends"),
        ({"scope": ConsentScope.CHANNEL}, RequestInvalidError, "channel"),
        ({"channel": Channel.SMS}, RequestInvalidError, "channel"),
        ({"begins": datetime(2026, 5, 2)}, RequestInvalidError, "zone"),  # noqa: DTZ001
        (
            {"captured_at": START - 3 * HOUR, "begins": START - 2 * HOUR, "ends": START},
            ConsentRejectedError,
            "over",
        ),
    ],
)
def test_a_consent_is_prior_specific_bounded_and_proven(
    changes: dict[str, Any], refusal: type[GatewayError], reason: str
) -> None:
    _wish("A" * 26).verify(TERMS, START)

    with pytest.raises(refusal, match=reason):
        replace(_wish("A" * 26), **changes).verify(TERMS, START)


def test_without_the_parameter_no_recording_is_needed() -> None:
    terms = ConsentTerms.of({"consent.max_days": "30", "consent.evidence": "written"})

    replace(_wish("A" * 26), evidence_recording_id=None).verify(terms, START)


def test_a_recorded_consent_holds_for_its_number_and_its_debt(debtors: Debtors) -> None:
    one, *_ = debtors.refs

    answer = _desk(debtors).record(debtors.principal(), _wish(one))

    assert (answer["state"], answer["is_for_all_debts"]) == ("valid", False)
    kept = debtors.lender.query(
        "SELECT c.point_mac = r.contact_mac, length(c.debt), c.person_mac = r.person_mac"
        " FROM casegate.consent c JOIN casegate.case_record r USING (case_id)"
        " WHERE c.consent_id = %s",
        (answer["consent_id"],),
    )
    assert kept == [(True, 64, True)]
    assert debtors.version(one) == 1
    entry = debtors.entries("consent.recorded")[0]
    assert entry["consent"] == str(answer["consent_id"])
    assert (entry["vendor"], len(entry["cases"])) == ("alpha", 1)


def test_a_consent_from_a_call_without_a_permit_is_none(debtors: Debtors) -> None:
    one, *_ = debtors.refs

    with pytest.raises(ConsentRejectedError, match="no permitted call"):
        _desk(debtors, is_permitted=False).record(debtors.principal(), _wish(one))

    assert debtors.version(one) == 0


@pytest.mark.parametrize("ref", ["A" * 26, "beta's"])
def test_of_a_foreign_and_of_an_unknown_case_no_consent_is_recorded(
    debtors: Debtors, ref: str
) -> None:
    wish = _wish(debtors.beta_ref if ref == "beta's" else ref)

    with pytest.raises(NotFoundError, match="no such case for this vendor"):
        _desk(debtors).record(debtors.principal(), wish)


def test_a_number_that_the_case_has_not_is_refused(debtors: Debtors) -> None:
    wish = replace(_wish(debtors.refs[0]), contact_point=PointKind.RELATED)

    with pytest.raises(RequestInvalidError, match="contact_point"):
        _desk(debtors).record(debtors.principal(), wish)


def test_the_same_key_records_once_and_only_the_same(debtors: Debtors) -> None:
    desk, who = _desk(debtors), debtors.principal()
    wish = replace(_wish(debtors.refs[0]), repeat_key=f"k-{debtors.number}", repeat_sha256=b"a")

    first, again = desk.record(who, wish), desk.record(who, wish)

    assert first == again
    assert debtors.version(debtors.refs[0]) == 1
    with pytest.raises(IdempotencyKeyReusedError):
        desk.record(who, replace(wish, repeat_sha256=b"b"))


def test_a_vendor_sees_its_own_consents_page_by_page(debtors: Debtors) -> None:
    desk, who, one = _desk(debtors), debtors.principal(), debtors.refs[0]
    made = [desk.record(who, _wish(one))["consent_id"] for _ in range(3)]

    first = desk.page(who, case_ref=one, cursor=None, limit=2)
    second = desk.page(who, case_ref=one, cursor=first["next_cursor"], limit=2)

    assert [item["consent_id"] for item in first["items"] + second["items"]] == made
    assert second["next_cursor"] is None
    beta = debtors.principal("beta")
    assert desk.page(beta, case_ref=one, cursor=None, limit=9)["items"] == []
    for attempt in (desk.one, desk.revoke):
        with pytest.raises(NotFoundError):
            attempt(beta, made[0])
    with pytest.raises(RequestInvalidError):
        desk.page(beta, case_ref=one, cursor=first["next_cursor"], limit=2)


def test_a_consent_taken_back_ends_at_once_and_the_vendor_hears_of_it(debtors: Debtors) -> None:
    desk, who, one = _desk(debtors), debtors.principal(), debtors.refs[0]
    consent_id: UUID = desk.record(who, _wish(one))["consent_id"]

    desk.revoke(who, consent_id)

    assert desk.one(who, consent_id)["state"] == "revoked"
    assert debtors.feed()[-1] == ("consent_revoked", one)
    assert debtors.version(one) == 2
    assert debtors.entries("consent.revoked")[0]["consent"] == str(consent_id)
    with pytest.raises(NotFoundError):
        desk.revoke(who, consent_id)


def test_the_company_ends_a_consent_too(debtors: Debtors) -> None:
    desk, who, one = _desk(debtors), debtors.principal(), debtors.refs[0]
    consent_id: UUID = desk.record(who, _wish(one))["consent_id"]
    protection = debtors.lender.office().protection()

    protection.revoke_consent(consent_id, actor=ACTOR)

    assert desk.one(who, consent_id)["state"] == "revoked"
    assert debtors.entries("consent.revoked")[0]["actor"] == ACTOR
    with pytest.raises(NotFoundError):
        protection.revoke_consent(consent_id, actor=ACTOR)


def test_consents_of_a_recalled_case_are_not_there_any_more(debtors: Debtors) -> None:
    desk, who, one = _desk(debtors), debtors.principal(), debtors.refs[0]
    consent_id: UUID = desk.record(who, _wish(one))["consent_id"]

    with debtors.lender.role() as connection:
        recall_cases(connection, "alpha", "alpha-2026", case_refs=[one], actor=ACTOR, at=START)

    with pytest.raises(NotFoundError):
        desk.one(who, consent_id)
    assert debtors.feed()[-1] == ("recalled", one)
