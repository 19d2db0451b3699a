"""Rows: durable log entries, against a chained log and plain rows with a commit for each entry."""

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import psycopg

from tests.bench.harness import Sample, Target, middle
from tests.bench.log_database import log_database
from tests.bench.stand import Stand, helpers

_PROCESSES = 4
_IN_FLIGHT = 64
_SEED_BYTES = 32


class Appends:
    """Four processes append to one log, 64 entries in flight in each, while a publisher signs it.

    The peer is the ordinary tamper-evident log: the head of a hash chain stands in one row, and
    each entry is one statement and one commit. It needs no publisher and has none. Its 64 callers
    a process share one connection: with more of them they queue for the row, and it is slower.
    """

    name = "appends"
    unit = "entries/s"
    target = Target(15.0, of_ratio=True)
    has_warmup = True
    peer_kind = "chain"
    peer_connections = 1

    _url = ""
    _seconds = 0.0
    _seed = ""

    @contextmanager
    def open(self, stand: Stand) -> Iterator[None]:
        self._seconds = stand.seconds
        self._seed = secrets.token_hex(_SEED_BYTES)
        with log_database(stand, "casegate_bench_log") as self._url:
            with psycopg.connect(self._url, autocommit=True) as connection:
                connection.execute(
                    "CREATE TABLE plain (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,"
                    " entry bytea NOT NULL)"
                )
                connection.execute(
                    "CREATE TABLE chained (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,"
                    " entry bytea NOT NULL, head bytea NOT NULL)"
                )
                connection.execute("CREATE TABLE chain AS SELECT sha256('') AS head")
            yield

    def ours(self) -> Sample:
        with helpers("publishing", 1) as (publisher,):
            publisher.tell({"url": self._url, "seed": self._seed})
            publisher.hear()
            sample = self._run("log", 1)
            # It signs what is left before the peer begins, so that it cannot slow the peer.
            publisher.tell({})
            sample.details.update(publisher.hear())
        return sample

    def peer(self) -> Sample:
        return self._run(self.peer_kind, self.peer_connections)

    def figure(self, samples: Sequence[Sample]) -> float:
        return middle(samples)

    def note(self, ours: Sequence[Sample]) -> str:
        chosen = sorted(ours, key=lambda sample: sample.value)[len(ours) // 2].details
        return (
            f"slowest process: p50 {chosen['p50_ms']:.1f} ms, p99 {chosen['p99_ms']:.1f} ms;"
            f" the publisher signed {chosen['heads']:.0f} heads meanwhile and had the rest signed"
            f" in {chosen['behind_s']:.2f} s; entries of both sides are encoded beforehand"
        )

    def _run(self, kind: str, connections: int) -> Sample:
        order = {
            "kind": kind,
            "url": self._url,
            "in_flight": _IN_FLIGHT,
            "connections": connections,
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
    """The same against plain rows without any chain: nothing in them shows a change.

    Their commits do not queue for a row, so that PostgreSQL joins many into one flush.
    """

    name = "appends-rows"
    target = Target(1.0, of_ratio=True)
    peer_kind = "rows"
    peer_connections = 16
