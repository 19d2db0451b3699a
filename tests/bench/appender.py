"""A process that appends entries for some seconds, through the log or with a commit for each."""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import cycle
from time import monotonic
from typing import Any
from uuid import uuid4

import orjson
import psycopg
import uvloop

from audit.entry import EventType, encode_entry
from audit.log import AuditLog
from audit.store import PostgresBatchStore
from tests.bench.harness import percentile

Append = Callable[[bytes], Awaitable[object]]
_COMMITS = {
    "rows": "INSERT INTO plain (entry) VALUES (%(entry)b)",
    "chain": (
        "WITH next AS (UPDATE chain SET head = sha256(head || %(entry)b) RETURNING head)"
        " INSERT INTO chained (entry, head) SELECT %(entry)b, head FROM next"
    ),
}
_ENTRIES = 20_000
_NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def make_entry(number: int) -> bytes:
    """An entry of about 400 bytes: most of a release's, with the values that differ differing."""
    return encode_entry(
        EventType.ACCESS_RELEASE,
        time=_NOON + timedelta(milliseconds=number),
        vendor="alpha",
        contract="alpha-2026",
        token=uuid4().hex,
        request=uuid4().hex[:24],
        route="/v1/cases/{case_ref}",
        purpose="DEBT_COLLECTION_TEL",
        stage="bulk",
        cases=[uuid4().hex],
        bytes=700,
        sha256=uuid4().hex + uuid4().hex,
    )


@asynccontextmanager
async def log_appends(url: str) -> AsyncIterator[Append]:
    store = PostgresBatchStore(url)
    log = AuditLog(store, deadline_seconds=30)
    await log.start()
    try:
        yield log.append
    finally:
        await log.close()
        await store.close()


@asynccontextmanager
async def commits(url: str, statement: str, connections: int) -> AsyncIterator[Append]:
    opened = [
        await psycopg.AsyncConnection.connect(url, autocommit=True) for _ in range(connections)
    ]
    idle = asyncio.Queue[psycopg.AsyncConnection]()
    for connection in opened:
        idle.put_nowait(connection)

    async def insert(entry: bytes) -> None:
        connection = await idle.get()
        await connection.execute(statement, {"entry": entry}, prepare=True)
        idle.put_nowait(connection)

    try:
        yield insert
    finally:
        for connection in opened:
            await connection.close()


async def drive(
    append: Append, entries: Iterator[bytes], in_flight: int, seconds: float
) -> dict[str, Any]:
    latencies: list[float] = []
    begin = monotonic()
    end = begin + seconds

    async def caller() -> None:
        while (sent_at := monotonic()) < end:
            await append(next(entries))
            latencies.append(monotonic() - sent_at)

    await asyncio.gather(*(caller() for _ in range(in_flight)))
    elapsed = monotonic() - begin
    latencies.sort()
    return {
        "per_second": len(latencies) / elapsed,
        "p50_ms": percentile(latencies, 0.5) * 1e3,
        "p99_ms": percentile(latencies, 0.99) * 1e3,
    }


async def run(order: dict[str, Any]) -> None:
    url = order["url"]
    statement = _COMMITS.get(order["kind"])
    opened = (
        log_appends(url) if statement is None else commits(url, statement, order["connections"])
    )
    async with opened as append:
        await append(make_entry(0))
        # Made beforehand, on both sides: what is measured is the log, not the maker of load.
        entries = cycle([make_entry(number) for number in range(_ENTRIES)])
        _say("ready")
        sys.stdin.buffer.readline()
        _say(await drive(append, entries, order["in_flight"], order["seconds"]))


def _say(answer: object) -> None:
    sys.stdout.buffer.write(orjson.dumps(answer) + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run(orjson.loads(sys.stdin.buffer.readline())))
