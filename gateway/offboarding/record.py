"""The row of a contract's end: how far it has come, and what each step found."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import psycopg
from psycopg.rows import args_row
from psycopg.types.json import Jsonb

from audit.entry import EntryValue, EventType
from gateway.errors import NotFoundError
from gateway.evidence import record_with_change

_COLUMNS = """
SELECT o.contract_id, o.vendor_id, o.cause, o.step, o.started_by, o.started_at, o.ended_at,
       o.due_at, k.closing_until, k.status, o.asked_at, o.epoch, o.log_index, o.scanned_to,
       o.facts
  FROM casegate.offboarding o JOIN casegate.contract k USING (contract_id)
"""
_ADVANCE = """
UPDATE casegate.offboarding SET step = %s, facts = facts || %s WHERE contract_id = %s AND step = %s
"""


class Step(StrEnum):
    """What has been done of a contract's end, in this order."""

    ENDED = "ended"
    OBEYED = "obeyed"
    LISTED = "listed"
    INVENTORIED = "inventoried"
    REQUESTED = "requested"
    CLOSED = "closed"

    @property
    def following(self) -> "Step":
        """The step after this one; the last one is followed by none.

        Raises:
            IndexError: it is the last.
        """
        steps = list(Step)
        return steps[steps.index(self) + 1]


@dataclass(frozen=True, slots=True)
class Offboarding:
    """A contract's end. `cause` is `command` or `term`; `facts` go into the report as they are.

    `log_index` is the place of the `contract.ended` entry; `scanned_to` is how far down the log
    has been read for the inventory, None before that began.
    """

    contract_id: str
    vendor_id: str
    cause: str
    step: Step
    started_by: str
    started_at: datetime
    ended_at: datetime
    due_at: datetime
    closing_until: datetime
    contract_status: str
    asked_at: datetime
    epoch: int
    log_index: int
    scanned_to: int | None
    facts: Mapping[str, Any]

    def __post_init__(self) -> None:
        object.__setattr__(self, "step", Step(self.step))

    def is_past(self, step: Step) -> bool:
        """Whether a step is done."""
        steps = list(Step)
        return steps.index(self.step) >= steps.index(step)


def read_offboarding(connection: psycopg.Connection, contract_id: str) -> Offboarding:
    """The end of one contract.

    Raises:
        NotFoundError: it has not ended here.
    """
    with connection.cursor(row_factory=args_row(Offboarding)) as cursor:
        found = cursor.execute(_COLUMNS + " WHERE o.contract_id = %s", (contract_id,)).fetchone()
    if found is None:
        raise NotFoundError("the contract has not been ended here")
    return found


def list_offboardings(
    connection: psycopg.Connection, vendor_id: str | None = None
) -> list[Offboarding]:
    """All ends of contracts, or a vendor's, the newest first."""
    with connection.cursor(row_factory=args_row(Offboarding)) as cursor:
        return cursor.execute(
            _COLUMNS + " WHERE %(vendor)s::text IS NULL OR o.vendor_id = %(vendor)s"
            " ORDER BY o.started_at DESC, o.contract_id",
            {"vendor": vendor_id},
        ).fetchall()


def advance(
    connection: psycopg.Connection,
    before: Offboarding,
    facts: Mapping[str, Any],
    *,
    at: datetime,
    **told: EntryValue,
) -> Offboarding:
    """Notes that the step after `before.step` is done, once; the caller may be in a transaction.

    `facts` must have a JSON form; `told` goes into the entry of the log beside the step's name.
    """
    step = before.step.following
    with connection.transaction():
        changed = connection.execute(
            _ADVANCE, (step.value, Jsonb(dict(facts)), before.contract_id, before.step.value)
        ).rowcount
        if changed:
            record_with_change(
                connection,
                EventType.OFFBOARDING_ADVANCED,
                at=at,
                actor=before.started_by,
                vendor=before.vendor_id,
                contract=before.contract_id,
                step=step.value,
                **told,
            )
    return read_offboarding(connection, before.contract_id)
