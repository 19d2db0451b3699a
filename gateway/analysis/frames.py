"""Frames over a socket between two of our own processes: four bytes of length, the content."""

import socket
from time import monotonic

_HEADER = 4
_LONGEST = 64 * 1024 * 1024


def send(over: socket.socket, content: bytes) -> None:
    """Sends one frame, in the time that the socket is set to.

    Raises:
        OSError: the other side is gone; TimeoutError: it does not read.
    """
    over.sendall(len(content).to_bytes(_HEADER) + content)


def receive(over: socket.socket, until: float | None = None) -> bytes | None:
    """The next frame; None when the other side has closed.

    `until` is a time of `monotonic`; without it there is no bound.

    Raises:
        TimeoutError: the frame is not there by then.
        OSError: the other side is gone, or sends what is no frame.
    """
    header = _read(over, _HEADER, until)
    if header is None:
        return None
    length = int.from_bytes(header)
    if length > _LONGEST:
        raise OSError("a frame is too long")
    return _read(over, length, until)


def _read(over: socket.socket, length: int, until: float | None) -> bytes | None:
    content = bytearray()
    while len(content) < length:
        if until is not None:
            left = until - monotonic()
            if left <= 0:
                raise TimeoutError("the frame is not there in time")
            over.settimeout(left)
        part = over.recv(min(length - len(content), 1 << 20))
        if not part:
            return None
        content += part
    return bytes(content)
