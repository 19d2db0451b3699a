"""Erases a person: his cases go with their keys, and nothing links him to the log any more.

The log itself stays whole. It names a case by HMAC-SHA256 under a salt that only the case's row
holds; with the row gone, its commitments are 16 random bytes to everybody.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import psycopg

from audit.entry import EventType
from gateway.errors import RequestInvalidError
from gateway.evidence import record_with_change
from gateway.portfolio.finding import person_macs_of
from gateway.portfolio.storing import IMPORT_LOCK, LOCK_WAIT
from keys.secret import Secret

_COUNT = "SELECT count(*) FROM casegate.case_record WHERE person_mac = ANY(%s)"
_ERASE = "SELECT vendor_id, contract_id, case_ref FROM casegate.erase_people(%s) ORDER BY 1, 2, 3"


class ErasureReason(StrEnum):
    """Why: the grounds of PIPL article 47, and an order of a court or an authority.

    A code, because free text in the log could never be erased.
    """

    PURPOSE_REACHED = "purpose-reached"
    RETENTION_ENDED = "retention-ended"
    CONSENT_WITHDRAWN = "consent-withdrawn"
    UNLAWFUL_PROCESSING = "unlawful-processing"
    ORDERED = "ordered"


@dataclass(frozen=True, slots=True)
class ErasedAssignment:
    """What a vendor once was given and must now destroy, by the reference that it knows."""

    vendor_id: str
    contract_id: str
    case_ref: str


@dataclass(frozen=True, slots=True)
class Erasure:
    """What was erased. `assignments` is the last that links cases to vendors: it is kept nowhere.

    `log_index` is the place of the `subject.erased` entry, which has counts only.
    """

    cases: int
    assignments: tuple[ErasedAssignment, ...]
    log_index: int

    def document(self) -> dict[str, object]:
        """As JSON."""
        return {
            "cases": self.cases,
            "assignments": [
                {
                    "vendor": assignment.vendor_id,
                    "contract": assignment.contract_id,
                    "case_ref": assignment.case_ref,
                }
                for assignment in self.assignments
            ],
            "log_index": self.log_index,
        }


def count_cases(
    connection: psycopg.Connection,
    identifier: str,
    index_key: Secret,
    *,
    actor: str,
    at: datetime,
) -> int:
    """How many cases an erasure would take: the first of its two steps, logged as a search.

    Raises:
        RequestInvalidError: see person_macs_of.
    """
    with connection.transaction():
        people = person_macs_of(connection, identifier, index_key)
        count = _count(connection, people)
        record_with_change(
            connection,
            EventType.LOG_SEARCHED,
            at=at,
            actor=actor,
            query={"for": "erasure", "cases": count},
        )
    return count


def erase_person(
    connection: psycopg.Connection,
    identifier: str,
    index_key: Secret,
    *,
    expected: int,
    reason: ErasureReason,
    actor: str,
    at: datetime,
) -> Erasure:
    """Erases all cases of a person, recalled ones too, with salts, keys, ciphertexts and digests.

    `expected` is what count_cases said. Doing it again with 0 changes nothing and leaves an entry:
    a request that found nothing has been answered too.

    Raises:
        RequestInvalidError: see person_macs_of; the person has another number of cases; an import
            goes on for too long.
    """
    try:
        with connection.transaction():
            # An import that has looked a case up would bring its salt back.
            connection.execute("SELECT set_config('lock_timeout', %s, true)", (LOCK_WAIT,))
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (IMPORT_LOCK,))
            people = person_macs_of(connection, identifier, index_key)
            count = _count(connection, people)
            if count != expected:
                raise RequestInvalidError(
                    "the number of cases is not the confirmed one; nothing was erased, look again"
                )
            rows = connection.execute(_ERASE, (people,)).fetchall()
            index = record_with_change(
                connection,
                EventType.SUBJECT_ERASED,
                at=at,
                actor=actor,
                reason=reason.value,
                erased=count,
                assignments=len(rows),
            )
    except psycopg.errors.LockNotAvailable as error:
        raise RequestInvalidError("an import is running; try again when it has ended") from error
    return Erasure(count, tuple(ErasedAssignment(*row) for row in rows), index)


def _count(connection: psycopg.Connection, people: list[bytes]) -> int:
    row = connection.execute(_COUNT, (people,)).fetchone()
    assert row is not None
    return int(row[0])
