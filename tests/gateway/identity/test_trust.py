from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gateway.errors import CredentialRefusedError
from gateway.identity.principal import StaffPrincipal, StaffRole, VendorPrincipal
from gateway.identity.trust import CredentialRecord, TrustView

NOW = datetime(2026, 5, 1, 8, tzinfo=UTC)
DAY = timedelta(days=1)
TICK = timedelta(microseconds=1)
KNOWN = b"\x01" * 32
STRANGER = b"\x02" * 32

VENDOR = CredentialRecord(
    thumbprint=KNOWN,
    kind="vendor",
    vendor_id="alpha",
    contract_id="alpha-2026",
    staff_id=None,
    staff_role=None,
    not_before=NOW - DAY,
    not_after=NOW + 30 * DAY,
    status="active",
    vendor_status="active",
    starts_at=NOW - 10 * DAY,
    ends_at=NOW + 60 * DAY,
)
STAFF = replace(
    VENDOR,
    kind="staff",
    vendor_id=None,
    contract_id=None,
    staff_id="zhao",
    staff_role="security",
    vendor_status=None,
    starts_at=None,
    ends_at=None,
)


def _view(record: CredentialRecord) -> TrustView:
    return TrustView(1, [record])


def _vendor_code(record: CredentialRecord, thumbprint: bytes = KNOWN) -> str:
    with pytest.raises(CredentialRefusedError) as caught:
        _view(record).vendor(thumbprint, NOW)
    return caught.value.code


def _staff_code(record: CredentialRecord, thumbprint: bytes = KNOWN) -> str:
    with pytest.raises(CredentialRefusedError) as caught:
        _view(record).staff(thumbprint, NOW)
    return caught.value.code


def test_a_sound_vendor_acts_until_the_earlier_of_certificate_and_contract() -> None:
    by_certificate = _view(VENDOR).vendor(KNOWN, NOW)
    by_contract = _view(replace(VENDOR, ends_at=NOW + DAY)).vendor(KNOWN, NOW)

    assert by_certificate == VendorPrincipal("alpha", "alpha-2026", KNOWN, NOW + 30 * DAY)
    assert by_contract.valid_until == NOW + DAY


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"status": "revoked"}, "CRED_REVOKED"),
        ({"status": "suspended"}, "CRED_SUSPENDED"),
        ({"vendor_status": "revoked"}, "CRED_REVOKED"),
        ({"vendor_status": "suspended"}, "VENDOR_NOT_ACTIVE"),
        ({"vendor_status": "ended"}, "VENDOR_NOT_ACTIVE"),
        ({"vendor_status": None}, "VENDOR_NOT_ACTIVE"),
        ({"not_after": NOW}, "CRED_EXPIRED"),
        ({"not_before": NOW + TICK}, "CRED_EXPIRED"),
        ({"ends_at": NOW}, "CONTRACT_ENDED"),
        ({"starts_at": NOW + TICK}, "CONTRACT_ENDED"),
        ({"starts_at": None}, "CONTRACT_ENDED"),
        ({"ends_at": None}, "CONTRACT_ENDED"),
        ({"status": "revoked", "not_after": NOW, "ends_at": NOW}, "CRED_REVOKED"),
    ],
)
def test_each_unsound_state_of_a_vendor_has_its_code(changes: dict[str, Any], code: str) -> None:
    assert _vendor_code(replace(VENDOR, **changes)) == code


@pytest.mark.parametrize(
    "changes", [{"not_after": NOW + TICK}, {"not_before": NOW}, {"ends_at": NOW + TICK}]
)
def test_the_last_instant_before_an_end_and_the_first_of_a_life_are_served(
    changes: dict[str, Any],
) -> None:
    assert _view(replace(VENDOR, **changes)).vendor(KNOWN, NOW).vendor_id == "alpha"


def test_an_unregistered_certificate_is_unknown_on_both_sides() -> None:
    assert _vendor_code(VENDOR, STRANGER) == "CRED_UNKNOWN"
    assert _staff_code(STAFF, STRANGER) == "CRED_UNKNOWN"


def test_staff_cannot_act_as_a_vendor_nor_a_vendor_as_staff() -> None:
    assert _vendor_code(STAFF) == "CRED_UNKNOWN"
    assert _staff_code(VENDOR) == "CRED_UNKNOWN"


@pytest.mark.parametrize("role", list(StaffRole))
def test_a_staff_certificate_carries_its_role(role: StaffRole) -> None:
    record = replace(STAFF, staff_role=role.value)

    assert _view(record).staff(KNOWN, NOW) == StaffPrincipal("zhao", role, KNOWN)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"status": "revoked"}, "CRED_REVOKED"),
        ({"status": "suspended"}, "CRED_REVOKED"),
        ({"not_after": NOW}, "CRED_EXPIRED"),
        ({"not_before": NOW + TICK}, "CRED_EXPIRED"),
        ({"staff_role": None}, "CRED_UNKNOWN"),
    ],
)
def test_each_unsound_state_of_a_staff_member_has_its_code(
    changes: dict[str, Any], code: str
) -> None:
    assert _staff_code(replace(STAFF, **changes)) == code


@pytest.mark.parametrize("record", [VENDOR, STAFF])
def test_a_sound_connection_stays_and_an_unknown_one_does_not(record: CredentialRecord) -> None:
    assert _view(record).is_live(KNOWN, NOW)
    assert not _view(record).is_live(STRANGER, NOW)


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "revoked"},
        {"vendor_status": "revoked"},
        {"vendor_status": "suspended"},
        {"not_after": NOW},
        {"ends_at": NOW},
    ],
)
def test_a_connection_is_not_live_once_its_certificate_vendor_or_contract_is_not(
    changes: dict[str, Any],
) -> None:
    assert not _view(replace(VENDOR, **changes)).is_live(KNOWN, NOW)


def test_an_ended_contract_is_named_before_the_revocation_that_it_brought() -> None:
    ended = replace(VENDOR, contract_status="ended", status="revoked")

    assert _vendor_code(ended) == "CONTRACT_ENDED"
    assert not _view(ended).is_live(KNOWN, NOW)


def test_the_view_knows_the_next_moment_at_which_somebody_has_to_leave() -> None:
    by_contract = replace(VENDOR, not_after=NOW + 90 * DAY)
    by_certificate = replace(VENDOR, thumbprint=STRANGER, not_after=NOW + 3 * DAY)
    revoked = replace(VENDOR, thumbprint=b"\x03" * 32, not_after=NOW + DAY, status="revoked")
    staff = replace(STAFF, thumbprint=b"\x04" * 32, not_after=NOW + 7 * DAY)
    view = TrustView(1, [by_contract, by_certificate, revoked, staff])

    assert view.next_end(NOW) == NOW + 3 * DAY
    assert view.next_end(NOW + 3 * DAY) == NOW + 7 * DAY
    assert view.next_end(NOW + 7 * DAY) == NOW + 60 * DAY
    assert view.next_end(NOW + 60 * DAY) is None


def test_a_closing_credential_lives_from_the_end_until_the_closing_time() -> None:
    closing = replace(
        VENDOR,
        scope="closing",
        contract_status="purge_pending",
        ends_at=NOW - DAY,
        closing_until=NOW + DAY,
    )

    assert _view(closing).vendor(KNOWN, NOW).valid_until == NOW + DAY
    assert _view(closing).next_end(NOW) == NOW + DAY
    for status in ("active", "purged"):
        assert _vendor_code(replace(closing, contract_status=status)) == "CONTRACT_ENDED"
