import base64
import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.masking.errors import WeakMasterKeyError
from gateway.masking.pseudonyms import PseudonymKey

MASTER = bytes(range(32))
NAMES = st.text(min_size=1, max_size=20)


def _key(vendor: str, contract: str = "c-2026") -> PseudonymKey:
    return PseudonymKey.derive(MASTER, vendor=vendor, contract=contract)


@given(st.text(), st.text())
def test_a_token_is_the_beginning_of_a_base32_hmac(kind: str, internal_key: str) -> None:
    secret = bytes(32)
    message = kind.encode() + b"\x00" + internal_key.encode()
    whole = base64.b32encode(hmac.digest(secret, message, hashlib.sha256)).decode()

    assert PseudonymKey(secret).token(kind, internal_key) == whole[:26]


def test_the_derivation_never_changes() -> None:
    # RFC 5869 by hand: two HMACs, the info with a four-byte length before each part.
    info = b"casegate/pseudonym/v1" + b"\x00\x00\x00\x05alpha" + b"\x00\x00\x00\x06c-2026"
    extracted = hmac.digest(bytes(32), MASTER, hashlib.sha256)
    expanded = hmac.digest(extracted, info + b"\x01", hashlib.sha256)

    assert _key("alpha").token("case_ref", "1") == PseudonymKey(expanded).token("case_ref", "1")


@given(st.tuples(NAMES, NAMES), st.tuples(NAMES, NAMES), st.text())
def test_two_contracts_never_share_a_token(
    one: tuple[str, str], other: tuple[str, str], internal_key: str
) -> None:
    tokens = {
        PseudonymKey.derive(MASTER, vendor=vendor, contract=contract).token(
            "case_ref", internal_key
        )
        for vendor, contract in (one, other)
    }

    assert len(tokens) == len({one, other})


def test_moving_the_border_between_vendor_and_contract_changes_the_key() -> None:
    assert _key("ab", "c").token("case_ref", "1") != _key("a", "bc").token("case_ref", "1")


def test_one_key_gives_each_kind_its_own_token() -> None:
    assert _key("alpha").token("case_ref", "1") != _key("alpha").token("debtor_ref", "1")


def test_a_key_shows_itself_nowhere() -> None:
    secret = b"0123456789abcdef0123456789abcdef"
    key = PseudonymKey(secret)

    for shown in (repr(key), str(key), f"{key}", f"{[key]}"):
        assert "0123456789" not in shown
        assert secret.hex() not in shown


def test_a_lone_surrogate_is_no_reason_to_fail() -> None:
    assert len(_key("alpha").token("case_ref", "\ud800")) == 26


@pytest.mark.parametrize(
    ("master", "vendor", "contract"),
    [(bytes(31), "alpha", "c"), (b"", "alpha", "c"), (MASTER, "", "c"), (MASTER, "alpha", "")],
)
def test_weak_material_is_refused(master: bytes, vendor: str, contract: str) -> None:
    with pytest.raises(WeakMasterKeyError):
        PseudonymKey.derive(master, vendor=vendor, contract=contract)


def test_a_short_key_is_refused() -> None:
    with pytest.raises(WeakMasterKeyError):
        PseudonymKey(bytes(16))
