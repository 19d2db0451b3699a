"""The analysis of notes as processes: a watcher that costs little, an analyser only while needed.

The watcher asks the database every few seconds whether notes wait. When some do, it starts an
analyser, which alone loads the models, works and ends after a quiet time. An analyser that dies
takes nobody with it: what it had taken is free again, and the watcher starts another.
"""

import functools
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from gateway.analysis.queue import is_work, retry_failed
from gateway.analysis.recognizers import recognizers_digest
from gateway.analysis.scope import AnalysisScope
from gateway.analysis.status import AnalysisStatus, read_status
from gateway.analysis.worker import AnalysisRun, AnalysisWorker, Progress
from gateway.clock import Clock
from gateway.errors import DatabaseUnavailableError, GatewayError
from gateway.logs import configure_logs, logger
from gateway.settings import load_settings
from gateway.store.database import Database, connect
from policies.fields import load_field_catalog

WATCH_SECONDS = 5.0
QUIET_SECONDS = 120.0
_IDLE_SECONDS = 1.0
_RUN_SECONDS = 30.0  # then it is asked again whose notes are released
_STOP_SECONDS = 10.0
_LONGEST_PAUSE = 300.0
# Releases and imports come first wherever processors are scarce.
_NICENESS = 10


@dataclass(frozen=True, slots=True)
class Analysis:
    """The analysis of one installation, for its processes and for the command."""

    database: Database
    clock: Clock

    @property
    def digest(self) -> str:
        """Of the recognizers that this version and its settings have."""
        return recognizers_digest(self.database.settings.analysis.models)

    def scope(self) -> AnalysisScope:
        """Whose notes are opened."""
        return AnalysisScope(load_field_catalog(), self.database.settings.analysis.notes)

    @contextmanager
    def connection(self) -> Iterator[psycopg.Connection]:
        """A connection of the company's role; DatabaseUnavailableError."""
        connection = connect(self.database.conninfo("company", bounded=False))
        try:
            yield connection
        finally:
            connection.close()

    def is_work(self, connection: psycopg.Connection, scope: AnalysisScope) -> bool:
        """Whether an analyser would find anything to do."""
        return is_work(connection, self.digest, scope.vendors(connection))

    def status(self) -> AnalysisStatus:
        """How far it has come."""
        with self.connection() as connection:
            return read_status(connection, self.digest, self.scope().vendors(connection))

    def retry(self) -> int:
        """Queues again what was given up; returns how many notes."""
        with self.connection() as connection:
            return retry_failed(connection)

    @contextmanager
    def worker(self, connection: psycopg.Connection) -> Iterator[AnalysisWorker]:
        """Starts a process that loads rules and models: seconds, and some hundred megabytes.

        Raises:
            ConfigurationError: a model is not installed or not the one that was tested.
        """
        # Only where notes are analysed: the watcher and the other commands stay small.
        from gateway.analysis.isolation import IsolatedAnalyser, reading_command  # noqa: PLC0415
        from gateway.analysis.known import CaseValues  # noqa: PLC0415
        from gateway.installation import kek_keys  # noqa: PLC0415
        from keys.kek import KeyRing  # noqa: PLC0415

        settings = self.database.settings
        with closing(IsolatedAnalyser(reading_command(settings.analysis.models))) as analyser:
            analyser.start()
            yield AnalysisWorker(
                connection,
                analyser=analyser,
                digest=self.digest,
                kek=lambda: KeyRing(kek_keys(settings)),
                values=CaseValues(load_field_catalog()),
                clock=self.clock,
            )

    def analyse_waiting(self, progress: Progress) -> AnalysisRun:
        """Works in this process until nothing waits; loads models only if something does.

        Raises:
            ConfigurationError: see worker.
            DatabaseUnavailableError, psycopg.Error: run it again, nothing is lost.
        """
        scope = self.scope()
        with self.connection() as connection:
            if not self.is_work(connection, scope):
                return AnalysisRun()
            with self.worker(connection) as worker:
                return worker.run(scope.vendors(connection), progress=progress)


