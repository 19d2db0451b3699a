import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.bundle import decode_bundle, encode_bundle
from audit.errors import EntryTooLargeError, FramingError


def test_an_entry_is_framed_by_its_length_in_two_bytes() -> None:
    assert encode_bundle([b"ab", b"", b"c" * 258]) == b"\x00\x02ab\x00\x00\x01\x02" + b"c" * 258


@given(st.lists(st.binary(max_size=300)))
def test_entries_come_back_as_they_were(entries: list[bytes]) -> None:
    assert decode_bundle(encode_bundle(entries)) == entries


def test_the_longest_entry_is_framed_and_one_byte_more_is_refused() -> None:
    assert decode_bundle(encode_bundle([b"x" * 65_535])) == [b"x" * 65_535]
    with pytest.raises(EntryTooLargeError):
        encode_bundle([b"x" * 65_536])


@given(st.lists(st.binary(min_size=1, max_size=20), min_size=1), st.integers(1, 20))
def test_a_bundle_cut_inside_its_last_entry_is_refused(entries: list[bytes], cut: int) -> None:
    cut = min(cut, len(entries[-1]) + 1)

    with pytest.raises(FramingError):
        decode_bundle(encode_bundle(entries)[:-cut])
