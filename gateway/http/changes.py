"""The vendor API's feed of changes: page by page, or as a stream of server-sent events."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Annotated, Any

import orjson
from fastapi import Header, Query, Request, Response
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send
from typing_extensions import override

from gateway.changes.reader import MAX_PAGE, Change, ChangeReader
from gateway.changes.watch import ChangeWatch
from gateway.errors import GatewayError
from gateway.http.application import GatewayAPI, problem_response
from gateway.identity.principal import VendorPrincipal
from gateway.release.cursor import CursorCipher

CHANGES = "/v1/changes"
EVENT_STREAM = "text/event-stream"
COMMENT_SECONDS = 15.0
_COMMENT = b": nothing new\n\n"
_CHANGE_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["number", "kind", "case_ref", "at", "data"],
    "properties": {
        "number": {"type": "integer", "description": "Counts this contract's changes, from 1."},
        "kind": {"type": "string", "description": "New kinds may come: leave out what is new."},
        "case_ref": {"type": ["string", "null"]},
        "at": {"type": "string", "format": "date-time"},
        "data": {"type": "object"},
    },
}
_PAGE_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["items", "next_cursor"],
    "properties": {
        "items": {"type": "array", "items": _CHANGE_SCHEMA},
        "next_cursor": {"type": "string", "description": "Where to go on, now or later."},
    },
}


@dataclass(frozen=True, slots=True)
class ChangeFeed:
    """What the route needs of a worker."""

    reader: ChangeReader
    watch: ChangeWatch
    cursors: CursorCipher

    def place_of(self, principal: VendorPrincipal, cursor: str | None) -> int | None:
        """The place of a cursor; RequestInvalidError when it is not of this contract's feed."""
        if cursor is None:
            return None
        return int(self.cursors.open(cursor, listing=_listing(principal)))

    def cursor(self, principal: VendorPrincipal, place: int) -> str:
        """The cursor of a place."""
        return self.cursors.seal(str(place), listing=_listing(principal))

    async def page(
        self, principal: VendorPrincipal, after: int | None, limit: int
    ) -> list[Change]:
        """See ChangeReader.page."""
        return await self.reader.page(
            principal.vendor_id, principal.contract_id, after=after, limit=limit
        )


class ChangeStream(StreamingResponse):
    """Changes as they come. It ends with the caller's certificate or token, or the store.

    A caller that is refused hears why: nothing is sent before the first page has been read.
    """

    def __init__(
        self,
        feed: ChangeFeed,
        principal: VendorPrincipal,
        after: int | None,
        readmit: Callable[[], None],
    ) -> None:
        super().__init__(self._events(), media_type=EVENT_STREAM)
        self._feed = feed
        self._principal = principal
        self._after = after
        self._readmit = readmit
        self._woken = asyncio.Event()
        self._found: list[Change] = []

    @override
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._feed.watch.stream(self._principal.vendor_id) as self._woken:
            await self._read()
            await super().__call__(scope, receive, send)

    async def _events(self) -> AsyncIterator[bytes]:
        try:
            yield _COMMENT  # so that the caller knows that it is heard
            while True:
                for change in self._found:
                    self._readmit()
                    yield self._event(change)
                if not self._found and not await self._is_woken():
                    self._readmit()
                    yield _COMMENT
                await self._read()
        except GatewayError:
            return  # revoked, expired, or no store: the caller comes again with its last id

    async def _read(self) -> None:
        self._woken.clear()  # before reading: what comes later wakes again
        self._found = await self._feed.page(self._principal, self._after, MAX_PAGE)
        if self._found:
            self._after = self._found[-1].place

    async def _is_woken(self) -> bool:
        try:
            await asyncio.wait_for(self._woken.wait(), COMMENT_SECONDS)
        except TimeoutError:
            return False
        return True

    def _event(self, change: Change) -> bytes:
        cursor = self._feed.cursor(self._principal, change.place)
        content = orjson.dumps(change.document())
        return f"id: {cursor}\nevent: {change.kind}\ndata: ".encode() + content + b"\n\n"


def add_changes(api: GatewayAPI, feed: ChangeFeed) -> None:
    """Adds the route."""

    @api.get(
        CHANGES,
        openapi_extra={"security": [{"mutualTLS": [], "boundToken": []}]},
        summary="What has changed for you, in order; as server-sent events if you accept them",
        description="References only: read the case for what it is now. At least once, and each "
        "case's changes in their order. Changes are kept for 30 days; the oldest come first.",
        response_class=Response,
        responses={
            200: {
                "description": "A page, or a stream whose event ids are cursors.",
                "content": {
                    "application/json": {"schema": _PAGE_SCHEMA},
                    EVENT_STREAM: {"schema": {"type": "string"}},
                },
            },
            410: problem_response("What came after the cursor is forgotten: read all anew."),
            429: problem_response("Too many streams at a time."),
        },
    )
    async def read_changes(
        request: Request,
        cursor: Annotated[str | None, Query(max_length=512)] = None,
        limit: Annotated[int, Query(ge=1, le=MAX_PAGE, description="Items a page.")] = 100,
        last_event_id: Annotated[
            str | None, Header(max_length=512, description="Goes on after this event.")
        ] = None,
    ) -> Response:
        state = request.scope["state"]
        principal: VendorPrincipal = state["principal"]
        if EVENT_STREAM in request.headers.get("accept", ""):
            after = feed.place_of(principal, last_event_id or cursor)
            return ChangeStream(feed, principal, after, state["readmit"])
        after = feed.place_of(principal, cursor)
        found = await feed.page(principal, after, limit)
        place = found[-1].place if found else after or 0
        content = {
            "items": [change.document() for change in found],
            "next_cursor": feed.cursor(principal, place),
        }
        return Response(orjson.dumps(content), media_type="application/json")


def _listing(principal: VendorPrincipal) -> str:
    return f"changes/{principal.vendor_id}/{principal.contract_id}"
