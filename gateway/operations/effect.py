"""What a change of trust did: which worker obeyed when, tokens that died, lists that tell it."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import orjson
import psycopg
from psycopg.rows import args_row

from audit.bundle import decode_bundle
from audit.entry import EventType
from audit.store import read_batches

ACKNOWLEDGE_TIME = timedelta(seconds=3)
_POLL_SECONDS = 0.1

# A worker heard longer ago refuses everybody by now: `trust_stale_seconds` is at most 5, and its
# connections are cut half a second later at the latest.
_WORKERS = """
SELECT w.worker_id::text, w.listener, w.host, w.pid, coalesce(a.connections_closed, 0),
       extract(epoch FROM a.acknowledged_at - %(since)s::timestamptz)::double precision
  FROM casegate.worker w
  LEFT JOIN LATERAL (SELECT t.connections_closed, t.acknowledged_at
                       FROM casegate.trust_acknowledgement t
                      WHERE t.worker_id = w.worker_id AND t.epoch >= %(epoch)s
                      ORDER BY t.epoch LIMIT 1) a ON true
 WHERE w.heard_at > clock_timestamp() - interval '5.5 seconds'
 ORDER BY w.listener, w.host, w.pid
"""
# The search index follows the log by half a second; the rest is read from the log itself.
_INDEXED_TOKENS = """
SELECT count(*) FILTER (WHERE w.word = 'token.issued')
       - count(*) FILTER (WHERE w.word = 'token.revoked')
  FROM oversight.entry e JOIN oversight.word w ON w.id = e.event
 WHERE w.word IN ('token.issued', 'token.revoked') AND e.occurred > %(after)s
   AND e.certificate = ANY(ARRAY(SELECT id FROM oversight.word WHERE word = ANY(%(of)s)))
"""
_UNINDEXED = """
SELECT next_index, (SELECT size FROM audit.tail) - next_index FROM oversight.indexed
"""
_MAX_UNINDEXED = 20_000
_TOKEN_LIFE = timedelta(minutes=10)
_TOKEN_STEPS = {EventType.TOKEN_ISSUED: 1, EventType.TOKEN_REVOKED: -1}


@dataclass(frozen=True, slots=True)
class WorkerEffect:
    """One worker that was serving. `seconds` is None when it has not acknowledged in time."""

    worker: str
    listener: str
    host: str
    pid: int
    connections_closed: int
    seconds: float | None


@dataclass(frozen=True, slots=True)
class ListEffect:
    """The revocation list of one issuer; without a `number`, `reason` says why none is out yet."""

    issuer: str
    number: int | None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class RevocationEffect:
    """What a change of trust did, measured by the database's clock.

    `credentials` counts the certificates that were changed. `others` counts those of the same
    credential that are still trusted, when one certificate was revoked alone. `tokens` counts
    access tokens of these certificates that had not expired or been ended; None when the search
    index, which finds them, is far behind the log. A worker that has not acknowledged refuses
    everybody 5 s after it last heard.
    """

    credentials: int
    by_worker: tuple[WorkerEffect, ...]
    log_index: int
    tokens: int | None = None
    others: int = 0
    issuers: tuple[bytes, ...] = ()
    lists: tuple[ListEffect, ...] = ()

    @property
    def workers(self) -> int:
        """How many workers were serving."""
        return len(self.by_worker)

    @property
    def acknowledged(self) -> int:
        """How many of them obeyed in time."""
        return sum(worker.seconds is not None for worker in self.by_worker)

    @property
    def connections_closed(self) -> int:
        """Connections that all workers cut."""
        return sum(worker.connections_closed for worker in self.by_worker)

    @property
    def seconds(self) -> float | None:
        """From before the change to the last acknowledgement; None when there was none."""
        return max((w.seconds for w in self.by_worker if w.seconds is not None), default=None)

    @property
    def is_complete(self) -> bool:
        """Whether every live worker has acknowledged."""
        return self.acknowledged >= self.workers

    def with_lists(self, lists: Sequence[ListEffect]) -> "RevocationEffect":
        """The same with the lists that were published afterwards."""
        return replace(self, lists=tuple(lists))

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "credentials": self.credentials,
            "others": self.others,
            "tokens": self.tokens,
            "workers": self.workers,
            "acknowledged": self.acknowledged,
            "connections_closed": self.connections_closed,
            "seconds": self.seconds,
            "complete": self.is_complete,
            "by_worker": list(self.by_worker),
            "crl": list(self.lists),
            "log_index": self.log_index,
        }


def database_time(connection: psycopg.Connection) -> datetime:
    """The moment by the database's clock, which the acknowledgements are dated by."""
    row = connection.execute("SELECT clock_timestamp()").fetchone()
    assert row is not None
    moment: datetime = row[0]
    return moment


def trust_epoch(connection: psycopg.Connection) -> int:
    """The trust epoch as the connection's transaction sees it."""
    row = connection.execute("SELECT epoch FROM casegate.trust").fetchone()
    assert row is not None
    return int(row[0])


def await_workers(
    connection: psycopg.Connection, credentials: int, epoch: int, since: datetime, index: int
) -> RevocationEffect:
    """Waits at most 3 s for the workers' acknowledgements of an epoch; LISTEN ACK_CHANNEL first.

    It can be asked again later: the acknowledgements stay for a day.
    """
    effect = _effect(connection, credentials, epoch, since, index)
    while not effect.is_complete and database_time(connection) - since < ACKNOWLEDGE_TIME:
        # Each acknowledgement is notified. The generator holds the connection until it ends, so
        # nothing may be asked inside the loop.
        for _notice in connection.notifies(timeout=_POLL_SECONDS, stop_after=1):
            pass
        effect = _effect(connection, credentials, epoch, since, index)
    return effect


def live_tokens(
    connection: psycopg.Connection, certificates: Sequence[bytes], at: datetime
) -> int | None:
    """Tokens issued to certificates in the ten minutes before `at`, less those ended early.

    None when the log is far ahead of the search index, which finds them.
    """
    of = {certificate.hex() for certificate in certificates}
    after = at - _TOKEN_LIFE
    with connection.transaction():
        # One picture of both: the index moves on while it is read.
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        row = connection.execute(_UNINDEXED).fetchone()
        assert row is not None
        start, behind = int(row[0]), int(row[1])
        if behind > _MAX_UNINDEXED:
            return None
        found = connection.execute(_INDEXED_TOKENS, {"after": after, "of": list(of)}).fetchone()
        assert found is not None
        tokens = int(found[0])
        with closing(read_batches(connection, start)) as batches:
            for batch in batches:
                for entry in decode_bundle(batch.bundle):
                    content = orjson.loads(entry)
                    if content.get("certificate") in of:
                        tokens += _TOKEN_STEPS.get(content["type"], 0)
    return max(0, tokens)


def _effect(
    connection: psycopg.Connection, credentials: int, epoch: int, since: datetime, index: int
) -> RevocationEffect:
    with connection.cursor(row_factory=args_row(WorkerEffect)) as cursor:
        workers = cursor.execute(_WORKERS, {"epoch": epoch, "since": since}).fetchall()
    return RevocationEffect(credentials, tuple(workers), index)
