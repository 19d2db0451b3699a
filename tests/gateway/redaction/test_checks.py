from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.redaction import checks
from tests.gateway.redaction import number_spelling as numbers

RANDOMS = st.randoms(use_true_random=False)


@given(RANDOMS)
def test_a_right_identity_number_passes_and_each_wrong_last_one_fails(random: Random) -> None:
    number = numbers.identity_number(random)

    right = [one for one in "0123456789X" if checks.has_resident_check(number[:17] + one)]

    assert checks.is_resident_form(number)
    assert right == [number[17]]


@given(RANDOMS)
def test_a_card_passes_with_one_last_digit_only(random: Random) -> None:
    number = numbers.bank_card(random)

    assert [one for one in "0123456789" if checks.has_luhn_check(number[:-1] + one)] == [
        number[-1]
    ]


@given(RANDOMS)
def test_a_firm_code_passes_and_not_when_two_characters_are_swapped(random: Random) -> None:
    code = numbers.firm_code(random)
    swapped = code[:-3] + code[-2] + code[-3] + code[-1]

    assert checks.has_firm_check(code)
    assert swapped == code or not checks.has_firm_check(swapped)


@given(st.text(max_size=18))
@settings(max_examples=50)
def test_a_firm_code_of_any_characters_is_judged(text: str) -> None:
    assert checks.has_firm_check(text.ljust(18, "I")) is False


def test_published_identity_cards_pass() -> None:
    assert checks.has_hong_kong_check("G", "123456", "A")
    assert checks.has_taiwan_check("A", "123456789")
    assert not checks.has_taiwan_check("A", "123456788")


def test_dates_that_no_calendar_has_are_no_births() -> None:
    assert checks.is_birth_date("19900228")
    assert not checks.is_birth_date("19900230")
    assert not checks.is_birth_date("19901301")
