"""The authenticated caller."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class VendorPrincipal:
    """A vendor's system, acting under one contract with one certificate.

    `valid_until` is the earlier of the contract's and the certificate's end.
    """

    vendor_id: str
    contract_id: str
    thumbprint: bytes
    valid_until: datetime


class StaffRole(StrEnum):
    """What a member of the company's staff may do."""

    OPERATOR = "operator"
    SECURITY = "security"
    COMPLIANCE = "compliance"
    AUDITOR = "auditor"


@dataclass(frozen=True, slots=True)
class StaffPrincipal:
    """A member of the company's staff, by certificate."""

    staff_id: str
    role: StaffRole
    thumbprint: bytes
