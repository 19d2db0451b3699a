"""An entry when nothing happens, so that a log which was cut off cannot pass for a quiet one."""

import psycopg

from audit.entry import EventType
from gateway.clock import Clock
from gateway.evidence import record_with_change

_SIZE = "SELECT size FROM audit.tail"


class Heartbeat:
    """Appends `log.heartbeat` when the log has not grown for a while.

    It goes through audit.append_batch like every entry. Of two publishers on one log, the
    second sees the entry of the first.
    """

    def __init__(self, clock: Clock, *, every_seconds: float) -> None:
        self._clock = clock
        self._every = every_seconds
        self._size = -1  # not looked at yet
        self._grown_at = clock.monotonic()

    def step(self, connection: psycopg.Connection) -> bool:
        """Looks at the log; True when it was still for too long and an entry was made.

        Raises:
            psycopg.Error: nothing is known to be appended; call again.
        """
        now = self._clock.monotonic()
        if self._size >= 0 and now - self._grown_at < self._every:
            return False
        row = connection.execute(_SIZE).fetchone()
        size = int(row[0]) if row else 0
        if size != self._size:
            # It grew since this was last looked at; when exactly is not worth a query a round.
            self._size, self._grown_at = size, now
            return False
        with connection.transaction():
            index = record_with_change(connection, EventType.LOG_HEARTBEAT, at=self._clock.now())
        self._size, self._grown_at = index + 1, now
        return True

    def grew(self, size: int) -> None:
        """Tells it that the log was seen at a size, for instance by signing it."""
        if size != self._size:
            self._size, self._grown_at = size, self._clock.monotonic()
