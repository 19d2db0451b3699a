"""Samples of calls and what was heard in them, in the database."""

import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import psycopg
from psycopg.rows import dict_row

from audit.entry import EventType
from gateway.clock import rfc3339
from gateway.errors import (
    AlreadyExistsError,
    IllegalTransitionError,
    NotFoundError,
    PeriodNotEndedError,
    RequestInvalidError,
)
from gateway.evidence import record_with_change
from gateway.findings.record import Fault, Severity, raise_finding
from gateway.quality.rules import severity_of
from gateway.quality.sampling import MOST_CALLS, calls_digest, draw_calls, verify_seed
from gateway.reports.periods import Period

_SEED_BYTES = 32
_BATCH = 5000
_CLAUSE = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,63}")
# Calls in which somebody was spoken to, as they stand now; in an order that says nothing.
_CALLS = """
SELECT call_id FROM casegate.call_record
 WHERE vendor_id = %s AND contract_id = %s AND started_at >= %s AND started_at < %s
   AND talk_s > 0 AND superseded_by IS NULL ORDER BY call_id COLLATE "C"
"""
_DRAW = """
INSERT INTO casegate.quality_draw (draw_id, vendor_id, contract_id, period, seed, wanted, found,
       calls_sha256, sample_sha256, drawn_at, drawn_by)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING
"""
_CHECK = """
INSERT INTO casegate.quality_check (check_id, draw_id, vendor_id, contract_id, call_id, agent_ref,
       place, drawn_at)
SELECT %s, %s, vendor_id, contract_id, call_id, agent_ref, %s, %s FROM casegate.call_record
 WHERE vendor_id = %s AND contract_id = %s AND call_id = %s
"""
_LOCKED = "SELECT * FROM casegate.quality_check WHERE check_id = %s FOR UPDATE"
_RESULT = """
UPDATE casegate.quality_check SET result = %s, rule = %s, clause = %s, finding_id = %s,
       checked_at = %s, checked_by = %s WHERE check_id = %s
"""
_LISTED = """
SELECT q.sequence, q.check_id, q.draw_id, q.vendor_id, q.contract_id, d.period, d.seed, q.place,
       q.call_id, q.agent_ref, q.drawn_at,
       EXISTS (SELECT FROM casegate.recording r WHERE r.vendor_id = q.vendor_id
                  AND r.contract_id = q.contract_id AND r.call_id = q.call_id
                  AND r.state = 'verified') AS has_recording,
       coalesce(q.result, 'open') AS state, q.rule, q.clause, q.finding_id, q.checked_at,
       q.checked_by
  FROM casegate.quality_check q JOIN casegate.quality_draw d USING (draw_id)
 WHERE (%(vendor)s::text IS NULL OR q.vendor_id = %(vendor)s)
   AND (%(draw)s::uuid IS NULL OR q.draw_id = %(draw)s)
   AND (NOT %(open)s OR q.result IS NULL)
   AND (%(before)s::bigint IS NULL OR q.sequence < %(before)s)
 ORDER BY q.sequence DESC LIMIT %(limit)s
"""


