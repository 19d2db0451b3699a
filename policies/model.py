"""The values of a policy: rules, scopes, terms, one vendor's policy, and the bundle of all."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import IPv4Network, IPv6Network

import orjson

from policies.errors import NaiveTimeError, TooWideError, WrongFormError
from policies.fields import FieldCatalog, FieldClass, Form, Level, Stage
from policies.limits import NO_LIMITS, Limits

__all__ = [
    "DataScope",
    "FieldRule",
    "PolicyBundle",
    "Stage",
    "Term",
    "VendorPolicy",
    "verify_aware",
    "verify_rule",
]

# Part of every digest: a new meaning of the same words must not keep the old digest.
_DIGEST_LABEL = "casegate/policy/v2"

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class FieldRule:
    """One field at one level; `form` is set for exactly the levels generalise and partial."""

    field: str
    level: Level
    form: Form | None = None

    @property
    def words(self) -> str:
        """The rule as its author writes it, for example `partial name`."""
        return self.level.word if self.form is None else f"{self.level.word} {self.form.word}"


@dataclass(frozen=True, slots=True)
class DataScope:
    """What one stage releases: rules in catalogue order, none at drop, and their SHA-256."""

    stage: Stage
    rules: tuple[FieldRule, ...]
    digest: str

    @classmethod
    def of(cls, stage: Stage, rules: tuple[FieldRule, ...], catalog: FieldCatalog) -> "DataScope":
        """Sort the rules, leave out those at drop (the same as no rule), compute the digest."""
        kept = sorted(
            (rule for rule in rules if rule.level is not Level.DROP),
            key=lambda rule: catalog.position(rule.field),
        )
        content = {"stage": stage.value, "rules": [[rule.field, rule.words] for rule in kept]}
        return cls(stage, tuple(kept), _digest(content))


@dataclass(frozen=True, slots=True)
class Term:
    """A contract's life: `begins` belongs to it, `ends` is the first instant after it."""

    begins: datetime
    ends: datetime

    def __post_init__(self) -> None:
        verify_aware(self.begins)
        verify_aware(self.ends)


@dataclass(frozen=True, slots=True)
class VendorPolicy:
    """Everything one vendor may be given under one contract.

    `networks` empty means that the policy does not limit addresses. `digest` is the SHA-256 (hex)
    of the meaning, so comments, order and spelling of times do not change it. What a profile
    lends is part of the meaning.
    """

    policy_id: str
    vendor: str
    contract: str
    term: Term
    purposes: frozenset[str]
    networks: tuple[Network, ...]
    scopes: tuple[DataScope, ...]
    digest: str
    limits: Limits = NO_LIMITS

    @classmethod
    def of(
        cls,
        *,
        policy_id: str,
        vendor: str,
        contract: str,
        term: Term,
        purposes: frozenset[str],
        networks: tuple[Network, ...],
        scopes: tuple[DataScope, ...],
        limits: Limits = NO_LIMITS,
    ) -> "VendorPolicy":
        """Make a policy with its digest computed."""
        content = {
            "policy": policy_id,
            "vendor": vendor,
            "contract": contract,
            "term": [moment.astimezone(UTC).isoformat() for moment in (term.begins, term.ends)],
            "purposes": sorted(purposes),
            "networks": sorted(str(network) for network in networks),
            "scopes": {scope.stage.value: scope.digest for scope in scopes},
            "limits": limits.content(),
        }
        digest = _digest(content)
        return cls(policy_id, vendor, contract, term, purposes, networks, scopes, digest, limits)

    def scope(self, stage: Stage) -> DataScope | None:
        """Return what this stage releases, or None when the policy is silent about it."""
        for scope in self.scopes:
            if scope.stage is stage:
                return scope
        return None


class PolicyBundle:
    """All policies in force, at most one for each vendor and contract; never changed once made."""

    __slots__ = ("_policies", "digest")

    digest: str

    def __init__(self, policies: tuple[VendorPolicy, ...]) -> None:
        self._policies = {
            (policy.vendor, policy.contract): policy
            for policy in sorted(policies, key=lambda policy: (policy.vendor, policy.contract))
        }
        if len(self._policies) != len(policies):
            msg = "Two policies for one contract."
            raise ValueError(msg)
        self.digest = _digest([policy.digest for policy in self])

    def __iter__(self) -> Iterator[VendorPolicy]:
        return iter(self._policies.values())

    def __len__(self) -> int:
        return len(self._policies)

    def policy(self, vendor: str, contract: str) -> VendorPolicy | None:
        """Return the policy of one contract, or None, for which `decide` answers Deny."""
        return self._policies.get((vendor, contract))


def verify_rule(rule: FieldRule, stage: Stage, catalog: FieldCatalog) -> None:
    """Raise a RuleError unless the catalogue allows this rule at this stage.

    UnknownFieldError, TooWideError (always for K3 above drop) or WrongFormError.
    """
    field = catalog.field(rule.field)
    widest = field.widest(stage)
    if rule.level > widest:
        if field.field_class is FieldClass.K3:
            reason = f"`{field.name}` is authentication data (K3); no policy can release it."
        else:
            reason = (
                f"`{field.name}: {rule.words}` is wider than the catalogue allows"
                f" at stage {stage.value} ({widest.word})."
            )
        way_out = "Remove the line." if widest is Level.DROP else f"Use {widest.word} or less."
        raise TooWideError(reason, way_out)
    if rule.level is Level.PSEUDONYM and not field.is_reference:
        raise TooWideError(
            f"`{field.name}` is not a reference; a pseudonym of its value would link cases.",
            "Use a narrower level, or another field.",
        )
    fitting = [form.word for form in field.forms if form.level is rule.level]
    if rule.level in {Level.GENERALISE, Level.PARTIAL}:
        if rule.form is None or rule.form.word not in fitting:
            way_out = (
                f"Write `{field.name}: {rule.level.word} {fitting[0]}`."
                if fitting
                else "The field has no form at this level; choose another level."
            )
            raise WrongFormError(
                f"`{field.name}` at {rule.level.word} needs a form that fits it.", way_out
            )
    elif rule.form is not None:
        raise WrongFormError(
            f"`{field.name}` at {rule.level.word} takes no form.",
            f"Write `{field.name}: {rule.level.word}`.",
        )


def verify_aware(moment: datetime) -> None:
    """Raise NaiveTimeError when the time has no offset."""
    if moment.utcoffset() is None:
        raise NaiveTimeError("A time without an offset was given to a policy.")


def _digest(content: object) -> str:
    return hashlib.sha256(
        orjson.dumps([_DIGEST_LABEL, content], option=orjson.OPT_SORT_KEYS)
    ).hexdigest()
