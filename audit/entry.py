"""Entries: what the log may record, and how an event becomes the bytes that are hashed."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import TypeAlias

from audit.bundle import MAX_ENTRY_BYTES
from audit.encoding import canonical
from audit.errors import EntryError, EntryTooLargeError

VERSION = 1

EntryValue: TypeAlias = "str | int | bool | Sequence[EntryValue] | Mapping[str, EntryValue] | None"

_RESERVED = frozenset({"v", "type", "time"})
_SCALARS = frozenset({str, int, bool, type(None)})
_ARRAYS = frozenset({list, tuple})


class EventType(StrEnum):
    """What an entry reports, as noun and verb; the README says how to add one."""

    ACCESS_RELEASE = "access.release"
    ACCESS_DENIED = "access.denied"
    ACCESS_END = "access.end"
    PERMIT_ISSUED = "permit.issued"
    PERMIT_REFUSED = "permit.refused"
    PERMIT_REPEATED = "permit.repeated"
    PERMIT_DIALED = "permit.dialed"
    PERMIT_CLOSED = "permit.closed"
    PERMIT_EXPIRED = "permit.expired"
    PERMIT_VOIDED = "permit.voided"
    IDENTITY_CHECKED = "identity.checked"
    CONTACT_RECORDED = "contact.recorded"
    CHANNEL_REFUSED = "channel.refused"
    PACK_ACTIVATED = "pack.activated"
    HOLD_PLACED = "hold.placed"
    HOLD_LIFTED = "hold.lifted"
    CONSENT_RECORDED = "consent.recorded"
    CONSENT_REVOKED = "consent.revoked"
    REQUEST_RAISED = "request.raised"
    REQUEST_CHANGED = "request.changed"
    PACK_ENDED = "pack.ended"
    RECORD_RECEIVED = "record.received"
    RECORD_REFUSED = "record.refused"
    RECORD_READ = "record.read"
    RECORDING_ANNOUNCED = "recording.announced"
    RECORDING_HEARD = "recording.heard"
    RECORDING_HELD = "recording.held"
    RECORDING_FREED = "recording.freed"
    RECORDING_ERASED = "recording.erased"
    COMPLAINT_CHANGED = "complaint.changed"
    COMPLAINT_READ = "complaint.read"
    PAPER_READ = "paper.read"
    FILE_RECEIVED = "file.received"
    FILE_READ = "file.read"
    FILE_ERASED = "file.erased"
    RECTIFICATION_CHANGED = "rectification.changed"
    FEEDBACK_CHANGED = "feedback.changed"
    LEDGER_POSTED = "ledger.posted"
    CLAIM_MADE = "claim.made"
    CLAIM_SETTLED = "claim.settled"
    PROMISE_SETTLED = "promise.settled"
    ACCOUNT_CHANGED = "account.changed"
    REPORT_ACCEPTED = "report.accepted"
    REPORT_REJECTED = "report.rejected"
    REPORT_REOPENED = "report.reopened"
    REPORT_WAIVED = "report.waived"
    MEETING_RECORDED = "meeting.recorded"
    MONTH_CLOSED = "month.closed"
    QUALITY_DRAWN = "quality.drawn"
    QUALITY_CHECKED = "quality.checked"
    INCIDENT_CHANGED = "incident.changed"
    REVIEW_RECORDED = "review.recorded"
    TOKEN_ISSUED = "token.issued"  # noqa: S105 - the name of an event, not a secret
    TOKEN_REFUSED = "token.refused"  # noqa: S105 - the name of an event, not a secret
    CASE_IMPORTED = "case.imported"
    CASE_ASSIGNED = "case.assigned"
    CASE_RECALLED = "case.recalled"
    SUBJECT_ERASED = "subject.erased"
    CREDENTIAL_REGISTERED = "credential.registered"
    CREDENTIAL_REVOKED = "credential.revoked"
    VENDOR_REGISTERED = "vendor.registered"
    VENDOR_SUSPENDED = "vendor.suspended"
    VENDOR_REVOKED = "vendor.revoked"
    CONTRACT_ACTIVATED = "contract.activated"
    CONTRACT_AMENDED = "contract.amended"
    CONTRACT_ENDED = "contract.ended"
    POLICY_LOADED = "policy.loaded"
    POLICY_REFUSED = "policy.refused"
    POLICY_ACTIVATED = "policy.activated"
    POLICY_EXPLAINED = "policy.explained"
    KEY_ROTATED = "key.rotated"
    KEY_LOADED = "key.loaded"
    POLICY_WITHDRAWN = "policy.withdrawn"
    CONFIGURATION_LOADED = "configuration.loaded"
    PROPOSAL_OPENED = "proposal.opened"
    PROPOSAL_DECIDED = "proposal.decided"
    VENDOR_INVITED = "vendor.invited"
    VENDOR_RESUMED = "vendor.resumed"
    CREDENTIAL_SUSPENDED = "credential.suspended"
    CREDENTIAL_RESUMED = "credential.resumed"
    ENROLMENT_REQUESTED = "enrolment.requested"
    ENROLMENT_REFUSED = "enrolment.refused"
    TOKEN_REVOKED = "token.revoked"  # noqa: S105 - the name of an event, not a secret
    ISSUER_ADDED = "issuer.added"
    ISSUER_REVOKED = "issuer.revoked"
    CRL_ISSUED = "crl.issued"
    OFFBOARDING_STARTED = "offboarding.started"
    OFFBOARDING_ADVANCED = "offboarding.advanced"
    DESTRUCTION_CERTIFIED = "destruction.certified"
    FINDING_RAISED = "finding.raised"
    FINDING_CLOSED = "finding.closed"
    CANARY_PLANTED = "canary.planted"
    LEAK_TRACED = "leak.traced"
    PROXY_REFUSED = "proxy.refused"
    LOG_STARTED = "log.started"
    LOG_STOPPED = "log.stopped"
    LOG_RECOVERED = "log.recovered"
    LOG_SEARCHED = "log.searched"
    LOG_EXPORTED = "log.exported"
    LOG_VERIFIED = "log.verified"
    LOG_HEARTBEAT = "log.heartbeat"
    LOG_ALARM = "log.alarm"
    AGENT_REGISTERED = "agent.registered"
    AGENT_CHANGED = "agent.changed"
    SCRIPT_CHANGED = "script.changed"
    CALLER_CHANGED = "caller.changed"
    WITNESS_REFUSED = "witness.refused"
    CLOCK_ANOMALY = "clock.anomaly"


def encode_entry(event: EventType, /, *, time: datetime, **fields: EntryValue) -> bytes:
    """The canonical bytes of one entry: version, type, time and the event's own fields.

    Args:
        event: what happened.
        time: when, with a time zone; written in UTC with milliseconds (RFC 3339, 5.6).
        **fields: references and keyed commitments, never personal data.

    Raises:
        EntryError: a field is named v or type, the time has no zone, or a value is a float
            or anything else without one exact spelling.
        EntryTooLargeError: the entry would be longer than 65,535 bytes.
    """
    if time.tzinfo is None:
        raise EntryError("the time of an entry needs a time zone")
    if not _RESERVED.isdisjoint(fields):
        raise EntryError("an entry field is named like one of the log's own")
    for value in fields.values():
        _require_exact(value)
    stamp = time.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00")
    entry = canonical({**fields, "v": VERSION, "type": event.value, "time": f"{stamp}Z"})
    if len(entry) > MAX_ENTRY_BYTES:
        raise EntryTooLargeError("an entry is longer than 65,535 bytes")
    return entry


def _require_exact(value: object) -> None:
    # Exact types: a subclass could carry more than its JSON form shows.
    kind = type(value)
    if kind in _SCALARS:
        return
    if isinstance(value, dict) and kind is dict:
        for item in value.values():
            _require_exact(item)
    elif isinstance(value, list | tuple) and kind in _ARRAYS:
        for item in value:
            _require_exact(item)
    else:
        raise EntryError("an entry holds text, whole numbers, truth values, lists and objects")
