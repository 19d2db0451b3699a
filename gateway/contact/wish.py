"""What a vendor asks a permit for."""

import hashlib
from dataclasses import dataclass
from enum import StrEnum

import orjson

from policies.contact.model import CallKind, Channel, PartyRole


class PointKind(StrEnum):
    """Which of a case's numbers; a number at work is never called (third-party disclosure)."""

    MOBILE = "mobile"
    HOME = "home"
    RELATED = "related"

    @property
    def field(self) -> str:
        """The field of the case that holds the number."""
        return f"{self.value}_phone"

    @property
    def party(self) -> PartyRole:
        """Whose number it is."""
        return PartyRole.CONTACT if self is PointKind.RELATED else PartyRole.DEBTOR


@dataclass(frozen=True, slots=True)
class PermitWish:
    """One dial that an agent wants to make.

    `repeat_key` is the caller's idempotency key. `caller_number` is the number that the debtor
    will see, in E.164.
    """

    case_ref: str
    point: PointKind
    agent_ref: str
    script_id: str
    script_version: int
    channel: Channel
    call_kind: CallKind
    caller_number: str
    reason: str | None = None
    repeat_key: str | None = None

    def digest(self) -> bytes:
        """SHA-256 of everything but the key: a repeated key has to ask for the same."""
        content = [
            self.case_ref,
            self.point.value,
            self.agent_ref,
            self.script_id,
            self.script_version,
            self.channel.value,
            self.call_kind.value,
            self.caller_number,
            self.reason,
        ]
        return hashlib.sha256(orjson.dumps(content)).digest()
