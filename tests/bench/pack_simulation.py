"""Row: a law pack tried on a generated month of permits."""

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from time import monotonic
from uuid import UUID

import psycopg

from gateway.cases.record import seal_record
from gateway.contact.simulation import PackSimulation
from gateway.installation import kek_keys
from gateway.trial.call_centre import SCRIPT, agent_refs, caller_number
from keys.kek import KeyRing
from policies.contact.model import Measure
from tests.bench.harness import Sample, Target
from tests.bench.stand import Stand

_MILLION, _QUICK = 1_000_000, 200_000
_CALLS_A_DEBTOR = 10
_DAYS = 30
_TALKING = 0.3
_PACK = "cn-gbt45251-2025"
_VENDORS = ("alpha", "beta")
_TRIED = int(Measure.ATTEMPT | Measure.UNANSWERED)
_TALKED = int(Measure.ATTEMPT | Measure.EFFECTIVE | Measure.CONVERSATION)
_COPY_CASES = """
COPY casegate.case_record (case_id, source_mac, content_mac, person_mac, contact_mac, log_salt,
     kek_id, wrapped_key, sealed) FROM STDIN
"""
_COPY_CONTACTS = """
COPY casegate.contact (contact_id, vendor_id, contract_id, case_id, person_mac, point_mac,
     point_kind, party, debt, channel, call_kind, agent_ref, script_id, script_version,
     caller_number, requested_at, expires_at, closed_at, state, handling, result, counts)
  FROM STDIN
"""


class SimulatingPack:
    """Seconds for a million permits of a hundred thousand debtors, cases opened for their zone."""

    name = "pack-simulation"
    unit = "s/million"
    target = Target(60.0, at_most=True)
    has_warmup = False

    _count: int
    _found: PackSimulation | None = None

    @contextmanager
    def open(self, stand: Stand) -> Iterator[None]:
        self._count = _QUICK if stand.quick else _MILLION
        installation = stand.installation
        self._office = installation.office()
        owner_url = installation.database().owner_url
        kek = KeyRing(kek_keys(installation.settings))
        with psycopg.connect(owner_url, autocommit=True) as owner:
            _fill(owner, kek, self._count, self._office.clock.now())
            try:
                yield
            finally:
                owner.execute("TRUNCATE casegate.contact")
                # Row by row a trigger would look for the contacts of each.
                owner.execute("ALTER TABLE casegate.case_record DISABLE TRIGGER USER")
                owner.execute("DELETE FROM casegate.case_record WHERE holder_vendor_id IS NULL")
                owner.execute("ALTER TABLE casegate.case_record ENABLE TRIGGER USER")

    def ours(self) -> Sample:
        begin = monotonic()
        self._found = self._office.packs().simulate(
            _PACK, timedelta(days=_DAYS + 1), actor="cli:bench"
        )
        seconds = monotonic() - begin
        assert self._found.permits == self._count
        return Sample(seconds * _MILLION / self._count)

    def peer(self) -> None:
        return None

    def figure(self, samples: Sequence[Sample]) -> float:
        return max(sample.value for sample in samples)

    def note(self, ours: Sequence[Sample]) -> str:
        del ours
        assert self._found is not None
        rules = len(self._office.packs().pack(_PACK).rules)
        return (
            f"the slowest round; {self._count:,} permits of {self._count // _CALLS_A_DEBTOR:,}"
            f" debtors, {_PACK} with {rules} rules, two processes,"
            f" {self._found.percent:.1f} % would have been refused"
        )


def _fill(owner: psycopg.Connection, kek: KeyRing, count: int, now: datetime) -> None:
    draw = random.Random(20261123)
    debtors = count // _CALLS_A_DEBTOR
    keys = [(UUID(bytes=draw.randbytes(16)), draw.randbytes(32)) for _ in range(debtors)]
    with owner.cursor().copy(_COPY_CASES) as copy:
        for case_id, person in keys:
            record = {"timezone": "Asia/Shanghai", "debt_ref": case_id.hex}
            sealed = seal_record(record, case_id, kek)
            macs = draw.randbytes(32), draw.randbytes(32), person, person, draw.randbytes(16)
            copy.write_row((case_id, *macs, kek.kek_id, sealed.wrapped_key, sealed.ciphertext))
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    with owner.cursor().copy(_COPY_CONTACTS) as copy:
        for number in range(count):
            case_id, person = keys[number % debtors]
            vendor = _VENDORS[number % 2]
            day = midnight - timedelta(days=draw.randrange(1, _DAYS))
            at = day + timedelta(seconds=draw.randrange(-3_600, 13 * 3_600))
            is_talk = draw.random() < _TALKING
            result, counts = ("RPC_PTP", _TALKED) if is_talk else ("NO_ANSWER", _TRIED)
            copy.write_row(
                (
                    UUID(bytes=draw.randbytes(16)),
                    vendor,
                    f"{vendor}-2026",
                    case_id,
                    person,
                    person,
                    "mobile",
                    "debtor",
                    case_id.hex,
                    "voice_human",
                    "interactive",
                    agent_refs(vendor)[0],
                    SCRIPT,
                    1,
                    caller_number(1 + number % 2),
                    at,
                    at + timedelta(minutes=10),
                    at + timedelta(minutes=3),
                    "used",
                    "dial_token",
                    result,
                    counts,
                )
            )
    owner.execute("VACUUM ANALYZE casegate.contact")
    owner.execute("VACUUM ANALYZE casegate.case_record")
