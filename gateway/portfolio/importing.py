"""Imports a case file for a vendor: good rows in, bad rows out to be mended, twice is once.

Rows go in by chunks, each a transaction of its own with its log entry; an import that was killed
is simply run again.
"""

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from uuid import UUID

import psycopg

from audit.entry import EventType
from gateway.clock import Clock
from gateway.errors import NotFoundError
from gateway.evidence import record_with_change
from gateway.portfolio.columns import RawRow
from gateway.portfolio.reader import open_portfolio
from gateway.portfolio.reasons import ErrorCode, reason
from gateway.portfolio.rejects import RejectsWriter
from gateway.portfolio.rows import CaseRow, RowError, RowParser
from gateway.portfolio.sealing import RowMacs, RowSealer, SealedRow
from keys.kek import KeyEncryptionKey
from keys.secret import Secret
from policies.fields import FieldCatalog, load_field_catalog

CHUNK_ROWS = 1000
MAX_REPORTED_ERRORS = 200
_LOCK = 7310202  # one import at a time, so that a vendor's keyset order is the commit order

_KNOWN = """
SELECT r.source_mac, r.content_mac, r.case_id, a.vendor_id, a.contract_id
  FROM casegate.case_record r
  LEFT JOIN casegate.assigned_case a ON a.case_id = r.case_id AND a.status <> 'recalled'
 WHERE r.source_mac = ANY(%s)
"""
_CHANGE = """
UPDATE casegate.case_record SET content_mac = %s, person_mac = %s, kek_id = %s, wrapped_key = %s,
       sealed = %s, holder_vendor_id = %s, updated_at = %s WHERE case_id = %s
"""
_ASSIGN_AGAIN = """
INSERT INTO casegate.assigned_case
       (vendor_id, contract_id, case_ref, case_id, assignment_id, commitment, assigned_at)
VALUES (%s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (vendor_id, contract_id, case_ref) DO UPDATE
   SET assignment_id = excluded.assignment_id, commitment = excluded.commitment,
       assigned_at = excluded.assigned_at, status = 'assigned', recalled_at = NULL,
       sequence = DEFAULT
"""
# COPY does not write into tables under row-level security; a temporary table takes the rows first.
_STAGE = """
CREATE TEMPORARY TABLE IF NOT EXISTS staged_case (
  place integer, case_id uuid, source_mac bytea, content_mac bytea, person_mac bytea, kek_id text,
  wrapped_key bytea, sealed bytea, case_ref text, commitment bytea) ON COMMIT DELETE ROWS
"""
_STAGED_TYPES = [
    *("int4", "uuid", "bytea", "bytea", "bytea", "text", "bytea", "bytea", "text", "bytea")
]
_STORE_CASES = """
INSERT INTO casegate.case_record (case_id, holder_vendor_id, source_mac, content_mac, person_mac,
       kek_id, wrapped_key, sealed)
SELECT case_id, %s, source_mac, content_mac, person_mac, kek_id, wrapped_key, sealed
  FROM staged_case ORDER BY place
"""
_STORE_ASSIGNED = """
INSERT INTO casegate.assigned_case (vendor_id, contract_id, case_ref, case_id, assignment_id,
       commitment, assigned_at)
SELECT %s, %s, case_ref, case_id, %s, commitment, %s FROM staged_case ORDER BY place
"""

Progress = Callable[[int, int, int], None]


@dataclass(frozen=True, slots=True)
class ImportKeys:
    """The keys of an import; `case_token` makes the vendor's reference of a case id in hex."""

    kek: KeyEncryptionKey
    index: Secret
    case_token: Callable[[str], str]


@dataclass(slots=True)
class ImportReport:
    """What became of a file. `errors` holds the first 200; the rejects file holds all."""

    assignment_id: str | None = None
    rows: int = 0
    assigned: int = 0
    changed: int = 0
    unchanged: int = 0
    rejected: int = 0
    errors: list[RowError] = field(default_factory=list)
    rejects_file: Path | None = None
    unknown_columns: tuple[str, ...] = ()
    forbidden_columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Known:
    content_mac: bytes
    case_id: UUID
    vendor_id: str | None
    contract_id: str | None


@dataclass(slots=True)
class _Plan:
    """What a chunk will write."""

    fresh: list[tuple[RowMacs, SealedRow]] = field(default_factory=list)
    again: list[tuple[RowMacs, SealedRow]] = field(default_factory=list)
    changed: list[tuple[RowMacs, SealedRow]] = field(default_factory=list)


