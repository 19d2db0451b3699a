"""Records in PostgreSQL: what they are held against is read at once, and so they are kept."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
import psycopg
from psycopg.rows import args_row, dict_row
from psycopg.types.json import Jsonb

from gateway.intake.checks import Checked, PermitFacts

_NAME_VENDOR = "SELECT set_config('casegate.vendor_id', %s, true)"
_PERMITS = "SELECT * FROM casegate.record_permits(%s, %s, %s)"
_CASES = "SELECT case_ref, case_id, log_salt FROM casegate.record_cases(%s, %s, %s)"
_BALANCES = "SELECT * FROM casegate.record_balances(%s, %s, %s)"
# By the primary key, whatever the statistics say on the first day: no other index will do.
_KNOWN = """
SELECT call_id, body_sha256, permit_id, case_ref, superseded_by FROM casegate.call_record
 WHERE call_id = ANY (%s) AND vendor_id = %s AND contract_id IS NOT DISTINCT FROM %s
"""
_TERMS = """
SELECT s.script_id, s.version, s.forbidden_terms FROM casegate.script s
  JOIN unnest(%s::text[], %s::integer[]) AS asked (script_id, version) USING (script_id, version)
"""
_INCOMING = """
CREATE TEMP TABLE IF NOT EXISTS incoming_call (LIKE casegate.call_record) ON COMMIT DELETE ROWS
"""
# Nothing is quoted: no text among the columns has a tab, by their patterns.
_COPY = r"""
COPY pg_temp.incoming_call FROM STDIN (FORMAT csv, DELIMITER E'\t', QUOTE E'\b', NULL '')
"""
_KEEP = """
INSERT INTO casegate.call_record SELECT * FROM pg_temp.incoming_call ORDER BY call_id
ON CONFLICT DO NOTHING
"""
_KEEP_FEW = """
INSERT INTO casegate.call_record
SELECT * FROM jsonb_populate_recordset(NULL::casegate.call_record, %s) ORDER BY call_id
ON CONFLICT DO NOTHING
"""
_RECORD = "SELECT casegate.record_calls(%s, %s, %s, %s, %s, %s, %s, %s)"
_EFFECT = "SELECT casegate.record_effect(%s, %s, %s, %s, %s, %s, %s, %s, %s)"
_SUPERSEDE = "SELECT casegate.supersede_calls(%s, %s, %s, %s)"
_FIND = "SELECT casegate.raise_call_findings(%s, %s, %s, %s)"
# Below this a temporary table costs more than it saves.
_FEW = 40


class ContendedError(Exception):
    """Somebody else kept one of these records, or took one of their permits, meanwhile."""


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose records they are, and by which certificate they came (32 bytes)."""

    vendor_id: str
    contract_id: str
    thumbprint: bytes


@dataclass(frozen=True, slots=True)
class CaseFacts:
    """A case that the vendor has or had."""

    case_ref: str
    case_id: UUID
    log_salt: bytes


@dataclass(frozen=True, slots=True)
class KnownCall:
    """A record that is kept already, or is about to be."""

    call_id: str
    body_sha256: bytes
    permit_id: UUID | None
    case_ref: str | None
    superseded_by: str | None


@dataclass(frozen=True, slots=True)
class KeptRecord:
    """A record with what the store adds; bytes are as they are stored."""

    checked: Checked
    body_sha256: bytes
    case_id: UUID
    permit: PermitFacts | None
    sealed_summary: bytes | None
    summary_mac: bytes | None
    summary_state: str


