"""Rules on who is called: a third person only when the debtor is proven lost, dead or unable."""

from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter

from policies.contact.excuses import Excuse
from policies.contact.inquiry import Inquiry
from policies.contact.model import DenyCode, PartyRole, PastContact, Situation
from policies.contact.standings import Standing

# What the caller of the engine may have proven; all other terms are definitions of packs.
FACTS = frozenset({"debtor_deceased", "debtor_incapacity", "own_number_invalid"})


@dataclass(frozen=True, slots=True)
class Definition:
    """What a term means: one of these facts, or so many failed tries in a row (0: never by them).

    Every definition of a term that is in force has to hold, so that one more only narrows it.
    """

    rule_id: str
    term: str
    facts: frozenset[str]
    failures: int = 0

    def holds(self, situation: Situation) -> bool:
        """Whether the term is true of a situation."""
        if self.facts & situation.facts:
            return True
        return self.failures > 0 and failures_in_a_row(situation.history) >= self.failures


@dataclass(frozen=True, slots=True)
class PartyRule(Standing):
    """These parties are called only if one of the terms is true; `topics` is all that may be said.

    A rule that only limits the topics never says no. Topics None: the rule says nothing of them.
    """

    rule_id: str
    parties: tuple[PartyRole, ...]
    terms: frozenset[str] = frozenset()
    topics: tuple[str, ...] | None = None
    is_limit: bool = False

    def fires(self, inquiry: Inquiry) -> DenyCode | None:
        """Why it says no to the inquiry; None when it does not."""
        if self.is_limit or inquiry.request.party not in self.parties:
            return None
        facts = inquiry.situation.facts
        for term in self.terms:
            if (term in facts) if term in FACTS else inquiry.definitions.get(term, False):
                return None
        return DenyCode.THIRD_PARTY_NOT_ALLOWED


@dataclass(frozen=True, slots=True)
class OnceRule:
    """These parties are talked to once about a debtor, and again only where a consent excuses."""

    rule_id: str
    parties: tuple[PartyRole, ...]
    excuse: Excuse | None = None

    def fires(self, inquiry: Inquiry) -> DenyCode | None:
        """Why it says no to the inquiry; None when it does not."""
        if not inquiry.situation.is_point_reached or inquiry.request.party not in self.parties:
            return None
        if self.excuse is not None and self.excuse.is_given(inquiry):
            return None
        return DenyCode.THIRD_PARTY_NOT_ALLOWED

    def clears(self, inquiry: Inquiry) -> datetime | None:
        """When a consent begins; never by time alone."""
        return None if self.excuse is None else self.excuse.next(inquiry)


def failures_in_a_row(history: tuple[PastContact, ...]) -> int:
    """How many of the last tries at the debtor's own numbers reached nobody, without a break.

    A try of which nobody has said how it went proves nothing, and breaks the row.
    """
    row = 0
    for contact in sorted(history, key=attrgetter("at"), reverse=True):
        if contact.party is not PartyRole.DEBTOR:
            continue
        if not contact.is_failed:
            break
        row += 1
    return row
