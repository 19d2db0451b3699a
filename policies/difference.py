"""What changes for a vendor when one policy takes the place of another."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from policies.fields import FieldCatalog, Level, Stage
from policies.limits import HoldRule, RowConditions
from policies.model import FieldRule, VendorPolicy


class Direction(StrEnum):
    """Whether a change lets the vendor see more, less, or something else."""

    WIDER = "wider"
    NARROWER = "narrower"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Change:
    """One change: `what` is `bulk full_name` or another part's name; words before and after."""

    what: str
    before: str
    after: str
    direction: Direction


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field at one stage, None where no line releases it."""

    stage: Stage
    field: str
    before: FieldRule | None
    after: FieldRule | None

    @property
    def direction(self) -> Direction:
        """Wider when a higher level comes, narrower when a lower one does."""
        before, after = (Level.DROP if rule is None else rule.level for rule in self._rules)
        if before == after:
            return Direction.OTHER
        return Direction.WIDER if after > before else Direction.NARROWER

    @property
    def _rules(self) -> tuple[FieldRule | None, FieldRule | None]:
        return self.before, self.after


def field_changes(
    old: VendorPolicy | None, new: VendorPolicy | None, catalog: FieldCatalog
) -> Iterator[FieldChange]:
    """Every field whose rule differs, by stage and in catalogue order; None is no policy."""
    for stage in Stage:
        before, after = _rules_of(old, stage), _rules_of(new, stage)
        for known in catalog:
            was, becomes = before.get(known.name), after.get(known.name)
            if was != becomes:
                yield FieldChange(stage, known.name, was, becomes)


def policy_changes(
    old: VendorPolicy | None, new: VendorPolicy | None, catalog: FieldCatalog
) -> list[Change]:
    """Everything that differs, fields first; None is no policy."""
    changes = [
        Change(
            f"{change.stage.value} {change.field}",
            _words(change.before),
            _words(change.after),
            change.direction,
        )
        for change in field_changes(old, new, catalog)
    ]
    before, after = _parts(old), _parts(new)
    changes += [
        Change(what, before[what][0], after[what][0], _direction(before[what], after[what]))
        for what in before
        if before[what][0] != after[what][0]
    ]
    return changes


def is_wider(old: VendorPolicy | None, new: VendorPolicy | None, catalog: FieldCatalog) -> bool:
    """Whether any part of the change lets the vendor see more, or cannot be compared."""
    return any(
        change.direction is not Direction.NARROWER for change in policy_changes(old, new, catalog)
    )


# What each part says, and its measure: a larger number or a larger set lets more out.
_Part = tuple[str, float | frozenset[str] | None]
_NOTHING: _Part = ("none", None)
_PARTS = (
    *("term", "purposes", "networks", "rows", "pull_cases_per_day", "reveals_per_day"),
    *("reveals_per_agent_day", "free_text", "placeholders", "numbers"),
)


def _parts(policy: VendorPolicy | None) -> dict[str, _Part]:
    if policy is None:
        return dict.fromkeys(_PARTS, _NOTHING)
    limits, quotas = policy.limits, policy.limits.quotas
    term = f"{policy.term.begins.isoformat()} to {policy.term.ends.isoformat()}"
    networks = frozenset(map(str, policy.networks))
    pull = quotas.pull_cases
    return {
        "term": (term, None),
        "purposes": (_listed(policy.purposes), policy.purposes),
        "networks": (_listed(networks) or "any", networks or None),
        "rows": (_rows(limits.rows), None),
        "pull_cases_per_day": ("any", float("inf")) if pull is None else (str(pull), pull),
        "reveals_per_day": (str(quotas.reveals), quotas.reveals),
        "reveals_per_agent_day": (str(quotas.reveals_per_agent), quotas.reveals_per_agent),
        "free_text": (limits.free_text.word, limits.free_text),
        "placeholders": (limits.placeholders.word, limits.placeholders),
        "numbers": (limits.numbers.word, limits.numbers),
    }


def _direction(before: _Part, after: _Part) -> Direction:
    was, becomes = before[1], after[1]
    if before is _NOTHING or after is _NOTHING:
        return Direction.WIDER if before is _NOTHING else Direction.NARROWER
    if isinstance(was, frozenset) and isinstance(becomes, frozenset):
        if was < becomes:
            return Direction.WIDER
        return Direction.NARROWER if becomes < was else Direction.OTHER
    if isinstance(was, int | float) and isinstance(becomes, int | float):
        return Direction.WIDER if becomes > was else Direction.NARROWER
    return Direction.OTHER


def _rules_of(policy: VendorPolicy | None, stage: Stage) -> dict[str, FieldRule]:
    scope = policy.scope(stage) if policy is not None else None
    return {} if scope is None else {rule.field: rule for rule in scope.rules}


def _words(rule: FieldRule | None) -> str:
    return Level.DROP.word if rule is None else rule.words


def _listed(words: frozenset[str]) -> str:
    return ", ".join(sorted(words))


def _rows(rows: RowConditions) -> str:
    parts = [f"{key.word} in ({_listed(words)})" for key, words in rows.allowed.items()]
    if rows.hold is HoldRule.NONE:
        parts.append("no hold")
    return " and ".join(sorted(parts)) or "all"
