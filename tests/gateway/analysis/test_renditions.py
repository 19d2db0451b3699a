import re
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.analysis.errors import RenditionError
from gateway.analysis.renditions import Numbering, pack, render
from gateway.redaction import render as redaction_render
from gateway.redaction.identifiers import IdentifierFinder
from gateway.redaction.redactor import Redactor
from gateway.redaction.spans import PLACEHOLDERS, EntityType, Source, Span
from tests.bench.notes import make_notes

TEXT = "张三丰来电，手机13800138000，已告知。"
SPANS = (
    Span(0, 3, EntityType.PERSON, 0.9, Source.KNOWN),
    Span(8, 19, EntityType.PHONE, 1.0, Source.CHECKSUM),
)


@st.composite
def marked_texts(draw: st.DrawFn) -> tuple[str, list[Span]]:
    """A text with spans in order, none overlapping."""
    text = draw(st.text(min_size=1, max_size=60))
    edges = sorted(draw(st.sets(st.integers(0, len(text)), max_size=12)))
    pairs = zip(edges[::2], edges[1::2], strict=False)
    kinds = st.sampled_from(EntityType)
    return text, [Span(start, end, draw(kinds), 0.5, Source.RULE) for start, end in pairs]


@given(marked_texts())
def test_a_rendition_is_what_the_redactor_rendered(marked: tuple[str, list[Span]]) -> None:
    text, spans = marked
    redacted = redaction_render.render(text, spans)

    assert render(text, pack(redacted, spans)) == redacted


def test_the_placeholders_stand_where_the_values_were() -> None:
    packed = pack(redaction_render.render(TEXT, SPANS), SPANS)

    assert render(TEXT, packed) == "〔姓名〕来电，手机〔电话〕，已告知。"
    assert "张" not in packed.decode()


@pytest.mark.parametrize("text", ["", TEXT[1:], TEXT + "补充", TEXT.replace("告知", "通知")])
def test_spans_of_another_text_show_nothing(text: str) -> None:
    packed = pack(redaction_render.render(TEXT, SPANS), SPANS)

    with pytest.raises(RenditionError):
        render(text, packed)


def test_a_rendition_that_was_not_scanned_shows_nothing() -> None:
    packed = pack(redaction_render.render(TEXT, SPANS), SPANS[:1])

    with pytest.raises(RenditionError):
        render(TEXT, packed)


@pytest.mark.parametrize("places", [[(3, 3)], [(4, 2)], [(0, 5), (3, 8)], [(8, 10), (0, 3)]])
def test_spans_out_of_order_show_nothing(places: list[tuple[int, int]]) -> None:
    spans = [Span(start, end, EntityType.PERSON, 1.0, Source.RULE) for start, end in places]

    with pytest.raises(RenditionError):
        render(TEXT, pack("", spans))


def _packed(text: str, *values: tuple[str, EntityType]) -> bytes:
    """Everything of these values found in a text, packed."""
    spans = sorted(
        Span(found.start(), found.end(), kind, 1.0, Source.KNOWN)
        for value, kind in values
        for found in re.finditer(re.escape(value), text)
    )
    return pack(redaction_render.render(text, spans), spans)


def _told(key: str) -> Numbering:
    """Numbers by a key, in a range that is small enough to collide."""
    return lambda value: int.from_bytes(sha256(f"{key} {value}".encode()).digest()) % 5 + 1


def test_the_same_person_has_the_same_number_and_another_another() -> None:
    text = "王芳称王强欠款，王强来电，王 芳不知情"
    packed = _packed(text, *[(name, EntityType.PERSON) for name in ("王芳", "王强", "王 芳")])

    shown = render(text, packed, _told("a"))

    first, second, third, fourth = re.findall("〔姓名([0-9]+)〕", shown)
    assert first == fourth != second == third
    assert re.sub("[0-9]", "", shown) == render(text, packed)


@pytest.mark.parametrize(
    "other", ["１３８００１３８０００", "138-0013-8000", "一三八零零一三八零零零"]
)
def test_a_number_in_another_spelling_is_the_same_number(other: str) -> None:
    text = f"打13800138000，{other}，13900139000"
    packed = _packed(
        text, *[(one, EntityType.PHONE) for one in ("13800138000", other, "13900139000")]
    )

    first, second, third = re.findall("〔电话([0-9]+)〕", render(text, packed, _told("a")))

    assert first == second != third


@given(marked_texts(), st.text(max_size=3))
def test_numbers_add_nothing_but_digits(marked: tuple[str, list[Span]], key: str) -> None:
    text, spans = marked
    packed = pack(redaction_render.render(text, spans), spans)

    numbered = render(text, packed, _told(key))

    last, form = 0, ""
    for span in spans:
        form += re.escape(text[last : span.start] + PLACEHOLDERS[span.type][:-1]) + "[1-9][0-9]*〕"
        last = span.end
    assert re.fullmatch(form + re.escape(text[last:]), numbered)


def test_a_numbered_note_that_comes_back_is_left_as_it_is() -> None:
    engine = Redactor(IdentifierFinder(), IdentifierFinder())
    for note in make_notes(100):
        found = engine.redact(note)
        shown = render(note, pack(found.text, found.spans), _told("a"))

        again = engine.redact(shown)

        assert (again.text, again.withheld) == (shown, False)
