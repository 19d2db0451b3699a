import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.analysis.errors import RenditionError
from gateway.analysis.renditions import pack, render
from gateway.redaction import render as redaction_render
from gateway.redaction.spans import EntityType, Source, Span

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
