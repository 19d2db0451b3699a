"""Dial tokens: only this gateway's, only for their time, and one permit each."""

import base64
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.contact.dial_token import DialTokens
from gateway.errors import PermitStateError
from keys.secret import Secret

NOON = datetime(2026, 11, 24, 4, tzinfo=UTC)
TOKENS = DialTokens(Secret(b"k" * 32))


def test_a_token_names_its_permit_until_its_time_is_over() -> None:
    permit = uuid4()
    token = TOKENS.issue(permit, NOON + timedelta(minutes=10))

    assert TOKENS.verify(token, NOON) == permit
    assert TOKENS.issue(permit, NOON + timedelta(minutes=10)) == token
    with pytest.raises(PermitStateError) as over:
        TOKENS.verify(token, NOON + timedelta(minutes=10))
    assert over.value.code == "PERMIT_EXPIRED"


def test_a_token_of_another_installation_is_none() -> None:
    foreign = DialTokens(Secret(b"x" * 32)).issue(uuid4(), NOON + timedelta(hours=1))

    with pytest.raises(PermitStateError) as refused:
        TOKENS.verify(foreign, NOON)
    assert refused.value.code == "PERMIT_MISSING"


@given(st.uuids(), st.integers(0, 39), st.integers(1, 255))
def test_no_byte_of_a_token_can_be_changed(permit: UUID, place: int, change: int) -> None:
    token = TOKENS.issue(permit, NOON + timedelta(minutes=10))
    raw = bytearray(base64.urlsafe_b64decode(token + "=="))
    raw[place] ^= change
    changed = base64.urlsafe_b64encode(bytes(raw)).rstrip(b"=").decode()

    with pytest.raises(PermitStateError) as refused:
        TOKENS.verify(changed, NOON)
    assert refused.value.code == "PERMIT_MISSING"


@given(st.text(max_size=80))
def test_any_text_is_refused_and_nothing_else_happens(text: str) -> None:
    with pytest.raises(PermitStateError):
        TOKENS.verify(text, NOON)
