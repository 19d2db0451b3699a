"""References and codes are told from persons' numbers."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.intake.checks_personal import holds_number, is_personal, is_personal_name


@pytest.mark.parametrize(
    "value",
    [
        "13812345678",
        "138-1234-5678",
        "8613812345678",
        "+8613812345678",
        "call-13812345678",
        "agent_138.1234.5678",
        "１３８１２３４５６７８",
        "11010519491231002X",
        "110105-19491231-002x",
        "6222021234567890128",
        "4111 1111 1111 1111",
        "张三",
        "agent-张三",
    ],
)
def test_a_number_of_a_person_or_a_name_is_found_however_it_is_written(value: str) -> None:
    assert is_personal(value)


@pytest.mark.parametrize(
    "value",
    [
        "20261124-000017",
        "20261124101502000123",
        "1763892000123",
        "c7-1",
        "run-84e02305-b183-4651-8010-d481bddd63d8",
        "01JD4Z8M1380013800138000AB",
        "alpha-001",
        "10086",
        "rec.2026.11.24.10.02.40.001",
    ],
)
def test_what_systems_number_their_calls_with_is_not(value: str) -> None:
    assert not is_personal(value)


@given(st.uuids(), st.sampled_from(["", "call-", "c.", "run_"]))
def test_no_uuid_is_taken_for_a_person(name: UUID, prefix: str) -> None:
    assert not holds_number(f"{prefix}{name}")


@given(st.integers(13_000_000_000, 19_999_999_999), st.sampled_from(["", "-", ".", " ", ":"]))
def test_no_mobile_passes_in_groups(number: int, between: str) -> None:
    text = str(number)
    assert holds_number(between.join((text[:3], text[3:7], text[7:])))


@pytest.mark.parametrize("name", ["customer_name", "phone", "id_no", "证件号码", "card_no"])
def test_a_field_that_is_called_like_a_persons_is_known(name: str) -> None:
    assert is_personal_name(name)


def test_a_field_of_any_other_name_is_not() -> None:
    assert not is_personal_name("colour")
