"""Puts changes into vendors' feeds, in the transaction that makes them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum

import psycopg
from psycopg.types.json import Jsonb

CHANNEL = "casegate_changes"

_PUBLISH = "SELECT casegate.publish_changes(%s, %s, %s, %s::text[], %s, %s)"
_ASSIGNED = "SELECT casegate.publish_assigned(%s, %s, %s::text[], %s)"


class ChangeKind(StrEnum):
    """What a vendor is told of; none of them says why."""

    ASSIGNED = "assigned"
    RECALLED = "recalled"
    HELD = "held"
    RESUMED = "resumed"
    PAID = "paid"
    BALANCE_CHANGED = "balance_changed"
    SCRIPT_WITHDRAWN = "script_withdrawn"
    CONSENT_REVOKED = "consent_revoked"
    AGENT_SUSPENDED = "agent_suspended"
    AGENT_CHANGED = "agent_changed"
    CONTACT_OPTED_OUT = "contact_opted_out"
    POLICY_CHANGED = "policy_changed"
    REQUEST_CHANGED = "request_changed"
    COMPLAINT_CHANGED = "complaint_changed"
    RECTIFICATION_CHANGED = "rectification_changed"
    FEEDBACK_CHANGED = "feedback_changed"
    CLAIM_SETTLED = "claim_settled"


def publish_change(
    connection: psycopg.Connection,
    *,
    vendor_id: str,
    contract_id: str,
    kind: ChangeKind | str,
    case_ref: str | None,
    data: Mapping[str, str | int | bool | None] | None = None,
    at: datetime,
) -> None:
    """Tells one vendor of one change; `case_ref` None when it is of no case.

    The contract's feed stays locked until the transaction ends: call it late, and for several
    contracts in the order of their names. `data` holds references and codes only.

    Raises:
        ValueError: there is no such kind.
    """
    publish_cases(
        connection,
        vendor_id=vendor_id,
        contract_id=contract_id,
        kind=kind,
        case_refs=[case_ref],
        data=data,
        at=at,
    )


def publish_cases(
    connection: psycopg.Connection,
    *,
    vendor_id: str,
    contract_id: str,
    kind: ChangeKind | str,
    case_refs: Sequence[str | None],
    data: Mapping[str, str | int | bool | None] | None = None,
    at: datetime,
) -> None:
    """The same change of many cases in one statement, or of none; see publish_change."""
    if not case_refs:
        return
    facts = Jsonb(dict(data or {}))
    row = (vendor_id, contract_id, ChangeKind(kind).value, list(case_refs), at, facts)
    connection.execute(_PUBLISH, row)


def publish_assigned(
    connection: psycopg.Connection,
    *,
    vendor_id: str,
    contract_id: str,
    case_refs: Sequence[str],
    at: datetime,
) -> None:
    """Tells a vendor of new cases, and of those under a hold that they are."""
    if case_refs:
        connection.execute(_ASSIGNED, (vendor_id, contract_id, list(case_refs), at))
