"""The decision: may this vendor be given anything for this purpose, at this stage, now."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address

from policies.fields import Stage
from policies.model import FieldRule, VendorPolicy, verify_aware


class DenyReason(StrEnum):
    """Why nothing is released: the part of the stable deny codes that a policy decides.

    For the lender's log; a vendor learns no more than the HTTP edge chooses to say.
    """

    VENDOR_NOT_ACTIVE = "VENDOR_NOT_ACTIVE"
    CONTRACT_ENDED = "CONTRACT_ENDED"
    NETWORK_NOT_LISTED = "NETWORK_NOT_LISTED"
    PURPOSE_MISSING = "PURPOSE_MISSING"
    PURPOSE_NOT_ALLOWED = "PURPOSE_NOT_ALLOWED"
    FIELD_NOT_IN_SCOPE = "FIELD_NOT_IN_SCOPE"


@dataclass(frozen=True, slots=True)
class AccessRequest:
    """One wish to see case data; `at` is aware (NaiveTimeError otherwise).

    `purpose` is None when the caller named none. `address` is the peer's; a policy that lists
    networks denies a request without one.
    """

    vendor: str
    contract: str
    purpose: str | None
    stage: Stage
    at: datetime
    address: IPv4Address | IPv6Address | None = None

    def __post_init__(self) -> None:
        verify_aware(self.at)


@dataclass(frozen=True, slots=True)
class Permit:
    """Release exactly these fields, in these forms.

    Both digests are SHA-256 (hex) and belong in the audit entry: `policy_digest` of the whole
    policy, `profile_digest` of this stage's rules.
    """

    rules: tuple[FieldRule, ...]
    policy_digest: str
    profile_digest: str


@dataclass(frozen=True, slots=True)
class Deny:
    """Release nothing."""

    reason: DenyReason


def decide(request: AccessRequest, policy: VendorPolicy | None) -> Permit | Deny:
    """Answer from the arguments alone; whatever no line of the policy grants is denied.

    A policy of another vendor or contract counts as no policy: a caller's mistake must not turn
    into a release.
    """
    if policy is None or (policy.vendor, policy.contract) != (request.vendor, request.contract):
        return Deny(DenyReason.VENDOR_NOT_ACTIVE)
    reason = _contract_refusal(request, policy) or _purpose_refusal(request.purpose, policy)
    if reason is not None:
        return Deny(reason)
    scope = policy.scope(request.stage)
    if scope is None or not scope.rules:
        return Deny(DenyReason.FIELD_NOT_IN_SCOPE)
    return Permit(scope.rules, policy.digest, scope.digest)


def _contract_refusal(request: AccessRequest, policy: VendorPolicy) -> DenyReason | None:
    if request.at < policy.term.begins:
        return DenyReason.VENDOR_NOT_ACTIVE
    if request.at >= policy.term.ends:
        return DenyReason.CONTRACT_ENDED
    if policy.networks and not _is_listed(request.address, policy):
        return DenyReason.NETWORK_NOT_LISTED
    return None


def _purpose_refusal(purpose: str | None, policy: VendorPolicy) -> DenyReason | None:
    if not purpose:
        return DenyReason.PURPOSE_MISSING
    if purpose not in policy.purposes:
        return DenyReason.PURPOSE_NOT_ALLOWED
    return None


def _is_listed(address: IPv4Address | IPv6Address | None, policy: VendorPolicy) -> bool:
    if address is None:
        return False
    # A dual-stack listener shows an IPv4 peer as ::ffff:a.b.c.d; the contract lists a.b.c.d.
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    peer = mapped or address
    return any(peer in network for network in policy.networks)
