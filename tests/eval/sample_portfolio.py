"""The notes of the sample portfolio, with the people and employers that its cases name."""

import re
from collections.abc import Iterator

from gateway.portfolio.sample_cases import sample_records
from gateway.redaction.spans import EntityType
from tests.eval.rows import EvalSet, Marked

PERSON, EMPLOYER = "PERSON", "EMPLOYER"
_CASES = 400
_FIELDS = (("full_name", PERSON), ("related_name", PERSON), ("employer_name", EMPLOYER))


def sets() -> Iterator[EvalSet]:
    """Persons and employers in the notes of 400 cases."""
    notes = list(sample_notes(_CASES))
    yield EvalSet("sample notes: persons", notes, PERSON, EntityType.PERSON)
    yield EvalSet("sample notes: employers", notes, EMPLOYER, EntityType.ORGANISATION)


def sample_notes(count: int) -> Iterator[Marked]:
    """The notes of `count` cases that were called before."""
    for record in sample_records(count):
        notes = record.get("past_notes")
        if not isinstance(notes, str):
            continue
        entities: set[tuple[int, int, str]] = set()
        for field, kind in _FIELDS:
            value = re.escape(str(record[field]))
            entities |= {(*match.span(), kind) for match in re.finditer(value, notes)}
        family = re.escape(str(record["full_name"])[:1])
        titled = re.finditer(rf"{family}(?=女士|先生)", notes)
        entities |= {(*match.span(), PERSON) for match in titled}
        yield Marked(notes, tuple(sorted(entities)))
