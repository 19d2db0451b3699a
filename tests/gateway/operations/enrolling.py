"""What tests of enrolment share: requests, an issuing authority, a vendor without certificates."""

from dataclasses import dataclass
from datetime import timedelta

import psycopg
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from gateway.operations.registration import register_contract, register_vendor
from keys.authority import CertificateAuthority
from tests.gateway.store.lender import ACTOR, START, Lender

Key = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey
HOST = "casegate.example"


@dataclass(frozen=True)
class FixedIssuing:
    """An issuing authority as enrolment asks for it."""

    own: CertificateAuthority
    trust_host: str = HOST

    def authority(self) -> CertificateAuthority:
        return self.own


def request_for(key: Key, name: str = "root of everything") -> bytes:
    """A signing request in DER that asks for a name that nobody gives it."""
    builder = x509.CertificateSigningRequestBuilder(
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    )
    builder = builder.add_extension(
        x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False
    )
    algorithm = None if isinstance(key, ed25519.Ed25519PrivateKey) else SHA256()
    return builder.sign(key, algorithm).public_bytes(Encoding.DER)


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def add_vendor(connection: psycopg.Connection, vendor: str, *, days: int = 100) -> str:
    """A vendor under a contract, without any certificate; returns the contract's id."""
    register_vendor(connection, vendor, name="丙公司", actor=ACTOR, at=START)
    register_contract(
        connection,
        f"{vendor}-2026",
        vendor_id=vendor,
        starts_at=START - timedelta(days=1),
        ends_at=START + timedelta(days=days),
        actor=ACTOR,
        at=START,
    )
    return f"{vendor}-2026"


def issuing(lender: Lender) -> FixedIssuing:
    return FixedIssuing(lender.authority)
