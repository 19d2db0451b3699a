"""A served installation whose vendor authority's key is at hand, for attacks with certificates."""

import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import httpx
import orjson

from gateway.clock import SystemClock
from gateway.operations.registration import VendorOwner, register_credential
from keys.authority import CertificateAuthority, Issued, new_authority
from keys.profiles import Profile
from tests.installation import Installation
from tests.promises.processes import vendor_workers
from tests.promises.wire import Wire

WORKERS = 4
CLOCK = SystemClock()


@dataclass(frozen=True, slots=True)
class Fortress:
    """A served installation whose vendor authority's key is at hand."""

    installation: Installation
    authority: CertificateAuthority
    supervisor: subprocess.Popen[bytes]

    @property
    def port(self) -> int:
        return self.installation.settings.vendor.port

    @property
    def workers(self) -> list[int]:
        return vendor_workers(self.supervisor.pid)

    def issue(self, authority: CertificateAuthority, *, begin: int = 0, end: int = 80) -> Issued:
        """A certificate as alpha's, from `begin` to `end` days from now."""
        now = CLOCK.now()
        return authority.issue(
            Profile.VENDOR_CLIENT,
            common_name="alpha",
            not_before=now + timedelta(days=begin),
            not_after=now + timedelta(days=end),
            uris=["urn:casegate:vendor:alpha:alpha-2026"],
        )

    def context(self, issued: Issued | None, folder: Path) -> ssl.SSLContext:
        """A client that trusts the gateway and shows this certificate, or none."""
        server_ca = self.installation.directory / "ca" / "server-ca.pem"
        context = ssl.create_default_context(cafile=str(server_ca))
        if issued is not None:
            pem = folder / "client.pem"
            pem.write_bytes(issued.certificate_pem + issued.private_key_pem)
            context.load_cert_chain(pem)
        return context

    def register(self, issued: Issued, contract: str = "alpha-2026") -> bytes:
        """Registers a further certificate of alpha; returns its thumbprint."""
        with self.installation.office().connection() as connection:
            return register_credential(
                connection,
                issued.certificate,
                VendorOwner("alpha", contract),
                actor="test",
                at=CLOCK.now(),
            )

    def token_for(self, context: ssl.SSLContext) -> str:
        with httpx.Client(base_url=self.installation.vendor_url, verify=context) as client:
            return self.installation.token(client)


@contextmanager
def built_fortress(directory: Path, *, cases: int, workers: int = WORKERS) -> Iterator[Fortress]:
    installation = Installation.make(directory / "sandbox", cases=cases)
    now = CLOCK.now()
    authority = new_authority(
        "Test CA", not_before=now - timedelta(days=30), not_after=now + timedelta(days=300)
    )
    with (installation.directory / "ca" / "vendor-ca.pem").open("ab") as trusted:
        trusted.write(authority.certificate_pem)
    with installation.serving(workers=workers) as supervisor:
        yield Fortress(installation, authority, supervisor)


def refusal_of(fortress: Fortress, context: ssl.SSLContext, token: str = "") -> str:
    """The code of a refusal, or blank when the request is served.

    A connection whose certificate is not live may be cut before its refusal is read; then it is
    asked again.
    """
    for _attempt in range(5):
        try:
            with Wire(fortress.port, context) as wire:
                answer = wire.ask("/v1/cases", token=token)
        except OSError:
            continue
        if answer.status == 200:
            return ""
        assert answer.status in {401, 503}
        return str(orjson.loads(answer.body)["code"])
    return "CUT"
