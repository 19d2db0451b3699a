"""The publisher process: alone with the log's signing key; it also feeds the search index."""

import os
import signal
import threading
from collections.abc import Sequence
from pathlib import Path

import psycopg

from audit.checkpoint import Checkpoint
from audit.entry import EventType
from audit.errors import AuditError, AuditUnavailableError, WitnessRefusedError
from audit.publisher import Publisher
from gateway.clock import Clock
from gateway.errors import ConfigurationError, DatabaseUnavailableError
from gateway.evidence import record_with_change
from gateway.installation import log_signers, log_slot, log_vkeys
from gateway.logs import configure_logs, logger
from gateway.oversight.indexing import catch_up
from gateway.serving.alarms import Alarms
from gateway.serving.exporting import DirectoryExport
from gateway.serving.following import ArchiveFollower, Following
from gateway.serving.heartbeat import Heartbeat
from gateway.serving.parties import open_followers
from gateway.serving.readiness import READY
from gateway.settings import Settings, load_settings
from gateway.store.database import Database, connect
from keys.errors import KeyFileError

ROUND_SECONDS = 0.5
INDEX_ROUNDS = 4  # bounded, so that signing never waits for a long catch-up
INDEX_RETRY_SECONDS = 60.0


class _Outlet:
    """Where the signed log goes, and the entries that the publisher makes itself."""

    def __init__(self, settings: Settings, vkeys: Sequence[str], clock: Clock) -> None:
        audit = settings.audit
        directory = None if audit.export is None else settings.resolve(audit.export)
        self._clock = clock
        self._index_from = clock.monotonic()
        self._alarms = Alarms(clock, after_seconds=audit.alarm_after_seconds)
        self._heartbeat = Heartbeat(clock, every_seconds=audit.heartbeat_seconds)
        self.export = DirectoryExport(directory, audit.witnesses, clock, self._alarms)
        self._followers = open_followers(settings, vkeys, clock)
        self.following = Following(directory, self._followers, self._alarms, clock)

    def trust(self, vkeys: Sequence[str]) -> None:
        """Tells what follows of the log's keys after a rotation."""
        for follower in self._followers:
            if isinstance(follower, ArchiveFollower):
                follower.trust(vkeys)

    def step(self, connection: psycopg.Connection, checkpoint: Checkpoint | None) -> None:
        """What a round does after the signature, if there was one."""
        if checkpoint is not None:
            self._heartbeat.grew(checkpoint.size)
        self._heartbeat.step(connection)
        self._alarms.record(connection)
        self.export.step(connection)
        self._index(connection)

    def _index(self, connection: psycopg.Connection) -> None:
        """Feeds the index, which is a hint (ADR 0006): nothing of the log waits for it."""
        if self._clock.monotonic() < self._index_from:
            return
        try:
            catch_up(connection, rounds=INDEX_ROUNDS)
        except (AuditError, psycopg.Error):
            raise
        except Exception as error:  # noqa: BLE001 - an entry that it cannot read stops it alone
            logger().error("index.failed", error_type=type(error).__name__)
            self._index_from = self._clock.monotonic() + INDEX_RETRY_SECONDS

    def close(self) -> None:
        """Stops what follows and lets go of the directory."""
        self.following.stop()
        self.export.close()


class _LogKeys:
    """The log's keys, looked at in each round: rotation happens under a running publisher.

    Attributes:
        vkeys: verifier keys of those that sign, and of those that signed before.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._slot = log_slot(settings)
        self._load()

    def open_publisher(self, connection: psycopg.Connection) -> Publisher:
        """A publisher that signs with all of them."""
        publisher = Publisher(connection, self._signers[0], self._settings.audit.origin)
        publisher.sign_with(self._signers, former_keys=self.vkeys)
        return publisher

    def follow(self, publisher: Publisher, outlet: _Outlet) -> None:
        """Goes on with others if a file came, went or changed; if one is no key, as before."""
        if self._slot.stamp() == self._stamp:
            return
        try:
            self._load()
        except (KeyFileError, ConfigurationError) as error:
            logger().error("keys.unread", error_type=type(error).__name__)
            return
        publisher.sign_with(self._signers, former_keys=self.vkeys)
        outlet.trust(self.vkeys)
        logger().info("keys.changed", keys=len(self._signers))

    def _load(self) -> None:
        stamp = self._slot.stamp()
        self._signers = log_signers(self._settings)
        present = [signer.verifier_key for signer in self._signers]
        self.vkeys = tuple(dict.fromkeys((*present, *log_vkeys(self._settings))))
        self._stamp = stamp


def _tell_ready(ready_fd: int | None) -> None:
    if ready_fd is not None:
        os.write(ready_fd, READY)
        os.close(ready_fd)


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
    keys = _LogKeys(settings)
    clock = settings.make_clock()
    outlet = _Outlet(settings, keys.vkeys, clock)
    _tell_ready(ready_fd)
    outlet.following.start()
    publisher: Publisher | None = None
    while not stopping.is_set():
        try:
            connection = connect(database.conninfo("publisher", bounded=False))
        except DatabaseUnavailableError:
            stopping.wait(ROUND_SECONDS)
            continue
        if publisher is None:
            publisher = keys.open_publisher(connection)
        else:
            publisher.rejoin(connection)
        try:
            # Before anything is signed: a database that came back as an older copy of itself is
            # behind the directory.
            outlet.export.step(connection)
            while not stopping.is_set():
                keys.follow(publisher, outlet)
                outlet.step(connection, publisher.publish_once(clock.now()))
                stopping.wait(ROUND_SECONDS)
            publisher.publish_once(clock.now())
            outlet.export.step(connection)
        except (AuditUnavailableError, psycopg.Error):
            logger().warning("publisher.unheard")
            stopping.wait(ROUND_SECONDS)
        except WitnessRefusedError:
            outlet.following.stop()
            # The alarm stands in the log that the witness refuses: everybody who reads it sees.
            logger().critical("publisher.stopped", error_type=WitnessRefusedError.__name__)
            with connection.transaction():
                record_with_change(connection, EventType.WITNESS_REFUSED, at=clock.now())
            stopping.wait()
        except AuditError as error:
            outlet.following.stop()
            logger().critical("publisher.stopped", error_type=type(error).__name__)
            stopping.wait()
        finally:
            connection.close()
    outlet.close()
