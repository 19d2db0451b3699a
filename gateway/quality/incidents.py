"""The register of incidents at vendors: when detected, contained and closed, and of what kind."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
from psycopg.rows import dict_row

from audit.entry import EventType
from gateway.errors import IllegalTransitionError, NotFoundError, RequestInvalidError
from gateway.evidence import record_with_change
from gateway.findings.record import Severity
from gateway.quality.checks import plain, verify_contract

KINDS = (
    *("data_leak", "unauthorised_access", "lost_device", "key_compromise", "malware"),
    *("outage", "insider", "sub_processor", "other"),
)
# A clock at the vendor may be a little ahead of ours.
_AHEAD = timedelta(minutes=5)
_INSERT = """
INSERT INTO casegate.incident (incident_id, vendor_id, contract_id, kind, level, detected_at,
       opened_at, opened_by)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
"""
_MOVES = {
    "contained": """
UPDATE casegate.incident SET contained_at = %s WHERE incident_id = %s AND contained_at IS NULL
""",
    "closed": """
UPDATE casegate.incident SET closed_at = %s
 WHERE incident_id = %s AND closed_at IS NULL AND contained_at IS NOT NULL
""",
}
_LISTED = """
SELECT sequence, incident_id, vendor_id, contract_id, kind, level, detected_at, contained_at,
       closed_at, opened_at, opened_by,
       CASE WHEN closed_at IS NOT NULL THEN 'closed' WHEN contained_at IS NOT NULL THEN 'contained'
            ELSE 'detected' END AS state
  FROM casegate.incident
 WHERE (%(vendor)s::text IS NULL OR vendor_id = %(vendor)s)
   AND (NOT %(open)s OR closed_at IS NULL)
   AND (%(one)s::uuid IS NULL OR incident_id = %(one)s)
   AND (%(before)s::bigint IS NULL OR sequence < %(before)s)
 ORDER BY sequence DESC LIMIT %(limit)s
"""


@dataclass(frozen=True, slots=True)
class Incident:
    """An incident as it is told: where, what kind, how bad, and since when it is known."""

    vendor_id: str
    contract_id: str
    kind: str
    level: str
    detected_at: datetime


def open_incident(
    connection: psycopg.Connection, incident: Incident, *, actor: str, at: datetime
) -> dict[str, object]:
    """Puts an incident on record.

    Raises:
        RequestInvalidError: the kind or the level is none, or it was detected in the future.
        NotFoundError: there is no such contract.
    """
    if incident.kind not in KINDS:
        raise RequestInvalidError(f"kind: one of {', '.join(KINDS)}")
    if incident.level not in {each.value for each in Severity}:
        raise RequestInvalidError("level: critical, major or minor")
    if incident.detected_at > at + _AHEAD:
        raise RequestInvalidError("detected_at: lies in the future")
    named = (incident.vendor_id, incident.contract_id)
    verify_contract(connection, *named)
    incident_id = uuid4()
    with connection.transaction():
        said = (incident.kind, incident.level, incident.detected_at)
        connection.execute(_INSERT, (incident_id, *named, *said, at, actor))
        _log(connection, read_incident(connection, incident_id), "detected", actor, at)
    return read_incident(connection, incident_id)


def move_incident(
    connection: psycopg.Connection, incident_id: UUID, move: str, *, actor: str, at: datetime
) -> dict[str, object]:
    """Says that an incident is `contained`, or `closed` after that.

    Raises:
        NotFoundError: there is no such incident.
        IllegalTransitionError: its state does not lead there.
    """
    with connection.transaction():
        known = read_incident(connection, incident_id)
        if not connection.execute(_MOVES[move].encode(), (at, incident_id)).rowcount:
            hint = "; it is contained first" if known["state"] == "detected" else ""
            raise IllegalTransitionError(f"the incident is {known['state']}{hint}")
        _log(connection, known, move, actor, at)
    return read_incident(connection, incident_id)


def read_incident(connection: psycopg.Connection, incident_id: UUID) -> dict[str, object]:
    """One incident; NotFoundError without it."""
    found = list_incidents(
        connection, vendor=None, is_open=False, before=None, limit=1, one=incident_id
    )
    if not found:
        raise NotFoundError("there is no such incident")
    return found[0][1]


def list_incidents(
    connection: psycopg.Connection,
    *,
    vendor: str | None,
    is_open: bool,
    before: int | None,
    limit: int,
    one: UUID | None = None,
) -> list[tuple[str, dict[str, object]]]:
    """Incidents with their positions, the last put on record first."""
    named: dict[str, Any] = {
        "vendor": vendor,
        "open": is_open,
        "before": before,
        "limit": limit,
        "one": one,
    }
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(_LISTED, named).fetchall()
    return [(str(row.pop("sequence")), plain(row)) for row in rows]


def _log(
    connection: psycopg.Connection,
    incident: dict[str, object],
    state: str,
    actor: str,
    at: datetime,
) -> None:
    record_with_change(
        connection,
        EventType.INCIDENT_CHANGED,
        at=at,
        actor=actor,
        vendor=str(incident["vendor_id"]),
        contract=str(incident["contract_id"]),
        incident=str(incident["incident_id"]),
        kind=str(incident["kind"]),
        level=str(incident["level"]),
        state=state,
    )
