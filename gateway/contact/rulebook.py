"""The law packs in force, compiled: by them alone a permit is decided."""

from datetime import datetime
from typing import Protocol

from policies.contact.model import ContactDecision, ContactRequest, Situation


class Rules(Protocol):
    """The rules of one moment: policies.contact.rules.ContactRules fits."""

    digest: str

    def decide(self, request: ContactRequest, situation: Situation) -> ContactDecision:
        """The whole answer."""
        ...

    def is_open_later(self, request: ContactRequest, situation: Situation, at: datetime) -> bool:
        """Whether a contact that may begin now might begin at a later moment too."""
        ...


class Rulebook(Protocol):
    """Knows which rules are in force when."""

    def rules(self, at: datetime) -> Rules:
        """The rules in force at a moment.

        Raises:
            PermitStateError: RULES_UNSET, while no pack has been activated: no rules, no call.
        """
        ...


class FixedRulebook:
    """The same rules at any time: for tests, simulations and tools."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules

    def rules(self, _at: datetime) -> Rules:
        """See Rulebook."""
        return self._rules
