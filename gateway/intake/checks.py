"""What each call record is held against: pure functions of a record, its permit and what is known.

A record that contradicts its permit or itself is refused, with the field and a code. A record of
something that should not have happened is kept, because it did happen, and is a finding.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, NamedTuple

from gateway.findings.record import Severity
from gateway.intake.checks_personal import has_many_digits, holds_number
from gateway.intake.records import (
    CallRecord,
    Direction,
    IdentityCheck,
    Party,
    Point,
    RecordRefusedError,
)
from policies.contact.results import ResultCode
from policies.elements import SHANGHAI

# Clocks of two houses never agree to the second.
_EARLY = timedelta(seconds=5)
_AHEAD = timedelta(minutes=1)
_ROUNDING_S = 2.0
_MOST_PROMISE_DAYS = 15

# What a record itself shows; severity as it is true of one call.
RULES: Mapping[str, Severity] = MappingProxyType(
    {
        "CALL_WITHOUT_PERMIT": Severity.CRITICAL,
        "CALL_AFTER_VOID": Severity.CRITICAL,
        "CALL_ON_RETURNED_PERMIT": Severity.MAJOR,
        "CALL_NO_TALK": Severity.MAJOR,
        "CALL_LATE_PROMISE": Severity.MINOR,
        "CALL_WRONG_AMOUNT": Severity.MAJOR,
        "CALL_UNPROVED_IDENTITY": Severity.MAJOR,
        "CALL_DEBT_TO_THIRD_PERSON": Severity.CRITICAL,
        "CALL_CHANGED_RESULT": Severity.MINOR,
        "CALL_FORBIDDEN_TERM": Severity.MAJOR,
        "CALL_PERSONAL_DATA": Severity.MINOR,
        "CALL_COPIED_SUMMARY": Severity.MINOR,
    }
)

_PARTIES: Mapping[str, frozenset[Party]] = MappingProxyType(
    {
        "none": frozenset({Party.NONE}),
        "self": frozenset({Party.SELF, Party.JOINT}),
        "contact": frozenset({Party.CONTACT, Party.OTHER}),
        "other": frozenset({Party.OTHER, Party.CONTACT}),
        "unknown": frozenset({Party.UNKNOWN, Party.NONE, Party.OTHER}),
        "any": frozenset(Party) - {Party.NONE},
    }
)
_DEBTORS = frozenset({Party.SELF, Party.JOINT})
# What a record says as its permit does, in the order in which it is compared.
_MATCHED = (
    "case_ref",
    "contact_point",
    "agent",
    "script",
    "script_version",
    "caller_number",
    "call_kind",
)


class PermitFacts(NamedTuple):
    """A permit of the vendor as it is on record, with the salt of its case (16 bytes).

    A tuple, as what follows: there is one for each record of a batch.
    """

    permit_id: str
    case_id: str
    case_ref: str | None
    point_kind: str
    agent_ref: str | None
    script_id: str | None
    script_version: int | None
    caller_number: str | None
    call_kind: str
    party: str
    requested_at: datetime
    expires_at: datetime
    closed_at: datetime | None
    state: str
    void_reason: str | None
    result: str | None
    log_salt: bytes


class Circumstances(NamedTuple):
    """What is known beside record and permit.

    `balance` (minor units) is the debt when the call began, None where no amount was quoted;
    `terms` are the script's forbidden ones; `promise_minutes` is how late a promise may be told.
    """

    received_at: datetime
    promise_minutes: int
    balance: int | None = None
    terms: Sequence[str] = ()


class Checked(NamedTuple):
    """A record that is kept: under which code, what it counts as, and which rules it breaks.

    `is_news` says that what follows from the code has not followed yet.
    """

    record: CallRecord
    code: ResultCode
    counts: int
    is_news: bool
    holds_term: bool
    faults: Sequence[str] = ()


def check_record(
    record: CallRecord,
    code: ResultCode | None,
    permit: PermitFacts | None,
    known: Circumstances,
    *,
    is_correction: bool = False,
) -> Checked:
    """Holds one record against all rules.

    Raises:
        RecordRefusedError: SCHEMA_INVALID, PII_IN_PAYLOAD, UNKNOWN_CODE, PERMIT_MISSING,
            PERMIT_MISMATCH, PERMIT_EXPIRED, PERMIT_USED.
    """
    _verify_impersonal(record)
    if code is None or (permit is None and record.permit_id is None and code.needs_contact_person):
        raise RecordRefusedError("UNKNOWN_CODE", "result_code")
    _verify_times(record, known.received_at)
    _verify_party(record, code)
    _verify_promise(record, code)
    faults: list[str] = []
    if record.permit_id is not None:
        if permit is None:
            raise RecordRefusedError("PERMIT_MISSING", "permit_id")
        _verify_permit(record, code, permit, is_correction=is_correction)
        _find_ended(record, code, permit, faults)
    elif record.direction is Direction.OUTBOUND:
        faults.append("CALL_WITHOUT_PERMIT")
    _find_in_call(record, code, known, faults)
    holds_term = _holds_term(record, known.terms)
    if holds_term:
        faults.append("CALL_FORBIDDEN_TERM")
    return Checked(
        record,
        code,
        code.measures(record.call_kind),
        permit is None or permit.result != code.code,
        holds_term,
        faults,
    )


def balance_at(
    total_due: int | None, ledger: Sequence[Sequence[Any]], moment: datetime
) -> int | None:
    """The debt at a moment: by the last entry before it, else as the lender's file had it.

    `ledger` holds [epoch seconds, balance] in the order in which it was posted.
    """
    balance = total_due
    seconds = moment.timestamp()
    for posted_at, after in ledger:
        if float(posted_at) > seconds:
            break
        balance = int(after)
    return balance


def _verify_impersonal(record: CallRecord) -> None:
    joined = f"{record.call_id}\n{record.agent}\n{record.recording_id}\n{record.seat_id}"
    if not (has_many_digits(joined) and holds_number(joined)):
        return
    for name in ("call_id", "agent", "recording_id", "seat_id"):
        value = getattr(record, name)
        if value is not None and holds_number(value):
            call_id = None if name == "call_id" else record.call_id
            raise RecordRefusedError("PII_IN_PAYLOAD", name, call_id)


def _verify_times(record: CallRecord, received_at: datetime) -> None:
    begun, answered, ended = record.started_at, record.answered_at, record.ended_at
    if ended < begun or ended > received_at + _AHEAD:
        raise RecordRefusedError("SCHEMA_INVALID", "ended_at")
    if answered is None:
        if record.talk_s:
            raise RecordRefusedError("SCHEMA_INVALID", "answered_at")
        return
    if not begun <= answered <= ended:
        raise RecordRefusedError("SCHEMA_INVALID", "answered_at")
    if abs((ended - answered).total_seconds() - record.talk_s) > _ROUNDING_S:
        raise RecordRefusedError("SCHEMA_INVALID", "talk_s")
    if (
        record.ring_s is not None
        and abs((answered - begun).total_seconds() - record.ring_s) > _ROUNDING_S
    ):
        raise RecordRefusedError("SCHEMA_INVALID", "ring_s")


def _verify_party(record: CallRecord, code: ResultCode) -> None:
    reached = record.party_reached
    if reached is not None and reached not in _PARTIES[code.party]:
        raise RecordRefusedError("SCHEMA_INVALID", "party_reached")


def _verify_promise(record: CallRecord, code: ResultCode) -> None:
    promise = record.promise
    if (promise is None) == (code.code == "RPC_PTP"):
        raise RecordRefusedError("SCHEMA_INVALID", "promise")
    if promise is None:
        return
    made_on = record.started_at.astimezone(SHANGHAI).date()
    if not made_on <= promise.due_on <= made_on + timedelta(days=_MOST_PROMISE_DAYS):
        raise RecordRefusedError("SCHEMA_INVALID", "promise.due_on")


def _verify_permit(
    record: CallRecord, code: ResultCode, permit: PermitFacts, *, is_correction: bool
) -> None:
    if record.direction is not Direction.OUTBOUND:
        raise RecordRefusedError("PERMIT_MISMATCH", "direction")
    said = (
        record.case_ref,
        record.contact_point or permit.point_kind,
        record.agent,
        permit.script_id if record.script is None else record.script,
        permit.script_version if record.script_version is None else record.script_version,
        record.caller_number or permit.caller_number,
        record.call_kind,
    )
    held = (
        permit.case_ref,
        permit.point_kind,
        permit.agent_ref,
        permit.script_id,
        permit.script_version,
        permit.caller_number,
        permit.call_kind,
    )
    if said != held:
        pairs = zip(_MATCHED, said, held, strict=True)
        raise RecordRefusedError(
            "PERMIT_MISMATCH", next(name for name, one, other in pairs if one != other)
        )
    if code.needs_contact_person and permit.party != "contact":
        raise RecordRefusedError("UNKNOWN_CODE", "result_code")
    if record.started_at < permit.requested_at - _EARLY:
        raise RecordRefusedError("PERMIT_MISMATCH", "started_at")
    if record.started_at >= permit.expires_at:
        raise RecordRefusedError("PERMIT_EXPIRED", "started_at")
    if permit.state == "recorded" and not is_correction:
        raise RecordRefusedError("PERMIT_USED", "permit_id")


def _find_ended(
    record: CallRecord, code: ResultCode, permit: PermitFacts, faults: list[str]
) -> None:
    """Faults of a call on a permit that had ended in another way."""
    if permit.state == "unused" and code.code != "NOT_DIALED":
        faults.append("CALL_ON_RETURNED_PERMIT")
    is_over = permit.closed_at is not None and permit.closed_at <= record.started_at
    if permit.state == "voided" and is_over:
        faults.append("CALL_AFTER_VOID")
    if permit.state == "used" and permit.result not in {None, code.code}:
        faults.append("CALL_CHANGED_RESULT")


def _find_in_call(
    record: CallRecord, code: ResultCode, known: Circumstances, faults: list[str]
) -> None:
    """Faults that the call itself shows."""
    if code.needs_talk and not record.talk_s:
        faults.append("CALL_NO_TALK")
    promised = 0 if record.promise is None else record.promise.amount
    if record.promise is not None and known.received_at - record.ended_at > timedelta(
        minutes=known.promise_minutes
    ):
        faults.append("CALL_LATE_PROMISE")
    quoted = record.quoted_amount
    if known.balance is not None and (
        (quoted is not None and quoted != known.balance) or promised > known.balance
    ):
        faults.append("CALL_WRONG_AMOUNT")
    if quoted is None:
        return
    reached = record.party_reached
    is_third = record.contact_point is Point.RELATED or code.party in {"contact", "other"}
    if is_third or (reached is not None and reached not in _DEBTORS):
        faults.append("CALL_DEBT_TO_THIRD_PERSON")
    elif record.identity_check is not IdentityCheck.MATCH:
        faults.append("CALL_UNPROVED_IDENTITY")


def _holds_term(record: CallRecord, terms: Sequence[str]) -> bool:
    summary = record.summary
    return summary is not None and any(term in summary for term in terms)
