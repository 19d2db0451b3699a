"""Rows: durable log entries, against a chained log and plain rows with a commit for each entry."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from audit.schema import SCHEMA
from tests.bench.harness import Sample, Target, middle
from tests.bench.stand import Stand, helpers

_PROCESSES = 4
_DATABASE = "casegate_bench_log"


class Appends:
    """Four processes append to one log, 64 entries in flight each, against four that commit each.

    The peer is the ordinary tamper-evident log: the head of a hash chain stands in one row, and
    each entry is one statement and one commit.
    """

    name = "appends"
    unit = "entries/s"
    target = Target(10.0, of_ratio=True)
    has_warmup = True
    peer_kind = "chain"
    peer_in_flight = 1

    _url = ""
    _seconds = 0.0

    @contextmanager
    def open(self, stand: Stand) -> Iterator[None]:
        owner = stand.installation.database().owner_url
        self._seconds = stand.seconds
        self._url = make_conninfo(owner, dbname=_DATABASE)
        name = sql.Identifier(_DATABASE)
        with psycopg.connect(owner, autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(name))
            connection.execute(sql.SQL("CREATE DATABASE {}").format(name))
        with psycopg.connect(self._url, autocommit=True) as connection:
            for statement in SCHEMA:
                connection.execute(statement.encode())
            connection.execute(
                "CREATE TABLE plain (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,"
                " entry bytea NOT NULL)"
            )
            connection.execute(
                "CREATE TABLE chained (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,"
                " entry bytea NOT NULL, head bytea NOT NULL)"
            )
            connection.execute("CREATE TABLE chain AS SELECT sha256('') AS head")
        try:
            yield
        finally:
            with psycopg.connect(owner, autocommit=True) as connection:
                connection.execute(sql.SQL("DROP DATABASE {}").format(name))

    def ours(self) -> Sample:
        return self._run("log", 64)

    def peer(self) -> Sample:
        return self._run(self.peer_kind, self.peer_in_flight)

    def figure(self, samples: Sequence[Sample]) -> float:
        return middle(samples)

    def note(self, ours: Sequence[Sample]) -> str:
        chosen = sorted(ours, key=lambda sample: sample.value)[len(ours) // 2].details
        return f"slowest process: p50 {chosen['p50_ms']:.1f} ms, p99 {chosen['p99_ms']:.1f} ms"

    def _run(self, kind: str, in_flight: int) -> Sample:
        order = {
            "kind": kind,
            "url": self._url,
            "in_flight": in_flight,
            "seconds": self._seconds,
        }
        with helpers("appender", _PROCESSES) as processes:
            for process in processes:
                process.tell(order)
            for process in processes:
                process.hear()  # connected; nobody begins before all are
            for process in processes:
                process.tell({})
            results = [process.hear() for process in processes]
        return Sample(
            sum(result["per_second"] for result in results),
            details={
                "p50_ms": max(result["p50_ms"] for result in results),
                "p99_ms": max(result["p99_ms"] for result in results),
            },
        )


class AppendsAgainstRows(Appends):
    """The same against plain rows without any chain: nothing in them shows a change."""

    name = "appends-rows"
    target = Target(1.0, of_ratio=True)
    peer_kind = "rows"


class AppendsAgainstManyRows(AppendsAgainstRows):
    """And with as many commits at a time as PostgreSQL joins into a flush."""

    name = "appends-many"
    peer_in_flight = 16
