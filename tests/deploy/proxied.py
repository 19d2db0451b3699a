"""A served installation that takes forwarded certificates, and authorities good and bad."""

import base64
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

import httpx
import psycopg
from cryptography import x509

from gateway.clock import SystemClock
from gateway.operations.registration import VendorOwner, register_contract, register_credential
from gateway.settings import load_settings
from keys.authority import CertificateAuthority, Issued, new_authority
from keys.profiles import Profile
from keys.thumbprint import certificate_thumbprint
from tests.installation import Installation
from tests.promises.processes import wait_until

CLOCK = SystemClock()
_HEARD = """
SELECT min(epoch) >= (SELECT epoch FROM casegate.trust) FROM casegate.worker
WHERE listener = 'vendor'
"""
Header = tuple[str, str]


def der_of(pem: bytes | str) -> bytes:
    """The first certificate of a PEM text."""
    text = pem.decode() if isinstance(pem, bytes) else pem
    end = "-----END CERTIFICATE-----\n"
    return ssl.PEM_cert_to_DER_cert(text[: text.index(end) + len(end)])


def byte_sequence(der: bytes) -> str:
    """As RFC 9440 forwards it."""
    return f":{base64.b64encode(der).decode()}:"


def xfcc(der: bytes, *, digest: str | None = None, chain: tuple[bytes, ...] = ()) -> str:
    """As Envoy forwards it (`forward_client_cert_details: SANITIZE_SET`)."""
    digest = certificate_thumbprint(der).hex() if digest is None else digest
    pem = quote(ssl.DER_cert_to_PEM_cert(der), safe="")
    whole = quote("".join(map(ssl.DER_cert_to_PEM_cert, chain)), safe="")
    rest = f';Chain="{whole}"' if chain else ""
    names = 'Subject="CN=vendor \\"alpha\\", O=x";URI=urn:a;URI=urn:b'
    return f'Hash={digest};Cert="{pem}";{names}{rest}'


@dataclass(frozen=True, slots=True)
class Proxied:
    """A served installation behind a proxy, or behind a test that plays the proxy."""

    installation: Installation
    authority: CertificateAuthority
    hop_authority: CertificateAuthority
    folder: Path
    supervisor: subprocess.Popen[bytes]

    @property
    def socket(self) -> Path:
        settings = self.installation.settings
        return settings.resolve(settings.proxy.socket)

    def vendor_der(self, vendor_id: str) -> bytes:
        return der_of(
            (self.installation.directory / f"vendors/{vendor_id}/client.pem").read_bytes()
        )

    def issue(
        self,
        authority: CertificateAuthority | None = None,
        *,
        begin: int = 0,
        end: int = 80,
        profile: Profile = Profile.VENDOR_CLIENT,
    ) -> Issued:
        """A certificate that would be alpha's, from `begin` to `end` days from now."""
        now = CLOCK.now()
        is_server = profile is Profile.GATEWAY_SERVER
        return (authority or self.authority).issue(
            profile,
            common_name="vendor alpha test",
            not_before=now + timedelta(days=begin),
            not_after=now + timedelta(days=end),
            uris=() if is_server else ["https://casegate.example/vendor/alpha"],
            dns_names=["localhost"] if is_server else (),
        )

    def register(self, certificate: x509.Certificate, contract: str = "alpha-2026") -> bytes:
        """Registers a certificate as alpha's; returns its thumbprint when all workers know it."""
        with self.installation.office().connection() as connection:
            owner = VendorOwner("alpha", contract)
            thumbprint = register_credential(
                connection, certificate, owner, actor="test", at=CLOCK.now()
            )
        with psycopg.connect(self.installation.database().owner_url, autocommit=True) as database:
            assert wait_until(lambda: database.execute(_HEARD).fetchone() == (True,), seconds=10)
        return thumbprint

    def end_contract(self, contract: str) -> None:
        """A contract of alpha that is over."""
        now = CLOCK.now()
        with self.installation.office().connection() as connection:
            register_contract(
                connection,
                contract,
                vendor_id="alpha",
                starts_at=now - timedelta(days=9),
                ends_at=now - timedelta(days=1),
                actor="test",
                at=now,
            )

    @contextmanager
    def by_socket(self) -> Iterator[httpx.Client]:
        """A client on the UNIX socket, as the proxy is."""
        transport = httpx.HTTPTransport(uds=str(self.socket))
        with httpx.Client(transport=transport, base_url="http://localhost", timeout=10) as client:
            yield client

    def hop_context(self, pem: Path | None = None) -> ssl.SSLContext:
        """The TLS of the proxy's own connection to the vendor listener."""
        ca = self.installation.directory / "ca" / "server-ca.pem"
        context = ssl.create_default_context(cafile=str(ca))
        context.load_cert_chain(pem or self.folder / "hop.pem")
        return context

    @contextmanager
    def by_hop(self, pem: Path | None = None) -> Iterator[httpx.Client]:
        """A client on the vendor listener with the proxy's own certificate (or another)."""
        with httpx.Client(
            base_url=self.installation.vendor_url, verify=self.hop_context(pem), timeout=10
        ) as client:
            yield client


@contextmanager
def proxied(
    directory: Path, *, mode: str, header: str = "client-cert", cases: int = 20
) -> Iterator[Proxied]:
    """Serves a sandbox with a `[proxy]` section; and trusts a vendor authority of the test's."""
    directory.mkdir(mode=0o755)
    made = Installation.make(directory / "sandbox", cases=cases, enrols=True)
    now = CLOCK.now()
    end = now + timedelta(days=300)
    authority = new_authority("Test vendor CA", not_before=now - timedelta(days=60), not_after=end)
    with (made.directory / "ca" / "vendor-ca.pem").open("ab") as trusted:
        trusted.write(authority.certificate_pem)
    hop_authority = new_authority("Test hop CA", not_before=now, not_after=end)
    hop = hop_authority.issue(
        Profile.STAFF_CLIENT,
        common_name="front proxy",
        not_before=now,
        not_after=end,
        uris=["urn:test:front-proxy"],
    )
    (directory / "hop-ca.pem").write_bytes(hop_authority.certificate_pem)
    (directory / "hop.pem").write_bytes(hop.certificate_pem + hop.private_key_pem)
    pin = certificate_thumbprint(der_of(hop.certificate_pem)).hex()
    pinned = f'hop_ca = "{directory}/hop-ca.pem"\nthumbprints = ["{pin}"]\n'
    config = made.directory / "casegate.toml"
    config.write_text(
        f'{config.read_text()}\n[proxy]\nmode = "{mode}"\nheader = "{header}"\n'
        + (pinned if mode == "pinned" else "")
    )
    installation = Installation(made.directory, load_settings(config))
    with installation.serving(workers=2) as supervisor:
        yield Proxied(installation, authority, hop_authority, directory, supervisor)
