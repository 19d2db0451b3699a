"""A hierarchy for tests: root, issuer, and a vendor's certificate below them."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from keys.authority import CertificateAuthority
from keys.hierarchy import HierarchyFiles, make_issuer, make_root, revocation_points
from keys.issuing_key import join_authority, load_issuing_key
from keys.secret import Secret
from keys.thumbprint import spki_digest
from keys.vendor_certificate import VendorSubject, certify_vendor

NOW = datetime(2026, 5, 1, tzinfo=UTC)
DAY = timedelta(days=1)
HOST = "casegate.example"
URL = "https://127.0.0.1:8445"
ROOT_PASSPHRASE = Secret(b"of the root, in the safe")
PASSPHRASE = Secret(b"of the issuing key")
ALPHA = VendorSubject("alpha", "alpha-2026", "9f2c1d")


@dataclass(frozen=True)
class Trial:
    """What a test of the hierarchy starts from."""

    files: HierarchyFiles
    root: CertificateAuthority
    issuer: CertificateAuthority

    @classmethod
    def make(cls, directory: Path, at: datetime = NOW) -> "Trial":
        files = HierarchyFiles(directory)
        root = make_root(files, passphrase=ROOT_PASSPHRASE, at=at)
        return cls(files, root, next_issuer(files, root, at))

    @property
    def trusted(self) -> list[x509.Certificate]:
        return [self.issuer.certificate, self.root.certificate]

    def vendor(
        self, at: datetime = NOW, contract_ends: datetime | None = None
    ) -> x509.Certificate:
        return certify_vendor(
            self.issuer,
            ec.generate_private_key(ec.SECP256R1()).public_key(),
            ALPHA,
            trust_host=HOST,
            at=at,
            contract_ends=contract_ends or at + 400 * DAY,
        )


def next_issuer(
    files: HierarchyFiles, root: CertificateAuthority, at: datetime
) -> CertificateAuthority:
    """Makes an issuer and opens it."""
    made = make_issuer(files, root, host=HOST, public_url=URL, key=PASSPHRASE, at=at)
    key = load_issuing_key(files.key, PASSPHRASE)
    return join_authority(made, key, revocation_points(URL, spki_digest(made)))
