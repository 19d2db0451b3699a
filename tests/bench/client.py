"""A raw HTTP/1.1 client that costs little beside the server it loads; the same for both sides."""

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import Any

from typing_extensions import override

_HEAD_END = b"\r\n\r\n"
_LENGTH = b"content-length:"


@dataclass(frozen=True, slots=True)
class Request:
    """Bytes to send, how a right answer begins, and what it holds: `marker` so many times."""

    wire: bytes
    marker: bytes
    times: int
    status: bytes = b"HTTP/1.1 200 "


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where to connect, with a client certificate."""

    port: int
    authority: str
    certificate: str
    key: str

    def context(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=self.authority)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.load_cert_chain(self.certificate, self.key)
        return context


class Connection(asyncio.Protocol):
    """One keep-alive connection in a closed loop: the next request follows the last answer."""

    def __init__(self, following: Callable[[], Request | None]) -> None:
        self._following = following
        self._transport: asyncio.Transport | None = None
        self._request: Request | None = None
        self._received = bytearray()
        self._expected = 0
        self._sent_at = 0.0
        self.latencies: list[float] = []
        self.bytes_received = 0
        self.wrong: str | None = None
        self.closed_at: float | None = None
        self.answered = asyncio.Event()
        self.ended = asyncio.Event()

    @override
    def connection_made(  # type: ignore[override]  # uvloop's TLS transport has no common base
        self, transport: asyncio.Transport
    ) -> None:
        self._transport = transport

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self.closed_at = monotonic()
        self.answered.set()
        self.ended.set()

    @override
    def data_received(self, data: bytes) -> None:
        self._received += data
        if not self._expected:
            head_bytes = self._received.find(_HEAD_END)
            if head_bytes < 0:
                return
            self._expected = (
                head_bytes + len(_HEAD_END) + _body_length(self._received[:head_bytes])
            )
        if len(self._received) >= self._expected:
            self._finish()

    def send_next(self) -> None:
        """Sends the following request; a closed or finished loop stays silent."""
        self._request = self._following()
        if self._request is None or self._transport is None or self._transport.is_closing():
            self.ended.set()
            return
        self._sent_at = monotonic()
        self._transport.write(self._request.wire)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def _finish(self) -> None:
        request = self._request
        assert request is not None
        if (
            not self._received.startswith(request.status)
            or self._received.count(request.marker) != request.times
        ):
            self.wrong = bytes(self._received[:400]).decode("latin-1")
            self.answered.set()
            self.ended.set()
            return
        self.latencies.append(monotonic() - self._sent_at)
        self.bytes_received += self._expected
        self._received.clear()
        self._expected = 0
        self.answered.set()
        self.send_next()


async def connect(
    endpoint: Endpoint, context: ssl.SSLContext, following: Callable[[], Request | None]
) -> Connection:
    """Opens a connection that has not sent anything yet."""
    loop = asyncio.get_running_loop()
    _transport, protocol = await loop.create_connection(
        lambda: Connection(following),
        "127.0.0.1",
        endpoint.port,
        ssl=context,
        server_hostname="localhost",
    )
    return protocol


def read_requests(order: dict[str, Any]) -> list[Request]:
    """Requests of an order: [path, marker, times] each, with its headers, and a form to post."""
    form = order.get("form")
    method, headers = "GET", order["headers"]
    if form is not None:
        method = "POST"
        kind = "application/x-www-form-urlencoded"
        headers = {**headers, "content-type": kind, "content-length": str(len(form))}
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return [
        Request(
            f"{method} {path} HTTP/1.1\r\nhost: localhost\r\n{head}\r\n{form or ''}".encode(),
            marker.encode(),
            times,
        )
        for path, marker, times in order["requests"]
    ]


def _body_length(head: bytearray) -> int:
    folded = bytes(head).lower()
    at = folded.index(_LENGTH) + len(_LENGTH)
    return int(folded[at:].split(b"\r\n", 1)[0])
