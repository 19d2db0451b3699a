"""Records in PostgreSQL: what they are held against is read at once, and so they are kept."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import orjson
import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from gateway.intake.checks import PermitFacts
from gateway.intake.records_rows import KeptRecord, object_of, row_of

_NAME_VENDOR = "SELECT set_config('casegate.vendor_id', %s, true)"
# Identifiers as text, both ways: nothing is done with them here, and there are thousands.
_PERMITS = """
SELECT permit_id::text, case_id::text, case_ref, point_kind, agent_ref, script_id, script_version,
       caller_number, call_kind, party, requested_at, expires_at, closed_at, state, void_reason,
       result, log_salt
  FROM casegate.record_permits(%s, %s, %s)
"""
_CASES = "SELECT case_ref, case_id::text, log_salt FROM casegate.record_cases(%s, %s, %s)"
_BALANCES = "SELECT * FROM casegate.record_balances(%s, %s, %s)"
# By the primary key, whatever the statistics say on the first day: no other index will do.
_KNOWN = """
SELECT r.call_id, r.body_sha256, r.permit_id::text, r.case_ref, r.superseded_by
  FROM unnest(%s::text[]) AS asked (call_id)
 CROSS JOIN LATERAL (SELECT * FROM casegate.call_record o
                      WHERE o.call_id = asked.call_id AND o.vendor_id = %s AND o.contract_id = %s
                      LIMIT 1) r
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


class CaseFacts(NamedTuple):
    """A case that the vendor has or had."""

    case_ref: str
    case_id: str
    log_salt: bytes


class KnownCall(NamedTuple):
    """A record that is kept already, or is about to be."""

    call_id: str
    body_sha256: bytes
    permit_id: str | None
    case_ref: str | None
    superseded_by: str | None


class RecordStore:
    """One transaction's way to the records of one vendor; the connection is in a transaction."""

    def __init__(self, connection: psycopg.Connection, owner: Owner) -> None:
        self._connection = connection
        self._named = (owner.vendor_id, owner.contract_id)
        connection.execute(_NAME_VENDOR, (owner.vendor_id,))

    def permits(self, wanted: Collection[str]) -> dict[str, PermitFacts]:
        """The vendor's permits of these; others are as if they were not."""
        if not wanted:
            return {}
        found = self._rows(_PERMITS, *self._named, _array(wanted))
        return {permit[0]: PermitFacts._make(permit) for permit in found}

    def cases(self, refs: Collection[str]) -> dict[str, CaseFacts]:
        """The vendor's cases of these references, recalled ones too."""
        if not refs:
            return {}
        found = self._rows(_CASES, *self._named, _array(refs))
        return {case[0]: CaseFacts._make(case) for case in found}

    def balances(self, refs: Collection[str]) -> Sequence[Mapping[str, Any]]:
        """What the debts of cases are read from: the sealed record, the ledger."""
        if not refs:
            return []
        with self._connection.cursor(row_factory=dict_row, binary=True) as cursor:
            return cursor.execute(_BALANCES, (*self._named, _array(refs))).fetchall()

    def known(self, call_ids: Collection[str]) -> dict[str, KnownCall]:
        """Which of these calls have a record."""
        found = self._rows(_KNOWN, _array(call_ids), *self._named)
        return {call[0]: KnownCall._make(call) for call in found}

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
        owner, batch = "\t".join(self._named), f"{at.isoformat()}\t{batch_id}"
        if self._write([row_of(one, owner, batch) for one in records]) < len(records):
            raise ContendedError
        replaced = [
            (one.call.record.supersedes_call_id, one.checked.record.call_id)
            for one in records
            if one.call.record.supersedes_call_id is not None
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
                *(*self._named, kept.call.spelled.get("permit_id"), kept.case_id),
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
            _array(last),
            _array([one.checked.code.code for one in told]),
            _array([str(one.checked.counts) for one in told]),
            _array(["t" if one.checked.code.is_failed else "f" for one in told]),
            _array(["t" if one.call.record.supersedes_call_id else "f" for one in told]),
            at,
        )
        if done < len(told):
            raise ContendedError

    def _write(self, rows: Sequence[str]) -> int:
        connection = self._connection
        if len(rows) < _FEW:
            objects = [object_of(row) for row in rows]
            return connection.execute(_KEEP_FEW, (orjson.dumps(objects).decode(),)).rowcount
        connection.execute(_INCOMING)
        with connection.cursor() as cursor, cursor.copy(_COPY) as copy:
            copy.write("".join(rows))
        return connection.execute(_KEEP).rowcount

    def _rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:  # noqa: ANN401
        with self._connection.cursor(binary=True) as cursor:
            return cursor.execute(query.encode(), values).fetchall()

    def _count(self, query: str, *values: Any) -> int:  # noqa: ANN401  # parameters of a query
        row = self._connection.execute(query.encode(), (*self._named, *values)).fetchone()
        return 0 if row is None else int(row[0])


def _array(values: Collection[str]) -> str:
    """An array in PostgreSQL's own words, of texts that have neither quotes nor backslashes."""
    return '{"' + '","'.join(values) + '"}' if values else "{}"
