import asyncio
import inspect
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httptools
import pytest
from typing_extensions import override
from uvicorn.config import Config
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from gateway.http import protocol
from gateway.http.protocol import GatewayProtocol, gateway_protocol
from gateway.identity.connections import ConnectionRegistry
from keys.thumbprint import base64url, certificate_thumbprint
from tests.installation import Installation

CERTIFICATE = b"DER of a certificate"


class FakeTLS:
    def __init__(self, certificate: bytes | None) -> None:
        self._certificate = certificate

    def getpeercert(self, *, binary_form: bool) -> bytes | None:
        assert binary_form
        return self._certificate

    def version(self) -> str:
        return "TLSv1.3"


class FakeTransport(asyncio.Transport):
    """Keeps what is written and says whether it was closed or aborted."""

    def __init__(self, tls: FakeTLS | None) -> None:
        super().__init__()
        self._tls = tls
        self.written = b""
        self.is_aborted = False
        self.is_closed = False

    @override
    def get_extra_info(self, name: str, default: Any = None) -> Any:
        known = {"ssl_object": self._tls, "peername": ("192.0.2.1", 1), "sockname": ("h", 2)}
        return known.get(name, default)

    @override
    def write(self, data: Any) -> None:
        self.written += bytes(data)

    @override
    def abort(self) -> None:
        self.is_aborted = True

    @override
    def close(self) -> None:
        self.is_closed = True

    @override
    def is_closing(self) -> bool:
        return self.is_closed or self.is_aborted

    @override
    def pause_reading(self) -> None:
        pass

    @override
    def resume_reading(self) -> None:
        pass

    @override
    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass


@contextmanager
def _connection(
    loop: asyncio.AbstractEventLoop, transport: FakeTransport, seen: list[dict[str, Any]]
) -> Iterator[tuple[GatewayProtocol, ConnectionRegistry]]:
    async def app(scope: Any, _receive: Any, send: Any) -> None:
        seen.append(scope)
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    registry = ConnectionRegistry()
    config = Config(app, log_config=None, ws="none", lifespan="off")
    config.load()
    made = gateway_protocol(registry)(config, ServerState(), {}, _loop=loop)
    assert isinstance(made, GatewayProtocol)
    made.connection_made(transport)
    yield made, registry
    made.connection_lost(None)


def test_the_hooks_still_exist_in_the_server_that_is_installed() -> None:
    """A new uvicorn that renames one of these would serve without certificate or bounds."""
    hooks = {
        "connection_made": ["self", "transport"],
        "connection_lost": ["self", "exc"],
        "on_message_begin": ["self"],
        "on_url": ["self", "url"],
        "on_header": ["self", "name", "value"],
        "on_headers_complete": ["self"],
        "on_body": ["self", "body"],
        "on_message_complete": ["self"],
        "data_received": ["self", "data"],
        "send_400_response": ["self", "msg"],
    }
    for name, parameters in hooks.items():
        assert name in vars(HttpToolsProtocol), name
        assert list(inspect.signature(vars(HttpToolsProtocol)[name]).parameters) == parameters
        assert name in vars(GatewayProtocol)
    assert "read_paused" in vars(FlowControl(FakeTransport(None)))
    assert "self.send_400_response" in inspect.getsource(HttpToolsProtocol.data_received)
    assert hasattr(httptools, "HttpRequestParser")


