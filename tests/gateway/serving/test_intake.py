"""The keeper of the intake's processes: as many as there should be, whoever dies."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest

from gateway.clock import SystemClock
from gateway.intake.batches_worker import IntakeWorker
from gateway.serving.intake import has_ended, start_keeper
from tests.promises.processes import is_running, wait_until


@dataclass(frozen=True)
class Worker:
    """Notes its process, and how it was niced, until it is told to stop."""

    directory: Path

    def run(self, stopping: threading.Event) -> None:
        (self.directory / str(os.getpid())).write_text(str(os.nice(0)))
        stopping.wait()


@pytest.fixture
def stopping() -> Iterator[threading.Event]:
    told = threading.Event()
    before = signal.signal(signal.SIGTERM, lambda _signal, _frame: told.set())
    yield told
    signal.signal(signal.SIGTERM, before)


def test_a_killed_worker_is_replaced_and_a_stopped_keeper_leaves_nobody(
    tmp_path: Path, stopping: threading.Event
) -> None:
    def started() -> set[int]:
        return {int(entry.name) for entry in tmp_path.iterdir()}

    def alive() -> set[int]:
        return {pid for pid in started() if is_running(pid)}

    worker = cast("Callable[[], IntakeWorker]", lambda: Worker(tmp_path))
    keeper = start_keeper(worker, SystemClock(), stopping, 2)
    try:
        assert wait_until(lambda: len(alive()) == 2, seconds=10)
        killed = min(alive())
        os.kill(killed, signal.SIGKILL)
        assert wait_until(lambda: len(alive() - {killed}) == 2, seconds=10)
        assert {entry.read_text() for entry in tmp_path.iterdir()} == {str(os.nice(0) + 5)}
    finally:
        os.kill(keeper, signal.SIGTERM)
    assert wait_until(lambda: has_ended(keeper), seconds=10)
    assert alive() == set()
    assert not stopping.is_set()


def test_the_workers_of_a_killed_keeper_end_by_themselves(
    tmp_path: Path, stopping: threading.Event
) -> None:
    worker = cast("Callable[[], IntakeWorker]", lambda: Worker(tmp_path))
    keeper = start_keeper(worker, SystemClock(), stopping, 1)
    assert wait_until(lambda: any(tmp_path.iterdir()), seconds=10)
    (entry,) = tmp_path.iterdir()
    os.kill(keeper, signal.SIGKILL)

    assert wait_until(lambda: has_ended(keeper), seconds=10)
    assert wait_until(lambda: not is_running(int(entry.name)), seconds=10)
