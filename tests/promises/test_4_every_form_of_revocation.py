"""Promise 4: what is shut out, in whichever form, is dead in a second, and nothing else is."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from uuid import uuid4

import httpx
import orjson
import pytest

from gateway.http.est import RENEWAL_PATH
from gateway.operations.issuers import add_issuer
from gateway.operations.registration import VendorOwner, register_credential
from tests.promises.fortress import CLOCK, Fortress, built_fortress, refusal_of
from tests.promises.processes import wait_until
from tests.promises.wire import Wire, seconds_until_cut
from tests.second_host import second_host

BIG_PAGE = "/v1/cases?limit=500"
PAGES_AHEAD = 40


@pytest.fixture(scope="module")
def fortress(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fortress]:
    with built_fortress(tmp_path_factory.mktemp("fortress"), cases=150) as fortress:
        with fortress.installation.office().connection() as connection:
            add_issuer(connection, fortress.authority.certificate, actor="test", at=CLOCK.now())
        yield fortress


class Holder:
    """One system of alpha with a certificate of its own, already served by the gateway."""

    def __init__(self, fortress: Fortress, folder: Path, *, system: str) -> None:
        self.reference = uuid4().hex[:16]
        issued = fortress.issue(fortress.authority)
        with fortress.installation.office().connection() as connection:
            self.thumbprint = register_credential(
                connection,
                issued.certificate,
                VendorOwner("alpha", "alpha-2026", self.reference, system),
                issuer_id=fortress.authority.issuer_id,
                actor="test",
                at=CLOCK.now(),
            )
        own = folder / self.reference
        own.mkdir()
        self.context = fortress.context(issued, own)
        self._fortress = fortress
        # Each of the workers must have heard of it.
        assert wait_until(
            lambda: {refusal_of(fortress, self.context) for _ask in range(6)} == {"TOKEN_MISSING"},
            seconds=20,
        )
        self.token = fortress.token_for(self.context)

    def wire(self) -> Wire:
        """An open connection that has been served."""
        wire = Wire(self._fortress.port, self.context)
        assert wire.ask("/v1/cases?limit=1", token=self.token).status == 200
        return wire

    def half_read(self) -> Wire:
        """A connection in the middle of an answer that nobody reads on."""
        wire = Wire(self._fortress.port, self.context, receive_buffer=4096)
        for _page in range(PAGES_AHEAD):
            wire.send(BIG_PAGE, token=self.token)
        assert wire.socket.recv(1000).startswith(b"HTTP/1.1 200")
        return wire

    def refusals(self) -> set[str]:
        """How new connections with the certificate and its token end."""
        return {refusal_of(self._fortress, self.context, self.token) for _ask in range(6)}

    def renewal(self) -> str:
        """The code with which a renewal is refused."""
        for _attempt in range(5):
            try:
                with Wire(self._fortress.port, self.context) as wire:
                    wire.send(RENEWAL_PATH, method="POST", head="Content-Length: 0\r\n")
                    return str(orjson.loads(wire.receive().body)["code"])
            except OSError:
                continue
        return "CUT"


def _command(holder: Holder, form: str, fortress: Fortress) -> tuple[str, ...]:
    return {
        "certificate": ("cert", "revoke", holder.thumbprint.hex()),
        "credential": ("credential", "revoke", holder.reference),
        "suspension": ("credential", "suspend", holder.reference),
        "system": ("system", "revoke", "alpha", "dialer-system"),
        "issuer": ("ca", "revoke-issuer", fortress.authority.issuer_id.hex()[:16]),
    }[form]


def _suspended_vendor(fortress: Fortress) -> Callable[[], bool]:
    context = fortress.installation.tls("vendors/beta")
    return lambda: refusal_of(fortress, context, "x") == "VENDOR_NOT_ACTIVE"


def test_a_suspended_vendor_is_let_in_again_by_two_and_by_nobody_alone(
    fortress: Fortress,
) -> None:
    installation = fortress.installation
    is_out = _suspended_vendor(fortress)
    with (
        installation.staff("security") as security,
        installation.staff("compliance") as compliance,
        Wire(fortress.port, installation.tls("vendors/beta")) as wire,
    ):
        wire.ask("/.well-known/jwks.json")
        began = time.monotonic()
        suspended = security.post("/company/v1/vendors/beta/suspend")
        cut = seconds_until_cut([wire], began, patience=2)
        assert is_out()
        asked = security.post("/company/v1/vendors/beta/resume")
        proposal = asked.json()["proposal_id"]
        alone = security.post(f"/company/v1/proposals/{proposal}/approve")
        assert is_out()
        approved = compliance.post(f"/company/v1/proposals/{proposal}/approve")
        resumed = security.post("/company/v1/vendors/beta/resume")

    assert (suspended.status_code, asked.status_code) == (200, 202)
    assert cut
    assert cut[0] < 1
    assert (alone.status_code, alone.json()["code"]) == (409, "SECOND_PERSON_NEEDED")
    assert (approved.status_code, resumed.status_code) == (200, 200)
    with installation.vendor("beta") as client:
        assert client.get("/v1/cases?limit=1").status_code == 200


def test_there_is_no_tls_session_to_resume(fortress: Fortress) -> None:
    context = fortress.installation.tls("vendors/alpha")
    with Wire(fortress.port, context) as wire:
        wire.ask("/.well-known/jwks.json")
        session = wire.socket.session
        assert session is None or not session.has_ticket

    again = Wire(fortress.port, context, session=session)
    with again:
        assert not again.socket.session_reused


def test_a_listener_on_another_host_obeys_too(fortress: Fortress, tmp_path: Path) -> None:
    installation = fortress.installation
    issued = fortress.issue(fortress.authority)
    thumbprint = fortress.register(issued)
    context = fortress.context(issued, tmp_path)
    with second_host(installation, workers=2) as other, ExitStack() as stack:
        other_port = other.settings.vendor.port
        far = Fortress(other, fortress.authority, fortress.supervisor)
        for host in (fortress, far):
            assert wait_until(
                lambda host=host: refusal_of(host, context) == "TOKEN_MISSING",  # type: ignore[misc]
                seconds=20,
            )
        token = fortress.token_for(context)
        wires = [
            stack.enter_context(Wire(port, context))
            for port in (fortress.port, other_port)
            for _wire in range(6)
        ]
        for wire in wires:
            assert wire.ask("/v1/cases?limit=1", token=token).status == 200
        command = installation.run("cert", "revoke", thumbprint.hex(), "--json")
        cut = seconds_until_cut(wires, time.monotonic(), patience=1)
        refusals = {refusal_of(far, context, token) for _ask in range(4)}

    effect = orjson.loads(command.stdout)
    vendors = [worker for worker in effect["by_worker"] if worker["listener"] == "vendor"]
    assert len(cut) == len(wires)
    assert len(vendors) == 4 + 2
    assert effect["complete"], effect["by_worker"]
    assert effect["seconds"] < 1
    assert refusals == {"CRED_REVOKED"}


def test_no_token_is_minted_once_the_last_worker_has_obeyed(
    fortress: Fortress, tmp_path: Path
) -> None:
    issued = fortress.issue(fortress.authority)
    thumbprint = fortress.register(issued)
    context = fortress.context(issued, tmp_path)
    assert wait_until(
        lambda: {refusal_of(fortress, context) for _ask in range(6)} == {"TOKEN_MISSING"},
        seconds=20,
    )
    minted: list[tuple[float, str]] = []
    is_over = threading.Event()

    def mint() -> None:
        form = {"grant_type": "client_credentials"}
        while not is_over.is_set():
            try:
                with httpx.Client(
                    base_url=fortress.installation.vendor_url, verify=context
                ) as client:
                    asked_at = time.monotonic()
                    answer = client.post("/oauth2/token", data=form)
            except httpx.HTTPError:
                continue
            if answer.status_code == 200:
                minted.append((asked_at, answer.json()["access_token"]))

    minting = threading.Thread(target=mint)
    minting.start()
    try:
        assert wait_until(lambda: len(minted) > 2, seconds=20)
        with fortress.installation.staff("security") as security:
            effect = security.post(f"/company/v1/certificates/{thumbprint.hex()}/revoke").json()
        obeyed_at = time.monotonic()
        time.sleep(0.5)
    finally:
        is_over.set()
        minting.join()

    assert effect["complete"], effect["by_worker"]
    assert effect["tokens"] >= 3
    assert max(asked_at for asked_at, _token in minted) < obeyed_at
    assert {refusal_of(fortress, context, token) for _at, token in minted[-3:]} == {"CRED_REVOKED"}


# The issuer comes last: nothing that it gave is trusted afterwards.
@pytest.mark.parametrize("form", ["certificate", "credential", "suspension", "system", "issuer"])
def test_each_form_cuts_its_own_in_mid_stream_and_nothing_else(
    fortress: Fortress, tmp_path: Path, form: str
) -> None:
    code = "CRED_SUSPENDED" if form == "suspension" else "CRED_REVOKED"
    held = Holder(fortress, tmp_path, system=f"dialer-{form}")
    with ExitStack() as stack:
        wires = [stack.enter_context(held.wire()) for _wire in range(8)]
        reading = stack.enter_context(held.half_read())
        bystander = stack.enter_context(
            Wire(fortress.port, fortress.installation.tls("vendors/alpha"))
        )
        other_token = fortress.token_for(fortress.installation.tls("vendors/alpha"))
        whole = len(bystander.ask(BIG_PAGE, token=other_token).body)

        command = fortress.installation.run(*_command(held, form, fortress), "--json")
        cut = seconds_until_cut(wires, time.monotonic(), patience=1)
        stream = reading.read_to_cut()

        assert bystander.ask("/v1/cases?limit=1", token=other_token).status == 200
    effect = orjson.loads(command.stdout)
    assert command.returncode == 0, command.stderr
    assert len(cut) == len(wires)
    assert len(stream) < PAGES_AHEAD * whole / 2
    assert effect["complete"], effect["by_worker"]
    # The issuer gave the one that is suspended, too.
    assert effect["credentials"] == (2 if form == "issuer" else 1)
    assert effect["seconds"] < 1
    assert effect["connections_closed"] == len(wires) + 1
    assert effect["tokens"] == effect["credentials"]
    assert sum(worker["connections_closed"] for worker in effect["by_worker"]) == len(wires) + 1
    assert held.refusals() == {code}
    assert held.renewal() == code
    if form == "issuer":
        # A certificate of the same authority that nobody registered is no way round.
        stranger = fortress.context(fortress.issue(fortress.authority), tmp_path)
        assert refusal_of(fortress, stranger) == "CRED_UNKNOWN"
