from itertools import pairwise
from random import Random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.redaction.digits import BARRIER, DIGITS
from gateway.redaction.errors import SpanMismatchError
from gateway.redaction.identifiers import IdentifierFinder
from gateway.redaction.known import KnownValues
from gateway.redaction.redactor import Redactor
from gateway.redaction.render import cut, render
from gateway.redaction.spans import PLACEHOLDERS, EntityType, Source, Span
from tests.bench.notes import make_notes
from tests.gateway.redaction.number_spelling import FORMS, mobile

IDENTIFIERS = IdentifierFinder()
ENGINE = Redactor(IDENTIFIERS, IDENTIFIERS)
KNOWN = KnownValues(names=("张建国",), phones=("13800138000",))

ODD = st.text(
    st.one_of(
        st.sampled_from("".join(DIGITS) + "lIoOSBxX京A@.-=+()（）〔〕 要个再然后电话微信号元"),
        st.characters(),
        st.just(BARRIER),
    ),
    max_size=60,
)


@given(ODD)
@settings(max_examples=400)
@example("1" * 50)
@example("京" + "A" * 200)
@example("@" * 50 + "1" * 100)
@example("〔电话〕" * 10)
def test_spans_lie_in_the_text_in_order_and_apart(text: str) -> None:
    spans = ENGINE.find(text, KNOWN)

    assert all(0 <= one.start < one.end <= len(text) for one in spans)
    assert all(one.end <= after.start for one, after in pairwise(spans))


@given(ODD)
@settings(max_examples=300)
def test_nothing_that_the_gate_finds_is_let_through(text: str) -> None:
    redaction = ENGINE.redact(text, KNOWN)

    assert redaction.withheld == (redaction.text == "" and text != "")
    assert "13800138000" not in redaction.text
    assert "张建国" not in redaction.text


def test_redacted_notes_are_left_as_they_are() -> None:
    for note in make_notes(300):
        once = ENGINE.redact(note, KNOWN)
        again = ENGINE.redact(once.text, KNOWN)

        assert not once.withheld
        assert (again.text, again.spans) == (once.text, ())


@pytest.mark.parametrize("form", FORMS)
def test_a_note_with_a_disguised_number_is_not_withheld(form: str) -> None:
    random = Random(form)
    for _ in range(20):
        note = f"客户留电话{FORMS[form](mobile(random), random)}，明日再拨"

        assert ENGINE.redact(note).text == "客户留电话〔电话〕，明日再拨"


@pytest.mark.parametrize("placeholder", PLACEHOLDERS.values())
def test_a_placeholder_announces_nothing(placeholder: str) -> None:
    text = f"{placeholder} 62345678，{placeholder}"

    assert ENGINE.redact(text).text == text


class Blind:
    def find(self, text: str) -> list[Span]:
        del text
        return []


def test_a_note_is_withheld_when_something_is_left_in_it() -> None:
    redaction = Redactor(Blind(), IDENTIFIERS).redact("打13800138000")

    assert redaction.withheld
    assert redaction.text == ""


def test_a_note_is_withheld_when_a_known_value_is_left_by_types_that_are_not_asked_for() -> None:
    engine = Redactor(Blind(), IDENTIFIERS)

    assert not engine.is_clean("张建国", KNOWN)
    assert engine.is_clean("张建国", KNOWN, types={EntityType.PHONE})


def test_only_the_types_that_are_asked_for_are_cut_out() -> None:
    redaction = ENGINE.redact("张建国，13800138000", KNOWN, types={EntityType.PHONE})

    assert redaction.text == "张建国，〔电话〕"


def test_a_vendor_gets_its_own_token_in_the_place_of_a_value() -> None:
    redaction = ENGINE.redact(
        "打13800138000", token=lambda kind, value: f"〔{kind}:{len(value)}〕"
    )

    assert redaction.text == "打〔PHONE:11〕"
    assert not redaction.withheld


@pytest.mark.parametrize("edges", [[(0, 3), (2, 4)], [(3, 4), (0, 1)], [(0, 9)], [(2, 2)]])
def test_spans_that_do_not_fit_are_refused(edges: list[tuple[int, int]]) -> None:
    spans = [Span(*edge, EntityType.PHONE, 1.0, Source.PATTERN) for edge in edges]

    with pytest.raises(SpanMismatchError):
        render("12345", spans)


# What each rarer finder needs, beside what it must not be misled by.
TELLING = st.lists(
    st.one_of(
        st.sampled_from(
            (
                "京A",
                "B12345",
                "苏A然后",
                "zhang88@qq.com",
                "，163邮箱",
                "艾特",
                "com",
                "qq",
                "妖伞吧",
                "三十八",
                "yao san ba",
                "three eight",
                "电话",
                "手机是138",
                "然后",
                "0013",
                "8000",
                "00083100831",
                "倒着念",
                "从后面往前",
                "backwards",
                "微信",
                "13800138000",
                "11010119900307",
                "密码",
                "一",
                "x",
                "〔电话〕",
                "。",
                " ",
                "-",
            )
        ),
        ODD,
    ),
    max_size=12,
).map("".join)


@given(TELLING, st.data())
@settings(max_examples=600)
def test_a_second_look_that_knows_of_the_first_finds_the_same(
    text: str, data: st.DataObject
) -> None:
    text = text.replace(BARRIER, " ")
    places = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=8)))
    cuts = [
        Span(start, end, EntityType.OTHER, 1.0, Source.PATTERN)
        for start, end in zip(places[::2], places[1::2], strict=False)
        if start < end
    ]
    left, _shown = cut(text, [one for one in cuts if one.end > one.start])

    traces = IDENTIFIERS.look(text)[1]

    assert IDENTIFIERS.look(left, traces)[0] == IDENTIFIERS.find(left)


@pytest.mark.parametrize(
    "hidden",
    [
        "妖伞吧灵灵妖伞吧灵灵灵",
        "开京A12345来",
        "发到zhang88，163邮箱",
        "yao san ba ling ling yao san ba ling ling ling",
        "手机是138你记一下0013再说8000",
        "00083100831倒着念",
    ],
)
def test_a_second_look_finds_what_was_left_whichever_finder_it_takes(hidden: str) -> None:
    text = f"{hidden}。13900139000"
    cuts = [Span(len(hidden), len(text), EntityType.PHONE, 1.0, Source.PATTERN)]
    left, _shown = cut(text, cuts)

    found = IDENTIFIERS.look(left, IDENTIFIERS.look(text)[1])[0]

    assert found == IDENTIFIERS.find(left) != []


def test_a_second_look_without_traces_looks_for_everything() -> None:
    class Blind:
        def find(self, text: str) -> list[Span]:
            del text
            return []

    for hidden in (
        "妖伞吧灵灵妖伞吧灵灵灵",
        "开京A12345来",
        "写到zhang88@qq.com",
        "00083100831倒着念",
    ):
        assert IDENTIFIERS.find(hidden)
        assert Redactor(Blind(), IDENTIFIERS).redact(hidden).withheld
