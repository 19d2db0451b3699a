"""Row: how long a revoked certificate's open connections live, as their client sees it."""

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from time import monotonic, sleep

import httpx
from cryptography.x509 import ReasonFlags

from gateway.operations.registration import VendorOwner, register_credential
from gateway.trial.sandbox import contract_of
from keys.profiles import Profile
from keys.secret import write_private_file
from tests.bench.client import Endpoint
from tests.bench.harness import Sample, Target, percentile
from tests.bench.sides import VENDOR
from tests.bench.stand import Stand, helpers

_WORKERS = 4
_CONNECTIONS = 200
_HEAR_SECONDS = 0.5


class Revocation:
    """200 connections over four workers, half idle, half asking; each round a new certificate."""

    name = "revocation"
    unit = "ms (p99)"
    target = Target(250.0, at_most=True)
    has_warmup = False

    _stand: Stand
    _refs: list[str]

    @contextmanager
    def open(self, stand: Stand) -> Iterator[None]:
        self._stand = stand
        installation = stand.installation
        with installation.serving(workers=_WORKERS):
            with installation.vendor(VENDOR) as client:
                items = client.get("/v1/cases", params={"limit": 500}).json()["items"]
            self._refs = [item["case_ref"] for item in items]
            yield

    def ours(self) -> Sample:
        office = self._stand.installation.office()
        endpoint, thumbprint = self._register()
        order = {
            "endpoint": asdict(endpoint),
            "headers": {"authorization": f"Bearer {self._token(endpoint)}"},
            "requests": [(f"/v1/cases/{ref}", ref, 1) for ref in self._refs],
            "connections": _CONNECTIONS,
        }
        with helpers("holder", 1) as (holder,):
            holder.tell(order)
            opened = holder.hear()  # all are open and each has been answered
            if "error" in opened:
                raise RuntimeError(opened["error"])
            sleep(_HEAR_SECONDS)
            revoked_at = monotonic()
            effect = office.revoke_certificate(
                thumbprint, ReasonFlags.key_compromise, actor="cli:bench"
            )
            returned_at = monotonic()
            result = holder.hear()
        if "error" in result:
            raise RuntimeError(result["error"])
        took = sorted((closed_at - revoked_at) * 1e3 for closed_at in result["closed_at"])
        if len(took) != _CONNECTIONS or not effect.is_complete:
            raise RuntimeError(f"only {len(took)} of {_CONNECTIONS} connections were closed")
        details = {
            "acknowledged_ms": (effect.seconds or 0.0) * 1e3,
            "command_ms": (returned_at - revoked_at) * 1e3,
            "answers": result["answers"],
            "refused": result["refused"],
        }
        return Sample(percentile(took, 0.99), tuple(took), details)

    def peer(self) -> None:
        return None

    def figure(self, samples: Sequence[Sample]) -> float:
        return percentile(_all(samples), 0.99)

    def note(self, ours: Sequence[Sample]) -> str:
        took = _all(ours)
        return (
            f"p50 {percentile(took, 0.5):.0f} ms, max {took[-1]:.0f} ms"
            f" over {len(took):,} connections, {_WORKERS} workers"
        )

    def _register(self) -> tuple[Endpoint, bytes]:
        installation = self._stand.installation
        now = self._stand.now()
        contract = contract_of(VENDOR)
        issued = self._stand.authority.issue(
            Profile.VENDOR_CLIENT,
            common_name=VENDOR,
            not_before=now,
            not_after=now + timedelta(days=1),
            uris=[f"urn:casegate:vendor:{VENDOR}:{contract}"],
        )
        with installation.office().connection() as connection:
            thumbprint = register_credential(
                connection,
                issued.certificate,
                VendorOwner(VENDOR, contract),
                actor="cli:bench",
                at=now,
            )
        sleep(_HEAR_SECONDS)
        folder: Path = self._stand.directory / f"client-{secrets.token_hex(4)}"
        folder.mkdir()
        (folder / "client.pem").write_bytes(issued.certificate_pem)
        write_private_file(folder / "client.key", issued.private_key_pem)
        endpoint = Endpoint(
            installation.settings.vendor.port,
            str(installation.directory / "vendors" / VENDOR / "ca.pem"),
            str(folder / "client.pem"),
            str(folder / "client.key"),
        )
        return endpoint, thumbprint

    def _token(self, endpoint: Endpoint) -> str:
        installation = self._stand.installation
        with httpx.Client(base_url=installation.vendor_url, verify=endpoint.context()) as client:
            return installation.token(client)


def _all(samples: Sequence[Sample]) -> list[float]:
    return sorted(took for sample in samples for took in sample.observations)