class RecordStore:
    """One transaction's way to the records of one vendor; the connection is in a transaction."""

    def __init__(self, connection: psycopg.Connection, owner: Owner) -> None:
        self._connection = connection
        self._named = (owner.vendor_id, owner.contract_id)
        connection.execute(_NAME_VENDOR, (owner.vendor_id,))

    def permits(self, wanted: Collection[UUID]) -> dict[UUID, PermitFacts]:
        """The vendor's permits of these; others are as if they were not."""
        if not wanted:
            return {}
        with self._connection.cursor(row_factory=args_row(PermitFacts), binary=True) as cursor:
            found = cursor.execute(_PERMITS, (*self._named, list(wanted))).fetchall()
        return {permit.permit_id: permit for permit in found}

    def cases(self, refs: Collection[str]) -> dict[str, CaseFacts]:
        """The vendor's cases of these references, recalled ones too."""
        if not refs:
            return {}
        with self._connection.cursor(row_factory=args_row(CaseFacts), binary=True) as cursor:
            found = cursor.execute(_CASES, (*self._named, list(refs))).fetchall()
        return {case.case_ref: case for case in found}

    def balances(self, refs: Collection[str]) -> Sequence[Mapping[str, Any]]:
        """What the debts of cases are read from: the sealed record, the ledger."""
        if not refs:
            return []
        with self._connection.cursor(row_factory=dict_row, binary=True) as cursor:
            return cursor.execute(_BALANCES, (*self._named, list(refs))).fetchall()

    def known(self, call_ids: Collection[str]) -> dict[str, KnownCall]:
        """Which of these calls have a record."""
        with self._connection.cursor(row_factory=args_row(KnownCall), binary=True) as cursor:
            found = cursor.execute(_KNOWN, (list(call_ids), *self._named)).fetchall()
        return {call.call_id: call for call in found}

    def terms(self, scripts: Collection[tuple[str, int]]) -> dict[tuple[str, int], Sequence[str]]:
        """The forbidden terms of scripts in their versions."""
        if not scripts:
            return {}
        names, versions = zip(*scripts, strict=True)
        found = self._connection.execute(_TERMS, (list(names), list(versions))).fetchall()
        return {(name, version): terms for name, version, terms in found}

    def keep(self, records: Sequence[KeptRecord], batch_id: UUID, at: datetime) -> None:
        """Writes records with their effects on permits and on what they supersede.

        Raises:
            ContendedError: the picture that they were checked on is not true any more.
        """
        if not records:
            return
        batch, moment = str(batch_id), at.isoformat()
        rows = [_columns(one, self._named, batch, moment) for one in records]
        if self._write(rows) < len(rows):
            raise ContendedError
        replaced = [
            (one.checked.record.supersedes_call_id, one.checked.record.call_id)
            for one in records
            if one.checked.record.supersedes_call_id is not None
        ]
        if replaced and self._count(_SUPERSEDE, *map(list, zip(*replaced, strict=True))) < len(
            replaced
        ):
            raise ContendedError
        self._record(records, at)

    def effect(self, kept: KeptRecord, hold: UUID | None, at: datetime) -> list[bytes]:
        """Makes follow what follows from a result; the commitments of cases under its hold."""
        code = kept.checked.code
        row = self._connection.execute(
            _EFFECT,
            (
                *(*self._named, kept.checked.record.permit_id, kept.case_id),
                *(None if code.validity is None else code.validity.value, code.opts_out),
                *(hold, code.hold, at),
            ),
        ).fetchone()
        return [] if row is None or row[0] is None else [bytes(one) for one in row[0]]

    def find(self, faults: list[dict[str, Any]], at: datetime) -> None:
        """Puts findings on record; their entries are the caller's."""
        if faults:
            self._connection.execute(_FIND, (*self._named, Jsonb(faults), at))

    def _record(self, records: Sequence[KeptRecord], at: datetime) -> None:
        """Sets permits to recorded. Of several records of one permit the last one tells."""
        last = {one.permit.permit_id: one for one in records if one.permit is not None}
        if not last:
            return
        told = list(last.values())
        done = self._count(
            _RECORD,
            list(last),
            [one.checked.code.code for one in told],
            [one.checked.counts for one in told],
            [one.checked.code.is_failed for one in told],
            [one.checked.record.supersedes_call_id is not None for one in told],
            at,
        )
        if done < len(told):
            raise ContendedError

    def _write(self, rows: Sequence[tuple[str | None, ...]]) -> int:
        connection = self._connection
        if len(rows) < _FEW:
            objects = [_object(row) for row in rows]
            return connection.execute(_KEEP_FEW, (orjson.dumps(objects).decode(),)).rowcount
        connection.execute(_INCOMING)
        with connection.cursor() as cursor, cursor.copy(_COPY) as copy:
            copy.write("".join(["\t".join([cell or "" for cell in row]) + "\n" for row in rows]))
        return connection.execute(_KEEP).rowcount

    def _count(self, query: str, *values: Any) -> int:  # noqa: ANN401  # parameters of a query
        row = self._connection.execute(query.encode(), (*self._named, *values)).fetchone()
        return 0 if row is None else int(row[0])