def test_each_request_knows_the_certificate_of_its_connection() -> None:
    async def story() -> list[dict[str, Any]]:
        seen: list[dict[str, Any]] = []
        transport = FakeTransport(FakeTLS(CERTIFICATE))
        with _connection(asyncio.get_running_loop(), transport, seen) as (made, registry):
            assert len(registry) == 1
            for _ in range(2):
                made.data_received(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
                await asyncio.sleep(0.02)
        assert len(registry) == 0
        return seen

    scopes = asyncio.run(story())
    digest = certificate_thumbprint(CERTIFICATE)

    told = [dict(scope["extensions"]["tls"]) for scope in scopes]
    assert not any(tls.pop("is_cut")() for tls in told)
    assert (
        told
        == [
            {
                "client_cert_thumbprint": digest,
                "client_cert_thumbprint_b64": base64url(digest),
                "tls_version": "TLSv1.3",
            }
        ]
        * 2
    )


@pytest.mark.parametrize("tls", [None, FakeTLS(None)], ids=["plain", "no-certificate"])
def test_a_connection_without_a_certificate_is_aborted(tls: FakeTLS | None) -> None:
    async def story() -> FakeTransport:
        transport = FakeTransport(tls)
        with _connection(asyncio.get_running_loop(), transport, []) as (_made, registry):
            assert len(registry) == 0
        return transport

    assert asyncio.run(story()).is_aborted


@pytest.mark.parametrize("start", [b"", b"GET / HTTP/1.1\r\nhost: x\r\n", b"GET /"])
def test_a_head_that_does_not_end_in_time_is_aborted(
    start: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "HEADER_SECONDS", 0.05)

    async def story() -> FakeTransport:
        transport = FakeTransport(FakeTLS(CERTIFICATE))
        with _connection(asyncio.get_running_loop(), transport, []) as (made, _registry):
            made.data_received(start)
            await asyncio.sleep(0.02)
            assert not transport.is_aborted
            await asyncio.sleep(0.06)
        return transport

    assert asyncio.run(story()).is_aborted


def test_a_finished_head_stops_the_timer_and_the_next_one_starts_it_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(protocol, "HEADER_SECONDS", 0.05)

    async def story() -> FakeTransport:
        transport = FakeTransport(FakeTLS(CERTIFICATE))
        with _connection(asyncio.get_running_loop(), transport, []) as (made, _registry):
            made.data_received(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
            await asyncio.sleep(0.1)
            assert not transport.is_aborted
            made.data_received(b"GET / HT")
            await asyncio.sleep(0.1)
        return transport

    assert asyncio.run(story()).is_aborted


POST = b"POST / HTTP/1.1\r\nhost: x\r\n"


async def _send_slowly(head: bytes, piece: bytes) -> FakeTransport:
    transport = FakeTransport(FakeTLS(CERTIFICATE))
    with _connection(asyncio.get_running_loop(), transport, []) as (made, _registry):
        made.data_received(POST + head + b"\r\n\r\n")
        for _ in range(14):
            made.data_received(piece)
            await asyncio.sleep(0.01)
    return transport


@pytest.mark.parametrize(
    ("head", "piece"),
    [
        (b"content-length: 90000", b""),
        (b"content-length: 90000", b"a"),
        (b"transfer-encoding: chunked", b"1\r\na\r\n"),
    ],
    ids=["silent", "drop-by-drop", "drop-by-drop-in-chunks"],
)
def test_a_body_that_hardly_comes_is_cut(
    head: bytes, piece: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "BODY_SECONDS", 0.05)

    assert asyncio.run(_send_slowly(head, piece)).is_aborted


@pytest.mark.parametrize(
    ("head", "piece"),
    [(b"content-length: 90000", b"a" * 3000), (b"content-length: 0", b"")],
    ids=["steady", "whole"],
)
def test_a_body_that_comes_slowly_is_not_cut(
    head: bytes, piece: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "BODY_SECONDS", 0.05)

    assert not asyncio.run(_send_slowly(head, piece)).is_aborted


def test_who_waits_for_us_to_take_its_body_is_not_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "BODY_SECONDS", 0.03)

    async def story() -> FakeTransport:
        transport = FakeTransport(FakeTLS(CERTIFICATE))
        with _connection(asyncio.get_running_loop(), transport, []) as (made, _registry):
            made.data_received(POST + b"content-length: 90000\r\n\r\n")
            await asyncio.sleep(0.01)
            made.flow.pause_reading()
            await asyncio.sleep(0.1)
        return transport

    assert not asyncio.run(story()).is_aborted


def test_one_certificate_cannot_take_every_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "MAX_CONNECTIONS_OF_ONE", 2)

    async def story() -> list[bool]:
        registry = ConnectionRegistry()
        config = Config(lambda: None, log_config=None, ws="none", lifespan="off")
        config.load()
        kind = gateway_protocol(registry)
        seen, made = [], []
        for certificate in (b"one", b"one", b"one", b"two"):
            transport = FakeTransport(FakeTLS(certificate))
            made.append(kind(config, ServerState(), {}, _loop=asyncio.get_running_loop()))
            made[-1].connection_made(transport)
            seen.append(transport.is_aborted)
        made[2].connection_lost(None)  # the refused one was never counted
        made[0].connection_lost(None)
        transport = FakeTransport(FakeTLS(b"one"))
        last = kind(config, ServerState(), {}, _loop=asyncio.get_running_loop())
        last.connection_made(transport)
        for one in (made[1], made[3], last):
            one.connection_lost(None)
        assert len(registry) == 0
        return [*seen, transport.is_aborted]

    assert asyncio.run(story()) == [False, False, True, False, False]


