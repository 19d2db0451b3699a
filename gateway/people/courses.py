"""The courses without which nobody calls, as the rules in force name them."""

from collections.abc import Iterable

from policies.contact.packs import ContactPack
from policies.contact.standings import AgentRule

# By the company's own rules: what is asked while no pack of rules is in force.
MANDATORY_COURSES = frozenset(
    {"law", "script", "data-protection", "complaint", "vulnerable-customers"}
)


def required_courses(packs: Iterable[ContactPack]) -> frozenset[str]:
    """The ids of the courses that any of the packs asks of an agent.

    Without any pack nobody may call; whoever is qualified meanwhile has the company's own set.
    """
    rules = [rule for pack in packs for rule in pack.rules]
    asked = frozenset(
        course for rule in rules if isinstance(rule, AgentRule) for course in rule.courses
    )
    return asked or MANDATORY_COURSES
