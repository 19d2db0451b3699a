"""The publisher process: alone with the log's signing key; it also feeds the search index."""

import os
import signal
import threading
from pathlib import Path

import psycopg

from audit.entry import EventType
from audit.errors import AuditError, AuditUnavailableError, WitnessRefusedError
from audit.publisher import Publisher
from gateway.app import log_signer
from gateway.clock import SystemClock
from gateway.errors import DatabaseUnavailableError
from gateway.evidence import record_with_change
from gateway.logs import configure_logs, logger
from gateway.oversight.indexing import catch_up
from gateway.serving.exporting import DirectoryExport
from gateway.serving.worker import READY
from gateway.settings import load_settings
from gateway.store.database import Database, connect

ROUND_SECONDS = 0.5
INDEX_ROUNDS = 4  # bounded, so that signing never waits for a long catch-up


def run_publisher(config: Path, owner_url: str, ready_fd: int | None) -> None:
    """Signs a checkpoint at each round in which the log grew, until SIGTERM.

    Writes one byte to `ready_fd` once it holds the key.

    A log that contradicts what was signed stops it for good, with an alarm: it signs nothing
    more until a person has looked.
    """
    configure_logs()
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda _signal, _frame: stopping.set())
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    settings = load_settings(config)
    database = Database(owner_url, settings)
    signer = log_signer(settings)
    clock = SystemClock()
    directory = settings.audit.export
    export = DirectoryExport(
        None if directory is None else settings.resolve(directory),
        settings.audit.witnesses,
        clock,
    )
    if ready_fd is not None:
        os.write(ready_fd, READY)
        os.close(ready_fd)
    while not stopping.is_set():
        try:
            connection = connect(database.conninfo("publisher", bounded=False))
        except DatabaseUnavailableError:
            stopping.wait(ROUND_SECONDS)
            continue
        publisher = Publisher(connection, signer, settings.audit.origin)
        try:
            while not stopping.is_set():
                publisher.publish_once(clock.now())
                catch_up(connection, rounds=INDEX_ROUNDS)
                export.step(connection)
                stopping.wait(ROUND_SECONDS)
            publisher.publish_once(clock.now())
            export.step(connection)
        except (AuditUnavailableError, psycopg.Error):
            logger().warning("publisher.unheard")
            stopping.wait(ROUND_SECONDS)
        except WitnessRefusedError:
            # The alarm stands in the log that the witness refuses: everybody who reads it sees.
            logger().critical("publisher.stopped", error_type=WitnessRefusedError.__name__)
            with connection.transaction():
                record_with_change(connection, EventType.WITNESS_REFUSED, at=clock.now())
            stopping.wait()
        except AuditError as error:
            logger().critical("publisher.stopped", error_type=type(error).__name__)
            stopping.wait()
        finally:
            connection.close()
    export.close()
