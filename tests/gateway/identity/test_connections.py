import asyncio
import socket

import pytest
from typing_extensions import override

from gateway.identity.connections import ConnectionRegistry

ALPHA = b"\x01" * 32
BETA = b"\x02" * 32


class FakeTransport(asyncio.Transport):
    """Notes that it was aborted."""

    def __init__(self) -> None:
        super().__init__()
        self.is_aborted = False

    @override
    def abort(self) -> None:
        self.is_aborted = True


def test_only_connections_of_dead_certificates_are_cut() -> None:
    registry = ConnectionRegistry()
    first, second, other = FakeTransport(), FakeTransport(), FakeTransport()
    registry.add(ALPHA, first)
    registry.add(ALPHA, second)
    registry.add(BETA, other)

    assert registry.cut(lambda thumbprint: thumbprint == BETA) == 2
    assert (first.is_aborted, second.is_aborted, other.is_aborted) == (True, True, False)
    assert len(registry) == 1
    assert registry.cut(lambda thumbprint: thumbprint == BETA) == 0


def test_a_closed_connection_is_forgotten_and_closing_it_twice_does_no_harm() -> None:
    registry = ConnectionRegistry()
    transport, sibling = FakeTransport(), FakeTransport()
    registry.add(ALPHA, transport)
    registry.add(ALPHA, sibling)

    registry.discard(ALPHA, transport)
    registry.discard(ALPHA, transport)
    registry.discard(BETA, transport)

    assert len(registry) == 1
    assert registry.cut(lambda _thumbprint: False) == 1
    assert not transport.is_aborted
    registry.discard(ALPHA, sibling)
    assert len(registry) == 0


def test_an_empty_registry_keeps_nothing_of_certificates_it_has_seen() -> None:
    registry = ConnectionRegistry()
    transport = FakeTransport()
    registry.add(ALPHA, transport)
    registry.discard(ALPHA, transport)

    assert registry._by_thumbprint == {}


def test_what_the_kernel_holds_for_a_cut_connection_is_never_delivered() -> None:
    registry = ConnectionRegistry()
    page = b"x" * 2_000_000

    async def story() -> bytes:
        is_written = asyncio.Event()

        async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            assert isinstance(writer.transport, asyncio.Transport)
            registry.add(ALPHA, writer.transport)
            writer.write(page)
            is_written.set()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            await is_written.wait()
            registry.cut(lambda _thumbprint: False)
            await asyncio.sleep(0.05)
            read = b""
            try:
                while chunk := await reader.read(65536):
                    read += chunk
            except ConnectionResetError:
                writer.close()
                return read
            raise AssertionError("the connection ended as if the answer were whole")

    assert len(asyncio.run(story())) < len(page)


def test_a_cut_connection_ends_before_the_event_loop_runs_again() -> None:
    registry = ConnectionRegistry()

    async def story() -> None:
        with socket.create_server(("127.0.0.1", 0)) as listening:
            peer = socket.create_connection(listening.getsockname())
            peer.settimeout(5)
            accepted, _ = listening.accept()
        transport, _protocol = await asyncio.get_running_loop().connect_accepted_socket(
            asyncio.Protocol, accepted
        )
        registry.add(ALPHA, transport)
        registry.cut(lambda _thumbprint: False)
        with peer, pytest.raises(ConnectionResetError):
            peer.recv(1)  # blocks the loop: nothing else runs meanwhile

    asyncio.run(story())
