"""Rules on the hours that the debtor asked for: outside of them nobody calls."""

from dataclasses import dataclass
from datetime import datetime, time

from policies.contact.excuses import Excuse
from policies.contact.inquiry import Inquiry, utc
from policies.contact.model import Channel, DenyCode, PartyRole, Preference
from policies.contact.windows import next_edges

_MIDNIGHT = time()


@dataclass(frozen=True, slots=True)
class PreferenceRule:
    """No contact with the debtor outside the hours that the company has granted him.

    They open nothing: every window decides beside them. Where the debtor may be in several zones,
    one in which the moment lies outside is enough. What the debtor agreed to afterwards excuses;
    what he agreed to before he named his hours does not.
    """

    rule_id: str
    channels: tuple[Channel, ...]
    excuse: Excuse | None = None

    def fires(self, inquiry: Inquiry) -> DenyCode | None:
        """Why it says no to the inquiry; None when it does not."""
        preference = inquiry.situation.preference
        if preference is None or not self._asks(inquiry) or not _is_outside(preference, inquiry):
            return None
        if self.excuse is not None:
            given_at = utc(preference.given_at)
            if self.excuse.is_given(inquiry, lambda captured: utc(captured) <= given_at):
                return None
        return DenyCode.OUTSIDE_PREFERRED_HOURS

    def clears(self, inquiry: Inquiry) -> datetime | None:
        """The next edge in any zone; it may still be outside in another."""
        preference = inquiry.situation.preference
        times = {_MIDNIGHT}
        for hours in () if preference is None else preference.hours:
            times |= {hours.begins, hours.ends}
        edges = next_edges(inquiry, tuple(sorted(times)))
        given = None if self.excuse is None else self.excuse.next(inquiry)
        return min([*edges, *([] if given is None else [given])], default=None)

    def _asks(self, inquiry: Inquiry) -> bool:
        request = inquiry.request
        return request.channel in self.channels and request.party is not PartyRole.CONTACT


def _is_outside(preference: Preference, inquiry: Inquiry) -> bool:
    for local in inquiry.local:
        is_over = preference.last_day is not None and local.date() > preference.last_day
        if not is_over and not any(
            hours.covers(local, inquiry.calendar) for hours in preference.hours
        ):
            return True
    return False
