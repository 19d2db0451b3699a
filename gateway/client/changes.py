"""The feed of changes: all that there is, or followed as it comes."""

import http.client
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import orjson

from gateway.client.connection import Connection, Pause
from gateway.client.errors import RefusedError

CHANGES = "/v1/changes"
_PAGE = 500
_AGAIN_SECONDS = 1.0
_TOKEN_ENDED = frozenset({"TOKEN_EXPIRED", "TOKEN_REVOKED"})


def read_changes(
    connection: Connection, cursor: str | None = None
) -> Iterator[tuple[str, dict[str, Any]]]:
    """What came after a cursor until now: each change with the cursor of its page's end.

    Keep a cursor only when you have worked through its page.

    Raises:
        RefusedError: CHANGES_FORGOTTEN: read your cases anew, and begin without a cursor.
    """
    while True:
        query = urlencode({"limit": str(_PAGE)} | ({"cursor": cursor} if cursor else {}))
        page = connection.ask("GET", f"{CHANGES}?{query}").document()
        cursor = str(page["next_cursor"])
        for change in page["items"]:
            yield cursor, change
        if len(page["items"]) < _PAGE:
            return


def follow_changes(
    connection: Connection, cursor: str | None = None, *, pause: Pause | None = None
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Changes as they come, each with its own cursor; it connects again by itself and never ends.

    Raises:
        RefusedError: the certificate is not accepted any more, or CHANGES_FORGOTTEN.
    """
    wait, last = pause or threading.Event().wait, cursor
    while True:
        headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": last} if last else {})
        try:
            with connection.stream(CHANGES, headers) as response:
                for event_id, change in _events(response):
                    last = event_id
                    yield event_id, change
        except RefusedError as error:
            if error.code not in _TOKEN_ENDED and error.status < 500:  # noqa: PLR2004
                raise
        except (OSError, http.client.HTTPException):
            pass  # cut, or the token has ended: it goes on after the last change that was given
        connection.forget_token()
        wait(_AGAIN_SECONDS)


def _events(response: http.client.HTTPResponse) -> Iterator[tuple[str, dict[str, Any]]]:
    """Server-sent events (HTML, 9.2.6), as far as this feed makes them."""
    event_id, data = "", b""
    for raw in response:
        line = raw.rstrip(b"\r\n")
        name, _, value = line.partition(b":")
        if name == b"id":
            event_id = value.strip().decode()
        elif name == b"data":
            data += value.strip()
        elif not line and data:
            yield event_id, orjson.loads(data)
            data = b""
