"""The live TLS connections of one worker, by certificate, so that they can be cut."""

import asyncio
import ctypes
import math
import socket
import struct
from collections.abc import Callable
from contextlib import suppress

# Closing then sends a reset, and what the kernel has not sent yet is dropped (SO_LINGER, 0 s).
_WITHOUT_LINGER = struct.pack("ii", 1, 0)
# To connect to no address ends a TCP connection with a reset at once (connect(2), AF_UNSPEC).
# The event loop closes what was aborted only after all else that was ready to run.
_NOWHERE = bytes(16)
_LIBC = ctypes.CDLL(None)


class ConnectionRegistry:
    """Connections by certificate thumbprint; used from the event loop's thread alone."""

    def __init__(self) -> None:
        self._by_thumbprint: dict[bytes, dict[asyncio.Transport, float]] = {}

    def add(self, thumbprint: bytes, transport: asyncio.Transport, *, at: float = 0.0) -> None:
        """Notes a connection, made `at` a monotonic time in seconds."""
        self._by_thumbprint.setdefault(thumbprint, {})[transport] = at

    def count(self, thumbprint: bytes) -> int:
        """How many there are with this certificate."""
        return len(self._by_thumbprint.get(thumbprint, ()))

    def discard(self, thumbprint: bytes, transport: asyncio.Transport) -> None:
        """Forgets a connection that has closed."""
        transports = self._by_thumbprint.get(thumbprint)
        if transports is not None:
            transports.pop(transport, None)
            if not transports:
                del self._by_thumbprint[thumbprint]

    def cut(self, is_live: Callable[[bytes], bool], *, made_before: float = math.inf) -> int:
        """Aborts every connection whose certificate is not live any more; returns how many.

        What is still to be sent is dropped, here and in the kernel: a half-sent body ends where
        it stands.
        Connections made at `made_before` or later are left for another time.
        """
        closed = 0
        for thumbprint in [t for t in self._by_thumbprint if not is_live(t)]:
            transports = self._by_thumbprint[thumbprint]
            for transport in [t for t, at in transports.items() if at < made_before]:
                self.discard(thumbprint, transport)
                _reset(transport)
                closed += 1
        return closed

    def __len__(self) -> int:
        return sum(len(transports) for transports in self._by_thumbprint.values())


def _reset(transport: asyncio.Transport) -> None:
    below = transport.get_extra_info("socket")
    if below is not None:
        with suppress(OSError):  # it has closed by itself
            below.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _WITHOUT_LINGER)
            _LIBC.connect(below.fileno(), _NOWHERE, len(_NOWHERE))
    transport.abort()
