"""The lender's own calls: they count for the same caps as those of all its vendors."""

import hashlib
import hmac
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID, uuid5

import psycopg

from audit.entry import EventType
from gateway.cases.record import StoredCase, open_record
from gateway.clock import Clock
from gateway.contact.wish import PointKind
from gateway.evidence import record_with_change
from keys.kek import KeyEncryptionKey
from keys.secret import Secret
from policies.contact.model import CallKind, Channel
from policies.contact.results import ResultCodes

MAX_ROWS = 1000
# Names a lender's contact for ever: the same id is the same contact.
_NAMESPACE = UUID("6b1f9a52-3f0e-5c1d-9d0a-2b7c6c0d4e11")
_FIND = """
SELECT r.case_id, r.kek_id, r.wrapped_key, r.sealed, r.person_mac, r.contact_mac, r.home_mac,
       r.related_mac
  FROM casegate.case_record r WHERE r.source_mac = %s
"""
_PUT = """
INSERT INTO casegate.contact (contact_id, case_id, person_mac, point_mac, point_kind, party, debt,
       direction, channel, call_kind, requested_at, expires_at, closed_at, state, handling, result,
       counts, is_failed)
VALUES (%(id)s, %(case)s, %(person)s, %(point)s, %(kind)s, %(party)s, %(debt)s, %(direction)s,
        %(channel)s, %(call_kind)s, %(at)s, %(at)s, %(at)s, 'recorded', 'own', %(result)s,
        %(counts)s, %(failed)s)
ON CONFLICT (contact_id) DO NOTHING RETURNING contact_id
"""
_TOUCH = "SELECT casegate.touch_debtor(%s)"


@dataclass(frozen=True, slots=True)
class OwnContact:
    """One call, message or visit of the lender itself; `own_id` is the lender's name for it."""

    own_id: str
    source_case_no: str
    point: PointKind
    channel: Channel
    call_kind: CallKind
    direction: Literal["outbound", "inbound"]
    at: datetime
    result_code: str


@dataclass(frozen=True, slots=True)
class OwnContactOutcome:
    """What became of one: accepted, duplicate, or rejected with a code."""

    own_id: str
    outcome: Literal["accepted", "duplicate", "rejected"]
    code: str | None = None


@dataclass(frozen=True, slots=True)
class OwnContactDesk:
    """Takes them in, each by itself: one that is refused holds no other up."""

    connection: Callable[[], AbstractContextManager[psycopg.Connection]]
    clock: Clock
    kek: Callable[[], KeyEncryptionKey]
    index: Secret
    results: ResultCodes

    def take(self, contacts: Sequence[OwnContact], *, actor: str) -> list[OwnContactOutcome]:
        """Puts them on record in one transaction with its entry; the order is kept.

        Sent again, the same id is a duplicate and changes nothing.
        """
        now = self.clock.now()
        with self.connection() as connection, connection.transaction():
            outcomes = [self._take(connection, contact, now) for contact in contacts]
            accepted = [one for one in outcomes if one.outcome == "accepted"]
            if accepted:
                record_with_change(
                    connection,
                    EventType.CONTACT_RECORDED,
                    at=now,
                    actor=actor,
                    contacts=[str(uuid5(_NAMESPACE, one.own_id)) for one in accepted],
                )
        return outcomes

    def _take(
        self, connection: psycopg.Connection, contact: OwnContact, now: datetime
    ) -> OwnContactOutcome:
        code = self.results.get(contact.result_code)
        if code is None:
            return OwnContactOutcome(contact.own_id, "rejected", "UNKNOWN_CODE")
        if contact.at > now:
            return OwnContactOutcome(contact.own_id, "rejected", "TIME_IN_FUTURE")
        mac = hmac.digest(
            self.index.reveal(), b"source\x00" + contact.source_case_no.encode(), hashlib.sha256
        )
        row = connection.execute(_FIND, (mac,)).fetchone()
        if row is None:
            return OwnContactOutcome(contact.own_id, "rejected", "NOT_FOUND")
        point = {"mobile": row[5], "home": row[6], "related": row[7]}[contact.point.value]
        if point is None:
            return OwnContactOutcome(contact.own_id, "rejected", "NO_SUCH_POINT")
        is_inbound = contact.direction == "inbound"
        counts = code.measures_inbound() if is_inbound else code.measures(contact.call_kind)
        put = connection.execute(
            _PUT,
            {
                "id": uuid5(_NAMESPACE, contact.own_id),
                "case": row[0],
                "person": row[4],
                "point": point,
                "kind": contact.point.value,
                "party": contact.point.party.value,
                "debt": self._debt_of(row),
                "direction": contact.direction,
                "channel": contact.channel.value,
                "call_kind": contact.call_kind.value,
                "at": contact.at,
                "result": contact.result_code,
                "counts": counts,
                "failed": code.is_failed,
            },
        ).fetchone()
        if put is None:
            return OwnContactOutcome(contact.own_id, "duplicate")
        connection.execute(_TOUCH, (row[4],))
        return OwnContactOutcome(contact.own_id, "accepted")

    def _debt_of(self, row: Sequence[Any]) -> str:
        case_id, kek_id, wrapped_key, sealed = row[:4]
        stored = StoredCase(0, case_id, "", "", self.clock.now(), b"", kek_id, wrapped_key, sealed)
        return str(open_record(stored, self.kek()).get("debt_ref"))
