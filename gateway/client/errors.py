"""Typed errors of a vendor's client."""

from collections.abc import Mapping
from typing import Any


class ClientError(Exception):
    """Base of the client's errors. Messages hold no case data and no token.

    ClientError
    ├── SetupError          a setting or a file is missing or wrong; the message says which
    ├── UnreachableError    the gateway did not answer, however often it was asked
    └── RefusedError        the gateway said no (carries its problem)
    """


class SetupError(ClientError):
    """A setting or a file is missing or wrong."""


class UnreachableError(ClientError):
    """The gateway did not answer, however often it was asked."""


class RefusedError(ClientError):
    """The gateway said no, with a problem (RFC 9457).

    Attributes:
        status: the HTTP status.
        code: the stable code; branch on this.
        document: the whole problem, also with what is particular to it.
        retry_after: seconds after which to ask again; None if it named none.
    """

    def __init__(
        self, status: int, document: Mapping[str, Any], retry_after: float | None = None
    ) -> None:
        self.status = status
        self.code = str(document.get("code", "UNKNOWN"))
        self.document = dict(document)
        self.retry_after = retry_after
        title = str(document.get("title", "the gateway refused"))
        super().__init__(f"{self.code}: {title} (request {document.get('request_id', '?')})")
