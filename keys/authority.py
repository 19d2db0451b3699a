"""Certificate authorities: a root kept offline, issuing authorities below it (RFC 5280)."""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import AuthorityInformationAccessOID, NameOID
from typing_extensions import override

from keys.errors import CertificateError
from keys.profiles import Profile, load_profiles
from keys.secret import Secret
from keys.thumbprint import spki_digest

ORGANIZATION = "Casegate"
_CLOCK_SKEW = timedelta(minutes=5)


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
class RevocationPoints:
    """Where revocation is told; written into every certificate of an authority that has them.

    A root has no `ocsp_url`: it is offline, and its list names issuing authorities only.
    """

    crl_url: str
    ocsp_url: str | None = None


@dataclass(frozen=True, slots=True)
class CertificateAuthority:
    """A signing certificate with its key.

    The key may live in a device: anything that is an EllipticCurvePrivateKey and signs will do.
    """

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    points: RevocationPoints | None = None

    @override
    def __repr__(self) -> str:
        return f"CertificateAuthority({self.certificate.subject.rfc4514_string()})"

    @property
    def issuer_id(self) -> bytes:
        """SHA-256 of the public key: names the authority in records and addresses, 32 bytes."""
        return spki_digest(self.certificate)

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
        """Issues a certificate for a P-256 key made here (trials and our own servers).

        Raises:
            CertificateError: see certify.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        names: list[x509.GeneralName] = [x509.UniformResourceIdentifier(uri) for uri in uris]
        names += [x509.DNSName(name) for name in dns_names]
        names += [x509.IPAddress(ipaddress.ip_address(address)) for address in addresses]
        certificate = self.certify(
            profile,
            key.public_key(),
            common_name=common_name,
            names=names,
            not_before=not_before,
            not_after=not_after,
        )
        return Issued(certificate, certificate.public_bytes(Encoding.PEM), private_key_pem(key))

    def certify(
        self,
        profile: Profile,
        public_key: CertificatePublicKeyTypes,
        *,
        common_name: str,
        names: list[x509.GeneralName],
        not_before: datetime,
        not_after: datetime,
    ) -> x509.Certificate:
        """Issues a certificate for a key made elsewhere; subject and names are the caller's.

        It begins five minutes early, for clocks behind ours, and ends at the earliest of
        `not_after`, the profile's longest life and the authority's own end.

        Raises:
            CertificateError: nothing of its life is left, or the profile takes no such names.
        """
        rules = load_profiles()[profile]
        rules.verify_names(names)
        not_after = min(
            not_after, not_before + rules.max_lifetime, self.certificate.not_valid_after_utc
        )
        begins = max(not_before - _CLOCK_SKEW, self.certificate.not_valid_before_utc)
        if not_after <= max(not_before, begins):
            raise CertificateError("a certificate must end after it begins")
        builder = (
            _builder(_subject(common_name), self.certificate.subject, public_key)
            .not_valid_before(begins)
            .not_valid_after(not_after)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage(rules.extended_key_usages), critical=False)
            .add_extension(self.key_identifier, critical=False)
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        if rules.is_ocsp_no_check:
            builder = builder.add_extension(x509.OCSPNoCheck(), critical=False)
        elif self.points is not None:
            builder = _told_at(builder, self.points)
        return builder.sign(self.key, SHA256())

    def new_issuer(
        self,
        common_name: str,
        *,
        public_key: ec.EllipticCurvePublicKey,
        uri_host: str,
        not_before: datetime,
        not_after: datetime,
    ) -> x509.Certificate:
        """As a root: certifies an issuing authority that may name clients under one host only.

        Its name constraints (RFC 5280, 4.2.1.10) permit URIs of `uri_host` and exclude all host
        names and addresses, so a stolen issuing key cannot make a server of any name.

        Raises:
            CertificateError: nothing of its life is left.
        """
        not_after = min(not_after, self.certificate.not_valid_after_utc)
        if not_after <= not_before:
            raise CertificateError("an issuing authority must end after it begins")
        constraints = x509.NameConstraints(
            permitted_subtrees=[x509.UniformResourceIdentifier(uri_host)],
            excluded_subtrees=[
                x509.DNSName(""),
                x509.IPAddress(ipaddress.ip_network("0.0.0.0/0")),
                x509.IPAddress(ipaddress.ip_network("::/0")),
            ],
        )
        builder = (
            _builder(_subject(common_name), self.certificate.subject, public_key)
            .not_valid_before(not_before - _CLOCK_SKEW)
            .not_valid_after(not_after)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs_certificates=True), critical=True)
            .add_extension(constraints, critical=True)
            .add_extension(self.key_identifier, critical=False)
        )
        if self.points is not None:
            builder = _told_at(builder, self.points)
        return builder.sign(self.key, SHA256())

    @property
    def key_identifier(self) -> x509.AuthorityKeyIdentifier:
        """Names this authority's key in what it signs (RFC 5280, 4.2.1.1)."""
        own = self.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
        return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own.value)


def new_authority(
    common_name: str, *, not_before: datetime, not_after: datetime, path_length: int = 0
) -> CertificateAuthority:
    """Makes a self-signed P-256 authority.

    With `path_length` 0 it signs end-entity certificates only; with 1 it is a root over issuing
    authorities.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    name = _subject(common_name)
    certificate = (
        _builder(name, name, key.public_key())
        .not_valid_before(not_before - _CLOCK_SKEW)
        .not_valid_after(not_after)
        .add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .sign(key, SHA256())
    )
    return CertificateAuthority(certificate, key)


def private_key_pem(key: ec.EllipticCurvePrivateKey, passphrase: Secret | None = None) -> bytes:
    """PKCS#8 PEM, encrypted where there is a passphrase."""
    encryption = (
        NoEncryption() if passphrase is None else BestAvailableEncryption(passphrase.reveal())
    )
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)


def _subject(common_name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, ORGANIZATION),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, public_key: CertificatePublicKeyTypes
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )


def _told_at(
    builder: x509.CertificateBuilder, points: RevocationPoints
) -> x509.CertificateBuilder:
    crl = x509.DistributionPoint(
        [x509.UniformResourceIdentifier(points.crl_url)], None, None, None
    )
    builder = builder.add_extension(x509.CRLDistributionPoints([crl]), critical=False)
    if points.ocsp_url is None:
        return builder
    ocsp = x509.AccessDescription(
        AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier(points.ocsp_url)
    )
    return builder.add_extension(x509.AuthorityInformationAccess([ocsp]), critical=False)


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )
