import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import RequestInvalidError
from gateway.release.cursor import CursorCipher
from keys.secret import Secret

CIPHER = CursorCipher(Secret(bytes(range(32))))
LISTING = "cases/alpha/alpha-2026/"


def _is_refused(cursor: str, listing: str = LISTING) -> bool:
    try:
        CIPHER.open(cursor, listing=listing)
    except RequestInvalidError:
        return True
    return False


@given(st.text(max_size=80))
def test_a_position_comes_back_from_its_own_listing(position: str) -> None:
    assert CIPHER.open(CIPHER.seal(position, listing=LISTING), listing=LISTING) == position


@given(place=st.integers(min_value=0), change=st.integers(1, 255))
def test_any_changed_byte_is_refused(place: int, change: int) -> None:
    cursor = CIPHER.seal("1234", listing=LISTING)
    sealed = bytearray(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    sealed[place % len(sealed)] ^= change

    assert _is_refused(base64.urlsafe_b64encode(sealed).rstrip(b"=").decode())


@pytest.mark.parametrize(
    "listing",
    ["cases/beta/beta-2026/", "cases/alpha/alpha-2027/", "assignments/alpha/alpha-2026", ""],
)
def test_a_cursor_of_one_listing_does_not_continue_another(listing: str) -> None:
    assert _is_refused(CIPHER.seal("1234", listing=LISTING), listing)


@given(st.text(max_size=700))
def test_no_made_up_text_is_a_cursor_and_none_breaks_the_reader(text: str) -> None:
    assert _is_refused(text)


@given(st.binary(max_size=60).map(lambda raw: base64.urlsafe_b64encode(raw).decode()))
def test_no_made_up_bytes_are_a_cursor(text: str) -> None:
    assert _is_refused(text)


def test_a_cursor_of_another_installation_is_refused() -> None:
    other = CursorCipher(Secret(bytes(32)))

    assert _is_refused(other.seal("1234", listing=LISTING))


def test_neither_the_position_nor_its_order_can_be_seen() -> None:
    cursors = {CIPHER.seal("1234", listing=LISTING) for _ in range(20)}

    assert len(cursors) == 20
    assert len({len(cursor) for cursor in cursors}) == 1


def test_the_refusal_tells_how_to_go_on_without_repeating_the_cursor() -> None:
    with pytest.raises(RequestInvalidError, match="leave it out to begin again") as caught:
        CIPHER.open("Zm9vYmFy", listing=LISTING)

    assert "Zm9v" not in str(caught.value)
