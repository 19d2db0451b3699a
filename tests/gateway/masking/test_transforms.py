import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.masking.transforms import (
    TRANSFORMS,
    JsonValue,
    account,
    age_band,
    amount_band,
    dpd_band,
    hold,
    month,
    phone_cn,
    redacted,
    relation,
    yes_no,
)
from policies.fields import Form

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)
NUMBERS = st.text("0123456789０１ +-()（）", max_size=24) | st.from_regex(r"\+?86?1[3-9]\d{9}")
BANDS: dict[Callable[[JsonValue], JsonValue], re.Pattern[str]] = {
    dpd_band: re.compile(r"0|>360|\d{1,3}-\d{2,3}"),
    amount_band: re.compile(r"<100|>=10000000|[125]0*-[125]0*"),
    month: re.compile(r"\d{4}-\d{2}"),
    yes_no: re.compile("yes|no"),
    relation: re.compile("family|other"),
}


@pytest.mark.parametrize(
    ("number", "masked"),
    [
        ("13812345678", "138****5678"),
        ("+86 138 1234 5678", "138****5678"),
        ("0086-138-1234-5678", "138****5678"),
        ("8613812345678", "138****5678"),
        ("013812345678", "138****5678"),
        ("１３８１２３４５６７８", "138****5678"),
        ("(138)1234–5678", "138****5678"),
        (13912345678, "139****5678"),
        ("0755-86543278", "0755-******78"),
        ("010 6554 3278", "010-******78"),
        ("+86 755 8654 3278", "0755-******78"),
        ("07556543278", "0755-*****78"),
        ("86543278", "****"),
        ("75586543278", "****"),
        ("12812345678", "****"),
        ("1381234567", "****"),
        ("138123456789", "****"),
        ("13812345678转801", "****"),
        ("+85291234567", "****"),
        ("11010519491231002X", "****"),
        ("13812345678/13912345678", "****"),
        ("", "****"),
        (True, "****"),
        (-13812345678, "****"),
    ],
)
def test_a_phone_number_keeps_its_ends(number: JsonValue, masked: str) -> None:
    assert phone_cn(number) == masked


def test_a_number_too_long_to_print_is_hidden() -> None:
    assert phone_cn(10**5000) == "****"
    assert account(10**5000) == "****"


@pytest.mark.parametrize(
    ("number", "masked"),
    [
        ("6222020200112231234", "****1234"),
        ("6222 0202 0011 2231 234", "****1234"),
        ("HT2024-000117", "****0117"),
        ("12345678", "****5678"),
        ("1234567", "****"),
        ("6222****1234", "****"),
        ("合同二零二四零零一七", "****"),
        (6222020200112231238, "****1238"),
        ("", "****"),
        (["6222020200112231234"], "****"),
    ],
)
def test_an_account_keeps_its_last_four(number: JsonValue, masked: str) -> None:
    assert account(number) == masked


@pytest.mark.parametrize(
    ("days", "band"),
    [
        (0, "0"), (1, "1-30"), (30, "1-30"), (31, "31-60"), (60, "31-60"), (61, "61-90"),
        (90, "61-90"), (91, "91-180"), (180, "91-180"), (181, "181-360"), (360, "181-360"),
        (361, ">360"), (10**9, ">360"), ("45", "31-60"), (-1, None), (45.0, None), ("M2", None),
        (True, None),
    ],
)  # fmt: skip
def test_days_past_due_become_a_band(days: JsonValue, band: str | None) -> None:
    assert dpd_band(days) == band


@pytest.mark.parametrize(
    ("fen", "band"),
    [
        (0, "<100"), (9_999, "<100"), (10_000, "100-200"), (499_999, "2000-5000"),
        (500_000, "5000-10000"), (999_999, "5000-10000"), (1_000_000, "10000-20000"),
        (999_999_999, "5000000-10000000"), (1_000_000_000, ">=10000000"), (-1, None),
        (12.5, None), ("7345.12", None), (None, None),
    ],
)  # fmt: skip
def test_an_amount_becomes_a_band_of_yuan(fen: JsonValue, band: str | None) -> None:
    assert amount_band(fen) == band


