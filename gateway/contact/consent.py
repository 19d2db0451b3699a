"""What a debtor agreed to, as a vendor tells it and as it is kept."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from gateway.clock import rfc3339
from gateway.contact.wish import PointKind
from gateway.errors import ConsentRejectedError, RequestInvalidError
from policies.contact.model import Channel, ConsentScope, PartyRole

# How far a vendor's clock may be ahead of ours.
_SKEW = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class ConsentTerms:
    """The company's parameters `consent.max_days` and `consent.evidence`."""

    max_days: int
    needs_recording: bool

    @classmethod
    def of(cls, parameters: Mapping[str, str | None]) -> "ConsentTerms":
        """From what policies.parameters.read_parameters has read."""
        days = parameters["consent.max_days"]
        return cls(int(days or 0), parameters["consent.evidence"] == "recording")


@dataclass(frozen=True, slots=True)
class ConsentWish:
    """What a vendor says a debtor agreed to, for contacts from `begins` until before `ends`.

    `contact_point` None stands for all numbers. `repeat_sha256` is of what was asked.
    """

    case_ref: str
    scope: ConsentScope
    captured_at: datetime
    begins: datetime
    ends: datetime
    permit_id: UUID
    given_by: PartyRole
    channel: Channel | None = None
    contact_point: PointKind | None = None
    is_for_all_debts: bool = False
    evidence_recording_id: str | None = None
    repeat_key: str | None = None
    repeat_sha256: bytes | None = None

    def verify(self, terms: ConsentTerms, at: datetime) -> None:
        """Verifies what the wish alone shows.

        Raises:
            RequestInvalidError: times without a zone or order, or a channel that does not fit.
            ConsentRejectedError: not prior, over, too long, or without proof.
        """
        if any(when.tzinfo is None for when in (self.captured_at, self.begins, self.ends)):
            raise RequestInvalidError("times need a time zone")
        if not self.begins < self.ends:
            raise RequestInvalidError("ends is not after begins")
        if (self.scope is ConsentScope.CHANNEL) != (self.channel is not None):
            raise RequestInvalidError("channel goes with the scope channel, and with no other")
        if self.captured_at > at + _SKEW:
            raise ConsentRejectedError("captured_at is to come")
        if self.begins < self.captured_at:
            raise ConsentRejectedError("a consent is for contacts after it was given")
        if self.ends > self.captured_at + timedelta(days=terms.max_days):
            raise ConsentRejectedError(f"a consent lasts at most {terms.max_days} days")
        if self.ends <= at:
            raise ConsentRejectedError("the consent is over")
        if terms.needs_recording and self.evidence_recording_id is None:
            raise ConsentRejectedError("a consent needs the recording in which it was given")


@dataclass(frozen=True, slots=True)
class RecordedConsent:
    """A consent as its vendor sees it; `sequence` is the keyset cursor."""

    sequence: int
    consent_id: UUID
    case_ref: str
    point_kind: str | None
    is_of_one_debt: bool
    scope: str
    channel: str | None
    captured_at: datetime
    begins: datetime
    ends: datetime
    evidence_recording_id: str | None
    permit_id: UUID
    given_by: str
    recorded_at: datetime
    revoked_at: datetime | None

    def document(self, at: datetime) -> dict[str, Any]:
        """As JSON, with the state that it has at a moment: valid, expired or revoked."""
        content = {
            name: rfc3339(value) if isinstance(value, datetime) else value
            for name, value in asdict(self).items()
        }
        del content["sequence"]
        content["contact_point"] = content.pop("point_kind")
        content["is_for_all_debts"] = not content.pop("is_of_one_debt")
        over = "expired" if self.ends <= at else "valid"
        content["state"] = over if self.revoked_at is None else "revoked"
        return content
