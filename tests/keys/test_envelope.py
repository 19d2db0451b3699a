import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys.envelope import Sealed, open_sealed, rewrap, seal
from keys.errors import EnvelopeError
from keys.kek import KeyRing, LocalKeyEncryptionKey
from keys.secret import Secret

KEK = LocalKeyEncryptionKey(Secret(bytes(range(32))))
CASE = b"case-0001"


def _opened(sealed: Sealed, context: bytes = CASE) -> bytes:
    return open_sealed(sealed.ciphertext, sealed.wrapped_key, KEK, context=context)


@given(st.binary(max_size=300))
def test_what_was_sealed_comes_back(plaintext: bytes) -> None:
    sealed = seal(plaintext, KEK, context=CASE)

    assert _opened(sealed) == plaintext
    assert sealed.kek_id == KEK.kek_id
    assert len(sealed.wrapped_key) == 60


def test_two_seals_of_one_value_share_no_bytes_that_could_be_compared() -> None:
    first, second = (seal("张三".encode(), KEK, context=CASE) for _ in range(2))

    assert first.ciphertext != second.ciphertext
    assert first.wrapped_key != second.wrapped_key


def test_a_value_moved_to_another_case_does_not_open() -> None:
    sealed = seal(b"value", KEK, context=CASE)

    with pytest.raises(EnvelopeError):
        _opened(sealed, b"case-0002")


def test_another_key_opens_nothing() -> None:
    sealed = seal(b"value", KEK, context=CASE)
    other = LocalKeyEncryptionKey(Secret(os.urandom(32)))

    with pytest.raises(EnvelopeError):
        open_sealed(sealed.ciphertext, sealed.wrapped_key, other, context=CASE)


@given(place=st.integers(min_value=0), bit=st.integers(0, 7), of_key=st.booleans())
def test_any_flipped_bit_of_key_or_ciphertext_is_refused(
    place: int, bit: int, *, of_key: bool
) -> None:
    sealed = seal(b"thirty-two bytes of a case recor", KEK, context=CASE)
    parts = {True: bytearray(sealed.wrapped_key), False: bytearray(sealed.ciphertext)}
    parts[of_key][place % len(parts[of_key])] ^= 1 << bit

    with pytest.raises(EnvelopeError):
        open_sealed(bytes(parts[False]), bytes(parts[True]), KEK, context=CASE)


@pytest.mark.parametrize("length", [0, 1, 12, 27, 59, 61])
def test_a_wrapped_key_of_another_length_is_refused(length: int) -> None:
    sealed = seal(b"value", KEK, context=CASE)
    wrapped = (sealed.wrapped_key + b"\x00")[:length]

    with pytest.raises(EnvelopeError):
        open_sealed(sealed.ciphertext, wrapped, KEK, context=CASE)


@pytest.mark.parametrize("length", [0, 1, 15])
def test_a_ciphertext_shorter_than_its_tag_is_refused(length: int) -> None:
    sealed = seal(b"value", KEK, context=CASE)

    with pytest.raises(EnvelopeError):
        open_sealed(sealed.ciphertext[:length], sealed.wrapped_key, KEK, context=CASE)


def test_the_refusal_says_nothing_of_the_value() -> None:
    sealed = seal("身份证号码".encode(), KEK, context=CASE)

    with pytest.raises(EnvelopeError) as caught:
        _opened(sealed, b"elsewhere")

    assert str(caught.value) == "a sealed value does not open"


def test_rewrapping_changes_the_wrapped_key_and_nothing_else() -> None:
    other = LocalKeyEncryptionKey(Secret(bytes(32)))
    sealed = seal(b"value", KEK, context=CASE)
    ring = KeyRing([other, KEK])
    wrapped = rewrap(sealed.wrapped_key, ring, kek_id=sealed.kek_id)

    assert open_sealed(sealed.ciphertext, wrapped, other, context=CASE) == b"value"
    with pytest.raises(EnvelopeError):
        open_sealed(sealed.ciphertext, wrapped, KEK, context=CASE)
    with pytest.raises(EnvelopeError):
        rewrap(sealed.wrapped_key, KeyRing([other]), kek_id=sealed.kek_id)
