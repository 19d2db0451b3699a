"""Which certificates are trusted now: a worker's copy in memory, asked at every request."""

from dataclasses import dataclass
from datetime import datetime

from gateway.errors import CredentialRefusedError
from gateway.identity.principal import StaffPrincipal, StaffRole, VendorPrincipal


@dataclass(frozen=True, slots=True)
class CredentialRecord:
    """A registered certificate with the standing of its vendor and contract."""

    thumbprint: bytes
    kind: str
    vendor_id: str | None
    contract_id: str | None
    staff_id: str | None
    staff_role: str | None
    not_before: datetime
    not_after: datetime
    status: str
    vendor_status: str | None
    starts_at: datetime | None
    ends_at: datetime | None

    @property
    def is_revoked(self) -> bool:
        """Whether the certificate or its vendor has been shut out, now and for any later time."""
        return self.status != "active" or (
            self.kind == "vendor" and self.vendor_status != "active"
        )


class TrustView:
    """An immutable picture of all credentials at one trust epoch."""

    __slots__ = ("_by_thumbprint", "epoch")

    def __init__(self, epoch: int, records: list[CredentialRecord]) -> None:
        self.epoch = epoch
        self._by_thumbprint = {bytes(record.thumbprint): record for record in records}

    def vendor(self, thumbprint: bytes, now: datetime) -> VendorPrincipal:
        """The vendor behind a certificate.

        Raises:
            CredentialRefusedError: CRED_UNKNOWN, CRED_REVOKED, VENDOR_NOT_ACTIVE, CRED_EXPIRED
                or CONTRACT_ENDED (domain rules 6.3).
        """
        record = self._by_thumbprint.get(thumbprint)
        if record is None or record.kind != "vendor":
            raise CredentialRefusedError("CRED_UNKNOWN")
        if record.status != "active":
            raise CredentialRefusedError("CRED_REVOKED")
        if record.vendor_status != "active":
            raise CredentialRefusedError(
                "CRED_REVOKED" if record.vendor_status == "revoked" else "VENDOR_NOT_ACTIVE"
            )
        if not record.not_before <= now < record.not_after:
            raise CredentialRefusedError("CRED_EXPIRED")
        assert record.vendor_id is not None
        assert record.contract_id is not None
        if (
            record.starts_at is None
            or record.ends_at is None
            or not record.starts_at <= now < record.ends_at
        ):
            raise CredentialRefusedError("CONTRACT_ENDED")
        return VendorPrincipal(
            record.vendor_id,
            record.contract_id,
            thumbprint,
            min(record.not_after, record.ends_at),
        )

    def staff(self, thumbprint: bytes, now: datetime) -> StaffPrincipal:
        """The staff member behind a certificate.

        Raises:
            CredentialRefusedError: CRED_UNKNOWN, CRED_REVOKED or CRED_EXPIRED.
        """
        record = self._by_thumbprint.get(thumbprint)
        if record is None or record.staff_id is None or record.staff_role is None:
            raise CredentialRefusedError("CRED_UNKNOWN")
        if record.status != "active":
            raise CredentialRefusedError("CRED_REVOKED")
        if not record.not_before <= now < record.not_after:
            raise CredentialRefusedError("CRED_EXPIRED")
        return StaffPrincipal(record.staff_id, StaffRole(record.staff_role), thumbprint)

    def is_live(self, thumbprint: bytes, now: datetime) -> bool:
        """Whether a connection with this certificate may stay open."""
        record = self._by_thumbprint.get(thumbprint)
        if record is None or record.is_revoked or now >= record.not_after:
            return False
        return record.ends_at is None or now < record.ends_at
