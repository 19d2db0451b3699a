"""What a worker takes up with a change of trust: tokens that were ended, and rotated keys."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from gateway.clock import SystemClock
from gateway.identity.connections import ConnectionRegistry
from gateway.identity.feed import TrustFeed
from keys.errors import KeyFileError
from tests.gateway.store.lender import Lender

_REVOKE = "SELECT casegate.revoke_token(%s, 'alpha', %s)"
_RAISE = "UPDATE casegate.contract SET status = status WHERE false"
_ACKNOWLEDGED = """
SELECT coalesce(max(epoch), 0) FROM casegate.trust_acknowledgement WHERE worker_id = %s
"""


@pytest.fixture(scope="module")
def lender(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Lender:
    directory: Path = tmp_path_factory.mktemp("lender")
    return Lender.fresh(postgres_url, directory)


def _feed(lender: Lender, on_change: Callable[[], None]) -> TrustFeed:
    return TrustFeed(
        lender.database.conninfo("vendor"),
        listener="vendor",
        registry=ConnectionRegistry(),
        clock=SystemClock(),
        stale_seconds=5,
        on_change=on_change,
    )


async def _eventually(condition: Callable[[], bool]) -> None:
    for _ in range(400):
        if condition():
            return
        await asyncio.sleep(0.01)
    pytest.fail("it did not happen")


def _is_past(feed: TrustFeed, epoch: int) -> bool:
    return feed.view().epoch > epoch


def _execute(lender: Lender, purpose: str, text: str, *parameters: object) -> None:
    with lender.role(purpose) as connection:
        connection.execute(text.encode(), parameters)


def test_a_vendor_worker_ends_a_token_and_every_worker_hears_until_it_would_have_ended(
    lender: Lender,
) -> None:
    now = SystemClock().now()

    async def story() -> None:
        feed = _feed(lender, lambda: None)
        await feed.start()
        try:
            assert not feed.view().is_token_revoked("one")
            await asyncio.to_thread(
                _execute, lender, "vendor", _REVOKE, "one", now + timedelta(minutes=9)
            )
            await _eventually(lambda: feed.view().is_token_revoked("one"))
            epoch = feed.view().epoch
            await asyncio.to_thread(
                _execute, lender, "vendor", _REVOKE, "over", now - timedelta(minutes=1)
            )
            await _eventually(lambda: feed.view().epoch > epoch)
            assert not feed.view().is_token_revoked("over")
            assert feed.view().is_token_revoked("one")
        finally:
            await feed.close()

    asyncio.run(story())


def test_a_worker_that_cannot_read_its_keys_hears_but_does_not_acknowledge(
    lender: Lender,
) -> None:
    broken = False
    calls = 0

    def on_change() -> None:
        nonlocal calls
        calls += 1
        if broken:
            raise KeyFileError("no key")

    async def story() -> None:
        nonlocal broken
        feed = _feed(lender, on_change)
        await feed.start()
        try:
            (row,) = lender.query(_ACKNOWLEDGED, (feed.worker_id,))
            assert (calls, row[0]) == (1, feed.view().epoch)
            for broken in (True, False):
                epoch = feed.view().epoch
                await asyncio.to_thread(_execute, lender, "company", _RAISE)
                await _eventually(partial(_is_past, feed, epoch))
                await asyncio.sleep(0.2)
                (row,) = lender.query(_ACKNOWLEDGED, (feed.worker_id,))
                assert (row[0] == feed.view().epoch) is not broken
        finally:
            await feed.close()

    asyncio.run(story())
    assert calls == 3