# In the order of the table.
_NAMES = (
    "vendor_id",
    "contract_id",
    "call_id",
    "permit_id",
    "case_id",
    "case_ref",
    "contact_point",
    "agent_ref",
    "direction",
    "call_kind",
    "started_at",
    "answered_at",
    "ended_at",
    "ring_s",
    "talk_s",
    "result_code",
    "party_reached",
    "identity_check",
    "disclosures",
    "script",
    "quoted_amount",
    "promise",
    "willingness_code",
    "ability_code",
    "reason_code",
    "feedback_code",
    "next_action_at",
    "sealed_summary",
    "summary_mac",
    "summary_state",
    "recording_id",
    "recording_sha256",
    "caller_number",
    "seat_id",
    "hangup_side",
    "sip_cause",
    "received_at",
    "batch_id",
    "body_sha256",
    "supersedes_call_id",
    "superseded_by",
)


def _columns(
    kept: KeptRecord, named: tuple[str, str], batch_id: str, at: str
) -> tuple[str | None, ...]:
    """A row in the order of _NAMES, each cell as text; no cell is empty."""
    record, permit = kept.checked.record, kept.permit
    script, version = record.script, record.script_version
    point: str | None = record.contact_point
    caller = record.caller_number
    if permit is not None:
        script, version = permit.script_id, permit.script_version
        point, caller = permit.point_kind, caller or permit.caller_number
    promise = record.promise
    recording = record.recording_sha256
    return (
        *named,
        record.call_id,
        _text(record.permit_id),
        str(kept.case_id),
        record.case_ref,
        point,
        record.agent,
        record.direction,
        record.call_kind,
        record.started_at.isoformat(),
        _moment(record.answered_at),
        record.ended_at.isoformat(),
        _text(record.ring_s),
        str(record.talk_s),
        kept.checked.code.code,
        record.party_reached,
        record.identity_check,
        "{" + ",".join(record.disclosures) + "}",
        script if script is None or version is None else f"{script}/{version}",
        _text(record.quoted_amount),
        None
        if promise is None
        else f'{{"amount": {promise.amount}, "due_on": "{promise.due_on.isoformat()}"}}',
        record.willingness_code,
        record.ability_code,
        record.reason_code,
        record.feedback_code,
        _moment(record.next_action_at),
        _bytes(kept.sealed_summary),
        _bytes(kept.summary_mac),
        kept.summary_state,
        record.recording_id,
        None if recording is None else "\\x" + recording,
        caller,
        record.seat_id,
        record.hangup_side,
        _text(record.sip_cause),
        at,
        batch_id,
        "\\x" + kept.body_sha256.hex(),
        record.supersedes_call_id,
        None,
    )


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _moment(value: datetime | None) -> str | None:
    return None if value is None else value.isoformat()


def _bytes(value: bytes | None) -> str | None:
    return None if value is None else "\\x" + value.hex()


def _object(row: tuple[str | None, ...]) -> dict[str, Any]:
    """A row as jsonb_populate_recordset takes it: a promise is JSON already."""
    content: dict[str, Any] = dict(zip(_NAMES, row, strict=True))
    if content["promise"] is not None:
        content["promise"] = orjson.loads(content["promise"])
    return content
