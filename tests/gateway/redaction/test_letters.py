import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from gateway.redaction.digits import BARRIER, DIGITS
from gateway.redaction.letters import LATIN, bare_view, in_ascii, letters_in_ascii
from gateway.redaction.splits import silence_idioms

ODD = st.text(
    st.one_of(
        st.sampled_from([*LATIN, *DIGITS]),
        st.sampled_from("ABZaz09,，。\u200b\u0301\ufe0f前后第一两几万七八三更位个下次" + BARRIER),
        st.characters(),
    ),
    max_size=40,
)


@given(ODD)
def test_every_listed_character_is_replaced_and_no_other(text: str) -> None:
    assert in_ascii(text) == "".join((LATIN | DIGITS).get(one, one) for one in text)
    assert letters_in_ascii(text) == "".join(LATIN.get(one, one) for one in text)


@given(ODD)
def test_a_bare_view_has_a_place_for_each_character_and_hides_marks(text: str) -> None:
    view, places = bare_view(text, 0, len(text))

    assert len(view) == len(places)
    assert not any("A" <= one <= "Z" for one in view)
    kept = {place for place in range(len(text)) if place in set(places)}
    assert all(
        unicodedata.category(text[place]) in {"Cf", "Mn", "Me"}
        for place in range(len(text))
        if place not in kept
    )


@given(ODD)
def test_numerals_of_speech_leave_room_of_the_same_length(text: str) -> None:
    quiet = silence_idioms(text)

    assert len(quiet) == len(text)
    assert all(now in {was, " "} for was, now in zip(text, quiet, strict=True))
