import io
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.intake.recordings_cipher import FRAME_BYTES, RecordingCipher
from keys.errors import EnvelopeError

KEY = bytes(range(32))
ID = uuid4()


def _opened(sealed: bytes, begin: int, end: int, cipher: RecordingCipher | None = None) -> bytes:
    cipher = cipher or RecordingCipher(KEY, ID)
    return b"".join(cipher.open(io.BytesIO(sealed), begin=begin, end=end))


@given(
    st.lists(st.binary(min_size=1, max_size=700), min_size=1, max_size=6),
    st.data(),
)
def test_whatever_the_parts_any_range_opens_to_its_bytes(
    parts: list[bytes], data: st.DataObject
) -> None:
    cipher, sealed, whole = RecordingCipher(KEY, ID), b"", b""
    for part in parts:
        sealed += cipher.seal(part, len(whole))
        whole += part
    begin = data.draw(st.integers(0, len(whole)))
    end = data.draw(st.integers(begin, len(whole)))

    assert _opened(sealed, begin, end) == whole[begin:end]
    assert whole not in sealed or len(whole) < 4


def test_a_large_part_becomes_several_frames_that_open_across_their_borders() -> None:
    content = bytes(range(256)) * (FRAME_BYTES * 2 // 256) + b"end"
    sealed = RecordingCipher(KEY, ID).seal(content, 0)

    assert _opened(sealed, 0, len(content)) == content
    assert (
        _opened(sealed, FRAME_BYTES - 2, FRAME_BYTES + 2)
        == content[FRAME_BYTES - 2 : FRAME_BYTES + 2]
    )


def test_nothing_is_encrypted_twice_in_the_same_way() -> None:
    cipher = RecordingCipher(KEY, ID)

    assert cipher.seal(b"the same", 0) != cipher.seal(b"the same", 0)


def test_altered_moved_repeated_missing_and_foreign_frames_do_not_open() -> None:
    cipher = RecordingCipher(KEY, ID)
    first, second = cipher.seal(b"first", 0), cipher.seal(b"other", 5)
    flipped = bytearray(first + second)
    flipped[-1] ^= 1
    foreign = RecordingCipher(KEY, uuid4()).seal(b"first", 0)

    for sealed in (bytes(flipped), second + first, first + first, first, foreign + second, b""):
        with pytest.raises(EnvelopeError):
            _opened(sealed, 0, 10)
    with pytest.raises(EnvelopeError):
        _opened(first + second, 0, 10, RecordingCipher(bytes(32), ID))
