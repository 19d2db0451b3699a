"""Tells vendors, in the transaction of a change, what has become of an agent or a script."""

from datetime import datetime

import psycopg

from gateway.changes.publishing import ChangeKind, publish_change
from gateway.people.agents import AgentKey

_STOPPED = frozenset({"suspended", "left", "banned"})
# Who still works for the company: an ended contract hears of nothing any more.
_CONTRACTS = """
SELECT vendor_id, contract_id FROM casegate.contract WHERE status = 'active' AND ends_at > %s
 ORDER BY 1, 2
"""


def announce_agent(
    connection: psycopg.Connection, key: AgentKey, status: str, *, at: datetime
) -> None:
    """To the agent's own vendor, with the status that he has now."""
    publish_change(
        connection,
        vendor_id=key.vendor_id,
        contract_id=key.contract_id,
        kind=ChangeKind.AGENT_SUSPENDED if status in _STOPPED else ChangeKind.AGENT_CHANGED,
        case_ref=None,
        data={"agent_ref": key.agent_ref, "status": status},
        at=at,
    )


def announce_script(
    connection: psycopg.Connection,
    script_id: str,
    version: int,
    *,
    replaced_by: int | None,
    at: datetime,
) -> None:
    """To every vendor under a running contract: a version that may not be used any more."""
    data: dict[str, str | int | bool | None] = {
        "script_id": script_id,
        "version": version,
        "replaced_by": replaced_by,
    }
    for vendor_id, contract_id in connection.execute(_CONTRACTS, (at,)).fetchall():
        publish_change(
            connection,
            vendor_id=vendor_id,
            contract_id=contract_id,
            kind=ChangeKind.SCRIPT_WITHDRAWN,
            case_ref=None,
            data=data,
            at=at,
        )
