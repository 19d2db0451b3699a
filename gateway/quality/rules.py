"""What can be wrong with a call that was listened to, and how bad it is."""

from collections.abc import Mapping
from types import MappingProxyType

from gateway.errors import RequestInvalidError
from gateway.findings.record import Severity

# Critical ones take the agent out at once, as every critical finding does.
QUALITY_RULES: Mapping[str, Severity] = MappingProxyType(
    {
        "QUALITY_THREAT": Severity.CRITICAL,
        "QUALITY_ABUSE": Severity.CRITICAL,
        "QUALITY_IMPERSONATION": Severity.CRITICAL,
        "QUALITY_PRIVATE_ACCOUNT": Severity.CRITICAL,
        "QUALITY_THIRD_PERSON_TOLD": Severity.CRITICAL,
        "QUALITY_IDENTITY_UNCHECKED": Severity.MAJOR,
        "QUALITY_UNTRUE": Severity.MAJOR,
        "QUALITY_REQUEST_IGNORED": Severity.MAJOR,
        "QUALITY_RECORDING_MISSING": Severity.MAJOR,
        "QUALITY_RECORD_WRONG": Severity.MAJOR,
        "QUALITY_DISCLOSURE_MISSING": Severity.MINOR,
        "QUALITY_SCRIPT_LEFT": Severity.MINOR,
    }
)


def severity_of(rule: str) -> Severity:
    """How bad a rule's breach is.

    Raises:
        RequestInvalidError: there is no such rule.
    """
    severity = QUALITY_RULES.get(rule)
    if severity is None:
        raise RequestInvalidError(f"rule: one of {', '.join(QUALITY_RULES)}")
    return severity
