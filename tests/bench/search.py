"""Row: an auditor's questions to a long log, each hit held to its leaf, each question logged."""

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from time import monotonic
from typing import Any

import orjson
import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from audit.bundle import decode_bundle
from audit.store import read_batches
from gateway.clock import SystemClock
from gateway.office import Office
from gateway.oversight.indexing import catch_up
from gateway.oversight.query import LogQuery
from gateway.oversight.timeline import Step
from gateway.store.database import Database
from gateway.store.migrate import migrate
from tests.bench.harness import Sample, Target, percentile
from tests.bench.log_filling import (
    BEGIN,
    CERTIFICATES_A_VENDOR,
    CODES,
    DEBTORS,
    GONE_VENDOR,
    STAFF,
    VENDORS,
    YEAR,
    MadeUpTraffic,
    case_of,
    certificate_of,
    fill_log,
    vendor_name,
)
from tests.bench.stand import Stand

_DATABASE = "casegate_bench_search"
_ENTRIES, _FULL_ENTRIES, _QUICK_ENTRIES = 1_000_000, 10_000_000, 20_000
_TIMES, _QUICK_TIMES = 20, 3
_SCANNED = 50_000
_ACTOR = "cli:bench"

Question = Callable[[], object]


class Search:
    """The slowest kind of question at its 95th percentile; the peer reads entries one by one.

    A round asks each kind often with random arguments, through the use cases that the commands
    and the company's API call. The peer answers one question by decoding the newest entries, as
    one does without an index: its figure is for 50,000 entries, not for the whole log.
    """

    name = "search"
    unit = "ms p95"
    target = Target(1_000.0, at_most=True)
    has_warmup = False

    _office: Office
    _traffic: MadeUpTraffic
    _chance: random.Random
    _times: int
    _indexed_per_second: float

    @contextmanager
    def open(self, stand: Stand) -> Iterator[None]:
        total = _FULL_ENTRIES if stand.full else _QUICK_ENTRIES if stand.quick else _ENTRIES
        self._times = _QUICK_TIMES if stand.quick else _TIMES
        self._chance = random.Random(3)
        self._traffic = MadeUpTraffic(total)
        database = stand.installation.database()
        owner = make_conninfo(database.owner_url, dbname=_DATABASE)
        name = sql.Identifier(_DATABASE)
        with psycopg.connect(database.owner_url, autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(name))
        self._office = Office(Database(owner, database.settings), SystemClock())
        migrate(self._office.database)
        with psycopg.connect(owner, autocommit=True) as connection:
            fill_log(connection, self._traffic)
        begin = monotonic()
        self._catch_up()
        self._indexed_per_second = total / (monotonic() - begin)
        with psycopg.connect(owner, autocommit=True) as connection:
            connection.execute("VACUUM ANALYZE")
            connection.execute("CHECKPOINT")  # what filling left to write is not the questions'
        try:
            yield
        finally:
            with psycopg.connect(database.owner_url, autocommit=True) as connection:
                connection.execute(sql.SQL("DROP DATABASE {}").format(name))

    def ours(self) -> Sample:
        self._catch_up()
        details: dict[str, float] = {}
        for kind, ask in self.questions().items():
            took = []
            for _time in range(self._times):
                begin = monotonic()
                ask()
                took.append((monotonic() - begin) * 1e3)
            took.sort()
            details[f"{kind} p50"] = percentile(took, 0.5)
            details[f"{kind} p95"] = percentile(took, 0.95)
        slowest = max(value for kind, value in details.items() if kind.endswith("p95"))
        return Sample(slowest, details=details)

    def peer(self) -> Sample:
        query = LogQuery(cases=(case_of(self._chance.randrange(DEBTORS)),))
        found = 0
        begin = monotonic()
        with self._office.connection() as connection:
            start = max(0, self._traffic.total - _SCANNED)
            for batch in read_batches(connection, start):
                contents: list[dict[str, Any]] = [
                    orjson.loads(entry) for entry in decode_bundle(batch.bundle)
                ]
                found += sum(query.matches(content) for content in contents)
        return Sample((monotonic() - begin) * 1e3, details={"found": found})

    def figure(self, samples: Sequence[Sample]) -> float:
        return max(sample.value for sample in samples)

    def note(self, ours: Sequence[Sample]) -> str:
        kinds = [kind.removesuffix(" p95") for kind in ours[0].details if kind.endswith("p95")]
        worst = {kind: max(s.details[f"{kind} p95"] for s in ours) for kind in kinds}
        usual = {kind: max(s.details[f"{kind} p50"] for s in ours) for kind in kinds}
        figures = ", ".join(f"{kind} {usual[kind]:.0f}/{worst[kind]:.0f}" for kind in kinds)
        return (
            f"{self._traffic.total:,} entries, p50/p95 in ms: {figures}; indexed at"
            f" {self._indexed_per_second:,.0f} entries/s; the peer scans {_SCANNED:,} entries"
        )

    def questions(self) -> dict[str, Question]:
        """One of each kind, with other arguments at each call."""
        desk = self._office.desk()
        chance = self._chance
        search = partial(self._office.search, actor=_ACTOR)

        def vendor() -> str:
            return vendor_name(chance.randrange(1, VENDORS))

        def certificate() -> str:
            return certificate_of(chance.randrange(VENDORS), chance.randrange(2))

        def cases(count: int) -> tuple[str, ...]:
            return tuple(case_of(chance.randrange(DEBTORS)) for _ in range(count))

        def moment() -> Any:
            return BEGIN + YEAR * chance.random()

        def one_week() -> LogQuery:
            since = moment()
            return LogQuery(vendor=vendor(), since=since, until=since + timedelta(days=7))

        return {
            "debtor": lambda: search(LogQuery(cases=cases(3))),
            "disclosures": lambda: desk.disclosures(LogQuery(cases=cases(2)), actor=_ACTOR),
            "certificate": lambda: search(LogQuery(certificate=certificate())),
            "certificate's refusals": lambda: search(
                LogQuery(certificate=certificate(), event="access.denied")
            ),
            "one refusal": lambda: desk.denials(
                LogQuery(request=chance.choice(self._traffic.requests)), actor=_ACTOR
            ),
            "refusals by code": lambda: desk.denials(
                LogQuery(vendor=vendor(), code=chance.choice(CODES)), actor=_ACTOR
            ),
            "timeline": lambda: desk.timeline(
                vendor(), step=Step.DAY, since=None, until=moment(), limit=31, actor=_ACTOR
            ),
            "hours": lambda: desk.timeline(
                vendor(), step=Step.HOUR, since=None, until=moment(), limit=168, actor=_ACTOR
            ),
            "vendor's week": lambda: search(one_week()),
            "vendor that left": lambda: search(LogQuery(vendor=vendor_name(GONE_VENDOR))),
            "unended": lambda: search(LogQuery(unended=True)),
            "changes": lambda: desk.changes(LogQuery(until=moment()), actor=_ACTOR),
            "readers": lambda: desk.readers(
                LogQuery(actor=f"staff:{chance.choice(STAFF)}", until=moment()), actor=_ACTOR
            ),
            "nothing found": lambda: search(
                LogQuery(
                    vendor=vendor(),
                    certificate=certificate_of(GONE_VENDOR, CERTIFICATES_A_VENDOR - 1),
                    event="credential.revoked",
                )
            ),
        }

    def _catch_up(self) -> None:
        with self._office.connection("publisher") as connection:
            catch_up(connection)
