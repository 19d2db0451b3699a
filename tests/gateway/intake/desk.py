"""A record desk in-process, over a real database with cases, agents and permits."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
import psycopg
from psycopg_pool import ConnectionPool

from gateway.identity.principal import VendorPrincipal
from gateway.installation import kek_keys, read_key
from gateway.intake.batches_desk import BatchAnswer, RecordDesk
from gateway.intake.batches_spool import Spool
from gateway.intake.batches_worker import IntakeWorker
from gateway.intake.parsing import Content, Form
from gateway.intake.records_rules import intake_rules
from gateway.intake.records_summaries import SummaryAnalysis
from gateway.redaction.identifiers import IdentifierFinder
from keys.kek import KeyRing
from policies.parameters import read_parameters
from tests.gateway.contact.centre import id_number
from tests.gateway.store.lender import HEADER, Lender, case_row

AGENT = "alpha-001"
SCRIPT = "first-reminder"
CALLER = "+8657188000001"
# A Thursday, at 10:00 in Shanghai.
MORNING = datetime.fromisoformat("2026-05-07T02:00:00+00:00")
DUE = 512_345

_PERMITS = """
INSERT INTO casegate.contact (contact_id, vendor_id, contract_id, thumbprint, case_id, case_ref,
  person_mac, point_mac, point_kind, party, debt, channel, call_kind, agent_ref, script_id,
  script_version, caller_number, requested_at, expires_at, state, handling, counts)
SELECT gen_random_uuid(), a.vendor_id, a.contract_id, %(thumbprint)s, a.case_id, a.case_ref,
  r.person_mac, r.contact_mac, 'mobile', 'debtor', '', 'voice_human', 'interactive', %(agent)s,
  %(script)s, 1, %(caller)s, %(at)s, %(at)s::timestamptz + interval '10 minutes', 'granted',
  'reveal_once', 63
  FROM (SELECT * FROM casegate.assigned_case x
         WHERE x.vendor_id = %(vendor)s AND x.status = 'assigned'
         ORDER BY x.sequence OFFSET %(skip)s LIMIT %(cases)s) a
  JOIN casegate.case_record r ON r.case_id = a.case_id, generate_series(1, %(each)s)
RETURNING contact_id, case_ref
"""
_DEBTORS = """
INSERT INTO casegate.debtor (person_mac, version)
SELECT DISTINCT person_mac, 1 FROM casegate.case_record
ON CONFLICT DO NOTHING
"""


@dataclass
class Intake:
    """The desk of one vendor worker, and a worker for what waits."""

    lender: Lender
    desk: RecordDesk
    worker: IntakeWorker
    pool: ConnectionPool[psycopg.Connection]
    permits: list[tuple[UUID, str]] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=lambda: iter(range(10**9)))

    @classmethod
    @contextmanager
    def open(
        cls, url: str, directory: Path, *, cases: int, workers: int = 4
    ) -> Iterator["Intake"]:
        lender = Lender.fresh(url, directory)
        lender.clock.at = MORNING + timedelta(minutes=5)
        rows = [case_row(number, id_number=id_number(number)) for number in range(cases)]
        lender.put(directory / "cases.csv", "\n".join([HEADER, *rows]))
        settings = lender.database.settings
        kek = KeyRing(kek_keys(settings))
        rules = intake_rules(
            files("policies"),
            read_parameters(files("policies")),
            kek=lambda: kek,
            index_key=read_key(settings, settings.keys.index),
        )
        with ConnectionPool(
            lender.database.conninfo("vendor"),
            min_size=1,
            max_size=workers,
            kwargs={"autocommit": True},
        ) as pool:
            desk = RecordDesk(pool.connection, lender.clock, rules)
            worker = IntakeWorker(
                lambda: lender.office().connection("company"),
                lender.clock,
                rules,
                SummaryAnalysis(rules.seal, IdentifierFinder),
            )
            yield cls(lender, desk, worker, pool)

    def principal(self, vendor: str = "alpha") -> VendorPrincipal:
        until = datetime.fromisoformat("2026-08-01T00:00:00+00:00")
        return VendorPrincipal(vendor, f"{vendor}-2026", self.lender.thumbprints[vendor], until)

    def grant(self, cases: int, *, each: int = 1, skip: int = 0) -> None:
        """Puts permits on record as if they had been asked for at MORNING."""
        with self.lender.owner() as connection:
            connection.execute(_DEBTORS.encode())
            found = connection.execute(
                _PERMITS.encode(),
                {
                    "thumbprint": self.lender.thumbprints["alpha"],
                    "agent": AGENT,
                    "script": SCRIPT,
                    "caller": CALLER,
                    "at": MORNING,
                    "vendor": "alpha",
                    "cases": cases,
                    "each": each,
                    "skip": skip,
                },
            ).fetchall()
        self.permits += [(UUID(str(permit)), str(ref)) for permit, ref in found]

    def record(self, **changes: Any) -> dict[str, Any]:
        """A sound record on the next permit; None takes a field away."""
        permit, case_ref = self.permits.pop() if "permit_id" not in changes else (None, None)
        begun = MORNING + timedelta(minutes=1)
        content = {
            "call_id": f"call-{next(self.numbers)}",
            "permit_id": None if permit is None else str(permit),
            "case_ref": case_ref,
            "contact_point": "mobile",
            "agent": AGENT,
            "script": SCRIPT,
            "script_version": 1,
            "caller_number": CALLER,
            "started_at": begun.isoformat(),
            "answered_at": (begun + timedelta(seconds=8)).isoformat(),
            "ended_at": (begun + timedelta(seconds=68)).isoformat(),
            "ring_s": 8,
            "talk_s": 60,
            "result_code": "RPC_NO_COMMIT",
            "party_reached": "self",
            "identity_check": "match",
            "disclosures": ["WHO_CALLS", "FOR_WHOM"],
            **changes,
        }
        return {name: value for name, value in content.items() if value is not None}

    def send(
        self,
        *records: dict[str, Any],
        key: str | None = None,
        vendor: str = "alpha",
        content: Content | None = None,
        body: bytes | None = None,
    ) -> BatchAnswer:
        """What a request would be answered; NDJSON unless `body` says otherwise."""
        data = body if body is not None else b"\n".join(map(orjson.dumps, records))
        with Spool() as spool:
            assert spool.write(data)
            return self.desk.submit(
                self.principal(vendor), spool, content or Content(Form.NDJSON), key
            )

    def drain(self) -> int:
        """Works until nothing waits."""
        done = 0
        with self.lender.office().connection("company") as connection:
            while self.worker.work(connection):
                done += 1
        return done

    def findings(self) -> list[tuple[str, str]]:
        """Rule and call of each finding."""
        rows = self.lender.query(
            "SELECT rule, evidence ->> 'call_id' FROM casegate.finding ORDER BY found_at, rule"
        )
        return [(str(rule), str(call)) for rule, call in rows]

    def permit_row(self, permit_id: str) -> tuple[object, ...]:
        """State, result and counts."""
        return self.lender.query(
            "SELECT state, result, counts FROM casegate.contact WHERE contact_id = %s",
            (permit_id,),
        )[0]

    def digest(self) -> str:
        """Of all calls that are kept."""
        rows = self.lender.query(
            "SELECT call_id, body_sha256 FROM casegate.call_record ORDER BY 1"
        )
        return hashlib.sha256(repr(rows).encode()).hexdigest()
