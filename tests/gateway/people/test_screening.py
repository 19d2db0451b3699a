import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import PersonalDataError, RequestInvalidError
from gateway.people.screening import looks_personal, parse_hash

DIGITS = "0123456789"
FULL_WIDTH = "０１２３４５６７８９"


@given(
    st.from_regex(r"[1-9][0-9]{16}[0-9Xx]|1[3-9][0-9]{9}", fullmatch=True),
    st.sampled_from([" ", "-", ".", "_", "", "·"]),
    st.sampled_from([DIGITS, FULL_WIDTH]),
    st.integers(0, 2**32),
)
def test_a_number_is_seen_in_any_width_and_with_separators(
    number: str, separator: str, digits: str, seed: int
) -> None:
    spread = random.Random(seed)  # of a test
    parts = "".join(one + (separator if spread.random() < 0.3 else "") for one in number)

    assert looks_personal(parts.translate(str.maketrans(DIGITS, digits)))


@pytest.mark.parametrize(
    "value", ["A-1024", "agent.2026.07", "2026-11-23", "10086", "A" * 32, "12345678901234"]
)
def test_what_is_no_number_of_a_person_passes(value: str) -> None:
    assert not looks_personal(value)


def test_a_hash_is_64_hexadecimal_digits() -> None:
    assert parse_hash("id_hash", "0a" * 32) == b"\x0a" * 32
    for wrong in ("0A" * 32, "0a" * 31, "", "x" * 64):
        with pytest.raises(RequestInvalidError):
            parse_hash("id_hash", wrong)


@pytest.mark.parametrize("number", ["11010519491231002X", "110105491231002", "13800138000"])
def test_a_number_in_place_of_its_hash_is_told_apart_and_not_repeated(number: str) -> None:
    with pytest.raises(PersonalDataError) as caught:
        parse_hash("id_hash", number)

    assert number not in str(caught.value)
