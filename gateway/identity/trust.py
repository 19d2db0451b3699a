"""Which certificates are trusted now: a worker's copy in memory, asked at every request."""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from gateway.errors import CredentialRefusedError
from gateway.identity.principal import (
    CredentialScope,
    StaffPrincipal,
    StaffRole,
    VendorPrincipal,
)


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
    credential_ref: str | None = None
    system: str | None = None
    scope: str = CredentialScope.FULL.value
    contract_status: str | None = "active"
    closing_until: datetime | None = None

    @property
    def is_closing(self) -> bool:
        """Whether the certificate serves only what is left to do after the contract's end."""
        return self.scope == CredentialScope.CLOSING.value

    @property
    def term(self) -> tuple[datetime, datetime] | None:
        """From when until when the certificate may act; None when its contract gives it no time.

        A certificate for the contract's work ends with the contract, whatever its state says;
        one for the closing begins there.
        """
        if self.starts_at is None or self.ends_at is None:
            return None
        if self.is_closing:
            is_open = self.contract_status in {"ended", "purge_pending"}
            return (self.starts_at, self.closing_until) if is_open and self.closing_until else None
        return (self.starts_at, self.ends_at) if self.contract_status == "active" else None

    @property
    def last_moment(self) -> datetime | None:
        """From when on the certificate acts no more; None when it does not act at all."""
        if self.is_revoked:
            return None
        if self.kind == "staff":
            return self.not_after
        return None if self.term is None else min(self.not_after, self.term[1])

    @property
    def is_revoked(self) -> bool:
        """Whether the certificate or its vendor has been shut out, for good or for a while."""
        return self.status != "active" or (
            self.kind == "vendor" and not self._is_vendor_in_standing
        )

    @property
    def _is_vendor_in_standing(self) -> bool:
        return self.vendor_status == "active" or (
            self.is_closing and self.vendor_status == "ended"
        )


class TrustView:
    """An immutable picture of all credentials, and of tokens ended early, at one trust epoch."""

    __slots__ = ("_by_thumbprint", "_ends", "_revoked_tokens", "epoch")

    def __init__(
        self, epoch: int, records: list[CredentialRecord], revoked_tokens: Iterable[str] = ()
    ) -> None:
        self.epoch = epoch
        self._revoked_tokens = frozenset(revoked_tokens)
        self._by_thumbprint = {bytes(record.thumbprint): record for record in records}
        self._ends = sorted(
            record.last_moment for record in records if record.last_moment is not None
        )

    def vendor(self, thumbprint: bytes, now: datetime) -> VendorPrincipal:
        """The vendor behind a certificate.

        Raises:
            CredentialRefusedError: CRED_UNKNOWN, CRED_REVOKED, CRED_SUSPENDED, VENDOR_NOT_ACTIVE,
                CRED_EXPIRED or CONTRACT_ENDED (domain rules 6.3).
        """
        record = self._by_thumbprint.get(thumbprint)
        if record is None or record.kind != "vendor":
            raise CredentialRefusedError("CRED_UNKNOWN")
        if record.contract_status != "active" and not record.is_closing:
            # Its certificates are revoked too, but this is why.
            raise CredentialRefusedError("CONTRACT_ENDED")
        if record.status != "active":
            raise CredentialRefusedError(
                "CRED_SUSPENDED" if record.status == "suspended" else "CRED_REVOKED"
            )
        if record.is_revoked:
            raise CredentialRefusedError(
                "CRED_REVOKED" if record.vendor_status == "revoked" else "VENDOR_NOT_ACTIVE"
            )
        if not record.not_before <= now < record.not_after:
            raise CredentialRefusedError("CRED_EXPIRED")
        assert record.vendor_id is not None
        assert record.contract_id is not None
        term = record.term
        if term is None or not term[0] <= now < term[1]:
            raise CredentialRefusedError("CONTRACT_ENDED")
        return VendorPrincipal(
            record.vendor_id,
            record.contract_id,
            thumbprint,
            min(record.not_after, term[1]),
            record.credential_ref,
            CredentialScope(record.scope),
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

    def is_token_revoked(self, token_id: str) -> bool:
        """Whether a token was ended before its time (RFC 7009)."""
        return token_id in self._revoked_tokens

    def record(self, thumbprint: bytes) -> CredentialRecord | None:
        """What is registered of a certificate, whether it is trusted or not; for the log."""
        return self._by_thumbprint.get(thumbprint)

    def next_end(self, now: datetime) -> datetime | None:
        """When the next certificate or contract ends after `now`; None when none does."""
        place = bisect_right(self._ends, now)
        return self._ends[place] if place < len(self._ends) else None

    def is_live(self, thumbprint: bytes, now: datetime) -> bool:
        """Whether a connection with this certificate may stay open."""
        record = self._by_thumbprint.get(thumbprint)
        if record is None or record.is_revoked or now >= record.not_after:
            return False
        if record.kind == "staff":
            return True
        return record.term is not None and now < record.term[1]
