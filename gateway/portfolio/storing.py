"""Stores chunks of sealed cases: recognises what is known, writes the rest, logs what it did."""

import secrets
from dataclasses import dataclass, field
from datetime import datetime

import psycopg

from audit.entry import EventType
from gateway.changes.publishing import ChangeKind, publish_assigned, publish_cases
from gateway.clock import Clock
from gateway.errors import RequestInvalidError
from gateway.evidence import record_with_change
from gateway.portfolio.errors import ContractOverError
from gateway.portfolio.rows import CaseRow
from gateway.portfolio.sealing import CaseIdentity, RowMacs, RowSealer, SealedRow

IMPORT_LOCK = 7310202
LOCK_WAIT = "30s"

_KNOWN = """
SELECT r.source_mac, r.content_mac, r.case_id, r.log_salt, a.vendor_id, a.contract_id
  FROM casegate.case_record r
  LEFT JOIN casegate.assigned_case a ON a.case_id = r.case_id AND a.status <> 'recalled'
 WHERE r.source_mac = ANY(%s)
"""
_CONTRACT_ENDED = "CG031"
_CHANGE = """
UPDATE casegate.case_record SET content_mac = %s, person_mac = %s, contact_mac = %s,
       home_mac = %s, related_mac = %s, kek_id = %s,
       wrapped_key = %s, sealed = %s, sealed_notes = %s, holder_vendor_id = %s, updated_at = %s
 WHERE case_id = %s
"""
_ASSIGN_AGAIN = """
INSERT INTO casegate.assigned_case
       (vendor_id, contract_id, case_ref, case_id, assignment_id, commitment, assigned_at,
        placed_amount, project, portfolio, product, stage)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (vendor_id, contract_id, case_ref) DO UPDATE
   SET assignment_id = excluded.assignment_id, commitment = excluded.commitment,
       assigned_at = excluded.assigned_at, status = 'assigned', recalled_at = NULL,
       sequence = DEFAULT, placed_amount = excluded.placed_amount, project = excluded.project,
       portfolio = excluded.portfolio, product = excluded.product, stage = excluded.stage
"""
_SORT_AGAIN = """
UPDATE casegate.assigned_case SET project = %s, portfolio = %s, product = %s, stage = %s
 WHERE case_id = %s AND status <> 'recalled'
"""
# COPY does not write into tables under row-level security; a temporary table takes the rows first.
_STAGE = """
CREATE TEMPORARY TABLE IF NOT EXISTS staged_case (
  place integer, case_id uuid, source_mac bytea, content_mac bytea, person_mac bytea,
  contact_mac bytea, home_mac bytea, related_mac bytea, log_salt bytea, kek_id text,
  wrapped_key bytea, sealed bytea,
  sealed_notes bytea,  case_ref text, commitment bytea, placed_amount bigint,
  project text, portfolio text, product text, stage text) ON COMMIT DELETE ROWS
"""
_STAGED_TYPES = [
    *("int4", "uuid", "bytea", "bytea", "bytea", "bytea", "bytea", "bytea", "bytea"),
    *("text", "bytea", "bytea", "bytea", "text", "bytea", "int8"),
    *("text", "text", "text", "text"),
]
_STORE_CASES = """
INSERT INTO casegate.case_record (case_id, holder_vendor_id, source_mac, content_mac, person_mac,
       contact_mac, home_mac, related_mac, log_salt, kek_id, wrapped_key, sealed, sealed_notes)
SELECT case_id, %s, source_mac, content_mac, person_mac, contact_mac, home_mac, related_mac,
       log_salt, kek_id, wrapped_key, sealed, sealed_notes
  FROM staged_case ORDER BY place
"""
_STORE_ASSIGNED = """
INSERT INTO casegate.assigned_case (vendor_id, contract_id, case_ref, case_id, assignment_id,
       commitment, assigned_at, placed_amount, project, portfolio, product, stage)
SELECT %s, %s, case_ref, case_id, %s, commitment, %s, placed_amount, project, portfolio, product,
       stage
  FROM staged_case ORDER BY place
"""


@dataclass(frozen=True, slots=True)
class _Known:
    content_mac: bytes
    identity: CaseIdentity
    vendor_id: str | None
    contract_id: str | None


@dataclass(slots=True)
class ChunkPlan:
    """What a chunk will write; `elsewhere` are rows whose case another contract holds."""

    fresh: list[tuple[RowMacs, SealedRow]] = field(default_factory=list)
    again: list[tuple[RowMacs, SealedRow]] = field(default_factory=list)
    changed: list[tuple[RowMacs, SealedRow]] = field(default_factory=list)
    elsewhere: list[CaseRow] = field(default_factory=list)
    unchanged: int = 0


