"""Looks through summaries after their records were taken, and opens them for the company's staff.

A summary in which a number of a person is found is held back: who may read summaries at all sees
it, but it goes nowhere by itself.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol
from uuid import uuid4

import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from audit.entry import EventType
from gateway.errors import NotFoundError
from gateway.evidence import record_with_change
from gateway.intake.batches import finding_entries
from gateway.intake.batches_desk import append
from gateway.intake.checks import RULES
from gateway.intake.records_seal import RecordSeal
from gateway.intake.records_store import Owner

_AT_ONCE = 200
_SAME_WITHIN = timedelta(days=1)
_SAME_AT_LEAST = 3
# "no one answered" may well be said of many calls.
_SHORT = 12

# A few rows out of millions, each by its key, whatever the planner makes of the tables.
_BY_KEY = """
SELECT set_config('enable_seqscan', 'off', true), set_config('enable_hashjoin', 'off', true),
       set_config('enable_mergejoin', 'off', true)
"""
_TAKE = """
SELECT c.vendor_id, c.contract_id, c.call_id, c.case_ref, c.permit_id, c.agent_ref,
       c.sealed_summary, c.summary_mac, c.started_at, r.log_salt
  FROM casegate.call_record c JOIN casegate.case_record r ON r.case_id = c.case_id
 WHERE c.summary_state = 'waiting' ORDER BY c.received_at LIMIT %s FOR UPDATE OF c SKIP LOCKED
"""
# By what was said alone: the calls of a contract on one day are many.
_SAME = """
SELECT asked.place, count(DISTINCT c.case_id)
  FROM unnest(%s::bytea[], %s::text[], %s::text[], %s::text[], %s::timestamptz[])
       WITH ORDINALITY AS asked (mac, vendor, contract, agent, until, place)
 CROSS JOIN LATERAL (SELECT o.case_id FROM casegate.call_record o
                      WHERE o.summary_mac = asked.mac
                        AND coalesce(o.vendor_id = asked.vendor AND o.contract_id = asked.contract
                                     AND o.agent_ref = asked.agent AND o.superseded_by IS NULL
                                     AND o.started_at BETWEEN asked.until - %s AND asked.until,
                                     false)) c
 GROUP BY asked.place
"""
_SETTLE = """
UPDATE casegate.call_record c SET summary_state = told.state
  FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[])
       AS told (vendor, contract, call, state)
 WHERE c.call_id = told.call AND c.vendor_id = told.vendor AND c.contract_id = told.contract
"""
_FIND = "SELECT casegate.raise_call_findings(%s, %s, %s, %s)"
_READ = """
SELECT c.sealed_summary, c.summary_state, c.agent_ref, c.result_code, r.log_salt, a.commitment
  FROM casegate.call_record c JOIN casegate.case_record r ON r.case_id = c.case_id
  LEFT JOIN casegate.assigned_case a
    ON (a.vendor_id, a.contract_id, a.case_ref) = (c.vendor_id, c.contract_id, c.case_ref)
 WHERE c.vendor_id = %s AND c.contract_id = %s AND c.call_id = %s