def _raw(gateway: Installation, *parts: bytes) -> bytes:
    """What the served gateway answers to bytes that no HTTP library would send."""
    address = ("localhost", gateway.settings.vendor.port)
    with (
        socket.create_connection(address, timeout=5) as plain,
        gateway.tls("vendors/alpha").wrap_socket(plain, server_hostname="localhost") as tls,
    ):
        answer = b""
        try:
            for part in parts:
                tls.sendall(part)
            while chunk := tls.recv(65536):
                answer += chunk
        except OSError:
            pass  # the gateway may close before all was sent; what it said first counts
        return answer


HOST = b"host: localhost\r\n"
GET = b"GET /v1/cases HTTP/1.1\r\n" + HOST


@pytest.mark.parametrize(
    "parts",
    [
        (GET + b"x: " + b"a" * 20_000 + b"\r\n\r\n",),
        (GET + b"".join(b"x-%d: aaaaaaaaaa\r\n" % number for number in range(2000)) + b"\r\n",),
        (GET + b"x: ", *([b"a" * 4096] * 12)),
        (b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n",),
        (GET + b"a" * 20_000 + b": x\r\n\r\n",),
    ],
    ids=["one-big", "many-small", "endless", "long-path", "long-name"],
)
def test_too_much_head_is_answered_with_431_and_the_connection_ends(
    gateway: Installation, parts: tuple[bytes, ...]
) -> None:
    answer = _raw(gateway, *parts)

    assert answer.startswith(b"HTTP/1.1 431 ")
    assert b'"code":"HEADERS_TOO_LARGE"' in answer
    assert b"application/problem+json" in answer
    assert b"connection: close" in answer


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x00\x01\x02\x03\r\n\r\n",
        b"hello\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /v1/cases HTTP/1.1\r\nno colon here\r\n\r\n",
        GET + b"content-length: 5\r\ncontent-length: 6\r\n\r\n",
        GET + b"content-length: -1\r\n\r\n",
        GET + b"transfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
)
def test_what_is_not_http_is_answered_with_a_problem_and_the_connection_ends(
    gateway: Installation, garbage: bytes
) -> None:
    answer = _raw(gateway, garbage)

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b'"code":"SCHEMA_INVALID"' in answer


def test_pipelined_requests_are_answered_one_after_the_other(gateway: Installation) -> None:
    first = b"GET /.well-known/jwks.json HTTP/1.1\r\n" + HOST + b"\r\n"
    last = b"GET /v1/cases HTTP/1.1\r\n" + HOST + b"connection: close\r\n\r\n"

    answer = _raw(gateway, first + first + last)

    assert re.findall(rb"HTTP/1\.1 (\d{3})", answer) == [b"200", b"200", b"401"]
