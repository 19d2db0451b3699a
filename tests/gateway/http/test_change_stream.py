import asyncio
from collections.abc import MutableMapping
from typing import Any, cast

import pytest
from starlette.types import Message

from gateway.changes.reader import Change, ChangeReader
from gateway.changes.watch import ChangeWatch
from gateway.clock import SystemClock
from gateway.errors import ChangesForgottenError, DatabaseUnavailableError, TokenRefusedError
from gateway.http.changes import ChangeFeed, ChangeStream
from gateway.identity.principal import VendorPrincipal
from gateway.release.cursor import CursorCipher
from keys.secret import Secret
from tests.gateway.store.lender import START

ALPHA = VendorPrincipal("alpha", "alpha-2026", b"t" * 32, START)
CURSORS = CursorCipher(Secret(b"k" * 32))


class ListedChanges:
    """A feed in memory; what is raised stands in the list."""

    def __init__(self, *pages: list[Change] | Exception) -> None:
        self._pages = list(pages)
        self.asked: list[int | None] = []

    async def page(
        self, _vendor: str, _contract: str, *, after: int | None, limit: int
    ) -> list[Change]:
        assert limit
        self.asked.append(after)
        page = self._pages.pop(0) if self._pages else []
        if isinstance(page, Exception):
            raise page
        return page


class Admission:
    """Admits so many times."""

    def __init__(self, times: int) -> None:
        self._left = times

    def __call__(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise TokenRefusedError("TOKEN_EXPIRED", "expired")


def _change(place: int) -> Change:
    return Change(place, "held", "A" * 26, START, {})


def _stream(
    changes: ListedChanges, *, admitted: int, after: int | None = None
) -> tuple[list[bytes], ChangeWatch]:
    """What a stream sends until it ends by itself."""
    sent: list[bytes] = []
    watch = ChangeWatch("", SystemClock())
    feed = ChangeFeed(cast("ChangeReader", changes), watch, CURSORS)

    async def run() -> None:
        async def receive() -> Message:
            await asyncio.Event().wait()
            raise AssertionError

        async def send(message: MutableMapping[str, Any]) -> None:
            if message.get("body"):
                sent.append(message["body"])

        stream = ChangeStream(feed, ALPHA, after, Admission(admitted))
        async with asyncio.timeout(20):
            await stream({"type": "http"}, receive, send)

    asyncio.run(run())
    return sent, watch


@pytest.fixture(autouse=True)
def _no_long_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.http.changes.COMMENT_SECONDS", 0.01)


def test_each_change_is_an_event_whose_id_leads_on_after_it() -> None:
    changes = ListedChanges([_change(4), _change(5)], [_change(6)])

    sent, _watch = _stream(changes, admitted=3, after=3)

    events = [block for block in sent if block.startswith(b"id: ")]
    cursors = [block.split(b"\n")[0].removeprefix(b"id: ").decode() for block in events]
    places = [CURSORS.open(cursor, listing="changes/alpha/alpha-2026") for cursor in cursors]
    assert places == ["4", "5", "6"]
    assert all(b"\nevent: held\ndata: {" in event for event in events)
    assert all(event.endswith(b"}\n\n") for event in events)
    assert changes.asked[:3] == [3, 5, 6]


def test_silence_is_broken_by_comments_while_the_caller_is_admitted() -> None:
    sent, watch = _stream(ListedChanges(), admitted=2)

    assert len(sent) == 3
    assert all(block.startswith(b": ") and block.endswith(b"\n\n") for block in sent)
    assert watch.streams() == 0


def test_a_caller_who_is_not_admitted_any_more_gets_no_further_event() -> None:
    sent, _watch = _stream(ListedChanges([_change(1), _change(2)]), admitted=1)

    assert len([block for block in sent if block.startswith(b"id: ")]) == 1


def test_without_a_store_the_stream_ends_and_can_be_gone_on_with() -> None:
    changes = ListedChanges([_change(1)], DatabaseUnavailableError("gone"))

    sent, watch = _stream(changes, admitted=9)

    assert len([block for block in sent if block.startswith(b"id: ")]) == 1
    assert watch.streams() == 0


def test_who_was_away_for_too_long_hears_it_before_anything_is_sent() -> None:
    with pytest.raises(ChangesForgottenError):
        _stream(ListedChanges(ChangesForgottenError("forgotten")), admitted=9, after=1)
