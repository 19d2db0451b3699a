"""Canaries: which cases are invented, and what follows when one is used."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import args_row
from psycopg.types.json import Jsonb

from audit.entry import EventType
from gateway.errors import RequestInvalidError
from gateway.evidence import record_with_change
from gateway.findings.record import Fault, Severity, entry_fields

RULE = "CANARY_USED"
MAX_PAGE = 500

NOTE_USE = (
    "SELECT finding_id, vendor_id, contract_id FROM casegate.note_canary_use(%s, %s, %s, %s)"
)
"""For a listener that works asynchronously: the same as `note_use` does for one case. A row that
comes back is a finding whose entry (`entry_fields`) the caller writes."""

_AMONG = "SELECT case_id, vendor_id FROM casegate.canary WHERE case_id = ANY(%s)"
_LIST = """
SELECT c.vendor_id, c.contract_id, a.case_ref, c.planted_at, c.planted_by, a.status,
       (SELECT count(*) FROM casegate.finding f WHERE f.rule = 'CANARY_USED'
         AND f.vendor_id = c.vendor_id AND f.evidence ->> 'case_ref' = a.case_ref)
  FROM casegate.canary c
  JOIN casegate.assigned_case a USING (case_id, vendor_id, contract_id)
 WHERE (%(vendor)s::text IS NULL OR c.vendor_id = %(vendor)s)
 ORDER BY c.planted_at DESC, a.case_ref LIMIT %(limit)s OFFSET %(offset)s
"""


class CanaryUse(StrEnum):
    """By what a canary was used."""

    PERMIT = "permit"
    CALL = "call"
    PAYMENT = "payment"
    TRACE = "trace"


@dataclass(frozen=True, slots=True)
class PlantedCanary:
    """One invented case by the reference that its vendor knows; `findings` tells of its uses."""

    vendor_id: str
    contract_id: str
    case_ref: str
    planted_at: datetime
    planted_by: str
    status: str
    findings: int


def note_use(
    connection: psycopg.Connection,
    cases: Iterable[UUID],
    *,
    use: CanaryUse,
    said: Mapping[str, Any],
    at: datetime,
) -> tuple[UUID, ...]:
    """Says that cases were used; raises a finding for each that is a canary, returns their ids.

    In the caller's transaction, or one of its own. `said` adds references to the evidence. A use
    that an open finding tells of already raises no other. The same call for real cases does
    nothing, so that a caller need not know, and cannot learn, which are invented.
    """
    raised: list[UUID] = []
    with connection.transaction():
        for case_id in dict.fromkeys(cases):
            row = connection.execute(
                NOTE_USE, (case_id, use.value, Jsonb(dict(said)), at)
            ).fetchone()
            if row is None:
                continue
            finding_id, vendor_id, contract_id = row
            fault = canary_fault(vendor_id, contract_id)
            record_with_change(
                connection, EventType.FINDING_RAISED, at=at, **entry_fields(finding_id, fault)
            )
            raised.append(finding_id)
    return tuple(raised)


def canary_fault(vendor_id: str, contract_id: str) -> Fault:
    """What the entry of such a finding is made of; what it rests on is in the database alone."""
    return Fault(RULE, Severity.CRITICAL, vendor_id, {}, contract_id=contract_id)


def canaries_among(connection: psycopg.Connection, cases: Iterable[UUID]) -> dict[UUID, str]:
    """The canaries of these cases, with the vendor that each was planted for."""
    rows = connection.execute(_AMONG, (list(cases),))
    return {UUID(str(case_id)): str(vendor) for case_id, vendor in rows}


def list_canaries(
    connection: psycopg.Connection, *, vendor: str | None, offset: int = 0, limit: int = 100
) -> list[PlantedCanary]:
    """A page of canaries, those planted last first.

    Raises:
        RequestInvalidError: the page is too large.
    """
    if not 1 <= limit <= MAX_PAGE:
        raise RequestInvalidError(f"limit is between 1 and {MAX_PAGE}")
    with connection.cursor(row_factory=args_row(PlantedCanary)) as cursor:
        return cursor.execute(
            _LIST, {"vendor": vendor, "limit": limit, "offset": offset}
        ).fetchall()
