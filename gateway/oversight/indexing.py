"""Keeps the search index behind the log: derived, droppable, built from the bundles alone."""

import itertools
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from typing import Any

import orjson
import psycopg

from audit.batch import StoredBatch
from audit.bundle import decode_bundle
from audit.store import read_batches

BATCHES_A_ROUND = 2000
COMMITMENT_BYTES = 16

_COPY_ENTRIES = """
COPY oversight.entry (index, occurred, event, vendor, certificate, request, code, actor, cases,
 bytes) FROM STDIN
"""
_COPY_SUBJECTS = "COPY oversight.subject (commitment, index) FROM STDIN"

IndexRow = tuple[
    int,
    str,
    str,
    str | None,
    bytes | None,
    str | None,
    str | None,
    str | None,
    int,
    int,
]


def catch_up(
    connection: psycopg.Connection,
    *,
    progress: Callable[[int], None] = lambda _index: None,
    rounds: int | None = None,
) -> int:
    """Indexes what the log has grown by, in transactions of bounded size; returns the next index.

    Two indexers at once take turns: the row of progress is locked.
    """
    done = 0
    while True:
        with connection.transaction():
            row = connection.execute(
                "SELECT next_index FROM oversight.indexed FOR UPDATE"
            ).fetchone()
            assert row is not None
            start = following = int(row[0])
            with closing(read_batches(connection, start)) as stored:
                batches = list(itertools.islice(stored, BATCHES_A_ROUND))
            if batches:
                following = batches[-1].size_after
                _write(connection, batches)
                connection.execute("UPDATE oversight.indexed SET next_index = %s", (following,))
        progress(following)
        done += 1
        if following == start or (rounds is not None and done >= rounds):
            return following


def drop_index(connection: psycopg.Connection) -> None:
    """Empties the index; the next catch_up builds it anew."""
    with connection.transaction():
        connection.execute("TRUNCATE oversight.entry, oversight.subject")
        connection.execute("UPDATE oversight.indexed SET next_index = 0")


def index_row(index: int, content: Mapping[str, Any]) -> IndexRow:
    """What the index says of an entry."""
    certificate = content.get("certificate")
    return (
        index,
        str(content["time"]),
        str(content["type"]),
        content.get("vendor"),
        bytes.fromhex(certificate) if certificate else None,
        content.get("request"),
        content.get("code"),
        content.get("actor") or content.get("staff"),
        len(content.get("cases") or ()),
        int(content.get("bytes") or 0),
    )


def _write(connection: psycopg.Connection, batches: list[StoredBatch]) -> None:
    entries = [
        (index, orjson.loads(entry)) for batch in batches for index, entry in _entries(batch)
    ]
    with connection.cursor() as cursor:
        with cursor.copy(_COPY_ENTRIES) as copy:
            for index, content in entries:
                copy.write_row(index_row(index, content))
        with cursor.copy(_COPY_SUBJECTS) as copy:
            for index, content in entries:
                for commitment in sorted(set(_commitments(content))):
                    copy.write_row((bytes.fromhex(commitment), index))


def _entries(batch: StoredBatch) -> Iterator[tuple[int, bytes]]:
    return enumerate(decode_bundle(batch.bundle), batch.first_index)


def _commitments(content: Mapping[str, Any]) -> list[str]:
    return [*(content.get("cases") or ()), *(content.get("changed") or ())]