def run_analyser(config: Path, owner_url: str) -> None:
    """Analyses what waits, goes on for a quiet time, ends; on SIGTERM after the notes in hand.

    Raises:
        ConfigurationError, DatabaseUnavailableError: the watcher starts another later.
    """
    stopping = _prepare()
    os.nice(_NICENESS)
    settings = load_settings(config)
    try:
        _analyse_until_quiet(
            Analysis(Database(owner_url, settings), settings.make_clock()), stopping
        )
    except psycopg.Error as error:
        # Its text may quote a row.
        raise DatabaseUnavailableError("PostgreSQL went away while notes were analysed") from error


def _analyse_until_quiet(analysis: Analysis, stopping: threading.Event) -> None:
    scope = analysis.scope()
    with analysis.connection() as connection:
        if not analysis.is_work(connection, scope):
            return
        with analysis.worker(connection) as worker:
            _work_until_quiet(analysis, scope, connection, worker, stopping)


def _work_until_quiet(
    analysis: Analysis,
    scope: AnalysisScope,
    connection: psycopg.Connection,
    worker: AnalysisWorker,
    stopping: threading.Event,
) -> None:
    seconds = analysis.clock.monotonic
    quiet_since = seconds()
    while not stopping.is_set():
        until = seconds() + _RUN_SECONDS
        run = worker.run(
            scope.vendors(connection),
            is_stopping=functools.partial(_is_over, stopping, seconds, until),
        )
        if run.seen:
            logger().info("analysis.done", count=run.seen)
            quiet_since = seconds()
        elif seconds() - quiet_since > QUIET_SECONDS:
            return
        else:
            stopping.wait(_IDLE_SECONDS)


def _is_over(stopping: threading.Event, seconds: Callable[[], float], until: float) -> bool:
    return stopping.is_set() or seconds() > until


def run_watch(config: Path, owner_url: str) -> None:
    """Keeps an analyser running while notes wait, until SIGTERM."""
    stopping = _prepare()
    settings = load_settings(config)
    analysis = Analysis(Database(owner_url, settings), settings.make_clock())
    scope = analysis.scope()
    watch = AnalysisWatch(lambda: _start_analyser(config, owner_url), stopping)
    while not stopping.is_set():
        try:
            with analysis.connection() as connection:
                watch.keep(functools.partial(analysis.is_work, connection, scope))
        except (GatewayError, psycopg.Error) as error:
            logger().error("analysis.stuck", error_type=type(error).__name__)
            stopping.wait(WATCH_SECONDS)


class AnalysisWatch:
    """Starts analysers one after the other; after failures at growing distances."""

    def __init__(
        self, start: Callable[[], subprocess.Popen[bytes]], stopping: threading.Event
    ) -> None:
        self._start = start
        self._stopping = stopping
        self._pause = WATCH_SECONDS

    def keep(self, is_work: Callable[[], bool]) -> None:
        """Until told to stop; what `is_work` raises ends it, with the analyser stopped."""
        while not self._stopping.is_set():
            pause = WATCH_SECONDS
            if is_work():
                pause = self._follow(self._start())
            self._stopping.wait(pause)

    def _follow(self, process: subprocess.Popen[bytes]) -> float:
        """Waits for an analyser's end; returns for how long to leave the notes alone then."""
        while not self._stopping.wait(_IDLE_SECONDS):
            code = process.poll()
            if code is None:
                continue
            if code == 0:
                self._pause = WATCH_SECONDS
                return WATCH_SECONDS
            logger().error("analysis.died", exit_code=code)
            pause, self._pause = self._pause, min(2 * self._pause, _LONGEST_PAUSE)
            return pause
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        return 0.0


def _prepare() -> threading.Event:
    configure_logs()
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda _signal, _frame: stopping.set())
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return stopping


def _start_analyser(config: Path, owner_url: str) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "CASEGATE_OWNER_URL": owner_url}
    command = [sys.executable, "-m", "gateway.serving.child", str(config), "analyser"]
    return subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL)  # noqa: S603
