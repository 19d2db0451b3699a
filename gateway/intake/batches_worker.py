"""Works through the parts of large batches, one transaction each, and through waiting summaries.

A part is done with its records or not at all: whoever is killed leaves it as it was, free at once
for the next. The parts of one batch are taken in their order, as a correction may follow its call.
"""

import itertools
import threading
import zlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

import psycopg

from audit.entry import EventType, encode_entry
from gateway.clock import Clock
from gateway.intake.batches import PartIntake, Rules, part_fields
from gateway.intake.batches_desk import CHANNEL, PART_ROWS, append, packed, sums
from gateway.intake.records_store import ContendedError, Owner, RecordStore
from gateway.intake.records_summaries import SummaryAnalysis
from gateway.logs import logger

IDLE_SECONDS = 0.5
_AGAIN_SECONDS = 2.0
# So many parts, then some summaries, which else wait until no part does.
_PARTS_FIRST = 8
_LISTEN = f"LISTEN {CHANNEL}"

_TAKE = """
SELECT p.batch_id, p.number, p.vendor_id, p.contract_id, p.sealed
  FROM casegate.record_batch_part p
 WHERE p.done_at IS NULL
   AND NOT EXISTS (SELECT FROM casegate.record_batch_part o
                    WHERE o.batch_id = p.batch_id AND o.number < p.number AND o.done_at IS NULL)
 ORDER BY p.attempts, p.batch_id, p.number LIMIT 1 FOR UPDATE OF p SKIP LOCKED
"""
_CERTIFICATE = "SELECT thumbprint FROM casegate.record_batch WHERE batch_id = %s"
_FINISH = """
UPDATE casegate.record_batch_part
   SET sealed = NULL, accepted = %s, duplicates = %s, rejected = %s, outcomes = %s, done_at = %s
 WHERE batch_id = %s AND number = %s
"""
_TRIED = """
UPDATE casegate.record_batch_part SET attempts = attempts + 1
 WHERE batch_id = %s AND number = %s AND done_at IS NULL
"""


@dataclass(slots=True)
class _Taken:
    """The part at hand, for who has to say that it failed."""

    place: tuple[object, int] | None = None


@dataclass(frozen=True, slots=True)
class IntakeWorker:
    """One worker; several, here and on other hosts, do each other no harm.

    `connect` gives a connection of the company's role in autocommit.
    """

    connect: Callable[[], AbstractContextManager[psycopg.Connection]]
    clock: Clock
    rules: Rules
    summaries: SummaryAnalysis

    def run(self, stopping: threading.Event) -> None:
        """Until told to stop; a database that goes away is waited for.

        A part that fails is tried again after all others, and holds up no summary.
        """
        while not stopping.is_set():
            try:
                with self.connect() as connection:
                    connection.execute(_LISTEN)
                    rounds = itertools.count(1)
                    while not stopping.is_set() and not connection.closed:
                        if not self._round(connection, next(rounds)):
                            _await_batch(connection)
            # Whatever it is, the next batch must not wait for somebody to look.
            except Exception as error:  # noqa: BLE001
                logger().error("intake.stuck", error_type=type(error).__name__)
                stopping.wait(_AGAIN_SECONDS)

    def _round(self, connection: psycopg.Connection, number: int) -> bool:
        is_done = False
        try:
            is_done = self.take_part(connection)
        except (psycopg.OperationalError, psycopg.InterfaceError):
            raise
        except Exception as error:  # noqa: BLE001  # of one part; its text is not repeated
            logger().error("intake.failed", error_type=type(error).__name__)
        if is_done and number % _PARTS_FIRST:
            return True
        return self.summaries.work(connection, self.clock.now()) or is_done

    def work(self, connection: psycopg.Connection) -> bool:
        """Does one part, or else some summaries; False when nothing waits.

        Raises:
            psycopg.Error, GatewayError: the part stays as it was, and is taken later.
        """
        return self.take_part(connection) or self.summaries.work(connection, self.clock.now())

    def take_part(self, connection: psycopg.Connection) -> bool:
        """Does one part; raises like work()."""
        taken = _Taken()
        try:
            with connection.transaction():
                is_done = self._part(connection, taken)
        except (ContendedError, psycopg.errors.DeadlockDetected):
            return True  # somebody else was faster with a record; it is looked at anew
        except Exception:
            if taken.place is not None and not connection.broken:
                connection.execute(_TRIED, taken.place)
            raise
        return is_done

    def _part(self, connection: psycopg.Connection, taken: _Taken) -> bool:
        found = connection.execute(_TAKE, binary=True).fetchone()
        if found is None:
            return False
        batch_id, number, vendor_id, contract_id, sealed = found
        taken.place = (batch_id, number)
        row = connection.execute(_CERTIFICATE, (batch_id,), binary=True).fetchone()
        assert row is not None
        owner = Owner(vendor_id, contract_id, bytes(row[0]))
        content = self.rules.seal.open_part(bytes(sealed), batch_id.bytes, number)
        lines = zlib.decompress(content).split(b"\n")
        at = self.clock.now()
        part = PartIntake(self.rules, owner, batch_id, at)
        outcome = part.take(RecordStore(connection, owner), lines, first=number * PART_ROWS)
        entry = encode_entry(
            EventType.RECORD_RECEIVED,
            time=at,
            vendor=vendor_id,
            contract=contract_id,
            certificate=owner.thumbprint.hex(),
            batch=str(batch_id),
            part=number,
            **part_fields(outcome),
        )
        connection.execute(_FINISH, (*sums(outcome), packed(outcome), at, batch_id, number))
        append(connection, [entry, *outcome.entries])
        return True


def _await_batch(connection: psycopg.Connection) -> None:
    """Until somebody says that a batch waits, or half a second: it may have been said before."""
    for _told in connection.notifies(timeout=IDLE_SECONDS, stop_after=1):
        pass
