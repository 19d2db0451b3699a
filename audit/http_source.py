"""A published log behind a URL, read tile by tile from a server that nobody trusts."""

from functools import partial

from typing_extensions import override

from audit.errors import ExchangeError, UnverifiableError
from audit.http_exchange import HTTPExchange

_OK = 200
# 403 is what S3 says of an object that is not there to somebody who may not list.
_MISSING = (403, 404, 410)


class HTTPSource:
    """A log under an http or https prefix; fits TileSource.

    What the server says is held to the log's signature like any other source; TLS keeps others
    from seeing what is read. Redirects are refused: the prefix alone says who answers.
    """

    def __init__(self, url: str, *, timeout_seconds: float = 20.0) -> None:
        """Take the prefix below which `checkpoint` and `tile/` stand.

        Args:
            url: http or https, without user, query and fragment.
            timeout_seconds: the longest that one file may take in all.

        Raises:
            UnverifiableError: the URL is of another shape.
        """
        self._url = url
        self._timeout = timeout_seconds
        try:
            self._exchange = HTTPExchange(url, timeout_seconds=timeout_seconds)
        except ExchangeError as error:
            raise UnverifiableError(str(error)) from error

    @override
    def __reduce__(self) -> tuple[object, ...]:
        """Pickled by URL: a worker process connects for itself."""
        return partial(HTTPSource, self._url, timeout_seconds=self._timeout), ()

    def close(self) -> None:
        """Close the connection that is kept; a later read opens a new one."""
        self._exchange.close()

    def read(self, path: str, limit: int) -> bytes | None:
        """See TileSource."""
        try:
            answer = self._exchange.get(f"/{path}", limit)
        except ExchangeError as error:
            raise UnverifiableError(f"{path} cannot be read: {error}") from error
        if answer.status in _MISSING:
            return None
        if answer.status != _OK:
            raise UnverifiableError(f"{path}: the server answered with status {answer.status}")
        return answer.body
