from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.decide import AccessRequest, Deny, DenyReason, Permit, decide
from policies.errors import NaiveTimeError
from policies.fields import load_field_catalog
from policies.load import load_packaged_bundle
from policies.model import DataScope, PolicyBundle, Stage, VendorPolicy

NOON = datetime(2026, 6, 1, 4, tzinfo=UTC)
WISH = AccessRequest("alpha", "alpha-2026", "DEBT_COLLECTION_TEL", Stage.BULK, NOON)


def _alpha() -> VendorPolicy:
    policy = load_packaged_bundle().policy("alpha", "alpha-2026")
    assert policy is not None
    return policy


def test_a_request_inside_everything_is_permitted_with_both_digests() -> None:
    answer = decide(WISH, _alpha())

    assert isinstance(answer, Permit)
    assert answer.policy_digest == _alpha().digest
    assert len(answer.profile_digest) == 64
    assert answer.profile_digest != answer.policy_digest


def test_without_a_policy_everything_is_denied() -> None:
    assert decide(WISH, None) == Deny(DenyReason.VENDOR_NOT_ACTIVE)


def test_a_policy_of_someone_else_counts_as_none() -> None:
    beta = load_packaged_bundle().policy("beta", "beta-2026")

    assert decide(WISH, beta) == Deny(DenyReason.VENDOR_NOT_ACTIVE)


@pytest.mark.parametrize("purpose", [None, ""])
def test_a_request_without_a_purpose_is_denied(purpose: str | None) -> None:
    answer = decide(replace(WISH, purpose=purpose), _alpha())

    assert answer == Deny(DenyReason.PURPOSE_MISSING)


@given(st.text(min_size=1).filter(lambda text: text != "DEBT_COLLECTION_TEL"))
def test_only_the_exact_purpose_is_allowed(purpose: str) -> None:
    answer = decide(replace(WISH, purpose=purpose), _alpha())

    assert answer == Deny(DenyReason.PURPOSE_NOT_ALLOWED)


def test_the_term_holds_to_the_microsecond() -> None:
    policy = _alpha()
    instant = timedelta(microseconds=1)

    before = decide(replace(WISH, at=policy.term.begins - instant), policy)
    first = decide(replace(WISH, at=policy.term.begins), policy)
    last = decide(replace(WISH, at=policy.term.ends - instant), policy)
    after = decide(replace(WISH, at=policy.term.ends), policy)

    assert before == Deny(DenyReason.VENDOR_NOT_ACTIVE)
    assert isinstance(first, Permit)
    assert isinstance(last, Permit)
    assert after == Deny(DenyReason.CONTRACT_ENDED)


def test_a_stage_without_rules_is_denied() -> None:
    empty = DataScope.of(Stage.BULK, (), load_field_catalog())

    for scopes in ((), (empty,)):
        answer = decide(WISH, replace(_alpha(), scopes=scopes))
        assert answer == Deny(DenyReason.FIELD_NOT_IN_SCOPE)


@pytest.mark.parametrize(
    ("address", "is_listed"),
    [
        ("203.0.113.5", True),
        ("::ffff:203.0.113.5", True),
        ("203.0.113.17", False),
        ("2001:db8::1", False),
        (None, False),
    ],
)
def test_listed_networks_deny_every_other_address(address: str | None, *, is_listed: bool) -> None:
    policy = replace(_alpha(), networks=(ip_network("203.0.113.0/28"),))

    answer = decide(replace(WISH, address=ip_address(address) if address else None), policy)

    assert isinstance(answer, Permit) is is_listed
    assert is_listed or answer == Deny(DenyReason.NETWORK_NOT_LISTED)


def test_a_time_without_an_offset_is_an_error() -> None:
    with pytest.raises(NaiveTimeError):
        replace(WISH, at=datetime(2026, 6, 1))  # noqa: DTZ001 - the mistake under test


@given(st.data())
def test_deleting_a_rule_never_widens(data: st.DataObject) -> None:
    policy = _alpha()
    scope = policy.scope(Stage.BULK)
    assert scope is not None
    kept = tuple(rule for rule in scope.rules if data.draw(st.booleans()))
    smaller = replace(policy, scopes=(DataScope.of(Stage.BULK, kept, load_field_catalog()),))

    answer = decide(WISH, smaller)

    released = answer.rules if isinstance(answer, Permit) else ()
    assert released == kept


def test_one_contract_has_one_policy() -> None:
    with pytest.raises(ValueError, match="Two policies"):
        PolicyBundle((_alpha(), _alpha()))
