"""What the database refuses of holds, consents and requests, as this room's errors."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from gateway.errors import (
    DatabaseUnavailableError,
    GatewayError,
    IdempotencyKeyReusedError,
    NotFoundError,
    RequestInvalidError,
)

# By the SQLSTATEs of migrations 0015b and 0015.
_REFUSALS: dict[str | None, tuple[type[GatewayError], str]] = {
    "CG151": (NotFoundError, "no such case for this vendor"),
    "CG152": (IdempotencyKeyReusedError, "the key was used for another request"),
    "CG153": (RequestInvalidError, "contact_point: the case has no such number"),
    "CG154": (NotFoundError, "there is no such consent in force"),
    "CG155": (NotFoundError, "there is no such open hold"),
}


@contextmanager
def refusals() -> Iterator[None]:
    """Turns what PostgreSQL raises into errors that callers know; see _REFUSALS.

    Raises:
        DatabaseUnavailableError: it does not answer any more.
        RequestInvalidError: it cannot hold a text of the request, as one with a NUL.
    """
    try:
        yield
    except psycopg.DataError as error:
        raise RequestInvalidError("a text of the request cannot be kept") from error
    except psycopg.OperationalError as error:
        raise DatabaseUnavailableError("the store does not answer") from error
    except psycopg.Error as error:
        refused = _REFUSALS.get(error.sqlstate)
        if refused is None:
            raise
        raise refused[0](refused[1]) from error
