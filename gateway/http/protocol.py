"""uvicorn's HTTP protocol, taught the peer certificate, the live-connection registry and bounds.

Neither uvicorn nor its ASGI scope tells which client certificate was presented; this subclass
adds `scope["extensions"]["tls"]`. A test guards the hooks against a changed uvicorn.

On a connection from the proxy the certificate is each request's own. The connection then stands
in the registry for the client whose request it carried last: HTTP/1.1 answers one request at a
time, so a revocation that aborts it ends that client's answer and nobody else's.
"""

import asyncio
from dataclasses import dataclass
from typing import Any, ClassVar

import orjson
from typing_extensions import override
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from gateway.errors import ProxyRefusedError
from gateway.http.forwarded import (
    ForwardedCertificates,
    names_certificate,
    verify_nothing_forwarded,
)
from gateway.identity.connections import ConnectionRegistry
from gateway.logs import logger
from keys.thumbprint import base64url, certificate_thumbprint

MAX_HEADER_BYTES = 16 * 1024
HEADER_SECONDS = 10.0
# While a body comes, this much of it has to come in this time; a line of telephone quality does.
BODY_BYTES = 4 * 1024
BODY_SECONDS = 30.0
# Of the connections that a worker takes in all, no one certificate gets more than a quarter.
MAX_CONNECTIONS_OF_ONE = 500


class _HeadTooLargeError(Exception):
    """Stops the parser, which wraps it in its own error and ends in send_400_response."""


class _TrailerError(Exception):
    """Stops the parser: a certificate's header after the body, where no proxy puts one."""


@dataclass(frozen=True, slots=True)
class ProxyTrust:
    """Which connections are a proxy's, and how what they forward is read.

    `is_socket`: all of this listener's are (a UNIX socket that others cannot open); otherwise
    those whose own certificate has one of these thumbprints.
    """

    reader: ForwardedCertificates
    thumbprints: frozenset[bytes] = frozenset()
    is_socket: bool = False


