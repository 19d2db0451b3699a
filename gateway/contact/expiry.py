"""Permits whose time is over: nobody closed them, so each counts as a try."""

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
            while True:
                ended = self._end_some(connection, self.clock.now())
                done += ended
                if ended < _AT_ONCE:
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