"""


class SpanFinder(Protocol):
    """Finds personal data in a text: what gateway.redaction has fits."""

    def find(self, text: str) -> Sequence[object]:
        """Where it is; empty when there is none."""
        ...


@dataclass(frozen=True, slots=True)
class SummaryAnalysis:
    """Settles what waits: clean, or held. `finder` is loaded when the first one waits."""

    seal: RecordSeal
    finder: Callable[[], SpanFinder]

    def work(self, connection: psycopg.Connection, at: datetime) -> bool:
        """Looks through some summaries in one transaction; False when none waits."""
        with connection.transaction():
            connection.execute(_BY_KEY)
            with connection.cursor(row_factory=dict_row, binary=True) as cursor:
                waiting = cursor.execute(_TAKE, (_AT_ONCE,)).fetchall()
            if not waiting:
                return False
            finder = self.finder()
            found: dict[Owner, list[dict[str, Any]]] = {}
            looked = [self._look(row, finder) for row in waiting]
            _settle(connection, waiting, looked)
            copied = _copied(connection, waiting, looked)
            for row, one, is_copied in zip(waiting, looked, copied, strict=True):
                owner = Owner(row["vendor_id"], row["contract_id"], b"")
                rules = ["CALL_PERSONAL_DATA"] * one.is_personal
                rules += ["CALL_COPIED_SUMMARY"] * is_copied
                found.setdefault(owner, []).extend(_fault(rule, row) for rule in rules)
            entries: list[bytes] = []
            for owner, faults in found.items():
                if faults:
                    named = (owner.vendor_id, owner.contract_id)
                    connection.execute(_FIND, (*named, Jsonb(faults), at))
                    entries += finding_entries(owner, faults, at)
            if entries:
                append(connection, entries)
        return True

    def _look(self, row: Mapping[str, Any], finder: SpanFinder) -> "_Looked":
        """How a summary is; one that nobody can read must not hold up the others."""
        try:
            summary = self.seal.open_summary(
                bytes(row["sealed_summary"]), bytes(row["log_salt"]), row["call_id"]
            )
        except NotFoundError:
            return _Looked("held", is_personal=False, is_long=False)
        is_personal = bool(finder.find(summary))
        state = "held" if is_personal else "clean"
        return _Looked(state, is_personal=is_personal, is_long=len(summary) >= _SHORT)


@dataclass(frozen=True, slots=True)
class _Looked:
    """What a look at a summary has shown."""

    state: str
    is_personal: bool
    is_long: bool


def _settle(
    connection: psycopg.Connection, rows: Sequence[Mapping[str, Any]], looked: Sequence[_Looked]
) -> None:
    """Notes how summaries stand."""
    names = [[row[name] for row in rows] for name in ("vendor_id", "contract_id", "call_id")]
    connection.execute(_SETTLE, (*names, [one.state for one in looked]))


def _copied(
    connection: psycopg.Connection, rows: Sequence[Mapping[str, Any]], looked: Sequence[_Looked]
) -> list[bool]:
    """Of which summaries the agent has said the same of several cases on one day."""
    names = ("summary_mac", "vendor_id", "contract_id", "agent_ref", "started_at")
    asked = [[row[name] for row in rows] for name in names]
    found = connection.execute(_SAME, (*asked, _SAME_WITHIN)).fetchall()
    cases = {int(place): int(count) for place, count in found}
    return [
        one.is_long and cases.get(place, 0) >= _SAME_AT_LEAST
        for place, one in enumerate(looked, start=1)
    ]


def read_summary(
    connection: psycopg.Connection,
    key: tuple[str, str, str],
    seal: RecordSeal,
    *,
    reason: str,
    actor: str,
    at: datetime,
) -> dict[str, Any]:
    """A summary in clear, after the log says who read it and why; `key` is vendor, contract, call.

    Raises:
        NotFoundError: there is no such record, or it has no summary.
    """
    with connection.transaction():
        with connection.cursor(row_factory=dict_row) as cursor:
            row = cursor.execute(_READ, key).fetchone()
        if row is None or row["sealed_summary"] is None:
            raise NotFoundError("there is no such summary")
        text = seal.open_summary(bytes(row["sealed_summary"]), bytes(row["log_salt"]), key[2])
        commitment = row["commitment"]
        record_with_change(
            connection,
            EventType.RECORD_READ,
            at=at,
            actor=actor,
            reason=reason,
            vendor=key[0],
            contract=key[1],
            agent=row["agent_ref"],
            cases=[] if commitment is None else [bytes(commitment).hex()],
        )
    return {
        "call_id": key[2],
        "agent": row["agent_ref"],
        "result_code": row["result_code"],
        "state": row["summary_state"],
        "summary": text,
    }


def _fault(rule: str, row: Mapping[str, Any]) -> dict[str, Any]:
    permit = row["permit_id"]
    return {
        "finding_id": str(uuid4()),
        "rule": rule,
        "severity": RULES[rule].value,
        "agent_ref": row["agent_ref"],
        "evidence": {
            "call_id": row["call_id"],
            "case_ref": row["case_ref"],
            "permit_id": None if permit is None else str(permit),
        },
    }
