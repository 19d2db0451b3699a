"""The values of a contact decision: what is asked, what is known, what is answered."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import IntFlag, StrEnum

from policies.contact.hours import Hours
from policies.model import verify_aware


class Channel(StrEnum):
    """By what a debtor is reached."""

    VOICE_HUMAN = "voice_human"
    VOICE_ROBOT = "voice_robot"
    SMS = "sms"
    IM = "im"
    EMAIL = "email"
    VISIT = "visit"


class CallKind(StrEnum):
    """Telling something, or talking about it: different caps count (GB/T 45251-2025)."""

    NOTIFY = "notify"
    INTERACTIVE = "interactive"


class PartyRole(StrEnum):
    """Whose contact point it is."""

    DEBTOR = "debtor"
    JOINT = "joint"
    GUARANTOR = "guarantor"
    CONTACT = "contact"


class Measure(IntFlag):
    """What one contact counts as; a contact that may still become one of these counts too."""

    ATTEMPT = 1
    UNANSWERED = 2
    CONNECTED_NOTIFY = 4
    EFFECTIVE = 8
    CONVERSATION = 16
    CONVERSATION_INBOUND = 32


class DenyCode(StrEnum):
    """Why no contact may begin: stable words, none of which tells of another vendor."""

    OUTSIDE_WINDOW_RED = "OUTSIDE_WINDOW_RED"
    OUTSIDE_WINDOW_AMBER_NO_CONSENT = "OUTSIDE_WINDOW_AMBER_NO_CONSENT"
    HOLIDAY_NO_CONSENT = "HOLIDAY_NO_CONSENT"
    OUTSIDE_PREFERRED_HOURS = "OUTSIDE_PREFERRED_HOURS"
    DAILY_CAP_REACHED = "DAILY_CAP_REACHED"
    NUMBER_CAP_REACHED = "NUMBER_CAP_REACHED"
    ROLLING_CAP_REACHED = "ROLLING_CAP_REACHED"
    COOLDOWN = "COOLDOWN"
    HOLD = "HOLD"
    CASE_PAID = "CASE_PAID"
    RECALL_PENDING = "RECALL_PENDING"
    THIRD_PARTY_NOT_ALLOWED = "THIRD_PARTY_NOT_ALLOWED"
    CONTACT_OPTED_OUT = "CONTACT_OPTED_OUT"
    MEDIUM_OPTED_OUT = "MEDIUM_OPTED_OUT"
    NUMBER_INVALID = "NUMBER_INVALID"
    AGENT_NOT_QUALIFIED = "AGENT_NOT_QUALIFIED"
    AGENT_SUSPENDED = "AGENT_SUSPENDED"
    SCRIPT_NOT_APPROVED = "SCRIPT_NOT_APPROVED"
    CALLER_NUMBER_UNREGISTERED = "CALLER_NUMBER_UNREGISTERED"
    RATE_LIMIT = "RATE_LIMIT"
    PARAMETER_UNSET = "PARAMETER_UNSET"


class ConsentScope(StrEnum):
    """What a debtor has agreed to."""

    AMBER_TIME = "amber_time"
    RED_TIME = "red_time"
    EXTRA_CALLS = "extra_calls"
    THIRD_PARTY = "third_party"
    CHANNEL = "channel"


class PointValidity(StrEnum):
    """What is known of a number."""

    UNKNOWN = "unknown"
    OK = "ok"
    SWITCHED_OFF = "switched_off"
    INVALID = "invalid"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class PastContact:
    """One contact of this debtor by anybody: a vendor's, the lender's own, or the debtor's call.

    `point` and `debt` are keys in hex; None where nobody has said which, and then it may have been
    any. `counts` are the bits of Measure that it counts as, or may
    still count as when it is open or nobody has said how it went. `is_failed` is a try at the
    debtor's own number that reached nobody; `is_exempt` was agreed with the debtor beforehand.
    """

    at: datetime
    point: str | None
    debt: str | None
    channel: Channel
    counts: int
    result: str | None = None
    party: PartyRole = PartyRole.DEBTOR
    is_failed: bool = False
    is_exempt: bool = False


@dataclass(frozen=True, slots=True)
class Consent:
    """What the debtor agreed to, for contacts from `begins` until `ends`, its first instant after.

    It holds for contacts after `captured_at` only. `point` and `debt` None: for all of them.
    """

    consent_id: str
    scope: ConsentScope
    captured_at: datetime
    begins: datetime
    ends: datetime
    point: str | None = None
    debt: str | None = None
    channel: Channel | None = None


@dataclass(frozen=True, slots=True)
class Preference:
    """The hours within which a debtor asked to be reached, and the company has granted it.

    `hours` are the debtor's local time, at least one; until the end of `last_day` (None: until
    further). `given_at` is when it was granted.
    """

    hours: tuple[Hours, ...]
    given_at: datetime
    last_day: date | None = None


@dataclass(frozen=True, slots=True)
class AgentStanding:
    """Whether the agent may call at all: `status` of the register, courses passed and not over."""

    status: str
    courses: frozenset[str]
    has_signed_secrecy: bool
    has_acknowledged_script: bool


@dataclass(frozen=True, slots=True)
class ScriptStanding:
    """The version of the script that was named; `status` None when there is no such version."""

    status: str | None
    channel: Channel | None = None
    is_in_term: bool = False


@dataclass(frozen=True, slots=True)
class ContactRequest:
    """One wish to contact; `at` is aware (NaiveTimeError otherwise).

    `zones` are IANA names, all that the debtor may be in; at least one. `reason` is why a call
    outside the green window is needed.
    """

    at: datetime
    channel: Channel
    kind: CallKind
    party: PartyRole
    point: str
    debt: str
    zones: tuple[str, ...]
    reason: str | None = None

    def __post_init__(self) -> None:
        verify_aware(self.at)


@dataclass(frozen=True, slots=True)
class Situation:
    """What is known at that moment; `history` is oldest first and covers at least 32 days.

    `is_point_reached`: whoever is at the number was talked to about this debtor before, or nobody
    has said otherwise. `holds` are the codes of open holds; `case_status` is the case's own state
    (assigned, paid, recall_pending, …); `facts` are proven ones (debtor_deceased,
    debtor_incapacity, own_number_invalid).
    """

    history: tuple[PastContact, ...]
    agent: AgentStanding
    script: ScriptStanding
    is_caller_registered: bool
    case_status: str = "assigned"
    consents: tuple[Consent, ...] = ()
    holds: frozenset[str] = frozenset()
    facts: frozenset[str] = frozenset()
    validity: PointValidity = PointValidity.UNKNOWN
    is_point_opted_out: bool = False
    refused_channels: frozenset[Channel] = frozenset()
    preference: Preference | None = None
    is_point_reached: bool = False


@dataclass(frozen=True, slots=True)
class FiredRule:
    """A rule that said no, with the version of the pack that it stands in."""

    rule_id: str
    pack: str
    version: str
    code: DenyCode


@dataclass(frozen=True, slots=True)
class ContactDecision:
    """The answer: granted exactly when no rule fired.

    `allowed_from` is the first moment at which nothing but time would have to change; None when
    time alone does not help. `consents` are those without which it would have been refused.
    `remaining` counts what the smallest cap of a kind still allows today (or in its window) after
    this contact. `topics` limits what may be said; empty for the debtor.
    """

    codes: tuple[DenyCode, ...]
    fired: tuple[FiredRule, ...]
    allowed_from: datetime | None = None
    consents: tuple[str, ...] = ()
    remaining: Mapping[str, int] = field(default_factory=dict)
    topics: tuple[str, ...] = ()

    @property
    def is_granted(self) -> bool:
        """Whether the contact may begin."""
        return not self.fired
