"""Works through the queue of notes: opens, looks, seals what was found, forgets the text."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Protocol

import orjson
import psycopg

from gateway.analysis.errors import NoteFailedError
from gateway.analysis.isolation import DIED, TIMED_OUT
from gateway.analysis.known import CaseValues
from gateway.analysis.queue import NoteQueue, TakenNote, adopt, requeue_outdated
from gateway.analysis.renditions import pack
from gateway.clock import Clock
from gateway.errors import ConfigurationError
from gateway.logs import logger
from gateway.redaction.known import KnownValues
from gateway.redaction.redactor import Redaction
from keys.envelope import open_sealed
from keys.errors import EnvelopeError
from keys.kek import KeyEncryptionKey

BATCH = 16
"""Notes in memory at a time; each is at most the 128 KiB of a cell."""

NOT_OPENED = "not_opened"
_FATAL = frozenset({TIMED_OUT, DIED})

Progress = Callable[["AnalysisRun"], None]


class NoteAnalyser(Protocol):
    """Finds personal data in a note: IsolatedAnalyser does, and so does redaction's Redactor."""

    def redact(self, text: str, known: KnownValues | None = None) -> Redaction:
        """The text without it, and where it was."""
        ...


@dataclass(slots=True)
class AnalysisRun:
    """What a run has done so far; `void` are results for cases that changed meanwhile."""

    ready: int = 0
    withheld: int = 0
    failed_attempts: int = 0
    void: int = 0

    @property
    def seen(self) -> int:
        """Notes that were looked at, some perhaps more than once."""
        return self.ready + self.withheld + self.failed_attempts + self.void

    def document(self) -> dict[str, int]:
        """As JSON."""
        return {
            "ready": self.ready,
            "withheld": self.withheld,
            "failed_attempts": self.failed_attempts,
            "void": self.void,
        }


@dataclass(frozen=True, slots=True)
class _Outcome:
    note: TakenNote
    sealed_spans: bytes | None = None
    failure: str | None = None

    @property
    def is_given_up(self) -> bool:
        """Whether the note has hung or killed its analyser for the second time."""
        return self.failure in _FATAL and self.note.reason in _FATAL


class AnalysisWorker:
    """One worker on one connection; several work side by side, here or on other hosts."""

    def __init__(
        self,
        connection: psycopg.Connection,
        *,
        analyser: NoteAnalyser,
        digest: str,
        kek: Callable[[], KeyEncryptionKey],
        values: CaseValues,
        clock: Clock,
    ) -> None:
        """Takes a connection of the company's role in autocommit.

        `kek` is asked for each batch, so that a key that rotates meanwhile is found.
        """
        self._connection = connection
        self._queue = NoteQueue(connection, digest)
        self._analyser = analyser
        self._digest = digest
        self._kek = kek
        self._values = values
        self._clock = clock

    def run(
        self,
        vendors: Collection[str],
        *,
        is_stopping: Callable[[], bool] = lambda: False,
        progress: Progress = lambda _run: None,
    ) -> AnalysisRun:
        """Works until nothing waits that it may take; a stop ends it after the batch under way.

        Raises:
            psycopg.Error: PostgreSQL went away; what was taken is free again.
            ConfigurationError: an analyser that ended cannot be started again.
        """
        run = AnalysisRun()
        if adopt(self._connection, self._digest, self._clock.now()):
            while not is_stopping() and requeue_outdated(self._connection, self._digest, vendors):
                pass
        while not is_stopping():
            batch = self._queue.take(vendors, BATCH)
            if not batch:
                break
            self._work(batch, run)
            progress(run)
        return run

    def _work(self, batch: list[TakenNote], run: AnalysisRun) -> None:
        kek = self._kek()
        outcomes = [self._analyse(note, kek) for note in batch]
        with self._connection.transaction():
            for outcome in outcomes:
                self._store(outcome, run)

    def _store(self, outcome: _Outcome, run: AnalysisRun) -> None:
        if outcome.is_given_up:
            is_current = self._queue.finish(outcome.note, None, reason=outcome.failure)
            run.withheld += is_current
            logger().error("analysis.note_withheld", reason=outcome.failure)
        elif outcome.failure is not None:
            is_current = self._queue.give_back(outcome.note, outcome.failure)
            run.failed_attempts += is_current
        else:
            is_current = self._queue.finish(outcome.note, outcome.sealed_spans)
            run.withheld += is_current and outcome.sealed_spans is None
            run.ready += is_current and outcome.sealed_spans is not None
        run.void += not is_current

    def _analyse(self, note: TakenNote, kek: KeyEncryptionKey) -> _Outcome:
        try:
            text = note.key.open_text(note.sealed_notes, kek)
            record = orjson.loads(
                open_sealed(
                    note.sealed,
                    note.wrapped_key,
                    kek,
                    context=note.case_id.bytes,
                    kek_id=note.kek_id,
                )
            )
        except (EnvelopeError, ValueError):
            return _Outcome(note, failure=NOT_OPENED)
        try:
            redaction = self._analyser.redact(text, self._values.of(record))
        except ConfigurationError:
            raise  # no analyser can be started: none of this is the note's fault
        except NoteFailedError as error:
            return _Outcome(note, failure=error.reason)
        # Whatever a note does to an analyser must not stop the notes behind it. Of the error only
        # its type is kept: its message may quote the note.
        except Exception as error:  # noqa: BLE001
            return _Outcome(note, failure=type(error).__name__[:60])
        if redaction.withheld:
            return _Outcome(note)
        packed = pack(redaction.text, redaction.spans)
        return _Outcome(note, sealed_spans=note.key.seal_spans(packed, kek))
