"""Permits whose time is over, and those that something else has ended: each is told to the log."""

from collections import defaultdict
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime

import psycopg

from audit.entry import EventType
from gateway.clock import Clock
from gateway.evidence import record_with_change

_EXPIRE = "SELECT * FROM casegate.expire_permits(%s, %s)"
# What a hold, a recall, a suspension, a withdrawal or an opting out has ended did so by triggers,
# in the transaction of the change; here the log hears which permits those were.
_VOIDED = """
UPDATE casegate.contact SET void_logged_at = %s
 WHERE contact_id IN (
       SELECT c.contact_id FROM casegate.contact c
        WHERE c.void_reason IS NOT NULL AND c.void_logged_at IS NULL
        ORDER BY c.closed_at LIMIT %s FOR UPDATE SKIP LOCKED)
RETURNING contact_id, vendor_id, contract_id, void_reason
"""
_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class PermitExpiry:
    """The clockwork's part.

    Until it has passed, such a permit is refused and counted all the same, by its time.
    """

    connection: Callable[[], AbstractContextManager[psycopg.Connection]]
    clock: Clock

    def keep_time(self) -> int:
        """Ends what is over and logs it, 500 permits a transaction; returns how many."""
        done = 0
        with self.connection() as connection:
            for end_some in (self._end_some, self._tell_some):
                while True:
                    ended = end_some(connection, self.clock.now())
                    done += ended
                    if ended < _AT_ONCE:
                        break
        return done

    def next_end(self) -> datetime | None:
        """None: nothing hangs on the moment, a round is soon enough."""
        return None

    def _end_some(self, connection: psycopg.Connection, now: datetime) -> int:
        with connection.transaction():
            rows = connection.execute(_EXPIRE, (now, _AT_ONCE)).fetchall()
            by_contract: dict[tuple[str, str], list[str]] = defaultdict(list)
            for permit_id, vendor_id, contract_id in rows:
                by_contract[vendor_id, contract_id].append(str(permit_id))
            for (vendor_id, contract_id), permits in sorted(by_contract.items()):
                record_with_change(
                    connection,
                    EventType.PERMIT_EXPIRED,
                    at=now,
                    actor="clockwork",
                    vendor=vendor_id,
                    contract=contract_id,
                    permits=permits,
                )
        return len(rows)

    def _tell_some(self, connection: psycopg.Connection, now: datetime) -> int:
        with connection.transaction():
            rows = connection.execute(_VOIDED, (now, _AT_ONCE)).fetchall()
            by_cause: dict[tuple[str, str, str], list[str]] = defaultdict(list)
            for permit_id, *cause in rows:
                by_cause[cause[0], cause[1], cause[2]].append(str(permit_id))
            for (vendor_id, contract_id, reason), permits in sorted(by_cause.items()):
                record_with_change(
                    connection,
                    EventType.PERMIT_VOIDED,
                    at=now,
                    actor="clockwork",
                    vendor=vendor_id,
                    contract=contract_id,
                    reason=reason,
                    permits=permits,
                )
        return len(rows)
