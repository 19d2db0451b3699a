"""Revocation lists (RFC 5280, 5): full lists with a number, made and verified."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

from keys.authority import CertificateAuthority
from keys.errors import RevocationListError

# Only in the difference of two lists (RFC 5280, 5.3.1).
_NEVER = x509.ReasonFlags.remove_from_crl


@dataclass(frozen=True, slots=True)
class RevokedCertificate:
    """One entry: serial number, when, and why."""

    serial: int
    revoked_at: datetime
    reason: x509.ReasonFlags = x509.ReasonFlags.unspecified


def build_crl(
    authority: CertificateAuthority,
    entries: Iterable[RevokedCertificate],
    *,
    number: int,
    this_update: datetime,
    next_update: datetime,
) -> x509.CertificateRevocationList:
    """Signs a full list of everything that the authority has revoked, in order of serials.

    A root makes the same list of issuing authorities. `number` grows with every list.

    Raises:
        RevocationListError: the list would end before it begins, a serial is in it twice, or a
            reason is one that full lists do not have.
    """
    if next_update <= this_update:
        raise RevocationListError("a revocation list must end after it begins")
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(authority.certificate.subject)
        .last_update(this_update)
        .next_update(next_update)
        .add_extension(authority.key_identifier, critical=False)
        .add_extension(x509.CRLNumber(number), critical=False)
    )
    seen: set[int] = set()
    for entry in sorted(entries, key=lambda entry: entry.serial):
        if entry.serial in seen or entry.reason is _NEVER:
            raise RevocationListError("a serial is named twice, or a reason fits no full list")
        seen.add(entry.serial)
        builder = builder.add_revoked_certificate(_entry(entry))
    return builder.sign(authority.key, SHA256())


def verify_crl(
    crl: x509.CertificateRevocationList, issuer: x509.Certificate, at: datetime
) -> None:
    """Returns when the list is the issuer's and is current at `at`.

    Raises:
        RevocationListError: signed by another, not begun, over, or without a number.
    """
    key = issuer.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise RevocationListError("the authority's key is no elliptic-curve key")
    if crl.issuer != issuer.subject or not crl.is_signature_valid(key):
        raise RevocationListError("the revocation list is signed by another authority")
    if crl.next_update_utc is None or not crl.last_update_utc <= at < crl.next_update_utc:
        raise RevocationListError("the revocation list is not current")
    crl_number(crl)


def crl_number(crl: x509.CertificateRevocationList) -> int:
    """The number of a list.

    Raises:
        RevocationListError: it has none.
    """
    try:
        extension = crl.extensions.get_extension_for_class(x509.CRLNumber)
    except x509.ExtensionNotFound:
        raise RevocationListError("the revocation list has no number") from None
    return extension.value.crl_number


def revoked_in(crl: x509.CertificateRevocationList) -> dict[int, RevokedCertificate]:
    """The entries of a list, by serial."""
    return {
        entry.serial_number: RevokedCertificate(
            entry.serial_number, entry.revocation_date_utc, _reason(entry)
        )
        for entry in crl
    }


def _entry(entry: RevokedCertificate) -> x509.RevokedCertificate:
    builder = (
        x509.RevokedCertificateBuilder()
        .serial_number(entry.serial)
        .revocation_date(entry.revoked_at)
    )
    if entry.reason is not x509.ReasonFlags.unspecified:
        # RFC 5280, 5.3.1: no reason is said by leaving the extension out.
        builder = builder.add_extension(x509.CRLReason(entry.reason), critical=False)
    return builder.build()


def _reason(entry: x509.RevokedCertificate) -> x509.ReasonFlags:
    try:
        return entry.extensions.get_extension_for_class(x509.CRLReason).value.reason
    except x509.ExtensionNotFound:
        return x509.ReasonFlags.unspecified
