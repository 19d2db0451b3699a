"""Row: call records taken in, checked and durable, against COPY of them into a bare table."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from itertools import count
from time import monotonic, sleep
from typing import Any
from uuid import UUID

import orjson
import psycopg
from psycopg_pool import ConnectionPool

from gateway.clock import Clock, rfc3339
from gateway.identity.principal import VendorPrincipal
from gateway.installation import kek_keys, policies_directory, read_key
from gateway.intake.batches_desk import RecordDesk
from gateway.intake.batches_spool import Spool
from gateway.intake.parsing import Content, Form
from gateway.intake.records_rules import intake_rules
from keys.kek import KeyRing
from policies.parameters import read_parameters
from tests.bench.harness import Sample, Target, middle
from tests.bench.stand import Stand, start
from tests.installation import Installation

_VENDOR, _CONTRACT = "alpha", "alpha-2026"
_LARGE = 2
_PATIENCE_SECONDS = 300.0
_LOOK_SECONDS = 0.01
_AGENT, _SCRIPT, _CALLER = "bench-001", "bench", "+8657188000001"
_BARE = "CREATE TABLE bare_call (LIKE casegate.call_record)"
_PERMITS = """
INSERT INTO casegate.contact (contact_id, vendor_id, contract_id, thumbprint, case_id, case_ref,
  person_mac, point_mac, point_kind, party, debt, channel, call_kind, agent_ref, script_id,
  script_version, caller_number, requested_at, expires_at, state, handling, counts)
SELECT gen_random_uuid(), a.vendor_id, a.contract_id, %(thumbprint)s, a.case_id, a.case_ref,
  r.person_mac, r.contact_mac, 'mobile', 'debtor', '', 'voice_human', 'interactive', %(agent)s,
  %(script)s, 1, %(caller)s, %(at)s, %(at)s::timestamptz + interval '10 minutes', 'granted',
  'reveal_once', 63
  FROM casegate.assigned_case a JOIN casegate.case_record r ON r.case_id = a.case_id,
       generate_series(1, %(each)s)
 WHERE a.vendor_id = %(vendor)s AND a.status = 'assigned' LIMIT %(wanted)s
