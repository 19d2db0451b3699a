"""A TLS connection without an HTTP library: what arrives is seen byte by byte, cuts included."""

import select
import socket
import ssl
import time
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

HEAD_END = b"\r\n\r\n"


@dataclass(frozen=True, slots=True)
class WireAnswer:
    """One HTTP answer as it came."""

    status: int
    headers: dict[str, str]
    body: bytes
    head: str


@dataclass(slots=True)
class Wire:
    """One TLS connection to a listener of this host, in blocking mode.

    Reading raises OSError (ssl.SSLError is one) when the other side refuses or cuts.
    """

    port: int
    context: ssl.SSLContext
    receive_buffer: int | None = None
    session: ssl.SSLSession | None = None
    socket: ssl.SSLSocket = field(init=False)

    def __post_init__(self) -> None:
        plain = socket.socket()
        if self.receive_buffer is not None:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.receive_buffer)
        plain.settimeout(8)
        try:
            plain.connect(("127.0.0.1", self.port))
            self.socket = self.context.wrap_socket(
                plain, server_hostname="localhost", session=self.session
            )
        except OSError:
            plain.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.socket.close()

    def send(self, path: str, *, token: str = "", head: str = "", method: str = "GET") -> None:
        """Sends a request; `head` holds further header lines, each ended by CRLF."""
        bearer = f"Authorization: Bearer {token}\r\n" if token else ""
        self.socket.sendall(
            f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n{bearer}{head}\r\n".encode()
        )

    def receive(self) -> WireAnswer:
        """Reads one answer to its end."""
        data = b""
        while HEAD_END not in data:
            data += self._read()
        head, _, body = data.partition(HEAD_END)
        status_line, *lines = head.decode("latin-1").split("\r\n")
        headers = {
            name.lower(): value.strip()
            for name, _, value in (line.partition(":") for line in lines)
        }
        while len(body) < int(headers.get("content-length", "0")):
            body += self._read()
        return WireAnswer(int(status_line.split(" ")[1]), headers, body, head.decode("latin-1"))

    def ask(self, path: str, *, token: str = "", head: str = "") -> WireAnswer:
        """Sends a GET and reads its answer."""
        self.send(path, token=token, head=head)
        return self.receive()

    def read_to_cut(self) -> bytes:
        """Reads until the other side ends the connection, by whatever means."""
        data = b""
        try:
            while chunk := self.socket.recv(65536):
                data += chunk
        except OSError:
            pass
        return data

    def is_silent(self, seconds: float) -> bool:
        """Whether nothing arrives for so long."""
        return not self.socket.pending() and not select.select([self.socket], [], [], seconds)[0]

    def _read(self) -> bytes:
        chunk = self.socket.recv(65536)
        if not chunk:
            raise ConnectionAbortedError
        return chunk


def seconds_until_cut(wires: list[Wire], since: float, *, patience: float) -> list[float]:
    """For each connection that is cut in time, the seconds from `since` (monotonic) to its cut."""
    open_wires = {wire.socket: wire for wire in wires}
    took: list[float] = []
    while open_wires and time.monotonic() - since < patience:
        readable, _, _ = select.select(list(open_wires), [], [], 0.2)
        for ready in readable:
            try:
                is_open = bool(ready.recv(65536))
            except OSError:
                is_open = False
            if not is_open:
                took.append(time.monotonic() - since)
                del open_wires[ready]
    return took
