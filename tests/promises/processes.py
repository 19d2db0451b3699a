"""The processes of a served installation, as the kernel lists them (Linux)."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


def children_of(pid: int) -> dict[int, str]:
    """Direct children of a process with their command lines."""
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return {int(child): command_of(int(child)) for child in listed}


def command_of(pid: int) -> str:
    """A process's command line, blank when it has gone or is a zombie."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    return ""


def vendor_workers(supervisor: int) -> list[int]:
    """Process ids of the vendor listener's workers."""
    return [pid for pid, command in children_of(supervisor).items() if "worker vendor" in command]


def is_running(pid: int) -> bool:
    """Whether a process exists and is no zombie."""
    return bool(command_of(pid))


def wait_until(condition: Callable[[], bool], *, seconds: float) -> bool:
    """Waits until a condition holds; False when it has not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


@contextmanager
def only_running(worker: int, workers: list[int]) -> Iterator[None]:
    """Holds the other workers still, so that this one accepts every new connection."""
    others = [pid for pid in workers if pid != worker]
    for pid in others:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in others:
            os.kill(pid, signal.SIGCONT)
