"""The legal core of a contract's end: one transaction after which nothing of it is left."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import psycopg
from cryptography.x509 import ReasonFlags
from psycopg.types.json import Jsonb

from audit.entry import EventType
from gateway.clock import rfc3339
from gateway.errors import NotFoundError, RequestInvalidError
from gateway.evidence import record_with_change
from gateway.offboarding.record import Offboarding, Step, read_offboarding
from gateway.operations.recall import log_recall, take_back
from gateway.operations.revocation import database_time, trust_epoch
from gateway.working_days import end_of_day, last_day, working_day_after

_CONTRACT = """
SELECT status, starts_at, ends_at, agreed_end FROM casegate.contract
 WHERE contract_id = %s AND vendor_id = %s FOR UPDATE
"""
_CUT = """
UPDATE casegate.contract SET agreed_end = ends_at, ends_at = %(at)s
 WHERE contract_id = %(contract)s AND vendor_id = %(vendor)s AND status = 'active'
   AND starts_at < %(at)s AND ends_at > %(at)s
"""
_RUNNING = """
SELECT contract_id FROM casegate.contract WHERE vendor_id = %s AND status = 'active' ORDER BY 1
"""
_REVOKE = """
UPDATE casegate.credential
   SET status = 'revoked', revoked_at = %s, revocation_reason = %s
 WHERE contract_id = %s AND status <> 'revoked'
RETURNING thumbprint, credential_ref, system
"""
_START = """
INSERT INTO casegate.offboarding (contract_id, vendor_id, cause, step, started_by, started_at,
       ended_at, due_at, asked_at, epoch, log_index, facts)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
"""
# The key is derived from the master when it is needed; this says that it is needed no more.
_RETIRE_PSEUDONYMS = """
INSERT INTO casegate.key_age (purpose, key_id, first_used, retired_at)
VALUES ('pseudonym', %s, %s, %s)
ON CONFLICT (purpose, key_id) DO UPDATE
   SET retired_at = coalesce(key_age.retired_at, excluded.retired_at)
