import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.redaction.english import PACKAGE, EnglishFinder, load_english
from gateway.redaction.spans import EntityType, Span
from gateway.redaction.wordpiece import WordPieces

_VOCABULARY = "[PAD]\n[UNK]\n[CLS]\n[SEP]\njose\nun\n##know\n##n\n,\n中"


@pytest.fixture(scope="module")
def finder() -> EnglishFinder:
    loaded = load_english()
    if loaded is None:
        pytest.skip(f"the English model ({PACKAGE}) is not installed")
    return loaded


def test_pieces_keep_their_place_in_the_text_whatever_case_and_accents() -> None:
    pieces = WordPieces(_VOCABULARY).split("José, UNKNOWN中x")

    assert [(piece.number, piece.start, piece.end) for piece in pieces] == [
        (4, 0, 4),
        (8, 4, 5),
        (5, 6, 8),
        (6, 8, 12),
        (7, 12, 13),
        (9, 13, 14),
        (1, 14, 15),
    ]


@given(st.text(st.characters(), max_size=60))
def test_any_text_splits_into_ordered_pieces_inside_it(text: str) -> None:
    last = 0
    for piece in WordPieces(_VOCABULARY).split(text):
        assert last <= piece.start < piece.end <= len(text)
        last = piece.start


def test_persons_and_addresses_in_an_english_note_are_found(finder: EnglishFinder) -> None:
    text = "客户备注：Spoke with John Smith, he moved to 221B Baker Street, London NW1 6XE."

    spans = finder.find(text)

    assert [(span.type, text[span.start : span.end]) for span in spans] == [
        (EntityType.PERSON, "John Smith"),
        (EntityType.ADDRESS, "221B Baker Street, London NW1 6XE"),
    ]


def test_latin_fragments_in_a_chinese_note_are_not_english(finder: EnglishFinder) -> None:
    assert finder.find("客户用的是APP，微信号ab12，ETC卡") == []


@pytest.mark.parametrize(
    "text",
    [
        "邮箱zhang.san@qq.com，13800138000",
        "见www.example.com/a.html, 已发",
        "a_b@mail.example.cn 2026",
    ],
)
def test_an_address_of_the_internet_alone_is_not_given_to_the_model(
    finder: EnglishFinder, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    def read(*_window: object) -> list[Span]:
        pytest.fail("the model was asked")

    monkeypatch.setattr(finder, "_window", read)

    assert finder.find(text) == []
