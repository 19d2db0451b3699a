"""How large a body may grow before it is refused, for every route alike.

A framework that parses bodies keeps them whole in memory first, so the bound stands before it.
"""

from collections.abc import AsyncIterator

from fastapi import Request
from fastapi.exceptions import HTTPException as RoutingError
from starlette.types import Message, Receive, Scope

# The longest report or script, every character of it escaped, is a little more than half of it.
MAX_BODY_BYTES = 2 * 1024 * 1024
_OWN = "bounds_body"


def bounded(scope: Scope, receive: Receive, *, most: int = MAX_BODY_BYTES) -> Receive:
    """Returns a `receive` that stops a body of more than `most` bytes with a 413.

    Only a route that asks for its body by `own_stream` gets more.
    """
    size = 0

    async def bounded_receive() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > most and _OWN not in scope["state"]:
            raise RoutingError(413)
        return message

    return bounded_receive


def own_stream(request: Request) -> AsyncIterator[bytes]:
    """The body in pieces, for a route that bounds it itself as they come."""
    request.scope["state"][_OWN] = True
    return request.stream()
