"""The vendor hierarchy on disk: a root for the safe, the issuing authority that the service uses.

offline/root.key      encrypted; goes to the safe, with offline/root.pem
ca/vendor-ca.pem      what listeners trust: the active issuer, those retiring, the root
ca/issuing.pem        the active issuer; ca/issuing-<id>.pem those retiring
ca/root.crl           the root's list of revoked issuers
secrets/issuing.key   encrypted; the running service needs this one
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from keys.authority import (
    CertificateAuthority,
    RevocationPoints,
    new_authority,
    private_key_pem,
)
from keys.crl import RevokedCertificate, build_crl, crl_number, revoked_in
from keys.errors import CertificateError, KeyFileError, RevocationListError
from keys.issuing_key import join_authority, load_certificates, load_issuing_key
from keys.secret import Secret, write_private_file
from keys.thumbprint import spki_digest

ROOT_LIFE = timedelta(days=20 * 365)
ISSUER_LIFE = timedelta(days=3 * 365)
ROOT_CRL_LIFE = timedelta(days=400)
_ID_DIGITS = 16


@dataclass(frozen=True, slots=True)
class HierarchyFiles:
    """Where the parts of a hierarchy are, under one directory."""

    directory: Path

    @property
    def root_key(self) -> Path:
        """Encrypted PKCS#8; for the safe."""
        return self.directory / "offline" / "root.key"

    @property
    def root_certificate(self) -> Path:
        """PEM; for the safe, beside the key."""
        return self.directory / "offline" / "root.pem"

    @property
    def root_crl(self) -> Path:
        """DER: the issuers that the root has revoked."""
        return self.directory / "ca" / "root.crl"

    @property
    def bundle(self) -> Path:
        """PEM: what the vendor listener trusts."""
        return self.directory / "ca" / "vendor-ca.pem"

    @property
    def certificate(self) -> Path:
        """PEM: the active issuer."""
        return self.directory / "ca" / "issuing.pem"

    @property
    def key(self) -> Path:
        """Encrypted PKCS#8: the active issuer's key, unless a device holds it."""
        return self.directory / "secrets" / "issuing.key"


def revocation_points(public_url: str, issuer_id: bytes) -> RevocationPoints:
    """Where an issuer's revocations are told, below the enrolment listener's address."""
    base = public_url.rstrip("/")
    return RevocationPoints(f"{base}/crl/{issuer_id.hex()}.crl", f"{base}/ocsp")


def retired_path(path: Path, issuer_id: bytes) -> Path:
    """Where an active issuer's file goes when it retires: `issuing-<16 digits of its id>`."""
    return path.with_name(f"{path.stem}-{issuer_id.hex()[:_ID_DIGITS]}{path.suffix}")


def make_root(
    files: HierarchyFiles, *, passphrase: Secret, at: datetime, life: timedelta = ROOT_LIFE
) -> CertificateAuthority:
    """Makes the root and writes it, its key encrypted, under `offline/` (mode 700).

    Raises:
        KeyFileError: a part of a hierarchy is there already; nothing is overwritten.
    """
    for path in (files.root_key, files.root_certificate, files.bundle, files.certificate):
        if path.exists():
            raise KeyFileError(f"{path} is there already; nothing is overwritten")
    root = new_authority("Casegate root", not_before=at, not_after=at + life, path_length=1)
    files.root_key.parent.mkdir(parents=True, mode=0o700, exist_ok=True)
    write_private_file(files.root_key, private_key_pem(root.key, passphrase))
    files.root_certificate.write_bytes(root.certificate_pem)
    return root


def open_root(files: HierarchyFiles, passphrase: Secret) -> CertificateAuthority:
    """The root, its key decrypted; for as long as something is signed with it.

    Raises:
        KeyFileError, CertificateError: it is not there (it is in the safe), or does not open.
    """
    certificate = load_certificates(files.root_certificate)[0]
    return join_authority(certificate, load_issuing_key(files.root_key, passphrase))


def make_issuer(
    files: HierarchyFiles,
    root: CertificateAuthority,
    *,
    host: str,
    public_url: str,
    key: Secret | ec.EllipticCurvePublicKey,
    at: datetime,
) -> x509.Certificate:
    """Makes the first or the next issuing authority; the one before stays, as retiring.

    `key` is the passphrase of the new key, or the public half of a key that a device holds.
    Both issuers are in the bundle from then on, and a fresh list of the root beside it.

    Raises:
        CertificateError, KeyFileError: a file cannot be read or is in the way, or the same key
            is the active issuer's already.
    """
    if isinstance(key, Secret):
        private: ec.EllipticCurvePrivateKey | None = ec.generate_private_key(ec.SECP256R1())
        assert private is not None
        public = private.public_key()
    else:
        private, public = None, key
    root_points = RevocationPoints(revocation_points(public_url, root.issuer_id).crl_url)
    certificate = CertificateAuthority(root.certificate, root.key, root_points).new_issuer(
        f"Casegate issuing {at:%Y-%m-%d} {_id_of(public).hex()[:8]}",
        public_key=public,
        uri_host=host,
        not_before=at,
        not_after=at + ISSUER_LIFE,
    )
    # All that can fail comes before the active files change; they are never missing, and the key
    # comes first, so that whoever sees the new certificate finds its key.
    files.certificate.parent.mkdir(parents=True, exist_ok=True)
    _beside(files.certificate).write_bytes(certificate.public_bytes(Encoding.PEM))
    if private is not None and isinstance(key, Secret):
        _beside(files.key).unlink(missing_ok=True)
        write_private_file(_beside(files.key), private_key_pem(private, key))
    _retire(files, spki_digest(certificate))
    if private is None:
        files.key.unlink(missing_ok=True)
    else:
        _beside(files.key).replace(files.key)
    _beside(files.certificate).replace(files.certificate)
    trusted = [*issuers_on_disk(files, at), root.certificate]
    write_certificates(files.bundle, trusted)
    renew_root_crl(files, root, at=at)
    return certificate


