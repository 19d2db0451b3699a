"""The desk at which staff trace a leaked file: marks, cases, releases, ranking, the log."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from typing import Any, BinaryIO
from uuid import UUID

import psycopg

from audit.entry import EntryValue, EventType
from gateway.clock import Clock
from gateway.evidence import keyed_commitment, record_with_change
from gateway.portfolio.canaries import CanaryUse, canaries_among, note_use
from gateway.portfolio.matching import CaseMatcher, MatchingKeys, Progress
from gateway.tracing.disclosures import read_disclosures, vendor_shares
from gateway.tracing.leak import Leak, read_leak
from gateway.tracing.ranking import Suspect, rank_vendors
from gateway.tracing.resolution import ResolvedRow, resolve_rows

_MILLE = 1000


@dataclass(frozen=True, slots=True)
class TraceReport:
    """What a trace found; no name and no number of the file is in it.

    `lines` the file has; `rows` of them say something; `matched` rows lead to a case; `ambiguous`
    ones to too many. `elsewhere` is the part (0 to 1) that no vendor explains. `findings` were
    raised because canaries were among the rows. `is_partial`: not all releases were read.
    """

    lines: int
    rows: int
    matched: int
    ambiguous: int
    cases: int
    opened: int
    suspects: tuple[Suspect, ...]
    elsewhere: float
    findings: tuple[UUID, ...]
    log_index: int
    is_partial: bool

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self) | {"findings": [str(one) for one in self.findings]}


@dataclass(frozen=True, slots=True)
class TraceDesk:
    """The use case, on a connection of its own; `keys` are read when they are needed."""

    connection: Callable[[], AbstractContextManager[psycopg.Connection]]
    clock: Clock
    keys: Callable[[], MatchingKeys]

    def trace(self, file: BinaryIO, *, actor: str, progress: Progress) -> TraceReport:
        """Ranks the vendors that leaked rows may come from, by what the log says they were given.

        The log says that somebody looks before anything is opened, and at the end what was found:
        counts, vendors, and a keyed commitment of the file.

        Raises:
            PortfolioFileError: the file cannot be read as text.
            TamperedError: an entry is not what its leaf or the index says.
        """
        leak, keys = read_leak(file), self.keys()
        with self.connection() as connection:
            self._note_begin(connection, leak, actor=actor)
            found = CaseMatcher(connection, keys).match(leak.rows, progress=progress)
            rows = resolve_rows(leak.rows, found)
            cases = {case_id for row in rows for case_id in row.cases}
            disclosures = read_disclosures(connection, cases)
            suspects, elsewhere = rank_vendors(
                rows,
                disclosures.given,
                shares=vendor_shares(connection),
                canaries=canaries_among(connection, cases),
            )
            told: dict[str, EntryValue] = {
                "leak": keyed_commitment(keys.index, "leak", leak.sha256),
                "lines": leak.lines,
                "rows": len(leak.rows),
                "matched": sum(bool(row.cases) for row in rows),
                "suspects": [_told(one) for one in suspects],
            }
            index, findings = self._note_end(connection, rows, told, actor=actor)
        return TraceReport(
            lines=leak.lines,
            rows=len(leak.rows),
            matched=sum(bool(row.cases) for row in rows),
            ambiguous=sum(row.is_ambiguous for row in rows),
            cases=found.total,
            opened=found.opened,
            suspects=tuple(suspects),
            elsewhere=elsewhere,
            findings=findings,
            log_index=index,
            is_partial=disclosures.is_partial,
        )

    def _note_begin(self, connection: psycopg.Connection, leak: Leak, *, actor: str) -> None:
        with connection.transaction():
            record_with_change(
                connection,
                EventType.LOG_SEARCHED,
                at=self.clock.now(),
                actor=actor,
                query={"view": "trace", "rows": len(leak.rows)},
            )

    def _note_end(
        self,
        connection: psycopg.Connection,
        rows: list[ResolvedRow],
        told: dict[str, EntryValue],
        *,
        actor: str,
    ) -> tuple[int, tuple[UUID, ...]]:
        """The entry of the trace and the findings of canaries in it, together."""
        now = self.clock.now()
        # A row that fits a canary and others as well did not use it for certain.
        certain = [next(iter(row.cases)) for row in rows if len(row.cases) == 1]
        with connection.transaction():
            index = record_with_change(
                connection, EventType.LEAK_TRACED, at=now, actor=actor, **told
            )
            said = {"log_index": index}
            return index, note_use(connection, certain, use=CanaryUse.TRACE, said=said, at=now)


def _told(one: Suspect) -> dict[str, EntryValue]:
    return {
        "vendor": one.vendor,
        "permille": round(one.likelihood * _MILLE),
        "given": one.given,
        "in_form": one.in_form,
    }