@pytest.mark.parametrize(
    ("date", "kept"),
    [
        ("2026-01-31", "2026-01"),
        ("2026-01-31T09:00:00+08:00", "2026-01"),
        ("2026-13-01", None),
        ("31/01/2026", None),
        (20260131, None),
    ],
)
def test_a_date_keeps_its_month(date: JsonValue, kept: str | None) -> None:
    assert month(date) == kept


@pytest.mark.parametrize(
    ("codes", "said"),
    [
        (["ILLNESS"], ["HOLD"]),
        (["ILLNESS", "LAWSUIT"], ["HOLD"]),
        ("投诉", ["HOLD"]),
        ({"code": "DEATH"}, ["HOLD"]),
        ([], []),
        ([" "], []),
    ],
)
def test_every_hold_looks_alike(codes: JsonValue, said: JsonValue) -> None:
    assert hold(codes) == said


@pytest.mark.parametrize(
    ("born", "as_of", "band"),
    [
        ("2008-06-02", "2026-06-01", "<18"),
        ("2008-06-01", "2026-06-01", "18-59"),
        ("1966-06-02", "2026-06-01", "18-59"),
        ("1966-06-01", "2026-06-01T00:00:00+08:00", ">=60"),
        ("2030-01-01", "2026-06-01", None),
        ("1800-01-01", "2026-06-01", None),
        ("1966-06-01", None, None),
        (None, "2026-06-01", None),
    ],
)
def test_a_birth_date_becomes_an_age_band(
    born: JsonValue, as_of: JsonValue, band: str | None
) -> None:
    assert age_band(born, as_of) == band


def test_words_become_yes_no_and_family_or_other() -> None:
    assert [yes_no(value) for value in ("已起诉", "否", True, 0, "待定", 7)] == [
        "yes", "no", "yes", "no", None, None,
    ]  # fmt: skip
    assert [relation(value) for value in ("配偶", " Spouse", "同事", 7)] == [
        "family", "family", "other", "other",
    ]  # fmt: skip


@given(NUMBERS | st.text())
def test_a_masked_phone_shows_at_most_four_digits_in_a_row(number: str) -> None:
    runs = re.findall(r"\d+", str(phone_cn(number)))

    assert all(len(run) <= 4 for run in runs)
    assert sum(map(len, runs)) <= 7


@given(NUMBERS | st.text("0123456789abcXYZ- "))
def test_a_masked_account_shows_the_last_four_at_most(number: str) -> None:
    shown = str(account(number)).removeprefix("****")

    assert len(shown) in {0, 4}
    assert re.sub(r"[\s-]", "", number).endswith(shown) or not number.isascii()


@pytest.mark.parametrize("form", BANDS, ids=lambda form: form.__name__)
@given(value=JSON_VALUES | st.integers(min_value=0) | st.dates().map(str))
def test_a_band_is_one_of_few_words(
    form: Callable[[JsonValue], JsonValue], value: JsonValue
) -> None:
    band = form(value)

    assert band is None or BANDS[form].fullmatch(str(band))


@pytest.mark.parametrize("form", TRANSFORMS, ids=lambda form: form.word)
@given(value=JSON_VALUES)
def test_every_form_takes_any_value(form: Form, value: JsonValue) -> None:
    TRANSFORMS[form](value)


@given(JSON_VALUES, JSON_VALUES)
def test_age_bands_and_redaction_take_any_value(value: JsonValue, as_of: JsonValue) -> None:
    assert age_band(value, as_of) is None
    assert redacted(value) == "***"


def test_every_form_has_a_transform() -> None:
    related = {Form.PRODUCT_TYPE, Form.AGE_BAND}

    assert set(TRANSFORMS) | related == set(Form)
