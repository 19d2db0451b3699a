import pytest

from gateway.cases.record import JsonValue
from gateway.portfolio.errors import CellError
from gateway.portfolio.reasons import ErrorCode
from gateway.portfolio.values import parser_for
from gateway.portfolio.vocabulary import parse_flag, parse_stage, parse_timezone, stage_of
from policies.fields import load_field_catalog


def _code_of(field: str, text: str) -> ErrorCode:
    with pytest.raises(CellError) as caught:
        parser_for(load_field_catalog().field(field))(text)
    assert text not in str(caught.value)
    return caught.value.error_code


def test_a_flag_is_yes_or_no_in_both_languages() -> None:
    assert [parse_flag(text) for text in ("是", "Y", "1", "TRUE", "Ｙ")] == [True] * 5
    assert [parse_flag(text) for text in ("否", "n", "0", "false", "未核销")] == [False] * 5
    assert _code_of("writeoff_flag", "也许") is ErrorCode.NOT_A_FLAG


def test_a_stage_is_normalised_and_an_open_one_is_refused() -> None:
    assert [parse_stage(text) for text in ("m1", "M06", "M7", "M7+", "M12", "Ｍ３")] == [
        *("M1", "M6", "M7+", "M7+", "M7+", "M3")
    ]
    assert _code_of("collection_stage", "M3+") is ErrorCode.NOT_A_STAGE


@pytest.mark.parametrize(
    ("days", "stage"),
    [(0, "M0"), (1, "M1"), (30, "M1"), (31, "M2"), (180, "M6"), (181, "M7+"), (9999, "M7+")],
)
def test_the_stage_changes_on_the_day_after_each_thirty(days: int, stage: str) -> None:
    assert stage_of(days) == stage


def test_only_a_real_time_zone_is_one() -> None:
    assert parse_timezone("Asia/Urumqi") == "Asia/Urumqi"
    assert _code_of("timezone", "北京时间") is ErrorCode.NOT_A_TIMEZONE


def test_the_six_treatment_codes_are_read_in_any_spelling_and_each_once() -> None:
    def parsed(text: str) -> JsonValue:
        return parser_for(load_field_catalog().field("treatment_codes"))(text)

    assert parsed("vuln_care、DISPUTED；ＬＡＷＹＥＲ|disputed") == [
        *("VULN_CARE", "DISPUTED", "LAWYER")
    ]
    assert parsed("PLAN_ACTIVE,NO_THIRD_PARTY, TIME_PREF") == [
        *("PLAN_ACTIVE", "NO_THIRD_PARTY", "TIME_PREF")
    ]
    assert parsed(" ; ") is None


@pytest.mark.parametrize(
    "text", ["抑郁症", "VULN_CARE;白血病", "VULN", "VULN_CARE DISPUTED", "X" * 65]
)
def test_a_word_beside_the_six_goes_to_no_vendor_as_a_treatment(text: str) -> None:
    assert _code_of("treatment_codes", text) in {ErrorCode.NOT_A_TREATMENT, ErrorCode.TOO_LONG}
