"""What the log holds, read from PostgreSQL as its owner and not through the gateway."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import orjson
import psycopg

from audit.bundle import decode_bundle
from audit.entry import EventType
from audit.merkle import leaf_hash
from tests.installation import Installation


@dataclass(frozen=True, slots=True)
class LoggedEntry:
    """An entry as it stands in the log; its leaf hash is computed anew from its bytes."""

    index: int
    leaf_hash: str
    fields: dict[str, Any]

    @property
    def receipt(self) -> str:
        """What a Casegate-Receipt header of this entry says."""
        return f"{self.index}/{self.leaf_hash}"


def logged_entries(installation: Installation, *, since: int = 0) -> list[LoggedEntry]:
    """All entries from an index on, oldest first; without heartbeats, which come by the clock."""
    with psycopg.connect(installation.database().owner_url) as connection:
        rows = connection.execute(
            "SELECT first_index, bundle FROM audit.batch WHERE size_after > %s"
            " ORDER BY first_index",
            (since,),
        ).fetchall()
    entries = [
        LoggedEntry(index, leaf_hash(entry).hex(), orjson.loads(entry))
        for first, bundle in rows
        for index, entry in enumerate(decode_bundle(bundle), first)
    ]
    return [
        entry
        for entry in entries
        if entry.index >= since and entry.fields["type"] != EventType.LOG_HEARTBEAT
    ]


def log_size(installation: Installation) -> int:
    """The number of entries in the log."""
    with psycopg.connect(installation.database().owner_url) as connection:
        row = connection.execute("SELECT size FROM audit.tail").fetchone()
    assert row is not None
    return int(row[0])


@contextmanager
def locked_log(installation: Installation) -> Iterator[None]:
    """Holds the log's tail: appends wait and nothing more."""
    with psycopg.connect(installation.database().owner_url) as connection:
        connection.execute("LOCK TABLE audit.tail IN ACCESS EXCLUSIVE MODE")
        yield
        connection.rollback()


def no_append_waits(installation: Installation) -> bool:
    """Whether every append that met a locked tail has been given up on the server too."""
    with psycopg.connect(installation.database().owner_url) as connection:
        row = connection.execute(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE state = 'active' AND wait_event_type = 'Lock'"
            " AND query LIKE '%audit.append_batch(%'"
        ).fetchone()
    return row == (0,)
