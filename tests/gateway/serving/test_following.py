"""What follows the log in a thread of its own: in turn, patiently, and never in the way."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from audit.errors import (
    ArchiveRefusedError,
    ArchiveUnavailableError,
    AuditError,
    LogInconsistentError,
    TimestampUnavailableError,
    UnverifiableError,
)
from audit.tile_source import DirectorySource
from audit.timestamp import read_stamp
from gateway.clock import SystemClock
from gateway.serving import following
from gateway.serving.alarms import Alarms
from gateway.serving.following import Following, TimestampFollower
from tests.audit.log_directory import entries_of, new_signer, signed, write_log
from tests.promises.processes import wait_until

LOG = new_signer()


class Recorded(Alarms):
    """Alarms that only remember what they were told."""

    def __init__(self) -> None:
        super().__init__(SystemClock(), after_seconds=900)
        self.told: list[tuple[str, str, bool]] = []

    def failed(self, party: str, reason: str, *, at_once: bool = False) -> None:  # type: ignore[explicit-override]
        self.told.append((party, reason, at_once))

    def succeeded(self, party: str) -> None:  # type: ignore[explicit-override]
        self.told.append((party, "", False))


class Scripted:
    """A follower that fails as told, then works."""

    every_seconds = 0.02

    def __init__(self, name: str, *errors: Exception) -> None:
        self.name = name
        self.steps = 0
        self._errors = list(errors)

    def follow(self, is_stopping: Callable[[], bool]) -> None:
        assert not is_stopping()
        self.steps += 1
        if self._errors:
            raise self._errors.pop(0)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    write_log(tmp_path, LOG, entries_of(300))
    return tmp_path


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "_TICK_SECONDS", 0.01)
    monkeypatch.setattr(following, "RETRY_SECONDS", 0.02)


def test_each_follower_goes_on_after_the_failures_of_any(directory: Path) -> None:
    alarms = Recorded()
    sound = Scripted("timestamps")
    failing = Scripted("archive", ArchiveUnavailableError("no answer"), OSError("/a/path"))
    running = Following(directory, [failing, sound], alarms, SystemClock())
    running.start()
    try:
        assert wait_until(lambda: failing.steps > 4 and sound.steps > 4, seconds=20)
    finally:
        running.stop()

    told = [(reason, at_once) for party, reason, at_once in alarms.told if party == "archive"]
    assert told[:3] == [("no answer", False), ("OSError", False), ("", False)]


@pytest.mark.parametrize(
    ("error", "reason", "at_once"),
    [
        (ArchiveRefusedError("no lock"), "no lock", True),
        (LogInconsistentError("differs"), "differs", True),
        (TimestampUnavailableError("silent"), "silent", False),
        (UnverifiableError("x"), "UnverifiableError", False),
    ],
)
def test_what_waiting_will_not_mend_is_told_apart(
    directory: Path,
    error: AuditError,
    reason: str,
    at_once: bool,  # noqa: FBT001 - a pytest parameter
) -> None:
    alarms = Recorded()
    running = Following(directory, [Scripted("one", error)], alarms, SystemClock())
    running.start()
    try:
        assert wait_until(lambda: bool(alarms.told), seconds=20)
    finally:
        running.stop()

    assert alarms.told[0] == ("one", reason, at_once)


def test_nothing_is_late_before_the_first_checkpoint(tmp_path: Path) -> None:
    follower = Scripted("one")
    running = Following(tmp_path, [follower], Recorded(), SystemClock())
    running.start()
    assert not wait_until(lambda: follower.steps > 0, seconds=0.2)

    write_log(tmp_path, LOG, entries_of(1))
    assert wait_until(lambda: follower.steps > 0, seconds=20)
    running.stop()


def test_a_step_that_hangs_does_not_keep_the_process(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    released = threading.Event()

    class Hanging(Scripted):
        def follow(self, is_stopping: Callable[[], bool]) -> None:  # type: ignore[explicit-override]
            super().follow(is_stopping)
            released.wait(30)

    monkeypatch.setattr(following, "_STOP_SECONDS", 0.1)
    follower = Hanging("one")
    running = Following(directory, [follower], Recorded(), SystemClock())
    running.start()
    assert wait_until(lambda: follower.steps > 0, seconds=20)

    running.stop()

    assert running._thread.daemon
    released.set()
    running._thread.join(5)
    assert not running._thread.is_alive()


class Counting:
    """Gives tokens that say which message they are for."""

    def __init__(self) -> None:
        self.messages: list[bytes] = []

    def stamp(self, message: bytes) -> bytes:
        self.messages.append(message)
        return b"token %d" % len(self.messages)


def test_each_checkpoint_is_stamped_once_and_kept_beside_the_log(directory: Path) -> None:
    client = Counting()
    follower = TimestampFollower(directory, client, every_seconds=600)
    for _ in range(3):
        follower.follow(lambda: False)
    write_log(directory, LOG, entries_of(700))
    TimestampFollower(directory, client, every_seconds=600).follow(lambda: False)

    notes = [signed(LOG, entries_of(size)).encode() for size in (300, 700)]
    assert client.messages == notes
    assert (directory / "timestamps/index").read_text() == "300\n700\n"
    stamp = read_stamp(DirectorySource(directory), 700)
    assert (stamp.note, stamp.token) == (notes[1], b"token 2")
