import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from typing_extensions import override

from gateway.clock import SystemClock
from gateway.errors import TrustStaleError
from gateway.identity.connections import ConnectionRegistry
from gateway.identity.feed import TrustFeed
from gateway.identity.trust import TrustView
from tests.gateway.store.lender import START, Lender


class FakeTransport(asyncio.Transport):
    """Notes that it was aborted."""

    def __init__(self) -> None:
        super().__init__()
        self.is_aborted = False

    @override
    def abort(self) -> None:
        self.is_aborted = True


class LeapingClock(SystemClock):
    """The machine's clocks, of which a test can push the monotonic one forward."""

    def __init__(self) -> None:
        self.leap = 0.0

    @override
    def monotonic(self) -> float:
        return super().monotonic() + self.leap


class StoppedDay(SystemClock):
    """The machine's clock on the day on which the test certificates are valid."""

    @override
    def now(self) -> datetime:
        return START


class TurningDay(SystemClock):
    """The machine's clock, but for the time of day, which a test sets."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    @override
    def now(self) -> datetime:
        return self.at


@pytest.fixture(scope="module")
def lender(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Lender:
    return Lender.fresh(postgres_url, tmp_path_factory.mktemp("lender"))


@asynccontextmanager
async def _heard(
    lender: Lender, clock: SystemClock, registry: ConnectionRegistry, *, stale: float = 5.0
) -> AsyncIterator[TrustFeed]:
    feed = TrustFeed(
        lender.database.conninfo("vendor"),
        listener="vendor",
        registry=registry,
        clock=clock,
        stale_seconds=stale,
    )
    await feed.start()
    try:
        yield feed
    finally:
        await feed.close()


async def _eventually(condition: object, seconds: float = 4.0) -> float:
    """Waits for a condition; returns how long it took."""
    assert callable(condition)
    loop = asyncio.get_running_loop()
    began = loop.time()
    while not condition():
        assert loop.time() - began < seconds, "it did not happen"
        await asyncio.sleep(0.005)
    return loop.time() - began


def _live(feed: TrustFeed, lender: Lender, name: str) -> bool:
    view: TrustView = feed.view()
    return view.is_live(lender.thumbprints[name], START)


def _set(lender: Lender, vendor: str, status: str) -> None:
    lender.query(
        "UPDATE casegate.vendor SET status = %s WHERE vendor_id = %s RETURNING 1", (status, vendor)
    )


def _tell(lender: Lender, vendor: str, status: str) -> "asyncio.Future[None]":
    return asyncio.ensure_future(asyncio.to_thread(_set, lender, vendor, status))


def test_a_change_is_heard_within_a_second_and_acknowledged(lender: Lender) -> None:
    async def story() -> float:
        async with _heard(lender, SystemClock(), ConnectionRegistry()) as feed:
            assert _live(feed, lender, "alpha")
            epoch = feed.view().epoch
            await _tell(lender, "alpha", "suspended")
            seconds = await _eventually(lambda: not _live(feed, lender, "alpha"))
            assert feed.view().epoch > epoch
            assert _live(feed, lender, "beta")
            await _eventually(
                lambda: lender.query(
                    "SELECT 1 FROM casegate.trust_acknowledgement WHERE worker_id = %s"
                    " AND epoch > %s",
                    (feed.worker_id, epoch),
                )
            )
            await _tell(lender, "alpha", "active")
            await _eventually(lambda: _live(feed, lender, "alpha"))
            return seconds

    assert asyncio.run(story()) < 1.0


def test_a_heard_change_cuts_the_connections_of_that_vendor_alone(lender: Lender) -> None:
    async def story() -> None:
        registry = ConnectionRegistry()
        cut, kept = FakeTransport(), FakeTransport()
        clock = StoppedDay()
        async with _heard(lender, clock, registry):
            registry.add(lender.thumbprints["alpha"], cut)
            registry.add(lender.thumbprints["beta"], kept)
            await _tell(lender, "alpha", "suspended")
            await _eventually(lambda: cut.is_aborted, 1.0)
            await _tell(lender, "alpha", "active")
        assert not kept.is_aborted

    asyncio.run(story())


def test_before_anything_was_heard_nobody_is_served(lender: Lender) -> None:
    feed = TrustFeed(
        lender.database.conninfo("vendor"),
        listener="vendor",
        registry=ConnectionRegistry(),
        clock=SystemClock(),
        stale_seconds=5.0,
    )

    with pytest.raises(TrustStaleError):
        feed.view()


def test_a_worker_stands_on_the_list_while_it_hears_and_not_after(lender: Lender) -> None:
    async def story() -> None:
        async with _heard(lender, SystemClock(), ConnectionRegistry()) as feed:
            name = feed.worker_id
            await _eventually(lambda: _workers(lender, name))
        assert not _workers(lender, name)

    asyncio.run(story())


def test_a_worker_leaves_the_list_even_when_the_database_lets_it_wait(lender: Lender) -> None:
    held, is_over = threading.Event(), threading.Event()

    def hold(name: object) -> None:
        with psycopg.connect(lender.database.owner_url) as connection:
            connection.execute(
                "SELECT 1 FROM casegate.worker WHERE worker_id = %s FOR UPDATE", (name,)
            )
            held.set()
            assert is_over.wait(10)

    async def story() -> None:
        async with _heard(lender, SystemClock(), ConnectionRegistry()) as feed:
            name = feed.worker_id
            await _eventually(lambda: _workers(lender, name))
            holding = asyncio.create_task(asyncio.to_thread(hold, name))
            assert await asyncio.to_thread(held.wait, 10)
            # By then its heartbeat waits for the row too, and is cancelled with it.
            await asyncio.sleep(0.6)
            asyncio.get_running_loop().call_later(1.3, is_over.set)
        await holding
        assert not _workers(lender, name)

    asyncio.run(story())


def _workers(lender: Lender, name: object) -> list[tuple[object, ...]]:
    return lender.query("SELECT 1 FROM casegate.worker WHERE worker_id = %s", (name,))


def test_when_nothing_is_heard_for_too_long_all_are_refused_and_cut(lender: Lender) -> None:
    async def story() -> None:
        clock, registry = LeapingClock(), ConnectionRegistry()
        transport = FakeTransport()
        async with _heard(lender, clock, registry) as feed:
            for task in feed._tasks[:1]:
                task.cancel()
            await asyncio.sleep(0)
            registry.add(lender.thumbprints["beta"], transport)
            clock.leap = 4.0
            feed.view()
            clock.leap = 5.5
            with pytest.raises(TrustStaleError):
                feed.view()
            await _eventually(lambda: transport.is_aborted)

    asyncio.run(story())


def test_a_feed_whose_backend_was_ended_hears_again(lender: Lender) -> None:
    async def story() -> None:
        async with _heard(lender, SystemClock(), ConnectionRegistry()) as feed:
            ended = await asyncio.to_thread(
                lender.query,
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name = 'casegate-vendor' AND datname = current_database()",
            )
            assert ended
            await _tell(lender, "beta", "suspended")
            await _eventually(lambda: not _live(feed, lender, "beta"))
            await _tell(lender, "beta", "active")
            await _eventually(lambda: _live(feed, lender, "beta"))

    asyncio.run(story())


def test_a_database_that_is_not_there_leaves_the_feed_refusing(tmp_path: Path) -> None:
    async def story() -> None:
        feed = TrustFeed(
            f"host={tmp_path} connect_timeout=1",
            listener="vendor",
            registry=ConnectionRegistry(),
            clock=SystemClock(),
            stale_seconds=5.0,
        )
        await feed.start(wait_seconds=0.3)
        with pytest.raises(TrustStaleError):
            feed.view()
        await feed.close()

    asyncio.run(story())


def test_an_acknowledgement_forgets_those_and_the_workers_of_more_than_a_day_ago(
    lender: Lender,
) -> None:
    gone, late, own = uuid4(), uuid4(), uuid4()
    for worker, hours in ((gone, 25), (late, 23)):
        lender.query(
            "INSERT INTO casegate.worker (worker_id, listener, host, pid, epoch, heard_at)"
            " VALUES (%s, 'vendor', 'h', 1, 1, now() - %s * interval '1 hour') RETURNING 1",
            (worker, hours),
        )
        for epoch in (1, 2):
            lender.query(
                "INSERT INTO casegate.trust_acknowledgement VALUES (%s, %s, 0,"
                " now() - %s * interval '1 hour') RETURNING 1",
                (worker, epoch, hours),
            )

    with lender.role("vendor") as connection:
        connection.execute(
            "INSERT INTO casegate.trust_acknowledgement (worker_id, epoch, connections_closed)"
            " VALUES (%s, 3, 0) ON CONFLICT DO NOTHING",
            (own,),
        )

    counts = [len(_acknowledgements(lender, worker)) for worker in (gone, late, own)]
    assert counts == [0, 2, 1]
    assert not _workers(lender, gone)
    assert _workers(lender, late)


def test_an_acknowledgement_does_not_wait_for_another_that_is_forgetting(lender: Lender) -> None:
    gone = uuid4()
    acknowledge = (
        "INSERT INTO casegate.trust_acknowledgement (worker_id, epoch, connections_closed)"
        " VALUES (%s, 1, 0)"
    )
    lender.query(
        "INSERT INTO casegate.worker (worker_id, listener, host, pid, epoch, heard_at)"
        " VALUES (%s, 'vendor', 'h', 1, 1, now() - interval '2 days') RETURNING 1",
        (gone,),
    )

    with lender.role("vendor") as slow, lender.role("vendor") as quick:
        with slow.transaction():
            slow.execute(acknowledge, (uuid4(),))
            quick.execute("SET lock_timeout = '200ms'")
            quick.execute(acknowledge, (uuid4(),))
        assert not _workers(lender, gone)


def _acknowledgements(lender: Lender, worker: object) -> list[tuple[object, ...]]:
    return lender.query(
        "SELECT 1 FROM casegate.trust_acknowledgement WHERE worker_id = %s", (worker,)
    )


def test_a_connection_is_cut_at_the_end_of_its_term_however_young_it_is(lender: Lender) -> None:
    async def story() -> None:
        ends_at = START + timedelta(days=60)
        clock, registry = TurningDay(ends_at - timedelta(seconds=0.05)), ConnectionRegistry()
        ended, refused = FakeTransport(), FakeTransport()
        async with _heard(lender, clock, registry):
            now = asyncio.get_running_loop().time()
            registry.add(lender.thumbprints["alpha"], ended, at=now)
            # One that was refused from the start may still read why.
            registry.add(b"\x09" * 32, refused, at=now)
            await asyncio.sleep(0.2)
            assert not ended.is_aborted
            clock.at = ends_at
            await _eventually(lambda: ended.is_aborted, 0.3)
            assert not refused.is_aborted

    asyncio.run(story())