class GatewayProtocol(HttpToolsProtocol):
    """One connection of the worker whose `registry` it is bound to."""

    registry: ClassVar[ConnectionRegistry]
    asks_certificate: ClassVar[bool] = True
    proxy: ClassVar[ProxyTrust | None] = None

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._thumbprint = b""
        self._tls: dict[object, object] = {}
        self._forwarded: ForwardedCertificates | None = None
        self._served: set[bytes] = set()
        self._head_bytes = 0
        self._unfinished = 0
        self._head_timer: asyncio.TimerHandle | None = None
        self._body_timer: asyncio.TimerHandle | None = None
        self._body_bytes = 0
        self._is_body_open = False

    @override
    def connection_made(  # type: ignore[override]  # as in the parent class
        self, transport: asyncio.Transport
    ) -> None:
        super().connection_made(transport)
        if self.proxy is not None and self.proxy.is_socket:
            self._be_hop(self.proxy, {"hop": b""})
            return
        tls = transport.get_extra_info("ssl_object")
        certificate = tls.getpeercert(binary_form=True) if tls is not None else None
        if certificate is None:
            if self.asks_certificate or tls is None:
                transport.abort()  # the context requires one; never serve without
            else:
                self._arm_head_timer()
            return
        thumbprint = certificate_thumbprint(certificate)
        if self.proxy is not None and thumbprint in self.proxy.thumbprints:
            self._be_hop(self.proxy, {"hop": thumbprint, "tls_version": tls.version()})
            return
        if self.registry.count(thumbprint) >= MAX_CONNECTIONS_OF_ONE:
            logger().warning("connection.refused", thumbprint=thumbprint.hex())
            transport.abort()
            return
        self._thumbprint = thumbprint
        self._tls = {
            **_client(thumbprint),
            "tls_version": tls.version(),
            "is_cut": self._is_cut,
        }
        self.registry.add(self._thumbprint, transport, at=self.loop.time())
        self._arm_head_timer()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._disarm_head_timer()
        self._disarm_body_timer()
        self.registry.discard(self._thumbprint, self.transport)
        self._forget_served()
        super().connection_lost(exc)

    @override
    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head_bytes = 0
        self.scope["extensions"] = {"tls": {**self._tls}}
        if self._head_timer is None:
            self._arm_head_timer()

    @override
    def on_url(self, url: bytes) -> None:
        self._count(len(url))
        super().on_url(url)

    @override
    def on_header(self, name: bytes, value: bytes) -> None:
        self._count(len(name) + len(value))
        if self._head_timer is None:  # the head is over: a trailer, which nothing here reads
            if names_certificate(name):
                raise _TrailerError
            return
        super().on_header(name, value)

    @override
    def on_headers_complete(self) -> None:
        self._disarm_head_timer()
        self._unfinished = 0
        self._is_body_open = True
        self._identify()
        super().on_headers_complete()

    @override
    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        super().on_body(body)

    @override
    def on_message_complete(self) -> None:
        self._is_body_open = False
        self._disarm_body_timer()
        super().on_message_complete()

    @override
    def data_received(self, data: bytes) -> None:
        # The parser holds a field back until it ends, so what arrives before the head is
        # complete is counted here too.
        if self._head_timer is not None:
            if self._unfinished > MAX_HEADER_BYTES:
                self._head_bytes = self._unfinished
                self.send_400_response("")
                return
            self._unfinished += len(data)
        super().data_received(data)
        # Most requests are there as a whole by now, and cost no timer.
        if self._is_body_open and self._body_timer is None:
            self._arm_body_timer()

    @override
    def send_400_response(self, msg: str) -> None:
        """Answers what is not HTTP, or too much of it, with a problem (RFC 9457)."""
        status, code, title = 400, "SCHEMA_INVALID", "The request is not valid HTTP/1.1."
        if self._head_bytes > MAX_HEADER_BYTES:
            status, code = 431, "HEADERS_TOO_LARGE"
            title = f"The request line and headers exceed {MAX_HEADER_BYTES} bytes."
        body = orjson.dumps(
            {
                "type": f"urn:casegate:problem:{code}",
                "title": title,
                "status": status,
                "code": code,
            }
        )
        self.transport.write(
            b"HTTP/1.1 %d Refused\r\ncontent-type: application/problem+json\r\n"
            b"content-length: %d\r\nconnection: close\r\n\r\n%b" % (status, len(body), body)
        )
        self.transport.close()

    def _be_hop(self, proxy: ProxyTrust, own: dict[object, object]) -> None:
        self._forwarded = proxy.reader
        self._tls = {**own, "is_cut": self._is_cut}
        self._arm_head_timer()

    def _identify(self) -> None:
        """Says whose request this is; what is wrong with it waits for the HopGuard."""
        tls: dict[object, object] = self.scope["extensions"]["tls"]
        try:
            if self._forwarded is None:
                verify_nothing_forwarded(self.headers)
                return
            thumbprint = self._forwarded.thumbprint(self.headers)
        except ProxyRefusedError as error:
            tls["refusal"] = error
            return
        tls.update(_client(thumbprint))
        before: RequestResponseCycle | None = self.cycle
        if before is None or before.response_complete:
            self._forget_served()
        self._served.add(thumbprint)
        self.registry.add(thumbprint, self.transport, at=self.loop.time())

    def _forget_served(self) -> None:
        for thumbprint in self._served:
            self.registry.discard(thumbprint, self.transport)
        self._served.clear()

    def _is_cut(self) -> bool:
        """Whether the connection went away before the present answer was handed over."""
        return bool(getattr(self.cycle, "disconnected", False))

    def _count(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > MAX_HEADER_BYTES:
            raise _HeadTooLargeError

    def _arm_head_timer(self) -> None:
        self._head_timer = self.loop.call_later(HEADER_SECONDS, self._head_too_slow)

    def _disarm_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _head_too_slow(self) -> None:
        self._head_timer = None
        self.transport.abort()

    def _arm_body_timer(self) -> None:
        self._body_bytes = 0
        self._body_timer = self.loop.call_later(BODY_SECONDS, self._look_at_body)

    def _disarm_body_timer(self) -> None:
        if self._body_timer is not None:
            self._body_timer.cancel()
            self._body_timer = None

    def _look_at_body(self) -> None:
        """Cuts a caller that sends next to nothing; not one that waits because we are slow."""
        self._body_timer = None
        if self._body_bytes < BODY_BYTES and not self.flow.read_paused:
            self.transport.abort()
        else:
            self._arm_body_timer()


def _client(thumbprint: bytes) -> dict[object, object]:
    return {
        "client_cert_thumbprint": thumbprint,
        "client_cert_thumbprint_b64": base64url(thumbprint),
    }


def gateway_protocol(
    registry: ConnectionRegistry,
    *,
    asks_certificate: bool = True,
    proxy: ProxyTrust | None = None,
) -> type[HttpToolsProtocol]:
    """Returns the protocol class of one worker, bound to its registry.

    Where no certificate is asked for, connections are in no registry: nothing of theirs is cut.
    """
    bound = {"registry": registry, "asks_certificate": asks_certificate, "proxy": proxy}
    return type("BoundProtocol", (GatewayProtocol,), bound)
