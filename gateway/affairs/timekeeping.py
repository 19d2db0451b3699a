"""The clockwork's part of affairs: deadlines, escalation, and what the ledger settles."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from uuid import UUID

import psycopg

from gateway.affairs.affair import Affair, Wanted, advance, read_affair
from gateway.affairs.consequences import Consequences
from gateway.affairs.deadlines import working_days_after
from gateway.affairs.files import erase_files
from gateway.affairs.machine import Side
from gateway.affairs.machines import RECTIFICATION
from gateway.affairs.papers import missing_calls, papers_of
from gateway.affairs.reconciling import AT_ONCE, match_claims, settle_promises
from gateway.clock import Clock
from gateway.errors import ApprovalRefusedError
from gateway.findings.record import Fault, Severity, raise_finding
from gateway.logs import logger
from gateway.operations.suspension import suspend_vendor

ACTOR = "clockwork"
# What happens to a notice that is overdue: each move, and so many working days after the deadline.
# The second escalation stops permits; the last suspends the vendor.
LADDER: Mapping[str, tuple[tuple[str, int], ...]] = MappingProxyType(
    {
        "critical": (("overdue", 0), ("escalate_1", 0), ("escalate_2", 0), ("suspend", 3)),
        "major": (("overdue", 0), ("escalate_1", 3)),
        "minor": (("overdue", 0), ("escalate_1", 5)),
    }
)
_REMIND_AFTER = timedelta(days=1)
_DUE = "SELECT affair_id, kind FROM casegate.affair WHERE next_at <= %s ORDER BY next_at LIMIT %s"
_REST = "UPDATE casegate.affair SET next_at = %s WHERE affair_id = %s"
_STOP = "SELECT casegate.stop_vendor(%s, %s, %s, %s)"
_PAPERS = """
SELECT p.paper_id, p.sealed_text, p.vendor_id, p.contract_id, p.affair_id
  FROM casegate.affair_paper p WHERE p.text_state = 'waiting'
 ORDER BY p.filed_at LIMIT %s FOR UPDATE SKIP LOCKED
"""
_SETTLE_PAPER = "UPDATE casegate.affair_paper SET text_state = %s WHERE paper_id = %s"


@dataclass(frozen=True, slots=True)
class AffairKeeper:
    """Does what is due; fits serving.clockwork.TimeKeeper."""

    connection: Callable[[], AbstractContextManager[psycopg.Connection]]
    clock: Clock
    parameters: Mapping[str, str | None]
    consequences: Consequences

    def keep_time(self) -> int:
        """Settles what the ledger shows, then what is due; returns how much that was."""
        done = 0
        hours = int(self.parameters["repay.claim_hours"] or 24)
        at = self.clock.now()
        with self.connection() as connection:
            done += settle_promises(connection, at=at)
            done += match_claims(connection, hours=hours, at=at)
            done += self.consequences.work(connection, at=at)
            done += self._look_through(connection, at)
            years = int(self.parameters["retain.recordings_years"] or 5)
            done += erase_files(connection, years=years, at=at, limit=AT_ONCE)
            for affair_id, kind in connection.execute(_DUE, (at, AT_ONCE)).fetchall():
                if kind == "complaint":
                    done += _keep_complaint(connection, affair_id, at)
                else:
                    done += _keep_notice(connection, affair_id, at)
        return done

    def next_end(self) -> datetime | None:
        """None: nothing hangs on the moment, a round is soon enough."""
        return None

    def _look_through(self, connection: psycopg.Connection, at: datetime) -> int:
        """Settles vendors' texts: clean, or held, which is a finding."""
        with connection.transaction():
            rows = connection.execute(_PAPERS, (AT_ONCE,)).fetchall()
            faults = []
            for paper_id, sealed, vendor, contract, affair_id in rows:
                text = self.consequences.affairs.open(bytes(sealed), paper_id)
                is_personal = bool(self.consequences.finder().find(text))
                connection.execute(_SETTLE_PAPER, ("held" if is_personal else "clean", paper_id))
                if is_personal:
                    evidence = {"affair": str(affair_id), "paper": str(paper_id)}
                    faults.append(
                        Fault("AFFAIR_PERSONAL_DATA", Severity.MINOR, vendor, evidence, contract)
                    )
            for fault in faults:
                raise_finding(connection, fault, at=at)
        return len(rows)


def _keep_complaint(connection: psycopg.Connection, affair_id: UUID, at: datetime) -> int:
    """Evidence that did not come is a finding; an answer that is late is told every day."""
    with connection.transaction():
        affair = read_affair(connection, "complaint", affair_id, is_locked=True)
        if affair.next_at is None or affair.next_at > at:
            return 0
        if affair.due_at <= at:
            changes = {"next_at": at + _REMIND_AFTER}
            wanted = Wanted("remind", ACTOR, at, Side.CLOCK, "overdue", changes)
            advance(connection, "complaint", affair_id, wanted)
            logger().error("complaint.overdue", affair=str(affair_id))
            return 1
        missing = missing_calls(affair, papers_of(connection, affair_id))
        if not missing:
            connection.execute(_REST, (affair.due_at, affair_id))
            return 0
        changes = {"next_at": affair.due_at}
        wanted = Wanted("miss_evidence", ACTOR, at, Side.CLOCK, "evidence_missing", changes)
        advance(connection, "complaint", affair_id, wanted)
        fault = Fault(
            "COMPLAINT_EVIDENCE_MISSING",
            Severity.MAJOR,
            affair.vendor_id,
            {"complaint": str(affair_id), "call_ids": missing},
            affair.contract_id,
        )
        raise_finding(connection, fault, at=at)
    return 1


def _keep_notice(connection: psycopg.Connection, affair_id: UUID, at: datetime) -> int:
    """Climbs the ladder as far as the time has come."""
    done, is_suspended = 0, False
    while True:
        with connection.transaction():
            # Decided under the row's lock: who moves it meanwhile waits, or was before.
            notice = read_affair(connection, "rectification", affair_id, is_locked=True)
            step = next_step(notice)
            if step is None or step[1] > at:
                when = None if step is None else step[1]
                connection.execute(_REST, (when, affair_id))
                return done
            name = step[0]
            if name != "suspend" or is_suspended:
                if name == "escalate_2":
                    named = (affair_id, notice.vendor_id, notice.contract_id, at)
                    connection.execute(_STOP, named)
                wanted = Wanted(name, ACTOR, at, Side.CLOCK, "overdue")
                advance(connection, "rectification", affair_id, wanted)
                done += 1
                continue
        # First, and twice does no harm: a move without it would look like one.
        _suspend(connection, notice, at)
        is_suspended = True


def next_step(notice: Affair) -> tuple[str, datetime] | None:
    """What the clock does next with a notice, and when; None when it is not its turn."""
    for name, days in LADDER.get(notice.severity or "", ()):
        if notice.state in RECTIFICATION.moves[name].sources:
            return name, working_days_after(notice.due_at, days)
    return None


def _suspend(connection: psycopg.Connection, notice: Affair, at: datetime) -> None:
    try:
        suspend_vendor(connection, notice.vendor_id, actor=ACTOR, at=at)
    except ApprovalRefusedError as error:
        # Revoked for good, or its contract is over: there is nothing left to suspend.
        logger().warning("vendor.unsuspended", code=error.code, vendor=notice.vendor_id)
