"""The live TLS connections of one worker, by certificate, so that they can be cut."""

import asyncio
from collections.abc import Callable


class ConnectionRegistry:
    """Connections by certificate thumbprint; used from the event loop's thread alone."""

    def __init__(self) -> None:
        self._by_thumbprint: dict[bytes, set[asyncio.Transport]] = {}

    def add(self, thumbprint: bytes, transport: asyncio.Transport) -> None:
        """Notes a connection."""
        self._by_thumbprint.setdefault(thumbprint, set()).add(transport)

    def discard(self, thumbprint: bytes, transport: asyncio.Transport) -> None:
        """Forgets a connection that has closed."""
        transports = self._by_thumbprint.get(thumbprint)
        if transports is not None:
            transports.discard(transport)
            if not transports:
                del self._by_thumbprint[thumbprint]

    def cut(self, is_live: Callable[[bytes], bool]) -> int:
        """Aborts every connection whose certificate is not live any more; returns how many.

        An abort drops what is still in the send buffer: a half-sent body ends where it stands.
        """
        closed = 0
        for thumbprint in [t for t in self._by_thumbprint if not is_live(t)]:
            for transport in self._by_thumbprint.pop(thumbprint):
                transport.abort()
                closed += 1
        return closed

    def __len__(self) -> int:
        return sum(len(transports) for transports in self._by_thumbprint.values())
