"""The company's side of reports: the grid, the reports themselves, waiving one by two people."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from uuid import UUID

import psycopg

from audit.entry import EventType
from gateway.clock import Clock
from gateway.errors import (
    ApprovalRefusedError,
    IllegalTransitionError,
    NotFoundError,
    RequestInvalidError,
)
from gateway.evidence import record_with_change
from gateway.operations.approval import ProposalKind, propose, take_approval
from gateway.people.paging import Listing, Page
from gateway.release.cursor import CursorCipher
from gateway.reports.closing import Meeting, close_month, list_months, record_meeting
from gateway.reports.grid import read_grid
from gateway.reports.periods import DueTimes, parse_period
from gateway.reports.store import newest_reports, report_page
from gateway.reports.workbook import report_workbook
from gateway.working_days import CHINA

_LONGEST_GRID = timedelta(days=100)
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class ReportDesk:
    """Use cases on connections of their own, for the company API and the commands.

    `meetings` is how many meetings a month has to have before it is closed.
    """

    connection: Callable[[], AbstractContextManager[psycopg.Connection]]
    clock: Clock
    due: DueTimes
    cursors: CursorCipher
    meetings: int

    def grid(self, *, vendor: str | None, first: date, last: date) -> list[dict[str, Any]]:
        """Every report that is owed for these days, with its state.

        Raises:
            RequestInvalidError: the days are in the wrong order, or more than a hundred.
        """
        if not timedelta() <= last - first < _LONGEST_GRID or last == date.max:
            raise RequestInvalidError("from and to: at most 100 days, in their order")
        since = datetime.combine(first, time(), CHINA)
        until = datetime.combine(last, time(), CHINA) + _DAY
        with self.connection() as connection:
            found = read_grid(
                connection,
                self.due,
                vendor=vendor,
                since=since,
                until=until,
                now=self.clock.now(),
            )
        return [one.document() for one in found]

    def reports(self, *, vendor: str | None, cursor: str | None, limit: int) -> dict[str, Any]:
        """A page of what was sent, newest first, rejected ones with their differences."""
        listing = f"company/reports/{vendor or ''}"
        before = int(self.cursors.open(cursor, listing=listing)) if cursor else None
        with self.connection() as connection:
            found = report_page(connection, vendor_id=vendor, before=before, limit=limit + 1)
        following = None
        if len(found) > limit:
            found = found[:limit]
            following = self.cursors.seal(str(found[-1].sequence), listing=listing)
        return {"items": [one.document() for one in found], "next_cursor": following}

    def workbook(self, vendor: str, contract: str, text: str) -> bytes:
        """All that was sent for a period as XLSX; NotFoundError without any."""
        with self.connection() as connection:
            found = newest_reports(connection, vendor, contract, parse_period(text).text)
        return report_workbook([one.document() for one in found])

    def waive(self, vendor: str, contract: str, text: str, *, actor: str) -> UUID | None:
        """Waives a report by an approval; without one proposes it and returns the proposal.

        Raises:
            NotFoundError: there is no such contract.
            IllegalTransitionError: a report is accepted, or it is waived already.
            AlreadyExistsError: it is proposed already.
        """
        period, now = parse_period(text).text, self.clock.now()
        subject = {"vendor": vendor, "contract": contract, "period": period}
        with self.connection() as connection:
            self._verify_waivable(connection, vendor, contract, period)
            try:
                with connection.transaction():
                    approved = take_approval(
                        connection, ProposalKind.REPORT_WAIVE, subject, at=now
                    )
                    connection.execute(
                        "INSERT INTO casegate.report_waiver VALUES (%s, %s, %s, %s, %s, %s)",
                        (vendor, contract, period, now, actor, approved.proposal_id),
                    )
                    record_with_change(
                        connection,
                        EventType.REPORT_WAIVED,
                        at=now,
                        actor=actor,
                        **subject,
                        proposed_by=approved.proposed_by,
                        approved_by=approved.decided_by,
                    )
            except ApprovalRefusedError as error:
                if error.code != "APPROVAL_MISSING":
                    raise
                return propose(connection, ProposalKind.REPORT_WAIVE, subject, actor=actor, at=now)
        return None

    def meet(self, meeting: Meeting, *, actor: str) -> dict[str, Any]:
        """Puts a meeting about a month on record; see reports.closing."""
        with self.connection() as connection:
            return record_meeting(connection, meeting, actor=actor, at=self.clock.now())

    def close(self, named: tuple[str, str], text: str, *, actor: str) -> dict[str, Any]:
        """Closes the month of a vendor and contract; see reports.closing."""
        period, now = parse_period(text), self.clock.now()
        with self.connection() as connection:
            return close_month(connection, named, period, self.meetings, actor=actor, at=now)

    def months(
        self, *, vendor: str | None = None, cursor: str | None = None, limit: int = 50
    ) -> Page:
        """A page of months with their meetings, newest first.

        Raises:
            RequestInvalidError: the cursor is not one of this listing.
        """
        listing = Listing(self.cursors, f"company/months/{vendor}")
        after = listing.position(cursor)
        with self.connection() as connection:
            found = list_months(connection, vendor=vendor, after=after, limit=limit + 1)
        return listing.page(found, limit)

    def _verify_waivable(
        self, connection: psycopg.Connection, vendor: str, contract: str, period: str
    ) -> None:
        if not connection.execute(
            "SELECT 1 FROM casegate.contract WHERE contract_id = %s AND vendor_id = %s",
            (contract, vendor),
        ).fetchone():
            raise NotFoundError("there is no such contract")
        sent = newest_reports(connection, vendor, contract, period)
        if any(one.state == "accepted" for one in sent):
            raise IllegalTransitionError("the report is accepted; nothing is left to waive")
        if connection.execute(
            "SELECT 1 FROM casegate.report_waiver"
            " WHERE vendor_id = %s AND contract_id = %s AND period = %s",
            (vendor, contract, period),
        ).fetchone():
            raise IllegalTransitionError("the report is waived already")
