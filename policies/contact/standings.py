"""Rules that look at what is so, not at when: caller, agent, script, medium, number, holds.

Time alone clears none of them, so none of them has a moment at which it would.
"""

from dataclasses import dataclass
from datetime import datetime

from policies.contact.excuses import Excuse
from policies.contact.inquiry import Inquiry
from policies.contact.model import Channel, DenyCode, PartyRole, PointValidity

_TAKEN_OUT = frozenset({"suspended", "banned"})


class Standing:
    """What all of these rules share."""

    __slots__ = ()

    def clears(self, _inquiry: Inquiry) -> datetime | None:
        """Never by time alone."""
        return None


@dataclass(frozen=True, slots=True)
class CallerRule(Standing):
    """The number that the debtor sees is on the vendor's registered list."""

    rule_id: str
    channels: tuple[Channel, ...]

    def fires(self, inquiry: Inquiry) -> DenyCode | None:
        """Why it says no to the inquiry; None when it does not."""
        if inquiry.situation.is_caller_registered or inquiry.request.channel not in self.channels:
            return None
        return DenyCode.CALLER_NUMBER_UNREGISTERED


@dataclass(frozen=True, slots=True)
class AgentRule(Standing):
    """The agent has one of these statuses, these courses, and what else is asked."""

    rule_id: str
    statuses: frozenset[str]
    courses: frozenset[str]
    needs_secrecy: bool = True
    needs_acknowledgement: bool = True

    def fires(self, inquiry: Inquiry) -> DenyCode | None:
        """Why it says no to the inquiry; None when it does not."""
        agent = inquiry.situation.agent
        if agent.status in _TAKEN_OUT and agent.status not in self.statuses:
            return DenyCode.AGENT_SUSPENDED
        is_fit = (
            agent.status in self.statuses
            and self.courses <= agent.courses
            and (agent.has_signed_secrecy or not self.needs_secrecy)
            and (agent.has_acknowledged_script or not self.needs_acknowledgement)
        )
        return None if is_fit else DenyCode.AGENT_NOT_QUALIFIED


@dataclass(frozen=True, slots=True)
class ScriptRule(Standing):
    """The script's version has one of these statuses, is in its term and made for the channel."""

    rule_id: str
    statuses: frozenset[str]

    def fires(self, inquiry: Inquiry) -> DenyCode | None:
        """Why it says no to the inquiry; None when it does not."""
        script = inquiry.situation.script
        is_fit = (
            script.status in self.statuses
            and script.is_in_term
            and script.channel is inquiry.request.channel
        )
        return None if is_fit else DenyCode.SCRIPT_NOT_APPROVED


@dataclass(frozen=True, slots=True)
class HoldRule(Standing):
    """No hold is open: of these codes, or any at all where there are none."""

    rule_id: str
    holds: frozenset[str]

    def fires(self, inquiry: Inquiry) -> DenyCode | None:
        """Why it says no to the inquiry; None when it does not."""
        holds = inquiry.situation.holds
        is_held = holds & self.holds if self.holds else holds
        return DenyCode.HOLD if is_held else None


@dataclass(frozen=True, slots=True)
class CaseRule(Standing):
    """The case is in none of these states."""

    rule_id: str
    statuses: frozenset[str]
    code: DenyCode

    def fires(self, inquiry: Inquiry) -> DenyCode | None:
        """Why it says no to the inquiry; None when it does not."""
        return self.code if inquiry.situation.case_status in self.statuses else None


@dataclass(frozen=True, slots=True)
class MediumRule:
    """The debtor has not refused this medium; of some channels it takes a consent beforehand."""

    rule_id: str
    channels: tuple[Channel, ...]
    excuse: Excuse | None = None

    def fires(self, inquiry: Inquiry) -> DenyCode | None:
        """Why it says no to the inquiry; None when it does not."""
        channel = inquiry.request.channel
        if channel not in self.channels:
            return None
        if channel in inquiry.situation.refused_channels:
            return DenyCode.MEDIUM_OPTED_OUT
        if self.excuse is None or self.excuse.is_given(inquiry):
            return None
        return DenyCode.MEDIUM_OPTED_OUT

    def clears(self, inquiry: Inquiry) -> datetime | None:
        """When a consent begins, unless the medium was refused."""
        if self.excuse is None or inquiry.request.channel in inquiry.situation.refused_channels:
            return None
        return self.excuse.next(inquiry)


@dataclass(frozen=True, slots=True)
class NumberRule(Standing):
    """The number is in none of these states."""

    rule_id: str
    validities: tuple[PointValidity, ...]

    def fires(self, inquiry: Inquiry) -> DenyCode | None:
        """Why it says no to the inquiry; None when it does not."""
        return DenyCode.NUMBER_INVALID if inquiry.situation.validity in self.validities else None


@dataclass(frozen=True, slots=True)
class OptOutRule(Standing):
    """Whoever said not to be called again at this number is not, for ever."""

    rule_id: str
    parties: tuple[PartyRole, ...]

    def fires(self, inquiry: Inquiry) -> DenyCode | None:
        """Why it says no to the inquiry; None when it does not."""
        if inquiry.situation.is_point_opted_out and inquiry.request.party in self.parties:
            return DenyCode.CONTACT_OPTED_OUT
        return None


@dataclass(frozen=True, slots=True)
class UnsetRule(Standing):
    """A rule whose parameter the company has not decided: nothing is granted until it has."""

    rule_id: str
    parameter: str

    def fires(self, _inquiry: Inquiry) -> DenyCode | None:
        """Why it says no to the inquiry; None when it does not."""
        return DenyCode.PARAMETER_UNSET
