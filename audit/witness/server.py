"""The witness's HTTP end: as much of HTTP/1.1 as the protocol needs, and bounds on all of it."""

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus

from audit.errors import AuditError
from audit.witness.cosigner import Cosigner
from audit.witness.protocol import MAX_REQUEST_BYTES, Answer

_MAX_HEAD_BYTES = 16_384
_MAX_CONNECTIONS = 64
_REQUEST_SECONDS = 10.0
_LENGTH = re.compile(r"[0-9]{1,9}")


class _RequestError(Exception):
    """The request is refused before it is understood; the connection is closed after."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.answer = Answer(status, f"{HTTPStatus(status).phrase}\n")


@dataclass(frozen=True, slots=True)
class _Request:
    method: str
    path: str
    body: bytes
    is_last: bool


class WitnessServer:
    """Serves one witness on one event loop, which also puts its requests in an order.

    A request must arrive whole within ten seconds, headers within 16 KiB and the body within
    256 KiB; at most 64 connections are open at once.
    """

    def __init__(self, cosigner: Cosigner, clock: Callable[[], float]) -> None:
        """Join a witness and a clock of Unix seconds."""
        self._cosigner = cosigner
        self._clock = clock
        self._connections = 0

    async def start(self, host: str, port: int) -> asyncio.Server:
        """Listen; the caller closes what this returns. Raises OSError."""
        return await asyncio.start_server(self._serve, host, port, limit=_MAX_HEAD_BYTES)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections += 1
        try:
            if self._connections > _MAX_CONNECTIONS:
                await _send(writer, Answer(503, "too many connections\n"), is_last=True)
                return
            while await self._serve_one(reader, writer):
                pass
        except (ConnectionError, TimeoutError, asyncio.IncompleteReadError):
            pass
        finally:
            self._connections -= 1
            writer.close()

    async def _serve_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        async with asyncio.timeout(_REQUEST_SECONDS):
            try:
                request = await _receive(reader, writer)
            except _RequestError as error:
                await _send(writer, error.answer, is_last=True)
                return False
        answer = self._answer(request)
        async with asyncio.timeout(_REQUEST_SECONDS):
            await _send(writer, answer, is_last=request.is_last)
        return not request.is_last

    def _answer(self, request: _Request) -> Answer:
        try:
            if request.path == "/add-checkpoint":
                if request.method != "POST":
                    return Answer(405, "add-checkpoint is a POST\n")
                return self._cosigner.add_checkpoint(request.body, int(self._clock()))
            name, slash, rest = request.path.removeprefix("/").partition("/")
            if request.method == "GET" and slash and rest == "checkpoint":
                return self._cosigner.newest(name)
        except AuditError:
            return Answer(500, "the witness cannot read its state\n")
        return Answer(404, "there is no such thing here\n")


async def _receive(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> _Request:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.LimitOverrunError as error:
        raise _RequestError(431) from error
    start, *lines = head.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
    words = start.split(" ")
    if len(words) != len(("GET", "/", "HTTP/1.1")) or not words[2].startswith("HTTP/1."):
        raise _RequestError(400)
    headers = _parse_headers(lines)
    length = _body_length(words[0], headers)
    if headers.get("expect", "").lower() == "100-continue":
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        await writer.drain()
    body = await reader.readexactly(length)
    is_last = words[2] != "HTTP/1.1" or headers.get("connection", "").lower() == "close"
    return _Request(words[0], words[1], body, is_last)


def _parse_headers(lines: list[str]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        # A header given twice could be read in two ways by two readers.
        if not colon or name.lower() in headers:
            raise _RequestError(400)
        headers[name.lower()] = value.strip()
    return headers


def _body_length(method: str, headers: dict[str, str]) -> int:
    length = headers.get("content-length")
    if "transfer-encoding" in headers or (length is None and method == "POST"):
        raise _RequestError(411)
    if length is None:
        return 0
    if _LENGTH.fullmatch(length) is None:
        raise _RequestError(400)
    if int(length) > MAX_REQUEST_BYTES:
        raise _RequestError(413)
    return int(length)


async def _send(writer: asyncio.StreamWriter, answer: Answer, *, is_last: bool) -> None:
    body = answer.body.encode()
    lines = [
        f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}",
        f"Content-Type: {answer.content_type}",
        f"Content-Length: {len(body)}",
        "Cache-Control: no-store",
    ]
    if is_last:
        lines.append("Connection: close")
    writer.write("\r\n".join([*lines, "", ""]).encode("ascii") + body)
    await writer.drain()
