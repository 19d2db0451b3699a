"""The authorities of a trial installation, and the files of its clients."""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from keys.authority import CertificateAuthority, Issued, new_authority
from keys.hierarchy import HierarchyFiles, make_issuer, make_root, revocation_points
from keys.issuing_key import join_authority, load_issuing_key, read_passphrase
from keys.profiles import Profile
from keys.secret import write_private_file
from keys.thumbprint import spki_digest

TRUST_HOST = "casegate.example"
PUBLIC_URL = "https://127.0.0.1:8445"
_CA_LIFETIME = timedelta(days=3650)
_SERVER_LIFETIME = timedelta(days=397)
_OFFLINE_WARNING = """\
FOR TRIALS ONLY. This directory holds the root of all vendors' certificates with its passphrase
beside it. Whoever has both can make vendors at will. A real root is made with `casegate ca init`
on a machine without a network, and lies in a safe: see deploy/runbooks/vendor-ca.md.
"""


@dataclass(frozen=True, slots=True)
class TrialAuthorities:
    """Who issues in a trial: the vendors' issuer below its root, and one each for the others."""

    vendor: CertificateAuthority
    staff: CertificateAuthority
    server: CertificateAuthority


def write_authorities(directory: Path, now: datetime, public_url: str) -> TrialAuthorities:
    """Makes all authorities with their files under `ca/`, and the gateway's own certificate."""
    folder = directory / "ca"
    folder.mkdir()

    def make(name: str, common_name: str) -> CertificateAuthority:
        authority = new_authority(common_name, not_before=now, not_after=now + _CA_LIFETIME)
        (folder / f"{name}.pem").write_bytes(authority.certificate_pem)
        return authority

    authorities = TrialAuthorities(
        vendor=_write_hierarchy(directory, now, public_url),
        staff=make("staff-ca", "Casegate sandbox staff CA"),
        server=make("server-ca", "Casegate sandbox server CA"),
    )
    server = authorities.server.issue(
        Profile.GATEWAY_SERVER,
        common_name="localhost",
        not_before=now,
        not_after=now + _SERVER_LIFETIME,
        dns_names=["localhost"],
        addresses=["127.0.0.1", "::1"],
    )
    (folder / "server.pem").write_bytes(server.certificate_pem)
    write_private_file(directory / "secrets" / "server.key", server.private_key_pem)
    return authorities


def write_client(
    folder: Path,
    issued: Issued,
    server: CertificateAuthority,
    issuer: CertificateAuthority | None = None,
) -> None:
    """Writes client.pem (the certificate, then its issuer), client.key and ca.pem."""
    folder.mkdir(parents=True)
    chain = b"" if issuer is None else issuer.certificate_pem
    (folder / "client.pem").write_bytes(issued.certificate_pem + chain)
    write_private_file(folder / "client.key", issued.private_key_pem)
    (folder / "ca.pem").write_bytes(server.certificate_pem)


def _write_hierarchy(directory: Path, now: datetime, public_url: str) -> CertificateAuthority:
    """As `casegate ca init` does, but with the passphrases left lying about."""
    files = HierarchyFiles(directory)
    files.root_key.parent.mkdir(mode=0o700)
    files.root_key.with_name("FOR-TRIALS-ONLY.txt").write_text(_OFFLINE_WARNING)
    passphrases = (
        files.root_key.with_name("root.passphrase"),
        files.key.with_name("issuing.passphrase"),
    )
    for path in passphrases:
        write_private_file(path, secrets.token_urlsafe(24).encode() + b"\n")
    of_root, of_issuer = (read_passphrase(f"file:{path}", Path()) for path in passphrases)
    root = make_root(files, passphrase=of_root, at=now)
    issuer = make_issuer(
        files, root, host=TRUST_HOST, public_url=public_url, key=of_issuer, at=now
    )
    points = revocation_points(public_url, spki_digest(issuer))
    return join_authority(issuer, load_issuing_key(files.key, of_issuer), points)
