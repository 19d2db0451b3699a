"""Row: how long a revoked certificate's open connections live, as their client sees it."""

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
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
from tests.second_host import second_host

_HOSTS = 2
_WORKERS = 4
_CONNECTIONS = 400
_HEAR_SECONDS = 0.5
_PAGE = "/v1/cases?limit=100"


class Revocation:
    """400 connections over two hosts of four workers each, half idle, half in the middle of a
    page; each revocation ends a new certificate's. The time is the client's, to the last byte."""

    name = "revocation"
    unit = "ms (p99)"
    target = Target(250.0, at_most=True)
    has_warmup = False

    _stand: Stand
    _refs: list[str]
    _ports: list[int]

    @contextmanager
    def open(self, stand: Stand) -> Iterator[None]:
        self._stand = stand
        installation = stand.installation
        with (
            installation.serving(workers=_WORKERS),
            second_host(installation, workers=_WORKERS) as other,
        ):
            self._ports = [installation.settings.vendor.port, other.settings.vendor.port]
            with installation.vendor(VENDOR) as client:
                items = client.get("/v1/cases", params={"limit": 500}).json()["items"]
            self._refs = [item["case_ref"] for item in items]
            yield

    def ours(self) -> Sample:
        """Two revocations a round, with --full ten: 10 or 50 in the usual five rounds."""
        parts = [self._revoke() for _ in range(10 if self._stand.full else 2)]
        took = sorted(value for part in parts for value in part.observations)
        details = {
            name: sum(part.details[name] for part in parts) / len(parts)
            for name in parts[0].details
        }
        return Sample(percentile(took, 0.99), tuple(took), details)

    def _revoke(self) -> Sample:
        office = self._stand.installation.office()
        endpoint, thumbprint = self._register()
        order = {
            "endpoints": [asdict(replace(endpoint, port=port)) for port in self._ports],
            "headers": {"authorization": f"Bearer {self._token(endpoint)}"},
            "requests": [(f"/v1/cases/{ref}", ref, 1) for ref in self._refs],
            "page": (_PAGE, "", 0),
            "idle": _CONNECTIONS // _HOSTS // 2,
            "streams": _CONNECTIONS // _HOSTS // 2,
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
        idle, streams = (
            sorted((closed_at - revoked_at) * 1e3 for closed_at in result[name])
            for name in ("idle_closed_at", "stream_closed_at")
        )
        took = sorted([*idle, *streams])
        if len(took) != _CONNECTIONS or not effect.is_complete:
            raise RuntimeError(f"only {len(took)} of {_CONNECTIONS} connections were closed")
        details = {
            "acknowledged_ms": (effect.seconds or 0.0) * 1e3,
            "command_ms": (returned_at - revoked_at) * 1e3,
            "idle_p99_ms": percentile(idle, 0.99),
            "streams_p99_ms": percentile(streams, 0.99),
            "workers": float(effect.workers),
        }
        return Sample(percentile(took, 0.99), tuple(took), details)

    def peer(self) -> None:
        return None

    def figure(self, samples: Sequence[Sample]) -> float:
        return percentile(_all(samples), 0.99)

    def note(self, ours: Sequence[Sample]) -> str:
        took = _all(ours)
        told = max(sample.details["acknowledged_ms"] for sample in ours)
        return (
            f"p50 {percentile(took, 0.5):.0f} ms, max {took[-1]:.0f} ms over {len(took):,}"
            f" connections, {_HOSTS} hosts of {_WORKERS} workers; told {told:.0f} ms"
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
