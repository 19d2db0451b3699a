"""Starts listeners' workers and the publisher, keeps them running, and stops them."""

import os
import selectors
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gateway.clock import Clock
from gateway.errors import ConfigurationError
from gateway.logs import logger
from gateway.sections import ListenerSettings
from gateway.serving.proxy_socket import bind_proxy_socket, remove_proxy_socket
from gateway.serving.readiness import READY
from gateway.settings import Settings
from gateway.store.database import Database

READY_SECONDS = 30.0
_STOP_SECONDS = 12.0
_WATCH_SECONDS = 0.25
_MAX_RESTARTS = 20
# What ran for so long had started well: its end is none of a row of failures.
_STEADY_SECONDS = 600.0


@dataclass(slots=True)
class _Child:
    """A process and how to start it again."""

    name: str
    start: Callable[[], subprocess.Popen[bytes]]
    process: subprocess.Popen[bytes]
    restarts: int = 0
    began: float = 0.0

    def may_start_again(self, now: float) -> bool:
        """Whether to, at a monotonic time in seconds: not when it failed so often in a row."""
        self.restarts = 1 if now - self.began > _STEADY_SECONDS else self.restarts + 1
        self.began = now
        return self.restarts <= _MAX_RESTARTS


class Supervisor:
    """Runs one installation on this host."""

    def __init__(self, database: Database, config: Path, clock: Clock) -> None:
        self._database = database
        self._settings: Settings = database.settings
        self._config = config
        self._clock = clock
        self._children: list[_Child] = []
        self._sockets: list[socket.socket] = []
        self._has_hop = False
        self._stopping = threading.Event()

    def run(self, announce: Callable[[], None]) -> int:
        """Serves until SIGTERM or SIGINT; calls `announce` once when all listeners accept.

        Returns the exit code: 0 after a signal, 1 when a worker could not be kept running.

        Raises:
            ConfigurationError: a port is taken, or a worker does not become ready.
        """
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda _signal, _frame: self._stopping.set())
        try:
            self._start_all()
            announce()
            return self._watch()
        finally:
            self._stop_all()

    def _start_all(self) -> None:
        waiting: list[tuple[str, int]] = []
        for kind, address in self._settings.listeners():
            listening = _bind(kind, address)
            self._sockets.append(listening)
            sockets = [listening]
            if kind == "vendor" and (hop := bind_proxy_socket(self._settings)) is not None:
                self._has_hop = True
                self._sockets.append(hop)
                sockets.append(hop)
            fds = tuple(one.fileno() for one in sockets)
            for number in range(address.workers):
                read_fd, write_fd = os.pipe()
                name = f"{kind}-{number + 1}"

                def start(kind: str = kind, fds: tuple[int, ...] = fds) -> subprocess.Popen[bytes]:
                    return self._spawn(kind, fds, None)

                process = self._spawn(kind, fds, write_fd)
                os.close(write_fd)
                self._children.append(_Child(name, start, process))
                waiting.append((name, read_fd))
        read_fd, write_fd = os.pipe()
        publisher = self._spawn_publisher(write_fd)
        os.close(write_fd)
        self._children.append(_Child("publisher", self._spawn_publisher, publisher))
        waiting.append(("publisher", read_fd))
        clockwork = self._spawn_clockwork()
        self._children.append(_Child("clockwork", self._spawn_clockwork, clockwork))
        if self._settings.analysis.notes != "none":
            analysis = self._spawn_analysis()
            self._children.append(_Child("analysis", self._spawn_analysis, analysis))
        self._await_ready(waiting)

    def _await_ready(self, waiting: list[tuple[str, int]]) -> None:
        deadline = self._clock.monotonic() + READY_SECONDS
        with selectors.DefaultSelector() as selector:
            for name, fd in waiting:
                selector.register(fd, selectors.EVENT_READ, name)
            left = len(waiting)
            while left and not self._stopping.is_set():
                for key, _events in selector.select(timeout=_WATCH_SECONDS):
                    answer = os.read(key.fd, 1)
                    selector.unregister(key.fd)
                    os.close(key.fd)
                    if answer != READY:
                        raise ConfigurationError(
                            f"worker {key.data} did not start; the lines above say why"
                        )
                    left -= 1
                if self._clock.monotonic() > deadline:
                    raise ConfigurationError(f"not ready after {READY_SECONDS:.0f} s; stopped")

    def _watch(self) -> int:
        while not self._stopping.wait(_WATCH_SECONDS):
            for child in self._children:
                code = child.process.poll()
                if code is None:
                    continue
                logger().error("worker.died", worker=child.name, exit_code=code)
                if not child.may_start_again(self._clock.monotonic()):
                    return 1
                child.process = child.start()
        return 0

    def _stop_all(self) -> None:
        for child in self._children:
            if child.process.poll() is None:
                child.process.terminate()
        deadline = self._clock.monotonic() + _STOP_SECONDS
        for child in self._children:
            try:
                child.process.wait(max(0.1, deadline - self._clock.monotonic()))
            except subprocess.TimeoutExpired:
                child.process.kill()
                child.process.wait()
        for listening in self._sockets:
            listening.close()
        if self._has_hop:
            remove_proxy_socket(self._settings)

    def _spawn(
        self, kind: str, socket_fds: tuple[int, ...], ready_fd: int | None
    ) -> subprocess.Popen[bytes]:
        if ready_fd is None:  # a restart: nobody waits for it
            ready_fd = os.open(os.devnull, os.O_WRONLY)
            try:
                return self._spawn(kind, socket_fds, ready_fd)
            finally:
                os.close(ready_fd)
        numbers = ",".join(str(fd) for fd in socket_fds)
        arguments = ["worker", kind, numbers, str(ready_fd)]
        return self._popen(arguments, (*socket_fds, ready_fd))

    def _spawn_publisher(self, ready_fd: int | None = None) -> subprocess.Popen[bytes]:
        if ready_fd is None:
            return self._popen(["publisher"], ())
        return self._popen(["publisher", str(ready_fd)], (ready_fd,))

    def _spawn_clockwork(self) -> subprocess.Popen[bytes]:
        return self._popen(["clockwork"], ())

    def _spawn_analysis(self) -> subprocess.Popen[bytes]:
        return self._popen(["analysis"], ())

    def _popen(self, arguments: list[str], fds: tuple[int, ...]) -> subprocess.Popen[bytes]:
        # The owner's URL travels by environment, never on a command line that `ps` shows.
        environment = {**os.environ, "CASEGATE_OWNER_URL": self._database.owner_url}
        command = [sys.executable, "-m", "gateway.serving.child", str(self._config), *arguments]
        return subprocess.Popen(  # noqa: S603
            command, pass_fds=fds, env=environment, stdin=subprocess.DEVNULL
        )


def _bind(kind: str, address: ListenerSettings) -> socket.socket:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((address.host, address.port))
        listening.listen(1024)
    except OSError as error:
        listening.close()
        raise ConfigurationError(
            f"the {kind} listener cannot use {address.host}:{address.port} ({error.strerror});"
            f" set another port under [{kind}] in casegate.toml"
        ) from error
    return listening
