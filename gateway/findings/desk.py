"""The desk at which staff look at findings and close them."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from uuid import UUID

import psycopg

from gateway.clock import Clock
from gateway.findings.record import Finding, close_finding, list_findings


@dataclass(frozen=True, slots=True)
class FindingDesk:
    """Use cases on connections of their own, for the company API and the commands."""

    connection: Callable[[], AbstractContextManager[psycopg.Connection]]
    clock: Clock

    def findings(
        self, *, vendor: str | None, only_open: bool, after: UUID | None, limit: int
    ) -> list[Finding]:
        """A page of findings; see findings.record."""
        with self.connection() as connection:
            return list_findings(
                connection, vendor=vendor, only_open=only_open, after=after, limit=limit
            )

    def close(self, finding_id: UUID, *, reason: str, actor: str) -> Finding:
        """Closes a finding; see findings.record."""
        with self.connection() as connection:
            return close_finding(
                connection, finding_id, reason=reason, actor=actor, at=self.clock.now()
            )
