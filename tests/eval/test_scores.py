from pathlib import Path

import pytest

from gateway.redaction.spans import EntityType, Source, Span
from tests.eval.carried_addresses import carried_addresses
from tests.eval.english_notes import marked
from tests.eval.public_sets import ENVIRONMENT, data_directory, read_set
from tests.eval.rows import Marked
from tests.eval.scores import score


def _span(start: int, end: int, type_: EntityType = EntityType.PERSON) -> Span:
    return Span(start, end, type_, 1.0, Source.RULE)


def test_an_entity_counts_when_its_every_character_is_masked() -> None:
    sentences = [Marked("王小明和李四在家", ((0, 3, "PER"), (4, 6, "PER")))]

    found = score(
        sentences,
        lambda _: [_span(0, 3), _span(4, 5), _span(6, 7)],
        wanted="PER",
        type_=EntityType.PERSON,
    )

    assert found.full == 50
    assert found.recall == 80
    assert found.over == pytest.approx(100 / 3)
    assert found.missed == ["王小明和[李四]在家"]


def test_spans_of_another_type_count_as_any_only() -> None:
    sentences = [Marked("王小明", ((0, 3, "PER"),))]

    found = score(
        sentences,
        lambda _: [_span(0, 3, EntityType.ADDRESS)],
        wanted="PER",
        type_=EntityType.PERSON,
    )

    assert (found.full, found.full_by_any, found.over_any) == (0, 100, 0)


@pytest.mark.parametrize(
    "lines",
    [
        "王\tB-PER\n明\tI-PER\n在\tO\n京\tB-LOC\n",
        "王 B-PER\n明 E-PER\n在 O\n京 S-LOC\n",
    ],
)
def test_both_ways_of_marking_are_read(tmp_path: Path, lines: str) -> None:
    file = tmp_path / "set.txt"
    file.write_text(lines, encoding="utf-8")

    assert read_set(file) == [Marked("王明在京", ((0, 2, "PER"), (3, 4, "LOC")))]


def test_a_directory_that_is_not_there_is_no_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ENVIRONMENT, str(tmp_path / "absent"))

    assert data_directory(None) is None
    assert data_directory(tmp_path) == tmp_path


def test_the_typed_sets_mark_what_they_say() -> None:
    assert all(
        one.text[start:end]
        for one in [*carried_addresses(), *marked()]
        for start, end, _ in one.entities
    )
    assert "Lau" in {one.text[s:e] for one in marked() for s, e, _ in one.entities}
