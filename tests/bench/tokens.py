"""Rows: tokens a second, handshakes a second, and what it costs to know who is calling."""

import hashlib
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from time import process_time, sleep
from typing import Any

from gateway.clock import SystemClock
from gateway.http.gate import VendorGate
from gateway.identity.connections import ConnectionRegistry
from gateway.identity.feed import TrustFeed
from gateway.identity.trust import CredentialRecord, TrustView
from keys.secret import Secret
from keys.thumbprint import base64url
from keys.token_key import TokenAlgorithm, TokenKey, new_token_key
from keys.tokens import TokenAuthority
from tests.bench.client import Endpoint
from tests.bench.harness import Sample, Target, middle
from tests.bench.sides import VENDOR, Sides, both_sides, side_note
from tests.bench.stand import Stand, helpers
from tests.installation import free_port

_CHECKS = 20_000
_CREDENTIALS = 500
_GRANT = "grant_type=client_credentials"


class Tokens:
    """POST for a token, logged each time, against a bare route that takes the same form."""

    name = "tokens"
    unit = "requests/s"
    target = Target(0.4, of_ratio=True)
    has_warmup = True

    _sides: Sides

    @contextmanager
    def open(self, stand: Stand) -> Iterator[None]:
        with both_sides(stand) as self._sides:
            yield

    def ours(self) -> Sample:
        return self._load(self._sides.ours, "/oauth2/token")

    def peer(self) -> Sample:
        return self._load(self._sides.peer, "/token")

    def figure(self, samples: Sequence[Sample]) -> float:
        return middle(samples)

    def note(self, ours: Sequence[Sample]) -> str:
        return side_note(list(ours))

    def _load(self, side: Any, path: str) -> Sample:
        sides = self._sides
        requests = [(path, "access_token", 1)]
        return sides.load(side, requests, connections=sides.stand.connections, form=_GRANT)


