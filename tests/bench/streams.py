"""Slow readers: connections in the middle of an answer that they take a little of at a time."""

import asyncio
import socket
import ssl
from time import monotonic

from typing_extensions import override

from tests.bench.client import Endpoint

RECEIVE_BUFFER = 2048
TICK_SECONDS = 0.05
_PAGES_AHEAD = 8


class SlowReader(asyncio.Protocol):
    """Asks for several pages, one behind another, and reads what one buffer holds per tick."""

    def __init__(self, wire: bytes) -> None:
        self._wire = wire
        self._transport: asyncio.Transport | None = None
        self.bytes_received = 0
        self.refusal: str | None = None
        self.closed_at: float | None = None
        self.answered = asyncio.Event()

    @override
    def connection_made(  # type: ignore[override]  # uvloop's TLS transport has no common base
        self, transport: asyncio.Transport
    ) -> None:
        self._transport = transport
        transport.write(self._wire * _PAGES_AHEAD)

    @override
    def data_received(self, data: bytes) -> None:
        if not self.bytes_received and not data.startswith(b"HTTP/1.1 200 "):
            self.refusal = data[:100].decode("latin-1")
        self.bytes_received += len(data)
        self.answered.set()
        assert self._transport is not None
        self._transport.pause_reading()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self.closed_at = monotonic()
        self.answered.set()

    def read_on(self) -> None:
        """Takes the next piece when it comes."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()


async def open_stream(endpoint: Endpoint, context: ssl.SSLContext, wire: bytes) -> SlowReader:
    """A slow reader whose kernel holds next to nothing for it."""
    loop = asyncio.get_running_loop()
    below = socket.socket()
    below.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
    below.settimeout(0)
    await loop.sock_connect(below, ("127.0.0.1", endpoint.port))
    _transport, reader = await loop.create_connection(
        lambda: SlowReader(wire), sock=below, ssl=context, server_hostname="localhost"
    )
    return reader


async def tick(readers: list[SlowReader]) -> None:
    """Lets all read on, again and again, until it is cancelled."""
    while True:
        for reader in readers:
            reader.read_on()
        await asyncio.sleep(TICK_SECONDS)
