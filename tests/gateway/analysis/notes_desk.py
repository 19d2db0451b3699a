"""A lender's database with notes in it, and analysers that say what a test wants."""

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from gateway.analysis.known import CaseValues
from gateway.analysis.worker import AnalysisRun, AnalysisWorker, NoteAnalyser
from gateway.cases.notes import NoteKey
from gateway.installation import kek_keys
from gateway.redaction.known import KnownValues
from gateway.redaction.redactor import Redaction
from gateway.redaction.render import render
from gateway.redaction.spans import EntityType, Source, Span
from keys.kek import KeyRing
from policies.fields import load_field_catalog
from tests.gateway.store.lender import HEADER, Lender, case_row

FIRST, SECOND = "1" * 64, "2" * 64
VENDORS = frozenset({"alpha", "beta"})
SECRET = "秘密"


@dataclasses.dataclass(slots=True)
class WordAnalyser:
    """Finds one word; dies at notes that say so, and withholds those that say so."""

    word: str = SECRET
    seen: list[tuple[str, KnownValues | None]] = dataclasses.field(default_factory=list)

    def redact(self, text: str, known: KnownValues | None = None) -> Redaction:
        self.seen.append((text, known))
        if "出错" in text:
            raise ArithmeticError(text)
        if "不可" in text:
            return Redaction("", (), withheld=True)
        spans = []
        place = text.find(self.word)
        while place >= 0:
            end = place + len(self.word)
            spans.append(Span(place, end, EntityType.PERSON, 1.0, Source.KNOWN))
            place = text.find(self.word, end)
        return Redaction(render(text, spans), tuple(spans), withheld=False)


def emptied(lender: Lender) -> Lender:
    """Without cases: those of the test before are gone, and its recognizers forgotten."""
    with lender.owner() as connection:
        connection.execute("DELETE FROM casegate.assigned_case")
        connection.execute("DELETE FROM casegate.case_record")
        connection.execute("DELETE FROM casegate.recognizers")
    return lender


def noted(lender: Lender, notes: list[str], *, vendor: str = "alpha", first: int = 0) -> None:
    """Imports a case for each note; an empty one for a case without notes."""
    rows = [f"{case_row(first + number)},{note}" for number, note in enumerate(notes)]
    path = lender.database.settings.directory / f"notes-{vendor}-{first}.csv"
    report = lender.put(path, "\n".join([f"{HEADER},催记", *rows]) + "\n", vendor)
    assert report.rejected == 0


@contextmanager
def worker(
    lender: Lender, analyser: NoteAnalyser, digest: str = FIRST
) -> Iterator[AnalysisWorker]:
    with lender.role() as connection:
        yield worker_on(connection, lender, analyser, digest)


def worker_on(
    connection: psycopg.Connection, lender: Lender, analyser: NoteAnalyser, digest: str
) -> AnalysisWorker:
    return AnalysisWorker(
        connection,
        analyser=analyser,
        digest=digest,
        kek=lambda: ring(lender),
        values=CaseValues(load_field_catalog()),
        clock=lender.clock,
    )


def ring(lender: Lender) -> KeyRing:
    return KeyRing(kek_keys(lender.database.settings))


def rows(lender: Lender, columns: str) -> list[tuple[Any, ...]]:
    """Columns of the queue, in its order."""
    query = f"SELECT {columns} FROM casegate.case_note n ORDER BY place"  # noqa: S608  # our own
    return lender.query(query)


def packed_spans(lender: Lender) -> list[bytes]:
    """What is sealed in the renditions, opened."""
    found = lender.query(
        "SELECT case_id, kek_id, wrapped_key, sealed_spans FROM casegate.case_note"
        " JOIN casegate.case_record USING (case_id) WHERE sealed_spans IS NOT NULL ORDER BY place"
    )
    kek = ring(lender)
    return [
        NoteKey(case, str(kek_id), bytes(wrapped)).open_spans(bytes(sealed), kek)  # type: ignore[arg-type, call-overload]
        for case, kek_id, wrapped, sealed in found
    ]


def analyse(lender: Lender, analyser: WordAnalyser, digest: str = FIRST) -> AnalysisRun:
    with worker(lender, analyser, digest) as one:
        return one.run(VENDORS)