@dataclass(frozen=True, slots=True)
class Draw:
    """A sample: `calls` in the order in which they were drawn, of `found` that could have been."""

    draw_id: UUID
    vendor_id: str
    contract_id: str
    period: str
    seed: str
    found: int
    calls_sha256: bytes
    calls: tuple[str, ...]

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "draw_id": str(self.draw_id),
            "vendor_id": self.vendor_id,
            "contract_id": self.contract_id,
            "period": self.period,
            "seed": self.seed,
            "found": self.found,
            "calls_sha256": self.calls_sha256.hex(),
            "calls": list(self.calls),
        }


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was heard: passed, or a rule and the clause of the contract or of the law behind it."""

    is_passed: bool
    rule: str | None = None
    clause: str | None = None


def draw_sample(
    connection: psycopg.Connection,
    named: tuple[str, str],
    period: Period,
    wanted: int,
    seed: str | None,
    *,
    actor: str,
    at: datetime,
) -> Draw:
    """Draws calls of a vendor and contract; without a seed one is made.

    Raises:
        RequestInvalidError: so many are not drawn, or the seed is none.
        NotFoundError: there is no such contract, or no call of it in this period.
        PeriodNotEndedError: calls may come in that could be drawn.
        AlreadyExistsError: this seed was used for this period.
    """
    if not 1 <= wanted <= MOST_CALLS:
        raise RequestInvalidError(f"calls: 1 to {MOST_CALLS}")
    if at < period.ends:
        raise PeriodNotEndedError("the period is not over")
    seed = secrets.token_hex(_SEED_BYTES) if seed is None else seed
    verify_seed(seed)
    verify_contract(connection, *named)
    with connection.transaction():
        calls = list(_calls(connection, (*named, period.begins, period.ends)))
        sample = draw_calls(seed, calls, wanted)
        if not sample:
            raise NotFoundError("nobody was spoken to in this period: no call can be drawn")
        draw_id, digest, drawn = uuid4(), calls_digest(calls), calls_digest(sample)
        row = (draw_id, *named, period.text, seed, wanted, len(calls), digest, drawn, at, actor)
        if not connection.execute(_DRAW, row).rowcount:
            raise AlreadyExistsError("this seed was used for this period already")
        with connection.cursor() as cursor:
            cursor.executemany(
                _CHECK,
                [
                    (uuid4(), draw_id, place, at, *named, call)
                    for place, call in enumerate(sample, start=1)
                ],
            )
        record_with_change(
            connection,
            EventType.QUALITY_DRAWN,
            at=at,
            actor=actor,
            vendor=named[0],
            contract=named[1],
            draw=str(draw_id),
            period=period.text,
            seed=seed,
            found=len(calls),
            drawn=len(sample),
            calls_sha256=digest.hex(),
            sample_sha256=drawn.hex(),
        )
    return Draw(draw_id, *named, period.text, seed, len(calls), digest, tuple(sample))


def settle_check(
    connection: psycopg.Connection,
    check_id: UUID,
    verdict: Verdict,
    *,
    actor: str,
    at: datetime,
) -> dict[str, Any]:
    """Puts a check's result on record, for good; what failed is a finding in the same transaction.

    Raises:
        RequestInvalidError: a failure without rule and clause, or a passed one with them.
        NotFoundError: there is no such check.
        IllegalTransitionError: it has its result.
    """
    severity = _severity(verdict)
    with connection.transaction():
        with connection.cursor(row_factory=dict_row) as cursor:
            known = cursor.execute(_LOCKED, (check_id,)).fetchone()
        if known is None:
            raise NotFoundError("there is no such check")
        if known["result"] is not None:
            raise IllegalTransitionError("the check has its result already")
        finding_id = None
        if severity is not None:
            evidence = {
                "call": known["call_id"],
                "clause": verdict.clause,
                "check": str(check_id),
            }
            fault = Fault(
                str(verdict.rule),
                severity,
                known["vendor_id"],
                evidence,
                known["contract_id"],
                known["agent_ref"],
            )
            finding_id = raise_finding(connection, fault, at=at)
        result = "pass" if verdict.is_passed else "fail"
        said = (result, verdict.rule, verdict.clause, finding_id)
        connection.execute(_RESULT, (*said, at, actor, check_id))
        record_with_change(
            connection,
            EventType.QUALITY_CHECKED,
            at=at,
            actor=actor,
            vendor=known["vendor_id"],
            contract=known["contract_id"],
            draw=str(known["draw_id"]),
            check=str(check_id),
            result=result,
            rule=verdict.rule,
            finding=None if finding_id is None else str(finding_id),
        )
    return {
        "check_id": str(check_id),
        "state": result,
        "rule": verdict.rule,
        "clause": verdict.clause,
        "finding_id": None if finding_id is None else str(finding_id),
        "checked_at": rfc3339(at),
    }


def list_checks(
    connection: psycopg.Connection,
    *,
    vendor: str | None,
    draw: UUID | None,
    is_open: bool,
    before: int | None,
    limit: int,
) -> list[tuple[str, dict[str, object]]]:
    """Checks with their positions, the last drawn first."""
    named = {"vendor": vendor, "draw": draw, "open": is_open, "before": before, "limit": limit}
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(_LISTED, named).fetchall()
    return [(str(row.pop("sequence")), plain(row)) for row in rows]


def verify_contract(connection: psycopg.Connection, vendor: str, contract: str) -> None:
    """Raises NotFoundError unless the vendor has such a contract."""
    if not connection.execute(
        "SELECT 1 FROM casegate.contract WHERE contract_id = %s AND vendor_id = %s",
        (contract, vendor),
    ).fetchone():
        raise NotFoundError("there is no such contract")


def plain(row: dict[str, Any]) -> dict[str, object]:
    """A row as JSON has it."""
    return {
        name: rfc3339(value)
        if isinstance(value, datetime)
        else str(value)
        if isinstance(value, UUID)
        else value
        for name, value in row.items()
    }


def _calls(connection: psycopg.Connection, within: tuple[Any, ...]) -> Iterator[str]:
    with connection.cursor(name="calls_to_draw") as cursor:
        cursor.itersize = _BATCH
        cursor.execute(_CALLS, within)
        for (call,) in cursor:
            yield call


def _severity(verdict: Verdict) -> Severity | None:
    if verdict.is_passed:
        if verdict.rule is not None or verdict.clause is not None:
            raise RequestInvalidError("rule, clause: of a failure alone")
        return None
    if verdict.rule is None or verdict.clause is None:
        raise RequestInvalidError("rule, clause: a failure names both")
    if not _CLAUSE.fullmatch(verdict.clause):
        raise RequestInvalidError("clause: an id, as 3.2.4: letters, digits, dots, hyphens")
    return severity_of(verdict.rule)
