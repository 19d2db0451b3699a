"""Takes cases back from a vendor: at once they are, for it, as if they had never been."""

from collections.abc import Sequence
from datetime import datetime

import psycopg

from audit.entry import EventType
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
        rows = connection.execute(
            "UPDATE casegate.assigned_case SET status = 'recalled', recalled_at = %(at)s"
            " WHERE vendor_id = %(vendor)s AND contract_id = %(contract)s AND status = 'assigned'"
            " AND (%(refs)s::text[] IS NULL OR case_ref = ANY(%(refs)s::text[]))"
            " RETURNING case_id, commitment",
            {
                "at": at,
                "vendor": vendor_id,
                "contract": contract_id,
                "refs": None if case_refs is None else list(case_refs),
            },
        ).fetchall()
        if not rows and case_refs is not None:
            raise NotFoundError("none of these cases is assigned to this vendor")
        connection.execute(
            "UPDATE casegate.case_record SET holder_vendor_id = NULL WHERE case_id = ANY(%s)",
            ([row[0] for row in rows],),
        )
        for start in range(0, len(rows), _MAX_LOGGED):
            record_with_change(
                connection,
                EventType.CASE_RECALLED,
                at=at,
                actor=actor,
                vendor=vendor_id,
                contract=contract_id,
                cases=[row[1].hex() for row in rows[start : start + _MAX_LOGGED]],
            )
    return len(rows)
