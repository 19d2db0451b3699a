"""Public sets with names marked, read where they lie: for measuring only, never kept here."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gateway.redaction.spans import EntityType
from tests.eval.rows import EvalSet, Marked

ENVIRONMENT = "CASEGATE_NER_DATA"
_BESIDE = Path(__file__).resolve().parents[3] / "shared" / "data" / "ner"


@dataclass(frozen=True, slots=True)
class PublicSet:
    """A file of one character and tag a line, blank lines between sentences."""

    name: str
    file: str
    person: str


SETS = (
    PublicSet("MSRA test", "msra_test_bio.txt", "PER"),
    PublicSet("ResumeNER test", "resume_test.bmes", "NAME"),
)


def sets(given: Path | None) -> Iterator[EvalSet]:
    """The rows of the sets that are there; what is missing is said in a line."""
    directory = data_directory(given)
    if directory is None:
        print(f"public sets not measured: name their directory by --ner DIR or {ENVIRONMENT}")
        return
    for one in SETS:
        if not (directory / one.file).is_file():
            print(f"{one.name} not measured: {one.file} is not in the directory named")
            continue
        sentences = read_set(directory / one.file)
        yield EvalSet(f"{one.name}: persons", sentences, one.person, EntityType.PERSON)


def data_directory(given: Path | None) -> Path | None:
    """The directory given, or named by the environment, or beside the checkout; None for none."""
    named = os.environ.get(ENVIRONMENT)
    chosen = given or (Path(named) if named else _BESIDE)
    return chosen if chosen.is_dir() else None


def read_set(path: Path) -> list[Marked]:
    """Read BIO or BMES lines."""
    sentences: list[Marked] = []
    rows: list[tuple[str, str]] = []
    for line in [*path.read_text(encoding="utf-8").splitlines(), ""]:
        if line.strip():
            character, _, tag = line.replace("\t", " ").rpartition(" ")
            rows.append((character or " ", tag))
        elif rows:
            sentences.append(_marked(rows))
            rows = []
    return sentences


def _marked(rows: list[tuple[str, str]]) -> Marked:
    entities: list[tuple[int, int, str]] = []
    start, kind = 0, ""
    for place, tag in enumerate([*(tag for _, tag in rows), "O"]):
        if kind and (tag[0] in "BSO" or tag[2:] != kind):
            entities.append((start, place, kind))
            kind = ""
        if tag[0] in "BS":
            start, kind = place, tag[2:]
    return Marked("".join(character for character, _ in rows), tuple(entities))
