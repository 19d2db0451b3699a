"""A policy in sentences that a reader who has never seen a policy file understands."""

from collections.abc import Iterator

from policies.fields import Level
from policies.limits import HoldRule, Placeholders, RowKey
from policies.model import FieldRule, VendorPolicy


def sentences_of(policy: VendorPolicy) -> Iterator[str]:
    """One `ALLOW … READ … AS …` a field, then what else holds, then the denial of all the rest."""
    who = f"{policy.vendor} UNDER {policy.contract}"
    for scope in policy.scopes:
        for rule in scope.rules:
            yield f"ALLOW {who} READ {rule.field} {_manner(rule)} AT {scope.stage.value}"
    purposes = ", ".join(sorted(policy.purposes))
    yield f"FOR {purposes}"
    begins, ends = policy.term.begins.isoformat(), policy.term.ends.isoformat()
    yield f"FROM {begins} UNTIL {ends}"
    for key in RowKey:
        words = policy.limits.rows.allowed.get(key)
        if words is not None:
            yield f"WHERE {key.field} IN ({', '.join(sorted(words))})"
    if policy.limits.rows.hold is HoldRule.NONE:
        yield "WHERE no hold is set"
    if policy.networks:
        yield f"CALLING FROM {', '.join(sorted(map(str, policy.networks)))}"
    quotas = policy.limits.quotas
    if quotas.pull_cases is not None:
        yield f"AT MOST {quotas.pull_cases} cases a day"
    yield f"AT MOST {quotas.reveals} numbers revealed a day, {quotas.reveals_per_agent} an agent"
    yield f"NUMBERS BY {policy.limits.numbers.word}"
    numbered = policy.limits.placeholders is Placeholders.NUMBERED
    yield f"FREE TEXT {policy.limits.free_text.word}{' WITH NUMBERS' if numbered else ''}"
    yield "DENY everything else"


def _manner(rule: FieldRule) -> str:
    if rule.level is Level.CLEAR:
        return "IN CLEAR"
    if rule.level is Level.PSEUDONYM:
        return "AS pseudonym"
    return f"AS {rule.words}"