def issuers_on_disk(files: HierarchyFiles, at: datetime) -> list[x509.Certificate]:
    """The active issuer, then those retiring whose time is not over."""
    pattern = f"{files.certificate.stem}-*{files.certificate.suffix}"
    paths = [files.certificate, *sorted(files.certificate.parent.glob(pattern))]
    found = [load_certificates(path)[0] for path in paths if path.exists()]
    return [certificate for certificate in found if certificate.not_valid_after_utc > at]


def renew_root_crl(
    files: HierarchyFiles,
    root: CertificateAuthority,
    *,
    revoked: Sequence[RevokedCertificate] = (),
    at: datetime,
    life: timedelta = ROOT_CRL_LIFE,
) -> x509.CertificateRevocationList:
    """Signs the root's next list: what the last one has, and the issuers now revoked.

    Raises:
        RevocationListError: the last list cannot be read, or is another root's.
    """
    number, entries = 1, {entry.serial: entry for entry in revoked}
    if files.root_crl.exists():
        last = read_crl(files.root_crl)
        if last.issuer != root.certificate.subject:
            raise RevocationListError(f"{files.root_crl} is of another root")
        number = crl_number(last) + 1
        entries.update(revoked_in(last))
    crl = build_crl(root, entries.values(), number=number, this_update=at, next_update=at + life)
    _replace(files.root_crl, crl.public_bytes(Encoding.DER))
    return crl


def read_crl(path: Path) -> x509.CertificateRevocationList:
    """A list in DER.

    Raises:
        RevocationListError: the file is missing or is none.
    """
    try:
        return x509.load_der_x509_crl(path.read_bytes())
    except (OSError, ValueError) as error:
        raise RevocationListError(f"{path} is no revocation list") from error


def write_certificates(path: Path, certificates: Sequence[x509.Certificate]) -> None:
    """Replaces a PEM file at one stroke."""
    pem = b"".join(certificate.public_bytes(Encoding.PEM) for certificate in certificates)
    _replace(path, pem)


def drop_certificate(path: Path, issuer_id: bytes) -> bool:
    """Takes an authority out of a file of authorities; whether it was there.

    The last one stays, since a file without any could not be read.

    Raises:
        CertificateError, OSError: the file cannot be read or written.
    """
    held = load_certificates(path)
    kept = [certificate for certificate in held if spki_digest(certificate) != issuer_id]
    if not kept or len(kept) == len(held):
        return False
    write_certificates(path, kept)
    return True


def inherited(certificate: x509.Certificate) -> tuple[str, str]:
    """Host and public address that an issuer was made with, for the one after it.

    Raises:
        CertificateError: the certificate is not an issuer's of ours.
    """
    extensions = certificate.extensions
    try:
        names = extensions.get_extension_for_class(x509.NameConstraints).value
        points = extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    except x509.ExtensionNotFound:
        raise CertificateError("the issuing certificate has no names to inherit") from None
    hosts, addresses = names.permitted_subtrees, points[0].full_name
    if not hosts or not addresses:
        raise CertificateError("the issuing certificate has no names to inherit")
    return str(hosts[0].value), str(addresses[0].value).rpartition("/crl/")[0]


def _id_of(key: ec.EllipticCurvePublicKey) -> bytes:
    spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(spki).digest()


def _retire(files: HierarchyFiles, new_id: bytes) -> None:
    """Gives the active issuer's files the names of a retiring one, beside their own."""
    if not files.certificate.exists():
        return
    old_id = spki_digest(load_certificates(files.certificate)[0])
    if old_id == new_id:
        raise CertificateError("this key is the active issuer's already; make a new one")
    for path in (files.certificate, files.key):
        target = retired_path(path, old_id)
        if target.exists():
            raise KeyFileError(f"{target} is there already; nothing is overwritten")
        if path.exists():
            target.hardlink_to(path)


def _replace(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    new = _beside(path)
    new.write_bytes(content)
    new.replace(path)


def _beside(path: Path) -> Path:
    """Where a file is written before it takes its name."""
    return path.with_name(f"{path.name}.new")
