"""A complaint as it came in, before it is registered."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from gateway.affairs.codes import verify_clauses, verify_codes
from gateway.errors import RequestInvalidError

# What a complaint may be about; those of the second line stop contact when it is registered.
CATEGORIES = frozenset(
    {"attitude", "fee", "other"}
    | {"frequency", "time", "third_party", "leak", "impersonation", "identity"}
)
HELD = CATEGORIES - {"attitude", "fee", "other"}
SOURCES = frozenset({"customer", "regulator", "media"})


@dataclass(frozen=True, slots=True)
class Grievance:
    """A complaint as it came in. `about_staff`: of whom of the company it is, if of anybody."""

    vendor_id: str
    contract_id: str
    case_ref: str
    received_at: datetime
    channel: str
    source: str
    category: str
    allegations: Sequence[str]
    text: str
    about_staff: str | None = None

    def digest(self) -> bytes:
        """SHA-256 of all that it says, for a key that stands for it."""
        return hashlib.sha256(repr(self).encode()).digest()

    def verify(self, at: datetime) -> None:
        """Looks at its codes and its time.

        Raises:
            RequestInvalidError: a code is unknown or none, or it was received in the future.
        """
        if self.category not in CATEGORIES:
            raise RequestInvalidError(f"category: one of {', '.join(sorted(CATEGORIES))}")
        if self.source not in SOURCES:
            raise RequestInvalidError(f"source: one of {', '.join(sorted(SOURCES))}")
        verify_codes(channel=self.channel, allegations=self.allegations)
        verify_clauses(about_staff=self.about_staff)
        if self.received_at > at:
            raise RequestInvalidError("received_at lies in the future")
