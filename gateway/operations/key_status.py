"""How old each key is and when it is due, for those who have to rotate it."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

import psycopg

# So long before it is overdue, a key shows as due.
_NOTICE = timedelta(days=14)
NEAREST_CERTIFICATES = 5

_FIRST_USED = """
INSERT INTO casegate.key_age (purpose, key_id, first_used) VALUES (%s, %s, %s)
ON CONFLICT (purpose, key_id) DO NOTHING
"""
_AGES = "SELECT purpose, key_id, first_used FROM casegate.key_age"
# The newest certificate of each credential that may act: an older one beside it may end.
_CERTIFICATES = """
SELECT * FROM (
  SELECT DISTINCT ON (c.vendor_id, c.credential_ref)
         c.vendor_id, c.credential_ref, c.not_before, c.not_after
    FROM casegate.credential c
    JOIN casegate.contract k ON k.contract_id = c.contract_id
   WHERE c.kind = 'vendor' AND c.status = 'active' AND k.status = 'active' AND k.ends_at > %(at)s
   ORDER BY c.vendor_id, c.credential_ref, c.not_after DESC) newest
 ORDER BY not_after LIMIT %(limit)s
"""


class KeyUse(StrEnum):
    """What a key is doing."""

    ACTIVE = "active"
    ANNOUNCED = "announced"
    RETIRING = "retiring"


class KeyState(StrEnum):
    """Whether somebody has to do something."""

    OK = "ok"
    DUE = "due"
    OVERDUE = "overdue"


@dataclass(frozen=True, slots=True)
class HeldKey:
    """A key that an installation holds: `days` until it is due, None when age does not matter."""

    purpose: str
    key_id: str
    use: KeyUse = KeyUse.ACTIVE
    days: int | None = None


@dataclass(frozen=True, slots=True)
class KeyStanding:
    """A key or certificate with its age; `due_at` None when it never is."""

    purpose: str
    key_id: str
    use: KeyUse
    first_used: datetime | None
    due_at: datetime | None
    state: KeyState

    def document(self, at: datetime) -> dict[str, str | int | None]:
        """As JSON; the age is in whole days."""
        return {
            "purpose": self.purpose,
            "key": self.key_id,
            "use": self.use.value,
            "first_used": None if self.first_used is None else self.first_used.isoformat(),
            "age_days": None if self.first_used is None else (at - self.first_used).days,
            "due_at": None if self.due_at is None else self.due_at.isoformat(),
            "state": self.state.value,
        }


def record_ages(connection: psycopg.Connection, keys: Iterable[HeldKey], *, at: datetime) -> None:
    """Notes since when each key in use has been known; one that is noted keeps its date."""
    with connection.transaction():
        for key in keys:
            if key.use is not KeyUse.ANNOUNCED:
                connection.execute(_FIRST_USED, (key.purpose, key.key_id, at))


def key_standings(
    connection: psycopg.Connection, keys: Iterable[HeldKey], *, at: datetime
) -> list[KeyStanding]:
    """The standing of each key, by the ages that were recorded."""
    ages = {(row[0], row[1]): row[2] for row in connection.execute(_AGES)}
    return [_standing(key, ages.get((key.purpose, key.key_id)), at) for key in keys]


def certificate_standing(
    purpose: str, key_id: str, *, begins: datetime, due_at: datetime, at: datetime
) -> KeyStanding:
    """The standing of a certificate, whose age is its own."""
    return KeyStanding(purpose, key_id, KeyUse.ACTIVE, begins, due_at, _state(due_at, at))


def vendor_certificates(connection: psycopg.Connection, *, at: datetime) -> list[KeyStanding]:
    """The five credentials of running contracts whose newest certificate ends first."""
    rows = connection.execute(_CERTIFICATES, {"at": at, "limit": NEAREST_CERTIFICATES})
    return [
        certificate_standing(f"vendor:{vendor}", str(ref), begins=begins, due_at=ends, at=at)
        for vendor, ref, begins, ends in rows
    ]


def _standing(key: HeldKey, first_used: datetime | None, at: datetime) -> KeyStanding:
    if key.use is not KeyUse.ACTIVE or key.days is None or first_used is None:
        due_at = None
    else:
        due_at = first_used + timedelta(days=key.days)
    return KeyStanding(key.purpose, key.key_id, key.use, first_used, due_at, _state(due_at, at))


def _state(due_at: datetime | None, at: datetime) -> KeyState:
    if due_at is None or at < due_at - _NOTICE:
        return KeyState.OK
    return KeyState.DUE if at < due_at else KeyState.OVERDUE
