"""One keep-alive connection to the gateway: it fetches tokens by itself and comes again later."""

import http.client
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import orjson

from gateway.client.configuration import ClientSettings
from gateway.client.errors import RefusedError, UnreachableError

# So long before its end a token is not used any more.
_MARGIN_SECONDS = 20.0
_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 60.0
_AGAIN = frozenset({423, 429, 502, 503, 504})
_TOKEN_CODES = frozenset({"TOKEN_EXPIRED", "TOKEN_INVALID", "TOKEN_FOREIGN", "TOKEN_REVOKED"})
_UNAUTHORIZED = 401
_FIRST_REFUSAL = 300

Pause = Callable[[float], object]


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, headers (names in lower case) and body."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def document(self) -> dict[str, Any]:
        """The body as a JSON object."""
        found: dict[str, Any] = orjson.loads(self.body)
        return found

    @property
    def receipt(self) -> str | None:
        """Index and leaf hash of the log entry behind the answer: keep it."""
        return self.headers.get("casegate-receipt")


class Connection:
    """Not for several threads at a time; each makes its own."""

    def __init__(
        self,
        settings: ClientSettings,
        *,
        pause: Pause | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Connects with the first request; `pause` waits a number of seconds."""
        self.settings = settings
        self._pause = pause or threading.Event().wait
        self._monotonic = monotonic
        self._http: http.client.HTTPSConnection | None = None
        self._token = ""
        self._token_ends = 0.0

    def ask(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        is_repeatable: bool = True,
        with_token: bool = True,
    ) -> Answer:
        """Makes a request, again and again while the gateway is away or wants it later.

        `is_repeatable`: whether it does no harm twice; all requests do not that carry an
        idempotency key, or that only read.

        Raises:
            RefusedError: the answer is a problem.
            UnreachableError: no answer came.
        """
        for attempt in range(1, self.settings.attempts + 1):
            is_last = attempt == self.settings.attempts or not is_repeatable
            try:
                return self._ask(method, path, body, headers or {}, with_token=with_token)
            except (OSError, http.client.HTTPException) as error:
                self.close()
                if is_last:
                    raise UnreachableError(
                        f"no answer from {self.settings.host}:{self.settings.port}"
                        f" ({type(error).__name__})"
                    ) from error
                self._pause(_pause_of(attempt, None))
            except RefusedError as error:
                if is_last or error.status not in _AGAIN:
                    raise
                self._pause(_pause_of(attempt, error.retry_after))
        raise AssertionError("the last attempt returns or raises")

    @contextmanager
    def stream(self, path: str, headers: Mapping[str, str]) -> Iterator[http.client.HTTPResponse]:
        """An answer that is read as it comes, on this connection, which is closed after it.

        Raises:
            RefusedError: it is a problem.
            OSError, http.client.HTTPException: the connection was cut.
        """
        try:
            response = self._send("GET", path, None, {**headers, **self._bearer()})
            if response.status >= _FIRST_REFUSAL:
                raise _refusal(_answer(response))
            yield response
        finally:
            self.close()

    def close(self) -> None:
        """Hangs up; the next request connects anew, with the certificate that is there then."""
        if self._http is not None:
            self._http.close()
            self._http = None

    def forget_token(self) -> None:
        """The next request gets another."""
        self._token_ends = 0.0

    def _ask(
        self,
        method: str,
        path: str,
        body: bytes | None,
        headers: Mapping[str, str],
        *,
        with_token: bool,
    ) -> Answer:
        for is_second in (False, True):
            bearer = self._bearer() if with_token else {}
            answer = _answer(self._send(method, path, body, {**headers, **bearer}))
            if answer.status < _FIRST_REFUSAL:
                return answer
            refusal = _refusal(answer)
            is_token = answer.status == _UNAUTHORIZED and refusal.code in _TOKEN_CODES
            if is_second or not with_token or not is_token:
                raise refusal
            self.forget_token()
        raise AssertionError("the second answer returns or raises")

    def _bearer(self) -> dict[str, str]:
        if self._monotonic() >= self._token_ends:
            form = urlencode({"grant_type": "client_credentials"}).encode()
            headers = {"Content-Type": "application/x-www-form-urlencoded"}
            begun = self._monotonic()
            answer = _answer(self._send("POST", "/oauth2/token", form, headers))
            if answer.status >= _FIRST_REFUSAL:
                raise _refusal(answer)
            document = answer.document()
            self._token = str(document["access_token"])
            self._token_ends = begun + max(1.0, float(document["expires_in"]) - _MARGIN_SECONDS)
        return {"Authorization": f"Bearer {self._token}"}

    def _send(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]
    ) -> http.client.HTTPResponse:
        if self._http is None:
            self._http = http.client.HTTPSConnection(
                self.settings.host,
                self.settings.port,
                context=self.settings.tls(),
                timeout=self.settings.timeout_seconds,
            )
        self._http.request(method, path, body, dict(headers))
        return self._http.getresponse()


def _answer(response: http.client.HTTPResponse) -> Answer:
    headers = {name.lower(): value for name, value in response.getheaders()}
    return Answer(response.status, headers, response.read())


def _refusal(answer: Answer) -> RefusedError:
    try:
        document = answer.document() if answer.body else {}
    except orjson.JSONDecodeError:
        document = {}
    after = answer.headers.get("retry-after", "")
    return RefusedError(answer.status, document, float(after) if after.isdigit() else None)


def _pause_of(attempt: int, wanted: float | None) -> float:
    """Doubling, or as long as the gateway wants."""
    own = _FIRST_PAUSE * 2.0 ** (attempt - 1)
    return min(_LONGEST_PAUSE, own if wanted is None else max(own, wanted))
