"""The authenticated caller."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class CredentialScope(StrEnum):
    """What a credential is for: the contract's work, or what is left to do after its end."""

    FULL = "full"
    CLOSING = "closing"

    @property
    def token_scope(self) -> str:
        """The OAuth scope of the tokens that such a credential gets (RFC 6749, 3.3)."""
        return "release" if self is CredentialScope.FULL else "closing"


@dataclass(frozen=True, slots=True)
class VendorPrincipal:
    """A vendor's system, acting under one contract with one certificate.

    `valid_until` is the earliest end of contract (or of its closing time) and certificate.
    """

    vendor_id: str
    contract_id: str
    thumbprint: bytes
    valid_until: datetime
    credential_ref: str | None = None
    scope: CredentialScope = CredentialScope.FULL


class StaffRole(StrEnum):
    """What a member of the company's staff may do; a telephone bridge dials and nothing else."""

    OPERATOR = "operator"
    SECURITY = "security"
    COMPLIANCE = "compliance"
    AUDITOR = "auditor"
    BRIDGE = "bridge"


@dataclass(frozen=True, slots=True)
class StaffPrincipal:
    """A member of the company's staff, by certificate."""

    staff_id: str
    role: StaffRole
    thumbprint: bytes