class PortfolioImport:
    """One import of one file for one vendor and contract."""

    def __init__(
        self,
        connection: psycopg.Connection,
        *,
        vendor_id: str,
        contract_id: str,
        keys: ImportKeys,
        clock: Clock,
        actor: str,
    ) -> None:
        self._connection = connection
        self._vendor_id = vendor_id
        self._contract_id = contract_id
        self._keys = keys
        self._clock = clock
        self._actor = actor
        self._catalog: FieldCatalog = load_field_catalog()
        self._sealer = RowSealer(keys.index, keys.kek, contract_id)
        self._report = ImportReport()
        self._file_sha256 = b""

    def run(self, path: Path, *, rejects: Path, progress: Progress) -> ImportReport:
        """Imports a file; `progress(bytes read, bytes in all, rows)` is called at each chunk.

        Raises:
            NotFoundError: no such running contract of an active vendor.
            PortfolioFileError: the file is not readable as CSV or NDJSON; chunks before the
                unreadable place are in, and importing the mended file again repeats nothing.
        """
        self._verify_contract()
        report = self._report
        with open_portfolio(path, self._catalog) as file:
            self._file_sha256 = _digest_of(path)
            parser = RowParser(file.columns)
            with RejectsWriter(rejects, file.columns) as rejected:
                chunk: list[tuple[RawRow, CaseRow]] = []
                for raw in file.rows():
                    report.rows += 1
                    parsed = parser.parse(raw)
                    if isinstance(parsed, CaseRow):
                        chunk.append((raw, parsed))
                    else:
                        self._reject(rejected, raw, parsed)
                    if len(chunk) >= CHUNK_ROWS:
                        self._write(chunk, rejected)
                        chunk = []
                    if report.rows % CHUNK_ROWS == 0:
                        progress(file.bytes_read, file.size, report.rows)
                self._write(chunk, rejected)
                progress(file.size, file.size, report.rows)
                report.rejects_file = rejected.path if rejected.count else None
            report.unknown_columns = file.unknown_columns
            report.forbidden_columns = file.forbidden_columns
        self._log_end()
        return report

    def _verify_contract(self) -> None:
        found = self._connection.execute(
            "SELECT 1 FROM casegate.contract k JOIN casegate.vendor v USING (vendor_id)"
            " WHERE k.contract_id = %s AND k.vendor_id = %s AND v.status = 'active'"
            " AND k.starts_at <= %s AND k.ends_at > %s",
            (self._contract_id, self._vendor_id, self._clock.now(), self._clock.now()),
        ).fetchone()
        if found is None:
            raise NotFoundError(
                f"vendor {self._vendor_id} is not active under a running contract"
                f" {self._contract_id}"
            )

    def _write(self, chunk: list[tuple[RawRow, CaseRow]], rejected: RejectsWriter) -> None:
        if not chunk:
            return
        macs = [self._sealer.macs(row) for _raw, row in chunk]
        with self._connection.transaction():
            self._connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
            known = {
                bytes(row[0]): _Known(bytes(row[1]), row[2], row[3], row[4])
                for row in self._connection.execute(_KNOWN, ([mac.source for mac in macs],))
            }
            plan = _Plan()
            elsewhere: list[tuple[RawRow, CaseRow]] = []
            for (raw, row), mac in zip(chunk, macs, strict=True):
                if not self._plan(plan, row, mac, known.get(mac.source)):
                    elsewhere.append((raw, row))
            self._store(plan)
        for raw, row in elsewhere:
            code = ErrorCode.ASSIGNED_ELSEWHERE
            self._reject(rejected, raw, [RowError(row.line, "", code, reason(code))])

    def _plan(self, plan: _Plan, row: CaseRow, macs: RowMacs, known: _Known | None) -> bool:
        """Sorts a row into the plan; False when another contract holds its case."""
        if known is None:
            plan.fresh.append((macs, self._sealer.seal(row, macs, None)))
            return True
        if known.vendor_id is None:
            plan.again.append((macs, self._sealer.seal(row, macs, known.case_id)))
            return True
        if (known.vendor_id, known.contract_id) != (self._vendor_id, self._contract_id):
            return False
        if known.content_mac == macs.content:
            self._report.unchanged += 1
        else:
            plan.changed.append((macs, self._sealer.seal(row, macs, known.case_id)))
        return True

    def _store(self, plan: _Plan) -> None:
        now = self._clock.now()
        assigned = plan.fresh + plan.again
        if assigned:
            self._ensure_assignment()
        with self._connection.cursor() as cursor:
            if plan.fresh:
                self._copy(cursor, plan.fresh, now)
            for macs, row in plan.again + plan.changed:
                sealed = row.sealed
                cursor.execute(
                    _CHANGE,
                    (
                        macs.content,
                        macs.person,
                        sealed.kek_id,
                        sealed.wrapped_key,
                        sealed.ciphertext,
                        self._vendor_id,
                        now,
                        row.case_id,
                    ),
                )
            for _macs, row in plan.again:
                cursor.execute(_ASSIGN_AGAIN, self._assignment_row(row))
            for _macs, row in plan.changed:
                cursor.execute(
                    "UPDATE casegate.assigned_case SET commitment = %s"
                    " WHERE case_id = %s AND status <> 'recalled'",
                    (row.commitment, row.case_id),
                )
        if assigned or plan.changed:
            record_with_change(
                self._connection,
                EventType.CASE_ASSIGNED,
                at=now,
                actor=self._actor,
                vendor=self._vendor_id,
                contract=self._contract_id,
                assignment=self._report.assignment_id,
                file_sha256=self._file_sha256.hex(),
                cases=[row.commitment.hex() for _macs, row in assigned],
                changed=[row.commitment.hex() for _macs, row in plan.changed],
            )
        self._report.assigned += len(assigned)
        self._report.changed += len(plan.changed)

    def _copy(
        self, cursor: psycopg.Cursor, rows: list[tuple[RowMacs, SealedRow]], now: datetime
    ) -> None:
        cursor.execute(_STAGE)
        with cursor.copy("COPY staged_case FROM STDIN (FORMAT binary)") as copy:
            copy.set_types(_STAGED_TYPES)
            for place, (macs, row) in enumerate(rows):
                sealed = row.sealed
                copy.write_row(
                    (
                        place,
                        row.case_id,
                        macs.source,
                        macs.content,
                        macs.person,
                        sealed.kek_id,
                        sealed.wrapped_key,
                        sealed.ciphertext,
                        self._keys.case_token(row.case_id.hex),
                        row.commitment,
                    )
                )
        cursor.execute(_STORE_CASES, (self._vendor_id,))
        assignment = self._report.assignment_id
        cursor.execute(_STORE_ASSIGNED, (self._vendor_id, self._contract_id, assignment, now))

    def _assignment_row(self, row: SealedRow) -> tuple[object, ...]:
        return (
            self._vendor_id,
            self._contract_id,
            self._keys.case_token(row.case_id.hex),
            row.case_id,
            self._report.assignment_id,
            row.commitment,
            self._clock.now(),
        )

    def _ensure_assignment(self) -> None:
        if self._report.assignment_id is not None:
            return
        stamp = self._clock.now().strftime("%Y%m%dT%H%M%S")
        self._report.assignment_id = f"asg-{stamp}-{secrets.token_hex(4)}"
        self._connection.execute(
            "INSERT INTO casegate.assignment (assignment_id, vendor_id, contract_id, file_sha256)"
            " VALUES (%s, %s, %s, %s)",
            (
                self._report.assignment_id,
                self._vendor_id,
                self._contract_id,
                self._file_sha256,
            ),
        )

    def _reject(self, rejected: RejectsWriter, raw: RawRow, errors: list[RowError]) -> None:
        rejected.write(raw, errors)
        self._report.rejected += 1
        room = MAX_REPORTED_ERRORS - len(self._report.errors)
        self._report.errors.extend(errors[:room])

    def _log_end(self) -> None:
        report = self._report
        with self._connection.transaction():
            record_with_change(
                self._connection,
                EventType.CASE_IMPORTED,
                at=self._clock.now(),
                actor=self._actor,
                vendor=self._vendor_id,
                contract=self._contract_id,
                assignment=report.assignment_id,
                file_sha256=self._file_sha256.hex(),
                rows=report.rows,
                assigned=report.assigned,
                changed=report.changed,
                unchanged=report.unchanged,
                rejected=report.rejected,
                forbidden_columns=len(report.forbidden_columns),
            )


def _digest_of(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()
