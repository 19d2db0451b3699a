"""Row: what an append costs in a long log, beside the same append in a short one."""

import asyncio
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from itertools import cycle
from statistics import median
from time import monotonic

import psycopg
import uvloop
from psycopg import sql
from psycopg.conninfo import make_conninfo

from audit.bundle import encode_bundle
from audit.entry import EventType, encode_entry
from audit.log import AuditLog
from audit.merkle import leaf_hash
from audit.store import PostgresBatchStore, read_batches
from audit.verify import verify_batches
from tests.bench.appender import make_entry
from tests.bench.harness import Sample, Target, middle
from tests.bench.log_database import drop_database, log_database
from tests.bench.stand import Stand
from tests.bench.written_log import BENCH_LOG_KEY

_SHORT, _LONG, _LONGEST = 10_000, 1_000_000, 10_000_000
_QUICK_LONG = 50_000
_PASSES = 8
_LOGS = 4
_IN_FLIGHT = 64
_ENTRIES_A_PASS = 5_120
_BATCH = 64  # as many as the load's own batches hold: the indexes are as large as in real life
_BATCHES_A_COMMIT = 20
_BYTES_AN_ENTRY = 600  # tables and their share of the write-ahead log while it is filled
_NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
_COPY = "casegate_bench_short_copy"
_FILL = (
    "SELECT audit.append_batch(gen_random_uuid(), %(leaf_hashes)b, %(bundle)b)"
    " FROM generate_series(1, %(count)s)"
)


class Growth:
    """Group commits of four committers, 64 entries in flight each, in turns on logs of each size.

    The peer is our own log with 10,000 entries: a fresh copy of it for each turn.
    """

    name = "growth"
    unit = "µs/entry"
    target = Target(1.2, of_ratio=True, at_most=True)
    has_warmup = True

    _owner: str
    _short: str
    _long: dict[int, str]
    _entries: list[bytes]
    _short_cost: float

    @contextmanager
    def open(self, stand: Stand) -> Iterator[None]:
        sizes = [_QUICK_LONG if stand.quick else _LONG]
        if stand.full:
            sizes.append(_LONGEST)
            if shutil.disk_usage(stand.directory).free < 2 * _LONGEST * _BYTES_AN_ENTRY:
                raise RuntimeError("too little room on the disk for ten million entries")
        self._owner = stand.installation.database().owner_url
        self._short = "casegate_bench_short"
        self._long = {}
        self._entries = [make_entry(number) for number in range(_ENTRIES_A_PASS)]
        with ExitStack() as stack:
            _fill(stack.enter_context(log_database(stand, self._short)), _SHORT)
            for size in sizes:
                url = stack.enter_context(log_database(stand, f"casegate_bench_log_{size}"))
                _fill(url, size)
                self._long[size] = url
            _verify(self._long[sizes[0]], sizes[0])
            stack.callback(drop_database, self._owner, _COPY)
            yield

    def ours(self) -> Sample:
        # The turns of all sizes alternate within a round: a log is measured for a fraction of a
        # second at a time, and what slows the machine lasts longer than that.
        short: list[float] = []
        long: dict[int, list[float]] = {size: [] for size in self._long}
        for _ in range(_PASSES):
            short.append(self._cost(self._copy_short()))
            for size, url in self._long.items():
                long[size].append(self._cost(url))
        self._short_cost = median(short)
        details = {str(size): median(costs) for size, costs in long.items()}
        return Sample(details[str(max(long))], details=details)

    def peer(self) -> Sample:
        """What the round of ours measured on the short log."""
        return Sample(self._short_cost)

    def figure(self, samples: Sequence[Sample]) -> float:
        return middle(samples)

    def note(self, ours: Sequence[Sample]) -> str:
        costs = [
            f"{median(sample.details[str(size)] for sample in ours):.1f} µs at {size:,}"
            for size in self._long
        ]
        return (
            f"{' and '.join(costs)}, peer at {_SHORT:,} entries; filled with entries of 100 bytes"
            f" in batches of {_BATCH}, then entries of 400 bytes appended"
        )

    def _copy_short(self) -> str:
        drop_database(self._owner, _COPY)
        with psycopg.connect(self._owner, autocommit=True) as connection:
            connection.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
                    sql.Identifier(_COPY), sql.Identifier(self._short)
                )
            )
        return make_conninfo(self._owner, dbname=_COPY)

    def _cost(self, url: str) -> float:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(_append(url, self._entries)) / len(self._entries) * 1e6


async def _append(url: str, entries: Sequence[bytes]) -> float:
    """Seconds that appending all the entries takes, once the connections are warm."""
    stores = [PostgresBatchStore(url) for _ in range(_LOGS)]
    logs = [AuditLog(store, deadline_seconds=30) for store in stores]
    for log in logs:
        await log.start()
        await log.append(entries[0])
    waiting = iter(entries)

    async def caller(log: AuditLog) -> None:
        for entry in waiting:
            await log.append(entry)

    callers = [caller(log) for log, _ in zip(cycle(logs), range(_LOGS * _IN_FLIGHT), strict=False)]
    begin = monotonic()
    await asyncio.gather(*callers)
    elapsed = monotonic() - begin
    for log, store in zip(logs, stores, strict=True):
        await log.close()
        await store.close()
    return elapsed


def _fill(url: str, size: int) -> None:
    """At least `size` entries, through the log's own function."""
    entries = [
        encode_entry(EventType.ACCESS_RELEASE, time=_NOON, vendor="alpha", request=f"{number:024}")
        for number in range(_BATCH)
    ]
    batch = {
        "leaf_hashes": b"".join([leaf_hash(entry) for entry in entries]),
        "bundle": encode_bundle(entries),
    }
    batches = -(-size // _BATCH)
    with psycopg.connect(url, autocommit=True) as connection:
        for done in range(0, batches, _BATCHES_A_COMMIT):
            count = min(_BATCHES_A_COMMIT, batches - done)
            connection.execute(_FILL, {**batch, "count": count})
        connection.execute("VACUUM ANALYZE")


def _verify(url: str, size: int) -> None:
    with psycopg.connect(url) as connection:
        report = verify_batches(
            read_batches(connection), (), BENCH_LOG_KEY.verifier_key, origin=BENCH_LOG_KEY.name
        )
    if report.entries < size:
        raise RuntimeError("the log was not filled")