RETURNING contact_id, case_ref
"""
_WAITING = "SELECT FROM casegate.record_batch_part WHERE done_at IS NULL LIMIT 1"
_DEBTORS = """
INSERT INTO casegate.debtor (person_mac, version)
SELECT DISTINCT person_mac, 1 FROM casegate.case_record ON CONFLICT DO NOTHING
"""


class Intake:
    """All checks, sealed summaries, permits recorded, an entry a part; the peer keeps text.

    The figure is of two batches of 10,000, from the first byte in until the last record is kept:
    they are answered when they are durable, and done by the processes of the intake.
    Small batches are done when they are answered.
    """

    name = "intake"
    unit = "records/s"
    target = Target(0.05, of_ratio=True, wanted=0.1)
    has_warmup = True

    _clock: Clock
    _desk: RecordDesk
    _owner: psycopg.Connection
    _rows: int
    _calls: Iterator[int]
    _principal: VendorPrincipal
    _cases: int

    @contextmanager
    def open(self, stand: Stand) -> Iterator[None]:
        office = stand.installation.office()
        self._clock = office.clock
        self._rows = 2_000 if stand.quick else 10_000
        self._cases = stand.cases
        self._calls = count()
        settings = office.database.settings
        directory = policies_directory(settings)
        kek = KeyRing(kek_keys(settings))
        rules = intake_rules(
            directory,
            read_parameters(directory),
            kek=lambda: kek,
            index_key=read_key(settings, settings.keys.index),
        )
        with ExitStack() as stack:
            self._owner = stack.enter_context(
                psycopg.connect(office.database.owner_url, autocommit=True)
            )
            pool = stack.enter_context(
                ConnectionPool(
                    office.database.conninfo("vendor"), min_size=2, kwargs={"autocommit": True}
                )
            )
            self._desk = RecordDesk(pool.connection, self._clock, rules)
            row = self._owner.execute(
                "SELECT thumbprint FROM casegate.credential WHERE vendor_id = %s LIMIT 1",
                (_VENDOR,),
            ).fetchone()
            assert row is not None
            until = self._clock.now() + timedelta(days=1)
            self._principal = VendorPrincipal(_VENDOR, _CONTRACT, bytes(row[0]), until)
            self._owner.execute(_DEBTORS)
            self._owner.execute(_BARE)
            self._owner.execute("ANALYZE")  # as any database has been that is an hour old
            stack.enter_context(_takers(stand.installation))
            yield
            self._owner.execute("DROP TABLE bare_call")

    def ours(self) -> Sample:
        large = [self._batch(self._rows) for _batch in range(_LARGE)]
        seconds = self._timed(large)
        hundreds = self._timed([self._batch(100) for _batch in range(20)])
        ones = self._timed([self._batch(1) for _batch in range(100)])
        return Sample(
            _LARGE * self._rows / seconds, (), {"of_100": 2_000 / hundreds, "of_1": 100 / ones}
        )

    def peer(self) -> Sample:
        """The rows that were just kept, out to memory and back in."""
        with self._owner.cursor() as cursor:
            with cursor.copy(
                "COPY (SELECT * FROM casegate.call_record ORDER BY received_at DESC"  # noqa: S608  # a count
                f" LIMIT {_LARGE * self._rows:d}) TO STDOUT"
            ) as copy:
                text = b"".join(bytes(block) for block in copy)
            begin = monotonic()
            with cursor.copy("COPY bare_call FROM STDIN") as copy:
                copy.write(text)
            elapsed = monotonic() - begin
            cursor.execute("TRUNCATE bare_call")
        return Sample(_LARGE * self._rows / elapsed)

    def figure(self, samples: Sequence[Sample]) -> float:
        return middle(samples)

    def note(self, ours: Sequence[Sample]) -> str:
        hundreds, ones = (
            sorted(one.details[name] for one in ours)[len(ours) // 2]
            for name in ("of_100", "of_1")
        )
        return (
            f"batches of {self._rows:,} NDJSON rows, every second with an amount to compare, every"
            f" third with a summary to seal; in batches of 100 {hundreds:,.0f}, one at a time"
            f" {ones:,.0f} records/s, durable when answered; the peer is {_LARGE * self._rows:,}"
            " rows in one COPY, without an index"
        )

    def _timed(self, bodies: Sequence[bytes]) -> float:
        """Seconds until all of them are done."""
        begin = monotonic()
        accepted = 0
        waiting = []
        for body in bodies:
            with Spool() as spool:
                spool.write(body)
                answer = self._desk.submit(self._principal, spool, Content(Form.NDJSON), None)
            accepted += int(answer.document["accepted"])
            if not answer.is_done:
                waiting.append(answer.batch_id)
        while waiting and self._is_at_work():
            assert monotonic() - begin < _PATIENCE_SECONDS
            sleep(_LOOK_SECONDS)
        elapsed = monotonic() - begin
        accepted += sum(map(self._accepted, waiting))
        assert accepted == sum(body.count(b"\n") for body in bodies), accepted
        return elapsed

    def _is_at_work(self) -> bool:
        return self._owner.execute(_WAITING).fetchone() is not None

    def _accepted(self, batch_id: UUID) -> int:
        answer = self._desk.status(self._principal, batch_id, page=0)
        assert answer.is_done
        return int(answer.document["accepted"])

    def _batch(self, rows: int) -> bytes:
        at = self._clock.now() - timedelta(minutes=5)
        found = self._owner.execute(
            _PERMITS,
            {
                "thumbprint": bytes(32),
                "agent": _AGENT,
                "script": _SCRIPT,
                "caller": _CALLER,
                "at": at,
                "vendor": _VENDOR,
                "each": -(-rows // self._cases),
                "wanted": rows,
            },
        ).fetchall()
        return b"".join(
            orjson.dumps(_record(next(self._calls), permit, ref, at)) + b"\n"
            for permit, ref in found
        )


@contextmanager
def _takers(installation: Installation) -> Iterator[None]:
    """The processes that do large batches; ended afterwards."""
    url = {"CASEGATE_OWNER_URL": installation.database().owner_url}
    taker = start("taker", str(installation.config), environment=url)
    try:
        taker.hear()
        yield
    finally:
        taker.end()


def _record(number: int, permit: UUID, case_ref: str, at: datetime) -> dict[str, Any]:
    begun = at + timedelta(seconds=30)
    record: dict[str, Any] = {
        "call_id": f"bench-{number}",
        "permit_id": str(permit),
        "case_ref": case_ref,
        "contact_point": "mobile",
        "agent": _AGENT,
        "script": _SCRIPT,
        "script_version": 1,
        "caller_number": _CALLER,
        "started_at": rfc3339(begun),
        "answered_at": rfc3339(begun + timedelta(seconds=8)),
        "ended_at": rfc3339(begun + timedelta(seconds=68)),
        "ring_s": 8,
        "talk_s": 60,
        "result_code": "RPC_NO_COMMIT",
        "party_reached": "self",
        "identity_check": "match",
        "disclosures": ["WHO_CALLS", "FOR_WHOM", "RECORDING"],
        "recording_id": f"rec-{number}",
    }
    if number % 2 == 0:
        record["promise"] = {
            "amount": 1,
            "due_on": (begun + timedelta(days=1)).date().isoformat(),
        }
        record["result_code"] = "RPC_PTP"
    if number % 3 == 0:
        record["summary"] = f"本人称 {number} 号前处理这笔款项，语气平和，请下次再联系。"
    return record
