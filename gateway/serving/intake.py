"""Processes that do large batches of call records, beside each other and behind everything else.

They are forked from the clockwork before it has threads or connections, by a keeper that has
neither and starts another for each that dies. Whoever dies leaves its part as it was.
"""

import gc
import os
import signal
import threading
from collections.abc import Callable

from gateway.clock import Clock
from gateway.intake.batches_worker import IntakeWorker
from gateway.logs import logger
from gateway.serving.lifeline import die_with_parent

# Vendors' requests come first wherever processors are scarce.
_NICENESS = 5
_WATCH_SECONDS = 0.5
_STOP_SECONDS = 8.0
# Records are many objects that live for a part only: looking through all of them often is in vain.
_COLLECT_AFTER = (50_000, 20, 50)


def start_keeper(
    worker: Callable[[], IntakeWorker], clock: Clock, stopping: threading.Event, workers: int
) -> int:
    """Forks the keeper of so many workers and returns its process id; it ends with its parent.

    To be called while this process has one thread and no connection. `stopping` is what the
    handler of SIGTERM sets; each process has its own copy of it.
    """
    gc.collect()
    gc.freeze()  # what is shared stays shared
    return _forked(lambda: _keep(worker, clock, stopping, workers))


def has_ended(pid: int) -> bool:
    """Whether a process that was forked here has ended; it is forgotten then."""
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        return True


def _keep(
    worker: Callable[[], IntakeWorker], clock: Clock, stopping: threading.Event, workers: int
) -> None:
    def work() -> None:
        os.nice(_NICENESS)
        gc.set_threshold(*_COLLECT_AFTER)
        worker().run(stopping)

    running = {_forked(work) for _worker in range(workers)}
    while not stopping.wait(_WATCH_SECONDS):
        for pid in [pid for pid in running if has_ended(pid)]:
            logger().error("worker.died", worker="intake")
            running.remove(pid)
            running.add(_forked(work))
    for pid in running:
        os.kill(pid, signal.SIGTERM)
    deadline = clock.monotonic() + _STOP_SECONDS
    pause = threading.Event()
    while running := {pid for pid in running if not has_ended(pid)}:
        if clock.monotonic() > deadline:
            for pid in running:
                os.kill(pid, signal.SIGKILL)
        pause.wait(0.05)


def _forked(act: Callable[[], None]) -> int:
    """Does something in a process of its own, which never comes back from it."""
    parent = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        die_with_parent()
        if os.getppid() == parent:  # else it died before it could be heard
            act()
        code = 0
    except BaseException as error:  # noqa: BLE001  # nothing of the parent's may run here
        logger().error("intake.ended", error_type=type(error).__name__)
    finally:
        os._exit(code)
