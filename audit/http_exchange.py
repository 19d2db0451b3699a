"""HTTP with servers that nobody trusts: bounded in size and time, no redirects, no surprises."""

import base64
import ipaddress
import socket
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from types import MappingProxyType
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from audit.errors import ExchangeError

_REDIRECTS = range(300, 400)
_NO_HEADERS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Answer:
    """Status code and whole body of one answer."""

    status: int
    body: bytes


class HTTPExchange:
    """Exchanges with one server under one URL prefix, over one connection that is kept.

    Every exchange ends within `timeout_seconds`, or twice that where a kept connection turned
    out to be closed, however slowly the server sends. A proxy that the environment names
    (`https_proxy`, `http_proxy`, `no_proxy`) is used, but never for loopback. Not for use by
    several threads.
    """

    def __init__(self, url: str, *, timeout_seconds: float) -> None:
        """Take a prefix, http or https; connects with the first exchange.

        Raises:
            ExchangeError: the URL is of another shape, or carries a user, query or fragment.
        """
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise ExchangeError("the URL cannot be read") from error
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ExchangeError("the URL is not http or https")
        if parts.username is not None or parts.query or parts.fragment:
            raise ExchangeError("the URL has a user, a query or a fragment")
        self._host = parts.hostname
        self._port = port or (443 if parts.scheme == "https" else 80)
        self._is_tls = parts.scheme == "https"
        self._netloc = parts.netloc
        self._path = parts.path.rstrip("/")
        self._timeout = timeout_seconds
        self._kept: HTTPConnection | None = None

    def get(self, path: str, limit: int) -> Answer:
        """Fetch prefix + path; asks once more where a kept connection was closed meanwhile.

        Raises:
            ExchangeError: no answer in time, a redirect, a body cut short, over `limit` bytes
                or of a length that only the end of the connection would tell.
        """
        is_fresh = self._kept is None
        try:
            return self._exchange("GET", path, None, _NO_HEADERS, limit)
        except ExchangeError:
            if is_fresh:
                raise
        return self._exchange("GET", path, None, _NO_HEADERS, limit)

    def post(self, path: str, body: bytes, headers: Mapping[str, str], limit: int) -> Answer:
        """Send a body to prefix + path, on a new connection; raises ExchangeError."""
        self.close()
        return self._exchange("POST", path, body, headers, limit)

    def close(self) -> None:
        """Close the kept connection; a later exchange opens a new one."""
        kept, self._kept = self._kept, None
        if kept is not None:
            kept.close()

    def _exchange(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str], limit: int
    ) -> Answer:
        connection, self._kept = self._kept, None
        deadline: threading.Timer | None = None
        try:
            target, proxy_headers = f"{self._path}{path}", _NO_HEADERS
            proxy = self._proxy()
            if proxy is not None and not self._is_tls:
                target, proxy_headers = f"http://{self._netloc}{target}", _authorization(proxy)
            if connection is None:
                connection = self._connect(proxy)
            # A socket's timeout is for each read: a byte at a time would never meet it.
            deadline = threading.Timer(self._timeout, _hang_up, (connection.sock,))
            deadline.daemon = True
            deadline.start()
            connection.request(
                method, target, body, {"Accept-Encoding": "identity", **headers, **proxy_headers}
            )
            with connection.getresponse() as response:
                answer = Answer(response.status, _read_body(response, limit))
                if not response.will_close:
                    self._kept = connection
        except (OSError, HTTPException, ValueError) as error:
            raise ExchangeError("the server did not answer as it should, or in time") from error
        else:
            return answer
        finally:
            if deadline is not None:
                deadline.cancel()
            if connection is not None and self._kept is not connection:
                connection.close()

    def _connect(self, proxy: str | None) -> HTTPConnection:
        kind = HTTPSConnection if self._is_tls else HTTPConnection
        if proxy is None:
            connection = kind(self._host, self._port, timeout=self._timeout)
        else:
            parts = urlsplit(proxy)
            connection = kind(parts.hostname or "", parts.port, timeout=self._timeout)
            if self._is_tls:
                connection.set_tunnel(self._host, self._port, dict(_authorization(proxy)))
        connection.connect()
        return connection

    def _proxy(self) -> str | None:
        if _is_loopback(self._host) or proxy_bypass(self._host):
            return None
        proxy = getproxies().get("https" if self._is_tls else "http")
        if not proxy:
            return None
        proxy = proxy if "://" in proxy else f"http://{proxy}"
        if not proxy.startswith("http://"):
            raise ExchangeError("the proxy that the environment names is not an http one")
        return proxy


def _read_body(response: HTTPResponse, limit: int) -> bytes:
    if response.status in _REDIRECTS:
        raise ExchangeError(f"the server sends elsewhere (status {response.status})")
    if response.getheader("Content-Encoding", "identity") != "identity":
        raise ExchangeError("the server encoded what was asked for as it is")
    # Neither: the end of the connection would be the end of the body, cut short or not.
    if response.length is None and not response.chunked:
        raise ExchangeError("the server does not say how long its answer is")
    if response.length is not None and response.length > limit:
        raise ExchangeError("the answer is longer than it can be")
    body = response.read(limit + 1)
    if len(body) > limit:
        raise ExchangeError("the answer is longer than it can be")
    if response.length:
        raise ExchangeError("the answer was cut short")
    return body


def is_loopback_url(url: str) -> bool:
    """Whether a URL leads to this machine, where no proxy has anything to do."""
    return _is_loopback(urlsplit(url).hostname or "")


def _is_loopback(host: str) -> bool:
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost" or host.endswith(".localhost")


def _authorization(proxy: str) -> Mapping[str, str]:
    parts = urlsplit(proxy)
    if parts.username is None:
        return _NO_HEADERS
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
    return {"Proxy-Authorization": f"Basic {base64.b64encode(pair).decode('ascii')}"}


def _hang_up(connected: socket.socket) -> None:
    # Below TLS: the thread that reads must see the end, not a socket half taken apart.
    with suppress(OSError):
        socket.socket.shutdown(connected, socket.SHUT_RDWR)
