"""Row: every number of a vendor's month counted from a million call records."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, timedelta
from time import monotonic
from typing import Any

import psycopg

from gateway.reports.periods import ReportKind, due_times, period_of
from gateway.reports.punctuality import count_punctual
from gateway.reports.store import count_period
from policies.contact.results import load_results
from policies.parameters import PARAMETERS
from tests.bench.harness import Sample, Target
from tests.bench.stand import Stand

_MILLION, _QUICK = 1_000_000, 50_000
_FIRST = date(2026, 5, 1)
_NAMED = ("alpha", "alpha-2026")
_DUE = due_times({name: each.default for name, each in PARAMETERS.items()})
# Of seven calls three are talks with a recording; half of the calls are to the same cases.
_RECORDS = """
INSERT INTO casegate.call_record (vendor_id, contract_id, call_id, permit_id, case_id, agent_ref,
  contact_point, direction, call_kind, started_at, answered_at, ended_at, ring_s, talk_s,
  result_code, party_reached, disclosures, promise, summary_state, received_at, batch_id,
  body_sha256)
SELECT 'alpha', 'alpha-2026', 'bench-' || n, gen_random_uuid(),
  lpad(to_hex(n %% 100000), 32, '0')::uuid, 'alpha-' || n %% 200, 'mobile', 'outbound',
  'interactive', begun, begun + interval '8 s', begun + interval '60 s', 8,
  CASE WHEN n %% 7 < 3 THEN 52 ELSE 0 END,
  (ARRAY['RPC_PTP','RPC_NO_COMMIT','RPC_REFUSE','NO_ANSWER','BUSY','NO_ANSWER','SWITCHED_OFF'])
  [1 + n %% 7], CASE WHEN n %% 7 < 3 THEN 'self' ELSE 'none' END, '{WHO_CALLS}',
  CASE WHEN n %% 7 = 0 THEN '{"amount": 12345, "due_on": "2026-06-01"}'::jsonb END, 'none',
  begun + interval '10 min', '00000000-0000-0000-0000-000000000001', sha256(n::text::bytea)
  FROM (SELECT n, '2026-05-01T09:00+08'::timestamptz + n %% 31 * interval '1 day'
               + n %% 36000 * interval '1 s' AS begun
          FROM generate_series(1, %s) AS n) planned
"""
_RECORDINGS = """
INSERT INTO casegate.recording (recording_id, vendor_id, contract_id, call_id, sha256, bytes,
  codec, duration_s, started_at, ended_at, notice_given, state, received, kek_id, wrapped_key,
  announced_at, expires_at, settled_at, compared_at, retention_until)
SELECT gen_random_uuid(), vendor_id, contract_id, call_id, body_sha256, 8000, 'wav', talk_s,
  answered_at, ended_at, true, 'verified', 8000, 'k', '\\x00', received_at, received_at,
  received_at, received_at, ended_at + interval '3 years'
  FROM casegate.call_record WHERE talk_s > 0 AND call_id LIKE 'bench-%%'
"""


class Recomputation:
    """Seconds for a monthly report of a million records, four in ten of them recorded."""

    name = "recomputation"
    unit = "s"
    target = Target(10.0, at_most=True)
    has_warmup = False

    _count: int
    _counted: dict[str, Any]

    @contextmanager
    def open(self, stand: Stand) -> Iterator[None]:
        self._count = _QUICK if stand.quick else _MILLION
        database = stand.installation.database()
        self._conninfo = database.conninfo("vendor", bounded=False)
        with psycopg.connect(database.owner_url, autocommit=True) as owner:
            owner.execute(_RECORDS.encode(), (self._count,))
            owner.execute(_RECORDINGS.encode(), ())
            owner.execute("VACUUM ANALYZE casegate.call_record")
            owner.execute("VACUUM ANALYZE casegate.recording")
            try:
                yield
            finally:
                owner.execute("TRUNCATE casegate.call_record, casegate.recording")

    def ours(self) -> Sample:
        month = period_of(_FIRST, ReportKind.MONTHLY)
        with psycopg.connect(self._conninfo, autocommit=True) as connection:
            begin = monotonic()
            term = (month.begins - timedelta(days=100), month.ends)
            self._counted = count_period(
                connection,
                *_NAMED,
                month,
                results=load_results(),
                grace=timedelta(minutes=30),
                punctual=count_punctual(connection, _NAMED, term, month, _DUE),
            )
            seconds = monotonic() - begin
        assert self._counted["dial_attempts"] == self._count
        return Sample(seconds)

    def peer(self) -> None:
        return None

    def figure(self, samples: Sequence[Sample]) -> float:
        return max(sample.value for sample in samples)

    def note(self, ours: Sequence[Sample]) -> str:
        del ours
        return (
            f"the slowest round; {self._count:,} records of 100,000 cases and 200 agents,"
            f" {self._counted['connected_calls']:,} recordings, {len(self._counted)} numbers"
        )
