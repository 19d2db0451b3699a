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
from psycopg import sql

from audit.bundle import decode_bundle
from audit.entry import EventType
from audit.errors import TamperedError
from audit.merkle import HASH_BYTES, leaf_hash
from gateway.clock import rfc3339
from gateway.errors import RequestInvalidError
from gateway.evidence import record_with_change

MAX_PAGE = 500
MAX_TAIL = 200_000

_SIZES = "SELECT size, (SELECT next_index FROM oversight.indexed) FROM audit.tail"
_BATCHES = """
SELECT first_index, bundle FROM audit.batch WHERE first_index < %s ORDER BY first_index DESC
"""
_BATCH_OF = """
SELECT h.index, b.first_index FROM unnest(%s::bigint[]) AS h(index) CROSS JOIN LATERAL
  (SELECT first_index FROM audit.batch WHERE first_index <= h.index
    ORDER BY first_index DESC LIMIT 1) b
"""
_BUNDLE = "SELECT bundle, leaf_hashes FROM audit.batch WHERE first_index = %s"
_UNENDED = sql.SQL(
    "e.event = 'access.release' AND NOT EXISTS (SELECT 1 FROM oversight.entry x"
    " WHERE x.request = e.request AND x.event = 'access.end')"
)


@dataclass(frozen=True, slots=True)
class LogQuery:
    """What to look for; None means any. `before` continues a search at lower indexes.

    `cases` are commitments in hex (any of them); `unended` finds releases whose end was never
    logged.
    """

    vendor: str | None = None
    event: str | None = None
    certificate: str | None = None
    request: str | None = None
    code: str | None = None
    actor: str | None = None
    cases: tuple[str, ...] | None = None
    since: datetime | None = None
    until: datetime | None = None
    unended: bool = False
    before: int | None = None
    limit: int = 100

    def __post_init__(self) -> None:
        if not 1 <= self.limit <= MAX_PAGE:
            raise RequestInvalidError(f"limit must be from 1 to {MAX_PAGE}")

    def asked(self) -> dict[str, str | int | bool]:
        """The query as the log of searches keeps it: names and numbers, no identifier."""
        names = ("vendor", "event", "certificate", "request", "code", "actor", "before", "limit")
        asked = {name: getattr(self, name) for name in names if getattr(self, name) is not None}
        asked |= {
            name: getattr(self, name).isoformat()
            for name in ("since", "until")
            if getattr(self, name) is not None
        }
        if self.cases is not None:
            asked["cases"] = len(self.cases)
        if self.unended:
            asked["unended"] = True
        return asked


@dataclass(frozen=True, slots=True)
class LogHit:
    """An entry with its place and its leaf hash (hex)."""

    index: int
    leaf_hash: str
    entry: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class LogPage:
    """Hits, newest first. `next_before` is None when the beginning of the log was reached."""

    hits: list[LogHit]
    next_before: int | None


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
    size, indexed = (int(row[0]), int(row[1])) if row else (0, 0)
    before = size if query.before is None else min(query.before, size)
    hits: list[LogHit] = []
    if before > indexed and not query.unended:
        for scanned, (index, entry) in enumerate(_tail(connection, before, indexed)):
            if scanned >= MAX_TAIL or len(hits) >= query.limit:
                return LogPage(hits, index + 1)
            content = orjson.loads(entry)
            if _matches(content, query):
                hits.append(LogHit(index, leaf_hash(entry).hex(), content))
    if len(hits) >= query.limit and indexed > 0:
        return LogPage(hits, min(before, indexed))
    wanted = query.limit - len(hits)
    found = _indexed(connection, query, min(before, indexed), wanted + 1)
    hits += _read_hits(connection, found[:wanted], query)
    following = found[wanted - 1] if len(found) > wanted else None
    return LogPage(hits, following)


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


def _indexed(
    connection: psycopg.Connection, query: LogQuery, before: int, wanted: int
) -> list[int]:
    """Indexes of matching entries by the derived index, newest first."""
    source = sql.SQL("oversight.entry e")
    conditions: list[sql.Composable] = [sql.SQL("e.index < {}").format(before)]
    for name in ("vendor", "event", "request", "code", "actor"):
        value = getattr(query, name)
        if value is not None:
            conditions.append(sql.SQL("e.{} = {}").format(sql.Identifier(name), value))
    if query.certificate is not None:
        conditions.append(sql.SQL("e.certificate = {}").format(bytes.fromhex(query.certificate)))
    if query.since is not None:
        conditions.append(sql.SQL("e.occurred >= {}").format(query.since))
    if query.until is not None:
        conditions.append(sql.SQL("e.occurred < {}").format(query.until))
    if query.unended:
        conditions.append(_UNENDED)
    if query.cases is not None:
        commitments = [bytes.fromhex(case) for case in query.cases]
        conditions.append(
            sql.SQL(
                "e.index IN (SELECT s.index FROM oversight.subject s WHERE s.commitment = ANY({}))"
            ).format(commitments)
        )
    statement = sql.SQL("SELECT e.index FROM {} WHERE {} ORDER BY e.index DESC LIMIT {}").format(
        source, sql.SQL(" AND ").join(conditions), wanted
    )
    return [int(row[0]) for row in connection.execute(statement)]


def _read_hits(connection: psycopg.Connection, found: list[int], query: LogQuery) -> list[LogHit]:
    """Reads the hits from their bundles and holds each to its leaf and to the index."""
    first_of = {int(row[0]): int(row[1]) for row in connection.execute(_BATCH_OF, (found,))}
    bundles: dict[int, tuple[list[bytes], bytes]] = {}
    hits = []
    for index in found:
        first = first_of[index]
        if first not in bundles:
            row = connection.execute(_BUNDLE, (first,)).fetchone()
            assert row is not None
            bundles[first] = (decode_bundle(bytes(row[0])), bytes(row[1]))
        entries, hashes = bundles[first]
        offset = index - first
        entry = entries[offset]
        digest = leaf_hash(entry)
        if digest != hashes[offset * HASH_BYTES : (offset + 1) * HASH_BYTES]:
            raise TamperedError(index, "its bytes do not have the stored leaf hash")
        content = orjson.loads(entry)
        if not _matches(content, query):
            raise TamperedError(
                index, "the search index says otherwise; rebuild it: casegate audit reindex"
            )
        hits.append(LogHit(index, digest.hex(), content))
    return hits


def _matches(content: Mapping[str, Any], query: LogQuery) -> bool:
    cases = (*(content.get("cases") or ()), *(content.get("changed") or ()))
    actor = content.get("actor") or content.get("staff")
    return (
        (query.vendor is None or content.get("vendor") == query.vendor)
        and (query.event is None or content.get("type") == query.event)
        and (query.certificate is None or content.get("certificate") == query.certificate)
        and (query.request is None or content.get("request") == query.request)
        and (query.code is None or content.get("code") == query.code)
        and (query.actor is None or actor == query.actor)
        and (query.cases is None or not set(query.cases).isdisjoint(cases))
        and (query.since is None or str(content["time"]) >= rfc3339(query.since))
        and (query.until is None or str(content["time"]) < rfc3339(query.until))
        and (not query.unended or content.get("type") == EventType.ACCESS_RELEASE)
    )
