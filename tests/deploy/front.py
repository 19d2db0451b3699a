"""A real proxy before a served installation, and what has to be true behind every one of them."""

import os
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from cryptography.x509 import ReasonFlags

from gateway.operations.revocation import RevocationEffect
from tests.deploy.proxied import Proxied, byte_sequence, xfcc
from tests.installation import free_port
from tests.promises.processes import wait_until
from tests.promises.wire import Wire, seconds_until_cut

ROOT = Path(__file__).parents[2]
PROXIES = ROOT / "deploy" / "proxies"
BIG_PAGE = "/v1/cases?limit=500"
PAGES_AHEAD = 60


def binary_of(name: str) -> str:
    """Where a proxy's program is; without it the test is skipped."""
    found = shutil.which(name, path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
    if found is None:
        pytest.skip(f"{name} is not installed (apt-get install {name})")
    return found


@dataclass(frozen=True, slots=True)
class Front:
    """A running proxy: its port, and how to start it."""

    served: Proxied
    port: int
    command: list[str]
    environment: dict[str, str]
    log: Path

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"

    @contextmanager
    def running(self) -> Iterator[subprocess.Popen[bytes]]:
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                self.command, env=self.environment, stdout=log, stderr=log, start_new_session=True
            )
        try:
            assert wait_until(lambda: self._accepts(process), seconds=10), self.log.read_text()
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            process.wait(20)

    def _accepts(self, process: subprocess.Popen[bytes]) -> bool:
        assert process.poll() is None, self.log.read_text()
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True

    @contextmanager
    def vendor(self, context: ssl.SSLContext | str) -> Iterator[httpx.Client]:
        """A vendor's client with a bound token, through the proxy."""
        if isinstance(context, str):
            context = self.served.installation.tls(f"vendors/{context}")
        with httpx.Client(base_url=self.url, verify=context, timeout=10) as client:
            token = self.served.installation.token(client)
            client.headers["Authorization"] = f"Bearer {token}"
            yield client


def new_front(
    served: Proxied, name: str, command: Callable[[str, Path], list[str]], **changes: str
) -> Front:
    """The configuration of deploy/proxies with the paths of this test in place of its own."""
    port = free_port()
    folder = served.folder / "proxy"
    folder.mkdir(exist_ok=True)
    ca = served.installation.directory / "ca"
    key = served.installation.directory / "secrets" / "server.key"
    (folder / "server.pem").write_bytes((ca / "server.pem").read_bytes())
    (folder / "server.key").write_bytes(key.read_bytes())
    (folder / "server-with-key.pem").write_bytes(
        (ca / "server.pem").read_bytes() + key.read_bytes()
    )
    shutil.copy(served.folder / "hop.pem", folder / "hop.pem")
    text = (PROXIES / name).read_text()
    replaced = {"/etc/casegate/proxy": str(folder), "/etc/casegate/ca": str(ca), **changes}
    for old, new in replaced.items():
        assert old in text, old
        text = text.replace(old, new.format(port=port, folder=folder))
    config = folder / name
    config.write_text(text)
    environment = {
        "CASEGATE_PROXY_BIND": f"127.0.0.1:{port}",
        "CASEGATE_VENDOR_LISTENER": f"127.0.0.1:{served.installation.settings.vendor.port}",
    }
    return Front(served, port, command(str(config), folder), environment, folder / "proxy.log")


def pulls_through(front: Front) -> None:
    """Each vendor gets its own cases, with evidence, as without a proxy."""
    truth = front.served.installation.truth()
    for vendor in ("alpha", "beta"):
        own = {case["case_ref"] for case in truth if case["vendor_id"] == vendor}
        with front.vendor(vendor) as client:
            answer = client.get("/v1/cases?limit=100")
            assert answer.status_code == 200
            assert "Casegate-Receipt" in answer.headers
            found = {item["case_ref"] for item in answer.json()["items"]}
            assert len(found) == 100
            assert found <= own
            assert client.get("/v1/assignments").status_code == 200