class ChunkStore:
    """Stores the chunks of one file for one vendor and contract."""

    def __init__(
        self,
        connection: psycopg.Connection,
        lookup: psycopg.Connection,
        *,
        vendor_id: str,
        contract_id: str,
        sealer: RowSealer,
        file_sha256: bytes,
        clock: Clock,
        actor: str,
    ) -> None:
        self._connection = connection
        self._lookup = lookup
        self._vendor_id = vendor_id
        self._contract_id = contract_id
        self._sealer = sealer
        self._file_sha256 = file_sha256
        self._clock = clock
        self._actor = actor
        self.assignment_id: str | None = None

    def hold(self) -> None:
        """Waits until no other import runs, and keeps others out while the connection lives.

        A vendor's keyset order is then the order of the commits.

        Raises:
            RequestInvalidError: another import goes on for too long.
        """
        try:
            self._connection.execute(f"SET lock_timeout = '{LOCK_WAIT}'")
            self._connection.execute("SELECT pg_advisory_lock(%s)", (IMPORT_LOCK,))
        except psycopg.errors.LockNotAvailable as error:
            raise RequestInvalidError(
                "another import is running; try again when it has ended"
            ) from error

    def plan(self, rows: list[CaseRow]) -> ChunkPlan:
        """Looks up what is known of a chunk's cases and seals what is new or has changed.

        It reads on a connection of its own, so that it can run while `write` stores the chunk
        before; two chunks of one file share no case.
        """
        macs = [self._sealer.macs(row) for row in rows]
        known = {
            bytes(row[0]): _Known(
                bytes(row[1]), CaseIdentity(row[2], bytes(row[3])), row[4], row[5]
            )
            for row in self._lookup.execute(_KNOWN, ([mac.source for mac in macs],))
        }
        plan = ChunkPlan()
        for row, mac in zip(rows, macs, strict=True):
            self._plan(plan, row, mac, known.get(mac.source))
        return plan

    def write(self, plan: ChunkPlan) -> None:
        """Writes a chunk in one transaction, its log entry included.

        Raises:
            ContractOverError: the contract ended meanwhile.
            psycopg.Error: nothing of the chunk was written.
        """
        try:
            with self._connection.transaction():
                self._write(plan)
        except psycopg.Error as error:
            if error.sqlstate == _CONTRACT_ENDED:
                raise ContractOverError(
                    "the contract ended while the file was read: what was stored of it is taken"
                    " back, the rest is refused"
                ) from error
            raise

    def _plan(self, plan: ChunkPlan, row: CaseRow, macs: RowMacs, known: _Known | None) -> None:
        if known is None:
            plan.fresh.append((macs, self._sealer.seal(row, macs, None)))
        elif known.vendor_id is None:
            plan.again.append((macs, self._sealer.seal(row, macs, known.identity)))
        elif (known.vendor_id, known.contract_id) != (self._vendor_id, self._contract_id):
            plan.elsewhere.append(row)
        elif known.content_mac == macs.content:
            plan.unchanged += 1
        else:
            plan.changed.append((macs, self._sealer.seal(row, macs, known.identity)))

    def _write(self, plan: ChunkPlan) -> None:
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
                        macs.contact,
                        macs.home,
                        macs.related,
                        sealed.kek_id,
                        sealed.wrapped_key,
                        sealed.ciphertext,
                        sealed.attachment,
                        self._vendor_id,
                        now,
                        row.case_id,
                    ),
                )
            for _macs, row in plan.changed:
                cursor.execute(_SORT_AGAIN, (*row.kind.columns(), row.case_id))
            for _macs, row in plan.again:
                cursor.execute(_ASSIGN_AGAIN, self._assignment_row(row))
        self._publish(plan, now)
        if assigned or plan.changed:
            record_with_change(
                self._connection,
                EventType.CASE_ASSIGNED,
                at=now,
                actor=self._actor,
                vendor=self._vendor_id,
                contract=self._contract_id,
                assignment=self.assignment_id,
                file_sha256=self._file_sha256.hex(),
                cases=[row.commitment.hex() for _macs, row in assigned],
                changed=[row.commitment.hex() for _macs, row in plan.changed],
            )

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
                        macs.contact,
                        macs.home,
                        macs.related,
                        row.log_salt,
                        sealed.kek_id,
                        sealed.wrapped_key,
                        sealed.ciphertext,
                        sealed.attachment,
                        row.case_ref,
                        row.commitment,
                        row.due,
                        *row.kind.columns(),
                    )
                )
        cursor.execute(_STORE_CASES, (self._vendor_id,))
        assignment = self.assignment_id
        cursor.execute(_STORE_ASSIGNED, (self._vendor_id, self._contract_id, assignment, now))

    def _publish(self, plan: ChunkPlan, now: datetime) -> None:
        """Tells the vendor: late, because its feed is locked until the end of the chunk."""
        publish_assigned(
            self._connection,
            vendor_id=self._vendor_id,
            contract_id=self._contract_id,
            case_refs=[row.case_ref for _macs, row in plan.fresh + plan.again],
            at=now,
        )
        publish_cases(
            self._connection,
            vendor_id=self._vendor_id,
            contract_id=self._contract_id,
            kind=ChangeKind.BALANCE_CHANGED,
            case_refs=[row.case_ref for _macs, row in plan.changed],
            at=now,
        )

    def _assignment_row(self, row: SealedRow) -> tuple[object, ...]:
        return (
            self._vendor_id,
            self._contract_id,
            row.case_ref,
            row.case_id,
            self.assignment_id,
            row.commitment,
            self._clock.now(),
            row.due,
            *row.kind.columns(),
        )

    def _ensure_assignment(self) -> None:
        if self.assignment_id is not None:
            return
        stamp = self._clock.now().strftime("%Y%m%dT%H%M%S")
        self.assignment_id = f"asg-{stamp}-{secrets.token_hex(4)}"
        self._connection.execute(
            "INSERT INTO casegate.assignment (assignment_id, vendor_id, contract_id, file_sha256)"
            " VALUES (%s, %s, %s, %s)",
            (
                self.assignment_id,
                self._vendor_id,
                self._contract_id,
                self._file_sha256,
            ),
        )
