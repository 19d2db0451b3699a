"""A certificate authority: profiles in, certificates out (RFC 5280)."""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from typing_extensions import override

from keys.errors import CertificateError

MAX_CLIENT_LIFETIME = timedelta(days=90)
_CLOCK_SKEW = timedelta(minutes=5)


class Profile(StrEnum):
    """What a certificate is for; each profile fixes its key usage."""

    VENDOR_CLIENT = "vendor-client"
    STAFF_CLIENT = "staff-client"
    GATEWAY_SERVER = "gateway-server"


_EXTENDED_USAGE = {
    Profile.VENDOR_CLIENT: ExtendedKeyUsageOID.CLIENT_AUTH,
    Profile.STAFF_CLIENT: ExtendedKeyUsageOID.CLIENT_AUTH,
    Profile.GATEWAY_SERVER: ExtendedKeyUsageOID.SERVER_AUTH,
}


@dataclass(frozen=True, slots=True)
class Issued:
    """A fresh certificate and its private key, both PEM; the key is the caller's to protect."""

    certificate: x509.Certificate
    certificate_pem: bytes
    private_key_pem: bytes

    @override
    def __repr__(self) -> str:
        return f"Issued(serial={self.certificate.serial_number:x})"


@dataclass(frozen=True, slots=True)
class CertificateAuthority:
    """A signing certificate with its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @override
    def __repr__(self) -> str:
        return f"CertificateAuthority({self.certificate.subject.rfc4514_string()})"

    @property
    def certificate_pem(self) -> bytes:
        """The authority's certificate, for trust stores."""
        return self.certificate.public_bytes(Encoding.PEM)

    def issue(
        self,
        profile: Profile,
        *,
        common_name: str,
        not_before: datetime,
        not_after: datetime,
        uris: Sequence[str] = (),
        dns_names: Sequence[str] = (),
        addresses: Sequence[str] = (),
    ) -> Issued:
        """Issues a P-256 certificate for a key made here (trials and our own servers).

        Client certificates live at most 90 days whatever `not_after` says.

        Raises:
            CertificateError: the interval is empty.
        """
        if profile is not Profile.GATEWAY_SERVER:
            not_after = min(not_after, not_before + MAX_CLIENT_LIFETIME)
        not_after = min(not_after, self.certificate.not_valid_after_utc)
        if not_after <= not_before:
            raise CertificateError("a certificate must end after it begins")
        key = ec.generate_private_key(ec.SECP256R1())
        names: list[x509.GeneralName] = [x509.UniformResourceIdentifier(uri) for uri in uris]
        names += [x509.DNSName(name) for name in dns_names]
        names += [x509.IPAddress(ipaddress.ip_address(address)) for address in addresses]
        certificate = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)]))
            .issuer_name(self.certificate.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(not_before - _CLOCK_SKEW)
            .not_valid_after(not_after)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_leaf_usage(), critical=True)
            .add_extension(x509.ExtendedKeyUsage([_EXTENDED_USAGE[profile]]), critical=False)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
            )
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()),
                critical=False,
            )
            .sign(self.key, SHA256())
        )
        return Issued(certificate, certificate.public_bytes(Encoding.PEM), private_key_pem(key))


def new_authority(
    common_name: str, *, not_before: datetime, not_after: datetime
) -> CertificateAuthority:
    """Makes a self-signed P-256 authority that may sign end-entity certificates only."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Casegate"),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(not_before - _CLOCK_SKEW)
        .not_valid_after(not_after)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_authority_usage(), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, SHA256())
    )
    return CertificateAuthority(certificate, key)


def private_key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """PKCS#8 PEM without a passphrase."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _leaf_usage() -> x509.KeyUsage:
    return _usage(digital_signature=True, signs_certificates=False)


def _authority_usage() -> x509.KeyUsage:
    return _usage(digital_signature=False, signs_certificates=True)


def _usage(*, digital_signature: bool, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )
