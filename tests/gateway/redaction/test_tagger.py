import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.redaction.tagger import load_tagger, pair_slots
from gateway.redaction.tier import NameModels, NameTier


def test_the_packaged_weights_are_the_pinned_ones_and_small() -> None:
    assert load_tagger() is load_tagger()


def test_persons_and_addresses_stand_out() -> None:
    text = "联系人刘建华，住福建省莆田市秀屿区东峤镇前沁村赤坡头103号，未接"

    marks = load_tagger().read(text)

    assert marks.person[3:6].min() > 0.5
    assert marks.address[8 : text.index("，未")].mean() > 0.8
    assert marks.address[-2:].max() < 0.5


def test_full_width_digits_are_read_like_plain_ones() -> None:
    plain = load_tagger().read("文一西路969号3幢501室")
    wide = load_tagger().read("文一西路９６９号３幢５０１室")

    assert np.array_equal(plain.address, wide.address)


def test_pairs_depend_on_both_characters() -> None:
    slots = pair_slots(np.array([ord(one) for one in "王王李王"], np.uint32)).tolist()

    assert len(set(slots)) == 4


@settings(max_examples=25, deadline=None)
@given(st.text(st.characters(), max_size=40))
def test_any_text_gives_ordered_spans_inside_it(text: str) -> None:
    last = 0
    for span in NameTier(NameModels.OWN).find(text):
        assert last <= span.start < span.end <= len(text)
        last = span.end
