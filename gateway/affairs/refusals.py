"""What the database refuses of affairs and claims, as errors that callers know."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from gateway.errors import (
    DatabaseUnavailableError,
    GatewayError,
    IdempotencyKeyReusedError,
    IllegalTransitionError,
    NotFoundError,
    RequestInvalidError,
)

# By the SQLSTATEs of migrations 0015 and 0019; 23503 is a broken foreign key.
_REFUSALS: dict[str | None, tuple[type[GatewayError], str]] = {
    "23503": (NotFoundError, "there is no such vendor under this contract"),
    "CG151": (NotFoundError, "no such case for this vendor"),
    "CG152": (IdempotencyKeyReusedError, "the key was used for another request"),
    "CG191": (NotFoundError, "there is no such thing of this vendor"),
    "CG192": (IllegalTransitionError, "its state does not lead there"),
    "CG194": (NotFoundError, "there is no such agent of this vendor"),
    "CG193": (NotFoundError, "there is no such promise of this case"),
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
