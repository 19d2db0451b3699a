import asyncio
from collections.abc import Iterable
from typing import Any

from typing_extensions import override
from uvicorn.config import Config
from uvicorn.server import ServerState

from gateway.clock import SystemClock
from gateway.errors import ProxyRefusedError
from gateway.http.forwarded import ForwardedCertificates, HopHeader
from gateway.http.protocol import GatewayProtocol, ProxyTrust, gateway_protocol
from gateway.identity.chain import ClientChain
from gateway.identity.connections import ConnectionRegistry
from keys.thumbprint import certificate_thumbprint
from tests.gateway.http.test_protocol import CERTIFICATE, FakeTLS, FakeTransport


class NamedClients(ForwardedCertificates):
    """Takes the header's value for the thumbprint; reading certificates is tested elsewhere."""

    def __init__(self) -> None:
        chain = ClientChain([], max_issuers=1)
        super().__init__(HopHeader.CLIENT_CERT, chain, SystemClock(), max_chain=0)

    @override
    def thumbprint(self, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
        found = dict(headers).get(b"client-cert")
        if found is None:
            raise ProxyRefusedError("PROXY_HEADER_INVALID", "missing")
        return found


def ask(client: bytes, rest: bytes = b"") -> bytes:
    return b"GET / HTTP/1.1\r\nhost: x\r\nclient-cert: %b\r\n%b\r\n" % (client, rest)


class Hop:
    """A proxy's connection; answers wait until they are let go."""

    def __init__(self, proxy: ProxyTrust, tls: FakeTLS | None = None) -> None:
        self.registry = ConnectionRegistry()
        self.seen: list[Any] = []
        self.go = asyncio.Event()
        config = Config(self._app, log_config=None, ws="none", lifespan="off", interface="asgi3")
        config.load()
        loop = asyncio.get_running_loop()
        made = gateway_protocol(self.registry, proxy=proxy)(config, ServerState(), {}, _loop=loop)
        assert isinstance(made, GatewayProtocol)
        self.protocol = made
        self.transport = FakeTransport(tls)
        made.connection_made(self.transport)

    async def _app(self, scope: Any, _receive: Any, send: Any) -> None:
        self.seen.append(scope["extensions"]["tls"])
        await self.go.wait()
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def receive(self, data: bytes) -> None:
        self.protocol.data_received(data)
        await asyncio.sleep(0.01)

    def cut(self, revoked: bytes) -> int:
        return self.registry.cut(lambda thumbprint: thumbprint != revoked)


def socket_of_the_proxy() -> ProxyTrust:
    return ProxyTrust(NamedClients(), is_socket=True)


def test_each_request_is_its_own_clients() -> None:
    async def story() -> None:
        hop = Hop(socket_of_the_proxy())
        hop.go.set()
        for client in (b"alpha", b"beta", b"alpha"):
            await hop.receive(ask(client))

        assert [tls["client_cert_thumbprint"] for tls in hop.seen] == [b"alpha", b"beta", b"alpha"]
        assert not any("refusal" in tls for tls in hop.seen)
        hop.protocol.connection_lost(None)
        assert len(hop.registry) == 0

    asyncio.run(story())


def test_a_revocation_aborts_the_answer_in_the_middle_and_no_other_clients_connection() -> None:
    async def story() -> None:
        hop = Hop(socket_of_the_proxy())
        hop.go.set()
        await hop.receive(ask(b"alpha"))
        hop.go.clear()
        await hop.receive(ask(b"beta"))

        cuts = [(hop.cut(client), hop.transport.is_aborted) for client in (b"alpha", b"beta")]
        assert cuts == [(0, False), (1, True)]
        hop.go.set()
        hop.protocol.connection_lost(None)
        await asyncio.sleep(0.01)

    asyncio.run(story())


def test_requests_sent_ahead_are_all_known_until_they_are_answered() -> None:
    async def story() -> None:
        hop = Hop(socket_of_the_proxy())
        await hop.receive(ask(b"alpha") + ask(b"beta"))

        assert hop.cut(b"alpha") == 1
        hop.go.set()
        hop.protocol.connection_lost(None)
        await asyncio.sleep(0.01)
        assert len(hop.registry) == 0

    asyncio.run(story())


def test_a_request_without_its_client_is_marked_and_belongs_to_nobody() -> None:
    async def story() -> None:
        hop = Hop(socket_of_the_proxy())
        hop.go.set()
        await hop.receive(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")

        [tls] = hop.seen
        assert tls["refusal"].reason == "missing"
        assert "client_cert_thumbprint" not in tls
        assert len(hop.registry) == 0
        hop.protocol.connection_lost(None)

    asyncio.run(story())


def test_only_a_pinned_certificate_makes_a_connection_the_proxys() -> None:
    async def story() -> None:
        own = certificate_thumbprint(CERTIFICATE)
        pinned = Hop(ProxyTrust(NamedClients(), frozenset({own})), FakeTLS(CERTIFICATE))
        other = Hop(ProxyTrust(NamedClients(), frozenset({own})), FakeTLS(b"another"))
        for hop in (pinned, other):
            hop.go.set()
            await hop.receive(ask(b"alpha"))
            hop.protocol.connection_lost(None)

        [through], [refused] = pinned.seen, other.seen
        assert (through["client_cert_thumbprint"], through["hop"]) == (b"alpha", own)
        assert refused["refusal"].code == "PROXY_HEADER_FORBIDDEN"
        assert "hop" not in refused

    asyncio.run(story())
