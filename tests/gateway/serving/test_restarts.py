"""What dies in a row ends the service; what dies now and then, over months, does not."""

import subprocess

from gateway.serving.supervisor import _MAX_RESTARTS, _STEADY_SECONDS, _Child


def _nothing() -> subprocess.Popen[bytes]:
    raise AssertionError


def _deaths(every: float, times: int) -> list[bool]:
    child = _Child("publisher", _nothing, subprocess.Popen(["true"]))
    child.process.wait()
    return [child.may_start_again(1_000_000 + every * number) for number in range(times)]


def test_a_worker_that_fails_again_and_again_is_given_up() -> None:
    assert _deaths(1.0, _MAX_RESTARTS + 1) == [*[True] * _MAX_RESTARTS, False]


def test_a_worker_that_fails_once_a_day_is_started_for_ever() -> None:
    assert all(_deaths(_STEADY_SECONDS * 144, 1000))
