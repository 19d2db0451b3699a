"""What may excuse from a rule that would say no: the debtor's own consent, given before."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from policies.contact.inquiry import Inquiry
from policies.contact.model import ConsentScope


@dataclass(frozen=True, slots=True)
class Excuse:
    """A consent of one of these scopes; it relaxes the rule that it stands in, and no other.

    `needs_reason`: the request has to say why as well. `is_captured_outside`: a consent captured
    while the rule's own window was closed does not count.
    """

    scopes: tuple[ConsentScope, ...]
    needs_reason: bool = False
    is_captured_outside: bool = False

    def is_given(
        self, inquiry: Inquiry, was_closed: Callable[[datetime], bool] | None = None
    ) -> bool:
        """Whether it is given now; notes the consent in the inquiry."""
        if self.needs_reason and not (inquiry.request.reason or "").strip():
            return False
        found = inquiry.consent(
            self.scopes, is_closed=was_closed if self.is_captured_outside else None
        )
        if found is None:
            return False
        if found.consent_id not in inquiry.used:
            inquiry.used.append(found.consent_id)
        return True

    def next(self, inquiry: Inquiry) -> datetime | None:
        """The next moment at which it may be given, None when there is none."""
        return inquiry.next_consent(self.scopes)


@dataclass(frozen=True, slots=True)
class ConsentBound:
    """A consent of these scopes holds at most `days` days, the day of its capture counted."""

    rule_id: str
    scopes: tuple[ConsentScope, ...]
    days: int