"""
_DEADLOCKS = 3


@dataclass(frozen=True, slots=True)
class Terms:
    """What the company grants after an end.

    `certificate_days` are working days for the destruction certificate (10 in the lender's
    rules); `closing_days` are calendar days after those in which a closing credential still works.
    """

    certificate_days: int = 10
    closing_days: int = 60


def running_contracts(connection: psycopg.Connection, vendor_id: str) -> list[str]:
    """The contracts of a vendor that have not been ended.

    Raises:
        NotFoundError: there is no such vendor.
    """
    found = connection.execute(
        "SELECT 1 FROM casegate.vendor WHERE vendor_id = %s", (vendor_id,)
    ).fetchone()
    if found is None:
        raise NotFoundError(f"there is no vendor {vendor_id}")
    return [str(row[0]) for row in connection.execute(_RUNNING, (vendor_id,))]


def cut_term(
    connection: psycopg.Connection, vendor_id: str, contract_id: str, *, actor: str, at: datetime
) -> bool:
    """Lets a running contract's term end now, so that all workers refuse within a moment.

    What takes longer follows, by end_contract: by whoever called this or, if he is gone, by the
    clockwork. False when there is nothing to cut.
    """
    with connection.transaction():
        named = {"at": at, "vendor": vendor_id, "contract": contract_id}
        if not connection.execute(_CUT, named).rowcount:
            return False
        record_with_change(
            connection,
            EventType.CONTRACT_AMENDED,
            at=at,
            actor=actor,
            vendor=vendor_id,
            contract=contract_id,
            ends=rfc3339(at),
        )
    return True


def end_contract(
    connection: psycopg.Connection,
    vendor_id: str,
    contract_id: str,
    *,
    terms: Terms,
    actor: str,
    at: datetime,
) -> Offboarding:
    """Ends a contract now, or by its term when that is over; once ended, nothing more happens.

    In one transaction: certificates revoked, so that their tokens are void too; cases recalled;
    invitations and requests for certificates void; the contract's state set, which refuses new
    cases and certificates; the pseudonym key marked as retired; all of it in the log.

    Raises:
        NotFoundError: the vendor has no such contract.
        RequestInvalidError: the contract has not begun.
    """
    for attempt in range(_DEADLOCKS):
        try:
            with connection.transaction():
                _end(connection, vendor_id, contract_id, terms=terms, actor=actor, at=at)
            break
        except psycopg.errors.DeadlockDetected:
            # An import holds cases that are recalled here and waits for the contract.
            if attempt == _DEADLOCKS - 1:
                raise
    return read_offboarding(connection, contract_id)


def _end(
    connection: psycopg.Connection,
    vendor_id: str,
    contract_id: str,
    *,
    terms: Terms,
    actor: str,
    at: datetime,
) -> None:
    row = connection.execute(_CONTRACT, (contract_id, vendor_id)).fetchone()
    if row is None:
        raise NotFoundError(f"vendor {vendor_id} has no contract {contract_id}")
    status, starts_at, ends_at, agreed_end = row
    if status != "active":
        return
    if at <= starts_at:
        raise RequestInvalidError("the contract has not begun: there is nothing to end")
    ended_at = min(at, ends_at)
    due_at = end_of_day(working_day_after(last_day(ended_at), terms.certificate_days))
    # Cases first: this may take seconds, and the trust row, for which every revocation waits, is
    # locked by what comes after. The contract's own lock keeps new cases out meanwhile.
    commitments = take_back(connection, vendor_id, contract_id, case_refs=None, at=at)
    asked_at = database_time(connection)
    revoked = connection.execute(
        _REVOKE, (at, ReasonFlags.cessation_of_operation.value, contract_id)
    ).fetchall()
    connection.execute(
        "UPDATE casegate.contract SET status = 'ended', closing_until = %s WHERE contract_id = %s",
        (due_at + timedelta(days=terms.closing_days), contract_id),
    )
    invitations = _void_enrolments(connection, contract_id, at)
    connection.execute(_RETIRE_PSEUDONYMS, (f"{vendor_id}/{contract_id}", starts_at, ended_at))
    epoch = trust_epoch(connection)
    log_recall(connection, vendor_id, contract_id, commitments, actor=actor, at=at)
    cause = "term" if agreed_end is None and at >= ends_at else "command"
    index = record_with_change(
        connection,
        EventType.CONTRACT_ENDED,
        at=at,
        actor=actor,
        vendor=vendor_id,
        contract=contract_id,
        cause=cause,
        ended=rfc3339(ended_at),
        reason=ReasonFlags.cessation_of_operation.value,
        certificates=[bytes(thumbprint).hex() for thumbprint, _ref, _system in revoked],
        recalled=len(commitments),
    )
    record_with_change(
        connection,
        EventType.OFFBOARDING_STARTED,
        at=at,
        actor=actor,
        vendor=vendor_id,
        contract=contract_id,
        due=rfc3339(due_at),
    )
    facts = {
        "end": {
            "term": {"starts_at": rfc3339(starts_at), "ends_at": rfc3339(agreed_end or ends_at)},
            "certificates": [
                {"thumbprint": bytes(thumbprint).hex(), "credential": ref, "system": system}
                for thumbprint, ref, system in sorted(revoked)
            ],
            "cases_recalled": len(commitments),
            "invitations_void": invitations,
            "log_index": index,
        }
    }
    connection.execute(
        _START,
        (
            *(contract_id, vendor_id, cause, Step.ENDED.value, actor, at),
            *(ended_at, due_at, asked_at, epoch, index, Jsonb(facts)),
        ),
    )


def _void_enrolments(connection: psycopg.Connection, contract_id: str, at: datetime) -> int:
    """No certificate comes out of what was begun; returns how many invitations are void."""
    connection.execute(
        "UPDATE casegate.enrolment SET status = 'refused'"
        " WHERE contract_id = %s AND status = 'requested'",
        (contract_id,),
    )
    return connection.execute(
        "UPDATE casegate.invitation SET expires_at = %(at)s"
        " WHERE contract_id = %(contract)s AND used_at IS NULL AND expires_at > %(at)s",
        {"at": at, "contract": contract_id},
    ).rowcount
