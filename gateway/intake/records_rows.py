"""Records as rows of their table, in the text of COPY: the columns in the order of the table."""

from typing import Any, NamedTuple

import orjson

from gateway.intake.checks import Checked, PermitFacts
from gateway.intake.records_reading import Call

_NAMES = (
    "vendor_id",
    "contract_id",
    "call_id",
    "permit_id",
    "case_id",
    "case_ref",
    "contact_point",
    "agent_ref",
    "direction",
    "call_kind",
    "started_at",
    "answered_at",
    "ended_at",
    "ring_s",
    "talk_s",
    "result_code",
    "party_reached",
    "identity_check",
    "disclosures",
    "script",
    "quoted_amount",
    "promise",
    "willingness_code",
    "ability_code",
    "reason_code",
    "feedback_code",
    "next_action_at",
    "sealed_summary",
    "summary_mac",
    "summary_state",
    "recording_id",
    "recording_sha256",
    "caller_number",
    "seat_id",
    "hangup_side",
    "sip_cause",
    "received_at",
    "batch_id",
    "body_sha256",
    "supersedes_call_id",
    "superseded_by",
)


class KeptRecord(NamedTuple):
    """A record with what the store adds; bytes are as they are stored."""

    call: Call
    checked: Checked
    case_id: str
    permit: PermitFacts | None
    sealed_summary: bytes | None
    summary_mac: bytes | None
    summary_state: str


def row_of(kept: KeptRecord, owner: str, batch: str) -> str:
    """A line for COPY: cells between tabs, an empty one for none.

    `owner` is the two first cells, `batch` those of receipt and batch. No other cell can hold a
    tab or a line's end, by the patterns of what is read.
    """
    call, checked, case_id, permit, sealed, mac, state = kept
    record, get = call.record, call.spelled.get
    script, version = record.script, record.script_version
    point, caller = get("contact_point", ""), get("caller_number", "")
    if permit is not None:
        script, version = permit.script_id, permit.script_version
        point, caller = permit.point_kind, caller or permit.caller_number or ""
    told = script or ""
    if script is not None and version is not None:
        told = f"{script}/{version}"
    disclosures = '{"' + '","'.join(record.disclosures) + '"}' if record.disclosures else "{}"
    promise = record.promise
    agreed = ""
    if promise is not None:
        agreed = f'{{"amount": {promise.amount}, "due_on": "{promise.due_on.isoformat()}"}}'
    recording = "" if record.recording_sha256 is None else "\\x" + record.recording_sha256
    return (
        f"{owner}\t{record.call_id}\t{get('permit_id', '')}\t{case_id}\t{record.case_ref}"
        f"\t{point}\t{record.agent}\t{get('direction')}\t{get('call_kind')}\t{get('started_at')}"
        f"\t{get('answered_at', '')}\t{get('ended_at')}\t{get('ring_s', '')}\t{record.talk_s}"
        f"\t{checked.code.code}\t{get('party_reached', '')}\t{get('identity_check', '')}"
        f"\t{disclosures}\t{told}\t{get('quoted_amount', '')}\t{agreed}"
        f"\t{get('willingness_code', '')}\t{get('ability_code', '')}\t{get('reason_code', '')}"
        f"\t{get('feedback_code', '')}\t{get('next_action_at', '')}\t{_hex(sealed)}\t{_hex(mac)}"
        f"\t{state}\t{get('recording_id', '')}\t{recording}"
        f"\t{caller}\t{get('seat_id', '')}\t{get('hangup_side', '')}\t{get('sip_cause', '')}"
        f"\t{batch}\t{_hex(call.sha256)}\t{get('supersedes_call_id', '')}\t\n"
    )


def object_of(row: str) -> dict[str, Any]:
    """A line as jsonb_populate_recordset takes it: a promise is JSON already."""
    cells = (cell or None for cell in row.removesuffix("\n").split("\t"))
    content: dict[str, Any] = dict(zip(_NAMES, cells, strict=True))
    if content["promise"] is not None:
        content["promise"] = orjson.loads(content["promise"])
    return content


def _hex(value: bytes | None) -> str:
    return "" if value is None else "\\x" + value.hex()
