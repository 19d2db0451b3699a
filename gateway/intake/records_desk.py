"""The company's desk for summaries: opened one at a time, for a reason."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import psycopg

from gateway.clock import Clock
from gateway.intake.records_seal import RecordSeal
from gateway.intake.records_summaries import read_summary


@dataclass(frozen=True, slots=True)
class SummaryDesk:
    """Use cases on connections of their own, for the company API."""

    connection: Callable[[], AbstractContextManager[psycopg.Connection]]
    clock: Clock
    seal: RecordSeal

    def read(
        self, vendor_id: str, contract_id: str, call_id: str, *, reason: str, actor: str
    ) -> dict[str, Any]:
        """A summary in clear; see records_summaries.

        Raises:
            NotFoundError: there is no such record, or it has no summary.
        """
        with self.connection() as connection:
            return read_summary(
                connection,
                (vendor_id, contract_id, call_id),
                self.seal,
                reason=reason,
                actor=actor,
                at=self.clock.now(),
            )
