"""A first search of the log: filters over the entries themselves, newest first.

It reads the bundles that were hashed, not an index, so every hit carries its leaf hash. A search
looks at a bounded number of entries and hands out a cursor to go on.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
import psycopg

from audit.bundle import decode_bundle
from audit.entry import EventType
from audit.merkle import leaf_hash
from gateway.clock import rfc3339
from gateway.errors import RequestInvalidError
from gateway.evidence import record_with_change

MAX_PAGE = 500
MAX_SCANNED = 200_000

_NEWEST = "SELECT size FROM audit.tail"
_BATCHES = """
SELECT first_index, bundle FROM audit.batch WHERE first_index < %s ORDER BY first_index DESC
"""


@dataclass(frozen=True, slots=True)
class LogQuery:
    """What to look for; None means any. `before` continues a search at lower indexes."""

    vendor: str | None = None
    event: str | None = None
    certificate: str | None = None
    request: str | None = None
    case: str | None = None
    since: datetime | None = None
    before: int | None = None
    limit: int = 100

    def __post_init__(self) -> None:
        if not 1 <= self.limit <= MAX_PAGE:
            raise RequestInvalidError(f"limit must be from 1 to {MAX_PAGE}")

    def asked(self) -> dict[str, str | int]:
        """The query as the log of searches keeps it."""
        names = ("vendor", "event", "certificate", "request", "case", "before", "limit")
        asked = {name: getattr(self, name) for name in names if getattr(self, name) is not None}
        if self.since is not None:
            asked["since"] = self.since.isoformat()
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
        RequestInvalidError: the query is out of bounds.
    """
    with connection.transaction():
        record_with_change(
            connection, EventType.LOG_SEARCHED, at=at, actor=actor, query=query.asked()
        )
    return find_entries(connection, query)


def find_entries(connection: psycopg.Connection, query: LogQuery) -> LogPage:
    """Searches without a trace in the log: for the caller that has already left one."""
    hits: list[LogHit] = []
    for scanned, (index, entry) in enumerate(_newest_first(connection, query.before)):
        if scanned >= MAX_SCANNED or len(hits) >= query.limit:
            return LogPage(hits, index + 1)
        content = orjson.loads(entry)
        if _matches(content, query):
            hits.append(LogHit(index, leaf_hash(entry).hex(), content))
        elif query.since is not None and _is_long_before(content, query.since):
            break
    return LogPage(hits, None)


def _newest_first(
    connection: psycopg.Connection, before: int | None
) -> Iterator[tuple[int, bytes]]:
    if before is None:
        row = connection.execute(_NEWEST).fetchone()
        before = int(row[0]) if row else 0
    with connection.transaction(), connection.cursor(name="log_search") as cursor:
        cursor.itersize = 200
        for first_index, bundle in cursor.execute(_BATCHES, (before,)):
            entries = decode_bundle(bytes(bundle))
            for offset in range(len(entries) - 1, -1, -1):
                if first_index + offset < before:
                    yield first_index + offset, entries[offset]


def _matches(content: Mapping[str, Any], query: LogQuery) -> bool:
    return (
        (query.vendor is None or content.get("vendor") == query.vendor)
        and (query.event is None or content.get("type") == query.event)
        and (query.certificate is None or content.get("certificate") == query.certificate)
        and (query.request is None or content.get("request") == query.request)
        and (query.case is None or query.case in (content.get("cases") or ()))
        and (query.since is None or str(content["time"]) >= rfc3339(query.since))
    )


def _is_long_before(content: Mapping[str, Any], since: datetime) -> bool:
    """Order is the index, and clocks step back a little: a day is taken as never more."""
    return (since - datetime.fromisoformat(content["time"])).days >= 1
