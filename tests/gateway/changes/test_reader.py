import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from gateway.changes.publishing import publish_change
from gateway.changes.reader import Change, ChangeReader
from gateway.changes.watch import MAX_STREAMS, ChangeWatch
from gateway.clock import SystemClock
from gateway.errors import ChangesForgottenError, DatabaseUnavailableError, RateLimitedError
from gateway.store.database import connection_pool
from tests.gateway.store.lender import START, Lender

ALPHA = ("alpha", "alpha-2026")


@pytest.fixture(scope="module")
def lender(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Lender:
    """Of six changes of alpha the first three are forgotten."""
    made = Lender.fresh(postgres_url, tmp_path_factory.mktemp("lender"))
    with made.role() as connection:
        for day in (0, 1, 2, 40, 41, 42):
            publish_change(
                connection,
                vendor_id="alpha",
                contract_id="alpha-2026",
                kind="paid",
                case_ref=f"day {day}",
                at=START + timedelta(days=day),
            )
    return made


def _with_reader(lender: Lender, use: Callable[[ChangeReader], Awaitable[None]]) -> None:
    async def run() -> None:
        async with connection_pool(lender.database.conninfo("vendor"), size=1) as pool:
            await use(ChangeReader(pool))

    asyncio.run(run())


def test_pages_follow_each_other_without_gap_or_overlap(lender: Lender) -> None:
    async def use(reader: ChangeReader) -> None:
        first = await reader.page(*ALPHA, after=None, limit=2)
        second = await reader.page(*ALPHA, after=first[-1].place, limit=2)
        told = [change.case_ref for change in first + second][:3]
        assert told == ["day 40", "day 41", "day 42"]
        last = await reader.page(*ALPHA, after=1_000, limit=2)
        assert last == []

    _with_reader(lender, use)


def test_who_was_away_for_too_long_is_told_so(lender: Lender) -> None:
    async def use(reader: ChangeReader) -> None:
        assert (await reader.page(*ALPHA, after=3, limit=9))[0].place == 4
        for place in (0, 1, 2):
            with pytest.raises(ChangesForgottenError):
                await reader.page(*ALPHA, after=place, limit=9)

    _with_reader(lender, use)


def test_a_feed_in_which_nothing_was_ever_told_is_empty(lender: Lender) -> None:
    async def use(reader: ChangeReader) -> None:
        for after in (None, 0):
            assert await reader.page("beta", "beta-2026", after=after, limit=9) == []

    _with_reader(lender, use)


def test_without_a_database_the_reader_says_so() -> None:
    async def run() -> None:
        pool = connection_pool("postgresql://x@127.0.0.1:1/x", size=1)
        pool.timeout = 0.05
        await pool.open(wait=False)
        with pytest.raises(DatabaseUnavailableError):
            await ChangeReader(pool).page(*ALPHA, after=None, limit=1)
        await pool.close(timeout=0)

    asyncio.run(run())


def test_a_change_is_told_with_its_number_and_references_only() -> None:
    change = Change(7, "held", "A" * 26, START, {})

    assert change.document() == {
        "number": 7,
        "kind": "held",
        "case_ref": "A" * 26,
        "at": "2026-05-01T08:00:00.000Z",
        "data": {},
    }


def test_every_stream_of_the_vendor_wakes_and_no_other(lender: Lender) -> None:
    async def run() -> None:
        watch = ChangeWatch(lender.database.conninfo("vendor"), SystemClock())
        await watch.start()
        with watch.stream("alpha") as one, watch.stream("alpha") as two, watch.stream("beta") as b:
            async with asyncio.timeout(20):
                for woken in (one, two, b):  # it listens now
                    await woken.wait()
                    woken.clear()
                await asyncio.to_thread(_publish, lender)
                await one.wait()
                await two.wait()
            assert not b.is_set()
        await watch.close()

    asyncio.run(run())


def test_a_vendor_has_a_few_streams_and_gets_a_place_back() -> None:
    watch = ChangeWatch("", SystemClock())

    async def run() -> None:
        held = [watch.stream("alpha") for _ in range(MAX_STREAMS)]
        for stream in held:
            stream.__enter__()
        with pytest.raises(RateLimitedError), watch.stream("alpha"):
            pass
        with watch.stream("beta"):
            assert watch.streams() == MAX_STREAMS + 1
        held[0].__exit__(None, None, None)
        with watch.stream("alpha"):
            pass
        for stream in held[1:]:
            stream.__exit__(None, None, None)
        assert watch.streams() == 0

    asyncio.run(run())


def _publish(lender: Lender) -> None:
    with lender.role() as connection:
        publish_change(
            connection,
            vendor_id="alpha",
            contract_id="alpha-2026",
            kind="paid",
            case_ref=None,
            at=START + timedelta(days=42),
        )
