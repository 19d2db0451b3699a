"""Who has a note, and what becomes of it when he dies: nothing is lost, nothing is doubled."""

import os
import signal
import subprocess
import sys

import pytest
from typing_extensions import override

from gateway.analysis.queue import (
    MAX_ATTEMPTS,
    WORKER_DIED,
    NoteQueue,
    is_work,
)
from gateway.redaction.known import KnownValues
from gateway.redaction.redactor import Redaction
from tests.gateway.analysis.notes_desk import (
    FIRST,
    VENDORS,
    WordAnalyser,
    analyse,
    noted,
    packed_spans,
    rows,
)
from tests.gateway.store.lender import Lender
from tests.promises.processes import wait_until


def test_notes_that_one_worker_holds_are_not_given_to_another(lender: Lender) -> None:
    noted(lender, ["秘密"] * 5)
    with lender.role() as first, lender.role() as second:
        held = NoteQueue(first, FIRST).take(VENDORS, 3)
        rest = NoteQueue(second, FIRST).take(VENDORS, 3)

        assert len(held) == 3
        assert len(rest) == 2
        assert not {note.case_id for note in held} & {note.case_id for note in rest}
        assert not is_work(second, FIRST, VENDORS)


def test_the_notes_of_a_worker_that_is_gone_are_free_and_its_late_result_is_void(
    lender: Lender,
) -> None:
    noted(lender, ["秘密"] * 2)
    with lender.role() as gone:
        taken = NoteQueue(gone, FIRST).take(VENDORS, 2)
    with lender.role() as connection:
        assert wait_until(lambda: is_work(connection, FIRST, VENDORS), seconds=10)
        queue = NoteQueue(connection, FIRST)
        again = queue.take(VENDORS, 10)

        assert len(again) == 1, "one at a time after a death"
        assert {note.case_id for note in again} <= {note.case_id for note in taken}
        assert not NoteQueue(connection, FIRST).finish(again[0], b"late")
        assert queue.finish(again[0], b"spans")


def test_a_note_that_kills_every_worker_is_given_up_and_no_other_pays_for_it(
    lender: Lender,
) -> None:
    noted(lender, ["秘密", "秘密", "致命", "秘密"])

    class Death(BaseException):
        pass

    class Deadly(WordAnalyser):
        @override
        def redact(self, text: str, known: KnownValues | None = None) -> Redaction:
            if text == "致命":
                raise Death
            return super().redact(text, known)

    for _death in range(MAX_ATTEMPTS):
        with pytest.raises(Death):
            analyse(lender, Deadly())
    run = analyse(lender, Deadly())

    assert run.failed_attempts == 0
    assert sorted(rows(lender, "state, reason"), key=str) == [
        ("done", None),
        ("done", None),
        ("done", None),
        ("failed", WORKER_DIED),
    ]


_VICTIM = """
import sys, time
from pathlib import Path
import orjson
from tests.gateway.analysis.notes_desk import FIRST, VENDORS, WordAnalyser, worker_on
from tests.gateway.store.lender import Lender
from gateway.settings import Settings
from gateway.store.database import Database

class Slow(WordAnalyser):
    def redact(self, text, known=None):
        print(text, flush=True)
        time.sleep(0.05)
        return super().redact(text, known)

url, settings, directory = sys.argv[1:]
settings = Settings.model_validate({**orjson.loads(settings), "directory": Path(directory)})
lender = Lender(Database(url, settings), None)
with lender.role() as connection:
    worker_on(connection, lender, Slow(), FIRST).run(VENDORS)
"""


def test_a_worker_killed_in_the_middle_of_a_batch_loses_and_doubles_nothing(
    lender: Lender,
) -> None:
    texts = [f"秘密{number}" for number in range(40)]
    noted(lender, texts)
    command = [sys.executable, "-c", _VICTIM, lender.database.owner_url]
    settings = lender.database.settings
    command += [settings.model_dump_json(), str(settings.directory)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as victim:
        assert victim.stdout is not None
        for _note in range(20):  # one whole batch of 16 and a part of the second
            assert victim.stdout.readline()
        os.kill(victim.pid, signal.SIGKILL)
    done = rows(lender, "state").count(("done",))
    assert 0 < done < len(texts)
    with lender.role() as connection:
        assert wait_until(lambda: is_work(connection, FIRST, VENDORS), seconds=10)
    analyser = WordAnalyser()

    run = analyse(lender, analyser)

    assert run.ready == len(texts) - done
    assert len({text for text, _known in analyser.seen}) == len(analyser.seen) == run.ready
    assert set(rows(lender, "state")) == {("done",)}
    assert len(packed_spans(lender)) == len(texts)
