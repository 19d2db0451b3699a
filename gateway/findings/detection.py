"""Looks for breaches in what is new, rule by rule, and raises each of them once."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
from psycopg.types.json import Jsonb

from audit.entry import EventType
from gateway.clock import Clock
from gateway.evidence import record_with_change
from gateway.findings.detection_queries import QUERIES
from gateway.findings.detection_rules import DetectionRule
from gateway.findings.record import Fault, entry_fields

# What was being written while a round looked has a time before its mark: look at it once more.
_OVERLAP = timedelta(minutes=10)
_FIRST_LOOK = timedelta(days=62)
_ROUND = timedelta(minutes=1)
# So many findings of a rule at a time; the mark stays where it is until all are raised.
_MOST = 200

_NEW = """
SELECT f.vendor_id, f.contract_id, f.agent_ref, f.subject, f.evidence FROM ({query}) f
 WHERE NOT EXISTS (SELECT FROM casegate.detected d WHERE d.rule = %(rule)s AND d.subject =
     f.subject)
 LIMIT %(most)s
"""
_MARK = """
INSERT INTO casegate.detection_mark (rule, looked_to) VALUES (%s, %s)
ON CONFLICT (rule) DO UPDATE SET looked_to = excluded.looked_to
"""
_RAISE = """
WITH made AS (
  INSERT INTO casegate.detected (rule, subject, finding_id) VALUES (%(rule)s, %(subject)s,
      gen_random_uuid())
  ON CONFLICT DO NOTHING RETURNING finding_id)
INSERT INTO casegate.finding
       (finding_id, rule, severity, vendor_id, contract_id, agent_ref, evidence, found_at)
SELECT finding_id, %(rule)s, %(severity)s, %(vendor)s, %(contract)s, %(agent)s, %(evidence)s,
    %(at)s
  FROM made RETURNING finding_id
"""


@dataclass(slots=True)
class Detection:
    """Fits serving.clockwork.TimeKeeper; two hosts that look at a time raise nothing twice."""

    connection: Callable[[], AbstractContextManager[psycopg.Connection]]
    clock: Clock
    rules: Callable[[], tuple[DetectionRule, ...]]
    looked_at: datetime | None = None

    def keep_time(self) -> int:
        """One look at what is new, once a minute; returns how many findings were raised.

        Raises:
            DatabaseUnavailableError, psycopg.Error: nothing is lost; the marks stand.
        """
        now = self.clock.now()
        if self.looked_at is not None and self.looked_at <= now < self.looked_at + _ROUND:
            return 0
        done = self.look(now)
        self.looked_at = now
        return done

    def next_end(self) -> datetime | None:
        """Nothing here is due to the second."""
        return None

    def look(self, now: datetime) -> int:
        """Runs every rule over what came since its mark; returns how many findings were raised."""
        done = 0
        with self.connection() as connection:
            for rule in self.rules():
                found = _MOST
                while found == _MOST:
                    found = look_for(connection, rule, now)
                    done += found
        return done


def look_for(connection: psycopg.Connection, rule: DetectionRule, now: datetime) -> int:
    """One round of one rule; returns how many findings it raised, at most 200."""
    marked = connection.execute(
        "SELECT looked_to FROM casegate.detection_mark WHERE rule = %s", (rule.name,)
    ).fetchone()
    since = now - _FIRST_LOOK if marked is None else marked[0] - _OVERLAP
    found = connection.execute(
        _NEW.format(query=QUERIES[rule.kind]).encode(),
        {
            "rule": rule.name,
            "since": since,
            "until": now,
            "window": rule.window,
            "threshold": rule.threshold,
            "most": _MOST,
        },
    ).fetchall()
    with connection.transaction():
        if len(found) < _MOST:
            connection.execute(_MARK, (rule.name, now))
        raised = [
            (fault, finding_id)
            for row in found
            if (finding_id := _insert(connection, fault := _fault(rule, row), row[3], now))
        ]
        # The entries last: they lock the end of the log.
        for fault, finding_id in raised:
            record_with_change(
                connection, EventType.FINDING_RAISED, at=now, **entry_fields(finding_id, fault)
            )
    return len(found)


def raise_once(
    connection: psycopg.Connection, fault: Fault, subject: str, *, at: datetime
) -> bool:
    """Raises a finding unless the rule has told of the same subject before."""
    with connection.transaction():
        finding_id = _insert(connection, fault, subject, at)
        if finding_id is None:
            return False
        record_with_change(
            connection, EventType.FINDING_RAISED, at=at, **entry_fields(finding_id, fault)
        )
    return True


def _fault(rule: DetectionRule, row: tuple[Any, ...]) -> Fault:
    vendor, contract, agent, _, evidence = row
    return Fault(rule.name, rule.severity, vendor, evidence, contract, agent)


def _insert(
    connection: psycopg.Connection, fault: Fault, subject: str, at: datetime
) -> UUID | None:
    """The finding's id; None if the rule has told of the subject before."""
    row = connection.execute(
        _RAISE,
        {
            "rule": fault.rule,
            "subject": subject,
            "severity": fault.severity.value,
            "vendor": fault.vendor_id,
            "contract": fault.contract_id,
            "agent": fault.agent_ref,
            "evidence": Jsonb(dict(fault.evidence)),
            "at": at,
        },
    ).fetchone()
    return None if row is None else UUID(str(row[0]))
