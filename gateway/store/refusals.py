"""What PostgreSQL refuses, as errors that callers know: by the SQLSTATEs of our own functions."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager

import psycopg

from gateway.errors import DatabaseUnavailableError, GatewayError, RequestInvalidError

Refusals = Mapping[str | None, tuple[type[GatewayError], str]]
"""By SQLSTATE: the error, and the sentence that it says."""


def refusals_of(table: Refusals) -> Callable[[], AbstractContextManager[None]]:
    """A context in which what the database refuses becomes an error of `table`.

    Also raised in it are DatabaseUnavailableError (it does not answer any more, or two waited for
    each other and this one was given up: nothing has happened, send it again) and
    RequestInvalidError (it cannot hold a text of the request, as one with a NUL). Any other error
    of the database goes on as it is.
    """

    @contextmanager
    def refusals() -> Iterator[None]:
        try:
            yield
        except psycopg.DataError as error:
            raise RequestInvalidError("a text of the request cannot be kept") from error
        except psycopg.OperationalError as error:
            raise DatabaseUnavailableError("the store does not answer") from error
        except psycopg.Error as error:
            refused = table.get(error.sqlstate)
            if refused is None:
                raise
            raise refused[0](refused[1]) from error

    return refusals
