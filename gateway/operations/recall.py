"""Takes cases back from a vendor: at once they are, for it, as if they had never been."""

from collections.abc import Sequence
from datetime import datetime

import psycopg

from audit.entry import EventType
from gateway.changes.publishing import ChangeKind, publish_cases
from gateway.errors import NotFoundError
from gateway.evidence import record_with_change

_MAX_LOGGED = 500


def recall_cases(
    connection: psycopg.Connection,
    vendor_id: str,
    contract_id: str,
    *,
    case_refs: Sequence[str] | None,
    actor: str,
    at: datetime,
) -> int:
    """Recalls the named cases, or all of the contract when `case_refs` is None; returns how many.

    Raises:
        NotFoundError: none of the named cases is assigned to this vendor.
    """
    with connection.transaction():
        commitments = take_back(connection, vendor_id, contract_id, case_refs=case_refs, at=at)
        if not commitments and case_refs is not None:
            raise NotFoundError("none of these cases is assigned to this vendor")
        log_recall(connection, vendor_id, contract_id, commitments, actor=actor, at=at)
    return len(commitments)


def take_back(
    connection: psycopg.Connection,
    vendor_id: str,
    contract_id: str,
    *,
    case_refs: Sequence[str] | None,
    at: datetime,
) -> list[bytes]:
    """Recalls in the caller's transaction and logs nothing; returns the cases' commitments.

    The vendor's feed of changes tells of it.
    """
    rows = connection.execute(
        "UPDATE casegate.assigned_case SET status = 'recalled', recalled_at = %(at)s"
        " WHERE vendor_id = %(vendor)s AND contract_id = %(contract)s AND status = 'assigned'"
        " AND (%(refs)s::text[] IS NULL OR case_ref = ANY(%(refs)s::text[]))"
        " RETURNING case_id, commitment, case_ref",
        {
            "at": at,
            "vendor": vendor_id,
            "contract": contract_id,
            "refs": None if case_refs is None else list(case_refs),
        },
    ).fetchall()
    connection.execute(
        "UPDATE casegate.case_record SET holder_vendor_id = NULL WHERE case_id = ANY(%s)",
        ([row[0] for row in rows],),
    )
    publish_cases(
        connection,
        vendor_id=vendor_id,
        contract_id=contract_id,
        kind=ChangeKind.RECALLED,
        case_refs=[row[2] for row in rows],
        at=at,
    )
    return [bytes(row[1]) for row in rows]


def log_recall(
    connection: psycopg.Connection,
    vendor_id: str,
    contract_id: str,
    commitments: Sequence[bytes],
    *,
    actor: str,
    at: datetime,
) -> None:
    """Puts a recall into the log, at the end of the transaction that made it."""
    for start in range(0, len(commitments), _MAX_LOGGED):
        record_with_change(
            connection,
            EventType.CASE_RECALLED,
            at=at,
            actor=actor,
            vendor=vendor_id,
            contract=contract_id,
            cases=[case.hex() for case in commitments[start : start + _MAX_LOGGED]],
        )
