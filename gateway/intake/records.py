"""A call record as a vendor sends it: codes and references only, one free summary."""

from datetime import date
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from gateway.intake.moments import Moment
from policies.contact.model import CallKind

MAX_SUMMARY = 500
MAX_CALL_ID = 64
MAX_DISCLOSURES = 20
_DAY_SECONDS = 86_400
_MOST_MONEY = 10**14

_WORD = r"^[0-9A-Za-z][0-9A-Za-z._:-]{0,63}$"
_AGENT = r"^[0-9A-Za-z][0-9A-Za-z._-]{0,63}$"
_CODE = r"^[0-9A-Za-z][0-9A-Za-z_./-]{0,39}$"
Word = Annotated[str, Field(pattern=_WORD)]
Code = Annotated[str, Field(pattern=_CODE)]
Money = Annotated[int, Field(ge=0, le=_MOST_MONEY)]
Seconds = Annotated[int, Field(ge=0, le=_DAY_SECONDS)]


class Direction(StrEnum):
    """Who rang whom."""

    OUTBOUND = "outbound"
    INBOUND = "inbound"


class Point(StrEnum):
    """Which of a case's numbers; never the number."""

    MOBILE = "mobile"
    HOME = "home"
    RELATED = "related"


class Party(StrEnum):
    """Who was at the other end."""

    SELF = "self"
    JOINT = "joint"
    CONTACT = "contact"
    OTHER = "other"
    UNKNOWN = "unknown"
    NONE = "none"


class IdentityCheck(StrEnum):
    """How the check of who answered went."""

    MATCH = "match"
    NO_MATCH = "no_match"
    REFUSED = "refused"
    NOT_DONE = "not_done"


class Promise(BaseModel):
    """What was promised: an amount in minor units, until a day."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    amount: Annotated[int, Field(gt=0, le=_MOST_MONEY)]
    due_on: date


class CallRecord(BaseModel):
    """One call. Times are RFC 3339 with offset, money is in minor units, durations in seconds."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    call_id: Annotated[str, Field(pattern=_WORD, description="The vendor's own, once for ever.")]
    permit_id: UUID | None = None
    case_ref: Annotated[str, Field(pattern=r"^[A-Z2-7]{26}$")]
    contact_point: Point | None = None
    direction: Direction = Direction.OUTBOUND
    call_kind: CallKind = CallKind.INTERACTIVE
    agent: Annotated[str, Field(pattern=_AGENT)]
    seat_id: Word | None = None
    script: Word | None = None
    script_version: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    caller_number: Annotated[str, Field(pattern=r"^\+[1-9][0-9]{3,14}$")] | None = None
    started_at: Moment
    answered_at: Moment | None = None
    ended_at: Moment
    ring_s: Seconds | None = None
    talk_s: Seconds = 0
    hangup_side: Annotated[str, Field(pattern=r"^(agent|customer|network)$")] | None = None
    sip_cause: Annotated[int, Field(ge=100, le=999)] | None = None
    result_code: Code
    party_reached: Party | None = None
    identity_check: IdentityCheck | None = None
    disclosures: Annotated[list[Code], Field(max_length=MAX_DISCLOSURES)] = Field(
        default_factory=list
    )
    quoted_amount: Money | None = None
    promise: Promise | None = None
    willingness_code: Code | None = None
    ability_code: Code | None = None
    reason_code: Code | None = None
    feedback_code: Code | None = None
    summary: Annotated[str, Field(min_length=1, max_length=MAX_SUMMARY)] | None = None
    next_action_at: Moment | None = None
    recording_id: Word | None = None
    recording_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    supersedes_call_id: Word | None = None


class RecordRefusedError(Exception):
    """A row that is not kept: `field` names a field of the record, `code` is stable.

    Not for callers of the API: a refused row is part of an answer, never the answer.
    """

    def __init__(self, code: str, field: str, call_id: str | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.field = field
        self.call_id = call_id
