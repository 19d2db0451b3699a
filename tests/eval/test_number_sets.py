import re
from collections import Counter

import pytest

from gateway.redaction.redactor import Redaction
from gateway.redaction.spans import EntityType, Source, Span
from tests.eval.evasions import FORMS, SAMPLES, Hidden, Note, carriers, evasions, place
from tests.eval.identifiers import CHECKED, identifiers
from tests.eval.invented_values import check_character
from tests.eval.known_values import known_values
from tests.eval.number_tables import count
from tests.eval.ordinary_numbers import KINDS, ordinary_numbers


@pytest.fixture(scope="module")
def notes() -> list[Note]:
    return list(evasions())


def _redaction(*stretches: tuple[int, int], withheld: bool = False) -> Redaction:
    spans = (Span(s, e, EntityType.PHONE, 1.0, Source.PATTERN) for s, e in stretches)
    return Redaction("", tuple(spans), withheld=withheld)


def test_every_type_has_fourteen_forms_and_every_form_three_hundred_values(
    notes: list[Note],
) -> None:
    found = Counter((one.kind, one.form) for note in notes for one in note.values)

    assert set(found) == {(kind, form) for kind, forms in FORMS.items() for form in forms}
    assert min(found.values()) >= SAMPLES >= 300
    assert min(map(len, FORMS.values())) >= 14


def test_every_type_has_twenty_five_sentences_with_one_place_for_the_number() -> None:
    for kind, lines in carriers().items():
        assert len(set(lines)) >= (8 if kind.endswith("slang") else 25), kind
        assert all(line.count("{}") == 1 for line in lines), kind


def test_the_same_seed_writes_the_same_notes() -> None:
    assert list(identifiers()) == list(identifiers())
    assert [one.text for one in ordinary_numbers()] == [one.text for one in ordinary_numbers()]


def test_every_stretch_to_hide_lies_in_its_note(notes: list[Note]) -> None:
    assert all(
        0 <= start < end <= len(note.text)
        for note in notes
        for value in note.values
        for start, end in value.pieces
    )


def test_plain_values_are_marked_from_their_first_to_their_last_character(
    notes: list[Note],
) -> None:
    plain = [note for note in notes if note.values[0].form == "as it is"]

    for note in plain:
        for value in note.values:
            ((start, end),) = value.pieces
            if value.kind == "mobile":
                assert re.fullmatch(r"1[3-9]\d{9}", note.text[start:end])


def test_identity_numbers_are_right_where_they_say_so_and_wrong_elsewhere() -> None:
    years = set()
    for note in identifiers():
        ((start, end),) = note.values[0].pieces
        number, group = note.text[start:end], note.values[0].form
        if group in CHECKED:
            years.add(int(number[6:10]))
            assert check_character(number[:17]) == number[17]
        elif group == "wrong check digit":
            assert check_character(number[:17]) != number[17]
    assert years == set(range(1930, 2011))


def test_the_check_character_is_that_of_the_standard() -> None:
    # the worked examples of GB 11643-1999
    assert check_character("11010519491231002") == "X"
    assert check_character("44052418800101001") == "4"


def test_more_than_twenty_kinds_of_ordinary_numbers_are_written_150_times() -> None:
    found = Counter(one.kind for one in ordinary_numbers())

    assert set(found) == set(KINDS)
    assert len(found) >= 20
    assert min(found.values()) >= 150
    assert all(one.text[one.start : one.end] for one in ordinary_numbers())


def test_what_is_planted_is_known() -> None:
    plain = [one for one in known_values() if one.note.values[0].form == "as it is"]

    for one in plain:
        ((start, end),) = one.note.values[0].pieces
        known = one.known
        held = {*known.names, *known.phones, *known.ids, *known.cards, *known.addresses}
        assert one.note.text[start:end] in held


def test_words_between_parts_need_not_be_masked() -> None:
    text, pieces = place("电话", ["138", "然后", "00138000"], "对吗")

    assert [text[start:end] for start, end in pieces] == ["138", "00138000"]


def test_a_value_is_hidden_when_all_its_pieces_are_or_the_note_is_withheld() -> None:
    note = Note("电话138然后0013", (Hidden("mobile", "words", ((2, 5), (7, 11))),))

    half, beside = count([(note, _redaction((0, 5)))])
    whole, _ = count([(note, _redaction((2, 5), (7, 11)))])
    none, _ = count([(note, _redaction(withheld=True))])

    assert half["mobile", "words"].percent == 0
    assert beside == 100
    assert whole["mobile", "words"].typed_percent == 100
    assert none["mobile", "words"].percent == 100
    assert none["mobile", "words"].withheld == 1
