"""Imports a case file for a vendor: good rows in, bad rows out to be mended, twice is once.

Rows go in by chunks, each a transaction of its own with its log entry; an import that was killed
is simply run again. While the database stores a chunk, the next one is parsed and sealed.
"""

import gc
import hashlib
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg

from audit.entry import EventType
from gateway.clock import Clock
from gateway.errors import NotFoundError
from gateway.evidence import record_with_change
from gateway.masking.key_checks import note_pseudonym_key
from gateway.masking.pseudonyms import PseudonymKey
from gateway.portfolio.columns import RawRow
from gateway.portfolio.reader import PortfolioFile, open_portfolio
from gateway.portfolio.reasons import ErrorCode, reason
from gateway.portfolio.rejects import RejectsWriter
from gateway.portfolio.rows import CaseRow, RowError, RowParser
from gateway.portfolio.sealing import RowSealer
from gateway.portfolio.storing import ChunkPlan, ChunkStore
from keys.kek import KeyEncryptionKey
from keys.secret import Secret
from policies.fields import load_field_catalog

CHUNK_ROWS = 1000
MAX_REPORTED_ERRORS = 200
_COLLECT_AFTER = 200_000

Progress = Callable[[int, int, int], None]


@dataclass(frozen=True, slots=True)
class ImportKeys:
    """The keys of an import."""

    kek: KeyEncryptionKey
    index: Secret
    pseudonyms: PseudonymKey


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

    def document(self) -> dict[str, Any]:
        """As JSON; where the rejects file lies is for whoever has access to it to tell."""
        return {
            "assignment_id": self.assignment_id,
            "rows": self.rows,
            "assigned": self.assigned,
            "changed": self.changed,
            "unchanged": self.unchanged,
            "rejected": self.rejected,
            "unknown_columns": list(self.unknown_columns),
            "forbidden_columns": list(self.forbidden_columns),
            "errors": [
                {
                    "line": error.line,
                    "column": error.column,
                    "code": error.code.value,
                    "reason": error.reason,
                }
                for error in self.errors
            ],
        }


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
        self._report = ImportReport()

    def run(self, path: Path, *, rejects: Path, progress: Progress) -> ImportReport:
        """Imports a file; `progress(bytes read, bytes in all, rows)` is called at each chunk.

        Raises:
            NotFoundError: no such running contract of an active vendor.
            ConfigurationError: the contract's references were made with another pseudonym key.
            PortfolioFileError: the file is not readable as CSV or NDJSON; chunks before the
                unreadable place are in, and importing the mended file again repeats nothing.
        """
        verify_running_contract(
            self._connection, self._vendor_id, self._contract_id, at=self._clock.now()
        )
        note_pseudonym_key(
            self._connection,
            self._vendor_id,
            self._contract_id,
            self._keys.pseudonyms,
            at=self._clock.now(),
        )
        report = self._report
        with open_portfolio(path, load_field_catalog()) as file:
            digest = _digest_of(path)
            info = self._connection.info
            with (
                closing(
                    psycopg.connect(info.dsn, password=info.password or None, autocommit=True)
                ) as lookup,
                RejectsWriter(rejects, file.columns) as rejected,
            ):
                store = self._chunk_store(lookup, digest)
                store.hold()
                with _rare_collections():
                    self._transfer(file, store, rejected, progress)
                report.rejects_file = rejected.path if rejected.count else None
            report.assignment_id = store.assignment_id
            report.unknown_columns = file.unknown_columns
            report.forbidden_columns = file.forbidden_columns
        self._log_end(digest)
        return report

    def _transfer(
        self,
        file: PortfolioFile,
        store: ChunkStore,
        rejected: RejectsWriter,
        progress: Progress,
    ) -> None:
        report = self._report
        parser = RowParser(file.columns)
        chunk: list[CaseRow] = []
        raws: dict[int, RawRow] = {}
        writing: Future[None] | None = None
        # One chunk in the database at a time, so that chunks commit in the order of the file.
        with ThreadPoolExecutor(max_workers=1) as writer:
            for raw in file.rows():
                report.rows += 1
                parsed = parser.parse(raw)
                if isinstance(parsed, CaseRow):
                    chunk.append(parsed)
                    raws[parsed.line] = raw
                else:
                    self._reject(rejected, raw, parsed)
                if len(chunk) >= CHUNK_ROWS:
                    plan = store.plan(chunk)
                    self._await(writing)
                    writing = writer.submit(store.write, plan)
                    self._count(plan, raws, rejected)
                    chunk, raws = [], {}
                if report.rows % CHUNK_ROWS == 0:
                    progress(file.bytes_read, file.size, report.rows)
            self._await(writing)
            if chunk:
                plan = store.plan(chunk)
                store.write(plan)
                self._count(plan, raws, rejected)
        progress(file.size, file.size, report.rows)

    @staticmethod
    def _await(writing: Future[None] | None) -> None:
        if writing is not None:
            writing.result()

    def _count(self, plan: ChunkPlan, raws: dict[int, RawRow], rejected: RejectsWriter) -> None:
        """Counts what becomes of a chunk; a chunk that fails ends the import with its error."""
        self._report.assigned += len(plan.fresh) + len(plan.again)
        self._report.changed += len(plan.changed)
        self._report.unchanged += plan.unchanged
        code = ErrorCode.ASSIGNED_ELSEWHERE
        for row in plan.elsewhere:
            error = RowError(row.line, "", code, reason(code))
            self._reject(rejected, raws[row.line], [error])

    def _chunk_store(self, lookup: psycopg.Connection, file_sha256: bytes) -> ChunkStore:
        return ChunkStore(
            self._connection,
            lookup,
            vendor_id=self._vendor_id,
            contract_id=self._contract_id,
            sealer=RowSealer(
                self._keys.index, self._keys.kek, self._keys.pseudonyms, self._contract_id
            ),
            file_sha256=file_sha256,
            clock=self._clock,
            actor=self._actor,
        )

    def _reject(self, rejected: RejectsWriter, raw: RawRow, errors: list[RowError]) -> None:
        rejected.write(raw, errors)
        self._report.rejected += 1
        room = MAX_REPORTED_ERRORS - len(self._report.errors)
        self._report.errors.extend(errors[:room])

    def _log_end(self, file_sha256: bytes) -> None:
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
                file_sha256=file_sha256.hex(),
                rows=report.rows,
                assigned=report.assigned,
                changed=report.changed,
                unchanged=report.unchanged,
                rejected=report.rejected,
                forbidden_columns=len(report.forbidden_columns),
            )


def verify_running_contract(
    connection: psycopg.Connection, vendor_id: str, contract_id: str, *, at: datetime
) -> None:
    """Raises NotFoundError unless the vendor is active under this contract now."""
    found = connection.execute(
        "SELECT 1 FROM casegate.contract k JOIN casegate.vendor v USING (vendor_id)"
        " WHERE k.contract_id = %s AND k.vendor_id = %s AND v.status = 'active'"
        " AND k.status = 'active' AND k.starts_at <= %s AND k.ends_at > %s",
        (contract_id, vendor_id, at, at),
    ).fetchone()
    if found is None:
        raise NotFoundError(
            f"vendor {vendor_id} is not active under a running contract {contract_id}"
        )


@contextmanager
def _rare_collections() -> Iterator[None]:
    """Looks for reference cycles less often: rows make none."""
    usual = gc.get_threshold()
    gc.set_threshold(_COLLECT_AFTER, *usual[1:])
    try:
        yield
    finally:
        gc.set_threshold(*usual)


def _digest_of(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()
