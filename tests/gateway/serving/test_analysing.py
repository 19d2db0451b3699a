import threading
from collections.abc import Callable
from typing import cast

import pytest
from typing_extensions import override

from gateway.serving.analysing import WATCH_SECONDS, AnalysisWatch


class Unhurried(threading.Event):
    """Waits for nothing, and writes down for how long it was asked to."""

    def __init__(self, rounds: int) -> None:
        super().__init__()
        self.waits: list[float] = []
        self._rounds = rounds

    @override
    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None
        self.waits.append(timeout)
        if len(self.waits) >= self._rounds:
            self.set()
        return self.is_set()


class Process:
    """An analyser that ends with a code at its second look, or runs on."""

    def __init__(self, code: int | None, *, is_deaf: bool = False) -> None:
        self._code = code
        self._is_deaf = is_deaf
        self._looks = 0
        self.told: list[str] = []

    def poll(self) -> int | None:
        self._looks += 1
        return self._code if self._looks > 1 else None

    def terminate(self) -> None:
        self.told.append("terminate")

    def kill(self) -> None:
        self.told.append("kill")
        self._is_deaf = False

    def wait(self, timeout: float | None = None) -> int:
        import subprocess

        if self._is_deaf:
            raise subprocess.TimeoutExpired("analyser", timeout or 0)
        return 0


def watched(rounds: int, start: Callable[[], Process], is_work: Callable[[], bool]) -> list[float]:
    stopping = Unhurried(rounds)
    AnalysisWatch(cast("Callable[[], object]", start), stopping).keep(is_work)  # type: ignore[arg-type]
    return stopping.waits


def test_without_work_no_analyser_is_started() -> None:
    started: list[Process] = []

    def start() -> Process:
        started.append(Process(0))
        return started[-1]

    assert watched(4, start, lambda: False) == [WATCH_SECONDS] * 4
    assert not started


def test_analysers_that_die_are_started_again_at_growing_distances() -> None:
    waits = watched(60, lambda: Process(-9), lambda: True)

    pauses = [wait for wait in waits if wait >= WATCH_SECONDS]
    assert pauses[:8] == [5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 300.0, 300.0]


def test_one_that_ends_in_peace_makes_the_distance_short_again() -> None:
    codes = iter([1, 1, 0, 1, *[0] * 40])

    waits = watched(15, lambda: Process(next(codes)), lambda: True)

    assert [wait for wait in waits if wait >= WATCH_SECONDS][:4] == [5.0, 10.0, 5.0, 5.0]


@pytest.mark.parametrize(
    ("is_deaf", "told"), [(False, ["terminate"]), (True, ["terminate", "kill"])]
)
def test_a_stop_ends_the_analyser_too(is_deaf: bool, told: list[str]) -> None:  # noqa: FBT001
    process = Process(None, is_deaf=is_deaf)

    watched(3, lambda: process, lambda: True)

    assert process.told == told


def test_what_the_question_raises_reaches_the_caller() -> None:
    def is_work() -> bool:
        raise ConnectionError

    with pytest.raises(ConnectionError):
        watched(3, lambda: Process(0), is_work)
