import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import RequestInvalidError, ScriptRefusedError
from gateway.people.script_text import Statement, mandatory_for, verify_text
from policies.contact.model import Channel
from tests.gateway.people.crew import TEXT


def verify(text: str, channel: Channel = Channel.VOICE_HUMAN, *forbidden: str) -> None:
    verify_text(text, channel, mandatory=(), forbidden=forbidden)


def test_a_text_with_all_its_statements_passes() -> None:
    verify(TEXT, Channel.VOICE_HUMAN, "坐牢", "拘留")


@pytest.mark.parametrize("statement", list(Statement))
def test_each_statement_of_a_call_is_mandatory(statement: Statement) -> None:
    without = TEXT.replace(f"[{statement}]", "")

    with pytest.raises(ScriptRefusedError, match=statement) as caught:
        verify(without)
    assert caught.value.code == "STATEMENT_MISSING"


def test_nobody_is_recorded_by_letter() -> None:
    without = TEXT.replace("[RECORDING] 本次通话会录音。\n", "")

    verify(without, Channel.SMS)
    with pytest.raises(ScriptRefusedError, match="RECORDING"):
        verify_text(without, Channel.SMS, mandatory=("RECORDING",), forbidden=())


@pytest.mark.parametrize(
    "text",
    [
        "欢迎致电",  # no code at all
        TEXT.replace("本次通话会录音。", "  。"),  # a code without any words
        TEXT.replace("[RECORDING]", "说明 [RECORDING]"),  # a code in the middle of a line
        TEXT.replace("[RECORDING]", "[recording]"),
        TEXT.replace("[RECORDING] 本次通话会录音。\n", "") + "[RECORDING]",
    ],
)
def test_a_code_alone_states_nothing(text: str) -> None:
    with pytest.raises(ScriptRefusedError, match="RECORDING"):
        verify(text)


@pytest.mark.parametrize("said", ["上门抓人", "上 门 抓 人", "上门\u200b抓人", "上\n门抓人"])
def test_a_forbidden_term_is_found_through_spaces_and_invisible_characters(said: str) -> None:
    with pytest.raises(ScriptRefusedError, match="number 2") as caught:
        verify(TEXT + said, Channel.VOICE_HUMAN, "拘留", "上门抓人")
    assert caught.value.code == "FORBIDDEN_TERM"
    assert "上门" not in str(caught.value)


def test_a_forbidden_term_is_found_in_any_width_and_case() -> None:
    with pytest.raises(ScriptRefusedError):
        verify(TEXT + "ＰＯＬＩＣＥ", Channel.VOICE_HUMAN, "Police")


@given(st.text(alphabet="坐牢拘留抓A ", min_size=1, max_size=6), st.integers(0, len(TEXT)))
def test_no_place_hides_a_forbidden_term(term: str, place: int) -> None:
    # At the end of a line, so that no statement's code is broken by it.
    head, _, tail = TEXT[place:].partition("\n")
    text = TEXT[:place] + head + term + "\n" + tail

    if term.strip():
        with pytest.raises(ScriptRefusedError):
            verify(text, Channel.VOICE_HUMAN, term)
    else:
        with pytest.raises(RequestInvalidError):
            verify(text, Channel.VOICE_HUMAN, term)


@pytest.mark.parametrize("terms", [("",), ("\u200b",), ("x" * 101,), ("x",) * 501])
def test_terms_are_words(terms: tuple[str, ...]) -> None:
    with pytest.raises(RequestInvalidError):
        verify("", Channel.SMS, *terms)


def test_every_channel_names_who_calls_for_whom_and_where_to_complain() -> None:
    for channel in Channel:
        assert mandatory_for(channel) >= {"WHO_CALLS", "FOR_WHOM", "COMPLAINT_LINE"}
