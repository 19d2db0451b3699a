"""Forgets what became of the single rows of old batches: vendors have long asked."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta

import psycopg

from gateway.clock import Clock

# Of a thousand rows each: a sweep holds up nothing.
_AT_ONCE = 200
_FORGET = """
UPDATE casegate.record_batch_part SET outcomes = ''
 WHERE (batch_id, number) IN (SELECT batch_id, number FROM casegate.record_batch_part
                               WHERE done_at <= %s AND outcomes <> '' ORDER BY done_at LIMIT %s
                                 FOR UPDATE SKIP LOCKED)
"""


@dataclass(frozen=True, slots=True)
class AnswerSweep:
    """Fits serving.clockwork.TimeKeeper; two hosts that sweep at a time do no harm.

    A batch, its numbers and its receipt stay: the same key leads to the same batch for ever.
    """

    connection: Callable[[], AbstractContextManager[psycopg.Connection]]
    clock: Clock
    answer_days: int

    def keep_time(self) -> int:
        """Forgets the outcomes of some parts that were done so many days ago; returns how many."""
        until = self.clock.now() - timedelta(days=self.answer_days)
        with self.connection() as connection:
            return connection.execute(_FORGET, (until, _AT_ONCE)).rowcount

    def next_end(self) -> datetime | None:
        """Never at a certain moment: rounds come often enough."""
        return None
