import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys.envelope import open_attachment, open_sealed, seal
from keys.errors import EnvelopeError
from keys.kek import KeyRing, LocalKeyEncryptionKey
from keys.secret import Secret
from keys.supplement import open_supplement, seal_supplement

KEK = LocalKeyEncryptionKey(Secret(bytes(range(32))))
CASE = seal(b"case", KEK, context=b"id", attachment=b"notes")


def _seal(plaintext: bytes) -> bytes:
    return seal_supplement(plaintext, CASE.wrapped_key, KEK, kek_id=CASE.kek_id, context=b"id")


def _open(sealed: bytes, *, wrapped: bytes = CASE.wrapped_key, context: bytes = b"id") -> bytes:
    return open_supplement(sealed, wrapped, KEK, kek_id=CASE.kek_id, context=context)


@given(st.binary(max_size=200))
def test_what_is_sealed_opens_again(plaintext: bytes) -> None:
    assert _open(_seal(plaintext)) == plaintext


def test_the_same_value_sealed_again_looks_different() -> None:
    assert _seal(b"spans") != _seal(b"spans")


@given(st.integers(min_value=0), st.integers(1, 255))
def test_any_changed_byte_is_refused(place: int, change: int) -> None:
    sealed = bytearray(_seal(b"spans"))
    sealed[place % len(sealed)] ^= change

    with pytest.raises(EnvelopeError):
        _open(bytes(sealed))


@pytest.mark.parametrize("length", [0, 5, 12, 20])
def test_cut_off_bytes_are_refused(length: int) -> None:
    with pytest.raises(EnvelopeError):
        _open(_seal(b"spans")[:length])


def test_a_supplement_belongs_to_one_case_and_one_sealing_of_it() -> None:
    again = seal(b"case", KEK, context=b"id")

    with pytest.raises(EnvelopeError):
        _open(_seal(b"spans"), context=b"other")
    with pytest.raises(EnvelopeError):
        _open(_seal(b"spans"), wrapped=again.wrapped_key)


def test_no_part_of_a_case_stands_in_for_another() -> None:
    assert CASE.attachment is not None
    parts = (CASE.ciphertext, CASE.attachment)
    for part in parts:
        with pytest.raises(EnvelopeError):
            _open(part)
        with pytest.raises(EnvelopeError):
            _open(bytes(12) + part)
    sealed = _seal(b"spans")
    for opener in (open_sealed, open_attachment):
        with pytest.raises(EnvelopeError):
            opener(sealed, CASE.wrapped_key, KEK, context=b"id", kek_id=CASE.kek_id)


def test_it_opens_after_the_cases_key_was_wrapped_anew() -> None:
    newer = LocalKeyEncryptionKey(Secret(os.urandom(32)))
    ring = KeyRing([newer, KEK])
    wrapped = ring.wrap(KEK.unwrap(CASE.wrapped_key))

    opened = open_supplement(_seal(b"spans"), wrapped, ring, kek_id=newer.kek_id, context=b"id")

    assert opened == b"spans"
