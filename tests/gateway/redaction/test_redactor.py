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
from gateway.redaction.render import render
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
