from datetime import datetime, timedelta

import pytest

from gateway.errors import ReleaseDeniedError
from gateway.identity.principal import VendorPrincipal
from gateway.release.profiles import DEFAULT_PURPOSE, ReleaseProfile, ReleaseProfiles
from keys.secret import Secret
from policies.fields import Stage, load_field_catalog
from policies.load import bundle_of, load_policy

POLICY = """
policy: alpha-2026
vendor: alpha
contract: alpha-2026
term: { from: 2026-01-01, to: 2026-12-31 }
purposes: [DEBT_COLLECTION_TEL]
networks: [192.0.2.0/24]
stages:
  bulk:
    case_ref: pseudonym
    full_name: partial name
"""
NOON = datetime.fromisoformat("2026-05-01T12:00:00+08:00")


@pytest.fixture
def profiles() -> ReleaseProfiles:
    policy = load_policy(POLICY.encode(), "alpha.yaml")
    bundle = bundle_of([("alpha.yaml", policy)])
    return ReleaseProfiles(bundle, load_field_catalog(), Secret(bytes(32)))


def _decide(
    profiles: ReleaseProfiles,
    *,
    vendor: str = "alpha",
    contract: str = "alpha-2026",
    purpose: str | None = DEFAULT_PURPOSE,
    stage: Stage = Stage.BULK,
    at: datetime = NOON,
    source: str | None = "192.0.2.7",
) -> ReleaseProfile:
    principal = VendorPrincipal(vendor, contract, bytes(32), NOON + timedelta(days=1))
    return profiles.decide(principal, purpose=purpose, stage=stage, at=at, source=source)


def test_a_permitted_request_gets_the_projection_of_its_policy(profiles: ReleaseProfiles) -> None:
    profile = _decide(profiles)

    masked = profile.projection.apply({"case_ref": "00", "full_name": "张三丰", "gender": "M"})

    assert set(masked) == {"case_ref", "full_name"}
    assert masked["full_name"] != "张三丰"
    assert len(profile.policy_digest) == len(profile.profile_digest) == 64


def test_a_profile_is_compiled_once(profiles: ReleaseProfiles) -> None:
    assert _decide(profiles) is _decide(profiles)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"vendor": "beta"}, "VENDOR_NOT_ACTIVE"),
        ({"contract": "alpha-2027"}, "VENDOR_NOT_ACTIVE"),
        ({"at": datetime.fromisoformat("2025-12-31T23:59:59+08:00")}, "VENDOR_NOT_ACTIVE"),
        ({"at": datetime.fromisoformat("2027-06-01T00:00:00+08:00")}, "CONTRACT_ENDED"),
        ({"source": "198.51.100.1"}, "NETWORK_NOT_LISTED"),
        ({"source": "2001:db8::1"}, "NETWORK_NOT_LISTED"),
        ({"source": None}, "NETWORK_NOT_LISTED"),
        ({"purpose": None}, "PURPOSE_MISSING"),
        ({"purpose": ""}, "PURPOSE_MISSING"),
        ({"purpose": "MARKETING"}, "PURPOSE_NOT_ALLOWED"),
        ({"stage": Stage.PERMIT}, "FIELD_NOT_IN_SCOPE"),
    ],
)
def test_each_reason_to_deny_reaches_the_caller_as_its_code(
    profiles: ReleaseProfiles, changes: dict[str, object], code: str
) -> None:
    with pytest.raises(ReleaseDeniedError) as caught:
        _decide(profiles, **changes)  # type: ignore[arg-type]

    assert caught.value.code == code


def test_vendors_get_unlinkable_pseudonyms_of_one_case(profiles: ReleaseProfiles) -> None:
    keys = [("alpha", "alpha-2026"), ("beta", "beta-2026"), ("alpha", "alpha-2027")]

    tokens = {
        profiles.pseudonym_key(vendor, contract).tokenizer("case_ref")("ab" * 16)
        for vendor, contract in keys
    }

    assert len(tokens) == 3
