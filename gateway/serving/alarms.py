"""Parties outside that fail: said in the log once when it lasts too long, and once when over."""

import threading
from dataclasses import dataclass
from datetime import datetime

import psycopg

from audit.entry import EventType
from gateway.clock import Clock, rfc3339
from gateway.evidence import record_with_change
from gateway.logs import logger

_RAISED = "raised"
_OVER = "over"


@dataclass(slots=True)
class _Failure:
    """What one party has failed at, since when (wall time and monotonic), and what was said."""

    reason: str
    since: datetime
    since_monotonic: float
    is_due_at_once: bool
    is_raised: bool = False
    is_over: bool = False


class Alarms:
    """The publisher's view of its witnesses, archive and time-stamping authority.

    Parties are named `archive`, `timestamps` or `witness:<key name>`. Several threads may
    report; one records, over its own connection.
    """

    def __init__(self, clock: Clock, *, after_seconds: float) -> None:
        """Takes the age from which a failure is entered into the log."""
        self._clock = clock
        self._after = after_seconds
        self._failures: dict[str, _Failure] = {}
        self._lock = threading.Lock()

    def failed(self, party: str, reason: str, *, at_once: bool = False) -> None:
        """Takes note of a failure; `at_once` where waiting will not mend it."""
        with self._lock:
            failure = self._failures.get(party)
            if failure is None or failure.is_over:
                is_raised = failure is not None and failure.is_raised
                now, monotonic = self._clock.now(), self._clock.monotonic()
                failure = _Failure(reason, now, monotonic, at_once, is_raised)
                self._failures[party] = failure
            failure.reason = reason
            failure.is_due_at_once |= at_once
            age = self._clock.monotonic() - failure.since_monotonic
        logger().warning("publisher.behind", host=party, reason=reason, age_seconds=round(age))

    def succeeded(self, party: str) -> None:
        """Takes note that a party does again what it is there for."""
        with self._lock:
            failure = self._failures.get(party)
            if failure is None or failure.is_over:
                return
            if failure.is_raised:
                failure.is_over = True
            else:
                del self._failures[party]
        logger().info("publisher.caught_up", host=party)

    def since(self, party: str) -> datetime | None:
        """When a party began to fail; None while it does not."""
        with self._lock:
            failure = self._failures.get(party)
            return None if failure is None or failure.is_over else failure.since

    def record(self, connection: psycopg.Connection) -> None:
        """Enters what is due into the log: each failure once, and its end once.

        Raises:
            psycopg.Error: nothing was entered of the first that failed; call again.
        """
        with self._lock:
            due = [
                (party, failure) for party, failure in self._failures.items() if self._due(failure)
            ]
        for party, failure in due:
            state = self._begin(failure)
            try:
                with connection.transaction():
                    record_with_change(
                        connection,
                        EventType.LOG_ALARM,
                        at=self._clock.now(),
                        party=party,
                        reason=failure.reason,
                        since=rfc3339(failure.since),
                        state=state,
                    )
            except psycopg.Error:
                failure.is_raised = state == _OVER
                raise
            logger().critical("publisher.alarm", host=party, reason=failure.reason, status=state)
            if state == _OVER:
                self._forget(party, failure)

    def _begin(self, failure: _Failure) -> str:
        """Marks it before it is entered: an end that comes meanwhile must be entered too."""
        with self._lock:
            state = _OVER if failure.is_over else _RAISED
            failure.is_raised = True
        return state

    def _forget(self, party: str, failure: _Failure) -> None:
        with self._lock:
            if self._failures.get(party) is failure:
                del self._failures[party]

    def _due(self, failure: _Failure) -> bool:
        if failure.is_raised or failure.is_over:
            return failure.is_over
        age = self._clock.monotonic() - failure.since_monotonic
        return failure.is_due_at_once or age >= self._after
