"""Certificates of vendors and staff: what they say of their holder, and when they must end."""

from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

from keys.authority import CertificateAuthority
from keys.profiles import Profile

_SAFE = "-._~"


@dataclass(frozen=True, slots=True)
class VendorSubject:
    """Whom a vendor's certificate names. It comes from the record, never from a request."""

    vendor_id: str
    contract_id: str
    credential_ref: str

    @property
    def common_name(self) -> str:
        """Has spaces, so that nobody takes it for a host name."""
        return f"vendor {self.vendor_id} {self.credential_ref}"

    def uri(self, trust_host: str) -> str:
        """The one subject alternative name; the issuing authority may name this host only."""
        return (
            f"https://{trust_host}/vendor/{quote(self.vendor_id, safe=_SAFE)}"
            f"/contract/{quote(self.contract_id, safe=_SAFE)}"
            f"/credential/{quote(self.credential_ref, safe=_SAFE)}"
        )


def staff_uri(trust_host: str, role: str, staff_id: str) -> str:
    """The subject alternative name of a member of the company's staff, with the role."""
    return f"https://{trust_host}/staff/{quote(role, safe=_SAFE)}/{quote(staff_id, safe=_SAFE)}"


def certify_vendor(
    authority: CertificateAuthority,
    public_key: CertificatePublicKeyTypes,
    subject: VendorSubject,
    *,
    trust_host: str,
    at: datetime,
    contract_ends: datetime,
) -> x509.Certificate:
    """Issues a vendor's certificate: at most 90 days from `at`, and never past the contract.

    Raises:
        CertificateError: the contract or the authority is over.
    """
    return authority.certify(
        Profile.VENDOR_CLIENT,
        public_key,
        common_name=subject.common_name,
        names=[x509.UniformResourceIdentifier(subject.uri(trust_host))],
        not_before=at,
        not_after=contract_ends,
    )
