"""Searches the log, newest first.

The derived index says where to look; what is returned is read from the bundles that were hashed,
and each hit is compared with its leaf hash and with what the index said of it. Entries newer than
the index are looked at one by one.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
import psycopg

from audit.bundle import decode_bundle
from audit.entry import EventType
from audit.errors import TamperedError
from audit.merkle import HASH_BYTES, leaf_hash
from gateway.evidence import record_with_change
from gateway.oversight.lookup import Place, find_places
from gateway.oversight.query import MAX_PAGE, LogQuery

__all__ = ["MAX_PAGE", "LogHit", "LogPage", "LogQuery", "find_entries", "read_hits", "search_log"]

MAX_TAIL = 200_000

_SIZES = """
SELECT size, (SELECT next_index FROM oversight.indexed),
       (SELECT coalesce(max(size), 0) FROM audit.signed_head) FROM audit.tail
"""
_BATCHES = """
SELECT first_index, bundle FROM audit.batch WHERE first_index < %s ORDER BY first_index DESC
"""
# Only an entry's own bytes are read out of its bundle: a batch may hold a megabyte.
_LEAVES = """
SELECT h.index, substr(b.bundle, h.place + 1, h.length),
       substr(b.leaf_hashes, (h.index - b.first_index)::integer * 32 + 1, 32)
  FROM unnest(%s::bigint[], %s::integer[], %s::integer[])
    WITH ORDINALITY AS h(index, place, length, number)
  CROSS JOIN LATERAL
    (SELECT first_index, bundle, leaf_hashes FROM audit.batch WHERE first_index <= h.index
      ORDER BY first_index DESC LIMIT 1) b
 ORDER BY h.number
"""
_BATCH_OF = """
SELECT first_index, bundle, leaf_hashes FROM audit.batch WHERE first_index <= %s
 ORDER BY first_index DESC LIMIT 1
"""
_INDEX_IS_WRONG = "the search index says otherwise; rebuild it: casegate audit reindex"


@dataclass(frozen=True, slots=True)
class LogHit:
    """An entry with its place and its leaf hash (hex)."""

    index: int
    leaf_hash: str
    entry: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class LogPage:
    """Hits, newest first. `next_before` is None when the beginning of the log was reached.

    Hits below `signed_size` are under a signed head; newer ones will be within a second or so.
    """

    hits: list[LogHit]
    next_before: int | None
    signed_size: int


def search_log(
    connection: psycopg.Connection, query: LogQuery, *, actor: str, at: datetime
) -> LogPage:
    """Searches, after writing down who searched for what.

    Raises:
        TamperedError: a hit is not what its leaf or the index says.
    """
    with connection.transaction():
        record_with_change(
            connection, EventType.LOG_SEARCHED, at=at, actor=actor, query=query.asked()
        )
    return find_entries(connection, query)


def find_entries(connection: psycopg.Connection, query: LogQuery) -> LogPage:
    """Searches without a trace in the log: for the caller that has already left one.

    Raises:
        TamperedError: a hit is not what its leaf or the index says.
    """
    row = connection.execute(_SIZES).fetchone()
    size, indexed, signed = map(int, row) if row else (0, 0, 0)
    before = size if query.before is None else min(query.before, size)
    hits: list[LogHit] = []
    if before > indexed and not query.unended:
        for scanned, (index, entry) in enumerate(_tail(connection, before, indexed)):
            if scanned >= MAX_TAIL or len(hits) >= query.limit:
                return LogPage(hits, index + 1, signed)
            content = orjson.loads(entry)
            if query.matches(content):
                hits.append(LogHit(index, leaf_hash(entry).hex(), content))
    if len(hits) >= query.limit and indexed > 0:
        return LogPage(hits, min(before, indexed), signed)
    wanted = query.limit - len(hits)
    found = find_places(connection, query, before=min(before, indexed), wanted=wanted + 1)
    hits += read_hits(connection, found[:wanted], query)
    following = found[wanted - 1].index if len(found) > wanted else None
    return LogPage(hits, following, signed)


def read_hits(connection: psycopg.Connection, found: list[Place], query: LogQuery) -> list[LogHit]:
    """Reads entries from where the index says that they are; holds each to its leaf and the query.

    Raises:
        TamperedError: one is not what its leaf or the index says.
    """
    columns = (
        [place.index for place in found],
        [place.place for place in found],
        [place.length for place in found],
    )
    hits = []
    for index, entry, stored in connection.execute(_LEAVES, columns, binary=True):
        digest = leaf_hash(entry)
        if digest != stored:
            raise TamperedError(index, _what_is_wrong(connection, index))
        content = orjson.loads(entry)
        if not query.matches(content):
            raise TamperedError(index, _INDEX_IS_WRONG)
        hits.append(LogHit(index, digest.hex(), content))
    return hits


def _what_is_wrong(connection: psycopg.Connection, index: int) -> str:
    """Whether an entry differs from its leaf, or only its place in the index is false."""
    row = connection.execute(_BATCH_OF, (index,)).fetchone()
    assert row is not None
    offset = index - int(row[0])
    entry = decode_bundle(bytes(row[1]))[offset]
    if leaf_hash(entry) == bytes(row[2])[offset * HASH_BYTES : (offset + 1) * HASH_BYTES]:
        return _INDEX_IS_WRONG
    return "its bytes do not have the stored leaf hash"


def _tail(
    connection: psycopg.Connection, before: int, indexed: int
) -> Iterator[tuple[int, bytes]]:
    with connection.transaction(), connection.cursor(name="log_tail") as cursor:
        cursor.itersize = 200
        for first_index, bundle in cursor.execute(_BATCHES, (before,)):
            if first_index < indexed:
                return
            entries = decode_bundle(bytes(bundle))
            for offset in range(len(entries) - 1, -1, -1):
                if first_index + offset < before:
                    yield first_index + offset, entries[offset]