class Handshakes:
    """New connections, each with a full TLS 1.3 handshake by certificates and one small request,
    against nginx with the same certificates; left out where there is no nginx."""

    name = "handshakes"
    unit = "handshakes/s"
    target = Target(0.0)
    has_warmup = True

    _stand: Stand
    _endpoint: Endpoint
    _nginx: Endpoint | None

    @contextmanager
    def open(self, stand: Stand) -> Iterator[None]:
        self._stand = stand
        installation = stand.installation
        folder = installation.directory / "vendors" / VENDOR
        names = ("ca.pem", "client.pem", "client.key")
        files = [str(folder / name) for name in names]
        self._endpoint = Endpoint(installation.settings.vendor.port, *files)
        with installation.serving(workers=stand.workers), _nginx(stand) as port:
            self._nginx = None if port is None else Endpoint(port, *files)
            yield

    def ours(self) -> Sample:
        return self._shake(self._endpoint)

    def peer(self) -> Sample | None:
        return None if self._nginx is None else self._shake(self._nginx)

    def figure(self, samples: Sequence[Sample]) -> float:
        return middle(samples)

    def note(self, ours: Sequence[Sample]) -> str:
        middle_ms = sorted(sample.details["p50_ms"] for sample in ours)[len(ours) // 2]
        peer = "nginx is not installed: no peer" if self._nginx is None else "peer: nginx"
        return f"p50 {middle_ms:.1f} ms, the client's own handshake included; {peer}"

    def _shake(self, endpoint: Endpoint) -> Sample:
        order = {"endpoint": asdict(endpoint), "seconds": self._stand.seconds, "loops": 8}
        with helpers("shaking", 1) as (helper,):
            helper.tell(order)
            result = helper.hear()
        if "error" in result:
            raise RuntimeError(result["error"])
        return Sample(
            result["handshakes"] / result["seconds"], details={"p50_ms": result["p50_ms"]}
        )


class Identifying:
    """The gate's check of an ordinary request: certificate, contract, term, token, binding,
    early end of tokens, with 500 credentials registered. Processor time; no network."""

    name = "identity"
    unit = "µs/request"
    target = Target(20.0, at_most=True)
    has_warmup = True

    _gate: VendorGate
    _scope: dict[str, Any]
    _thumbprint: bytes

    @contextmanager
    def open(self, stand: Stand) -> Iterator[None]:
        now = stand.now()
        nothing: Any = None
        thumbprints = [hashlib.sha256(b"%d" % n).digest() for n in range(_CREDENTIALS)]
        records = [
            CredentialRecord(
                thumbprint, "vendor", f"v{n}", f"c{n}", None, None,
                now - timedelta(days=1), now + timedelta(days=30), "active", "active",
                now - timedelta(days=1), now + timedelta(days=300),
            )
            for n, thumbprint in enumerate(thumbprints)
        ]  # fmt: skip
        feed = TrustFeed(
            "",
            listener="vendor",
            registry=ConnectionRegistry(),
            clock=SystemClock(),
            stale_seconds=5,
        )
        feed._view = TrustView(1, records, [f"ended-{n}" for n in range(_CREDENTIALS)])
        feed._heard_at = float("inf")
        key = TokenKey.load(Secret(new_token_key(TokenAlgorithm.EDDSA)))
        tokens = TokenAuthority(key, issuer="https://bench", audience="https://bench")
        self._thumbprint = thumbprints[7]
        minted = tokens.mint(
            client_id="v7",
            contract_id="c7",
            thumbprint=self._thumbprint,
            now=now,
            not_after=now + timedelta(days=1),
        )
        self._gate = VendorGate(
            nothing, trust=feed, tokens=tokens, evidence=nothing, clock=SystemClock()
        )
        self._scope = {
            "path": "/v1/cases",
            "state": {},
            "headers": [
                (b"accept", b"*/*"),
                (b"authorization", f"Bearer {minted.token}".encode()),
            ],
            "extensions": {"tls": {"client_cert_thumbprint_b64": base64url(self._thumbprint)}},
        }
        yield

    def ours(self) -> Sample:
        began = process_time()
        for _ in range(_CHECKS):
            self._gate.admit(self._scope, self._thumbprint)
        return Sample((process_time() - began) / _CHECKS * 1e6)

    def peer(self) -> None:
        return None

    def figure(self, samples: Sequence[Sample]) -> float:
        return middle(samples)

    def note(self, _ours: Sequence[Sample]) -> str:
        return "made twice a request: before the route, and before the answer leaves"


_CONFIGURATION = """
daemon off; pid {folder}/nginx.pid; error_log stderr error; worker_processes {workers};
events {{ worker_connections 1024; }}
http {{
  access_log off;
  client_body_temp_path {folder}/a; proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c;
  uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;
  server {{
    listen 127.0.0.1:{port} ssl backlog=1024;
    ssl_protocols TLSv1.3; ssl_session_tickets off; ssl_session_cache off;
    ssl_certificate {certificate}; ssl_certificate_key {key};
    ssl_client_certificate {authorities}; ssl_verify_client on; ssl_verify_depth 3;
    location / {{ return 200 "{{}}"; }}
  }}
}}
"""


@contextmanager
def _nginx(stand: Stand) -> Iterator[int | None]:
    """nginx with the gateway's certificates, on a port of its own; None where it is missing."""
    program = shutil.which("nginx")
    if program is None:
        yield None
        return
    settings = stand.installation.settings
    folder: Path = stand.directory / "nginx"
    folder.mkdir(exist_ok=True)
    port = free_port()
    text = _CONFIGURATION.format(
        folder=folder,
        port=port,
        workers=stand.workers,
        certificate=settings.resolve(settings.tls.server_certificate),
        key=settings.resolve(settings.tls.server_key),
        authorities=settings.resolve(settings.tls.vendor_ca),
    )
    (folder / "nginx.conf").write_text(text)
    process = subprocess.Popen([program, "-p", str(folder), "-c", str(folder / "nginx.conf")])
    try:
        sleep(1)
        if process.poll() is not None:
            raise RuntimeError("nginx did not start")
        yield port
    finally:
        process.terminate()
        process.wait(10)