def overwrites_what_a_client_forges(front: Front) -> None:
    """A client's own headers change nothing of who it is: its token stays bound to it."""
    other = front.served.vendor_der("beta")
    forged = [
        [("Client-Cert", byte_sequence(other))],
        [("Client-Cert", byte_sequence(other)), ("Client-Cert", byte_sequence(other))],
        [("Client-Cert-Chain", byte_sequence(other))],
        [("X-Forwarded-Client-Cert", xfcc(other))],
        [("cLiEnT-cErT", "")],
        [("Client_Cert", byte_sequence(other))],
    ]
    with front.vendor("alpha") as client:
        for headers in forged:
            answer = client.get("/v1/cases?limit=1", headers=headers)
            assert answer.status_code == 200, headers[0][0]
        hidden = client.get("/v1/cases?limit=1", headers={"Connection": "close, Client-Cert"})
    # Whether the proxy passes the option on or not, the request is alpha's or nobody's.
    assert hidden.status_code in {200, 400}
    with front.vendor("beta") as client:
        token = client.headers["Authorization"]
    with front.vendor("alpha") as client:
        headers = [("Client-Cert", byte_sequence(other)), ("Authorization", token)]
        del client.headers["Authorization"]
        assert client.get("/v1/cases", headers=headers).json()["code"] == "TOKEN_FOREIGN"


def lets_nobody_in_without_a_certificate(front: Front) -> None:
    ca = front.served.installation.directory / "ca" / "server-ca.pem"
    context = ssl.create_default_context(cafile=str(ca))
    with httpx.Client(base_url=front.url, verify=context) as client:
        try:
            status = client.get("/v1/cases").status_code
        except httpx.TransportError:
            status = 400  # the handshake was refused
    assert status == 400  # or nginx's own answer


def cuts_within_a_second(front: Front) -> None:
    """Revoked in the middle of an answer: it ends there, and nothing is served any more."""
    served = front.served
    issued = served.issue()
    thumbprint = served.register(issued.certificate)
    context = served.installation.tls("vendors/alpha")
    pem = served.folder / "revoked.pem"
    pem.write_bytes(issued.certificate_pem + issued.private_key_pem)
    context.load_cert_chain(pem)
    with front.vendor(context) as client:
        token = client.headers["Authorization"].removeprefix("Bearer ")
        whole = len(client.get(BIG_PAGE).content)
        reading = Wire(front.port, context, receive_buffer=4096)
        try:
            for _page in range(PAGES_AHEAD):
                reading.send(BIG_PAGE, token=token)
            assert reading.socket.recv(1000).startswith(b"HTTP/1.1 200")
            time.sleep(0.3)  # until all buffers between are full
            began = time.monotonic()
            effect = _revoke(served, thumbprint)
            answer = client.get("/v1/cases?limit=1")
            refused = time.monotonic() - began
            stream = reading.read_to_cut()
        finally:
            reading.socket.close()
    with front.vendor("alpha") as first:
        assert first.get("/v1/cases?limit=1").status_code == 200

    print(
        f"refused {refused * 1000:.0f} ms after the order; the stream ended after"
        f" {len(stream):,} of {PAGES_AHEAD * whole:,} bytes"
    )
    assert (answer.status_code, answer.json()["code"]) == (401, "CRED_REVOKED")
    assert refused < 1
    assert effect.is_complete
    assert effect.connections_closed >= 1
    assert len(stream) < PAGES_AHEAD * whole / 2


def _revoke(served: Proxied, thumbprint: bytes) -> RevocationEffect:
    return served.installation.office().revoke_certificate(
        thumbprint, ReasonFlags.key_compromise, actor="test"
    )


def never_mixes_vendors_on_one_connection(front: Front, *, rounds: int = 30) -> None:
    """Two vendors at the same time, over connections of the proxy's that both use in turn."""
    truth = front.served.installation.truth()
    wrong: list[str] = []

    def pull(vendor: str) -> None:
        own = {case["case_ref"] for case in truth if case["vendor_id"] == vendor}
        with front.vendor(vendor) as client:
            for number in range(rounds):
                answer = client.get(f"/v1/cases?limit={number % 7 + 1}")
                found = {item["case_ref"] for item in answer.json().get("items", ())}
                if answer.status_code != 200 or not found or not found <= own:
                    wrong.append(f"{vendor} {answer.status_code}")

    threads = [threading.Thread(target=pull, args=(one,)) for one in ("alpha", "beta") * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert wrong == []


def serves_again_after_a_crash(front: Front, process: subprocess.Popen[bytes]) -> None:
    """The proxy is killed: vendors' connections end, Casegate goes on, a new proxy serves."""
    installation = front.served.installation
    context = installation.tls("vendors/alpha")
    with Wire(front.port, context) as wire, installation.vendor("alpha") as direct:
        wire.send("/v1/assignments")
        wire.receive()
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(5)
        assert seconds_until_cut([wire], time.monotonic(), patience=5)
        assert direct.get("/v1/cases?limit=1").status_code == 200
    with front.running():
        pulls_through(front)
