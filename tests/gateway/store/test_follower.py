import asyncio
from dataclasses import dataclass, field
from datetime import datetime

import psycopg
import pytest
from psycopg_pool import PoolTimeout

from gateway.store.follower import Follower
from tests.gateway.store.lender import START


@dataclass
class Patient:
    """A clock on which every wait is over at once, and noted."""

    slept: list[float] = field(default_factory=list)

    def now(self) -> datetime:
        return START

    def monotonic(self) -> float:
        return 0.0

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await asyncio.sleep(0)


@dataclass
class Source:
    """What is read; it fails so many times first."""

    failures: list[Exception]
    reads: int = 0
    read: asyncio.Event = field(default_factory=asyncio.Event)

    async def take(self) -> None:
        self.reads += 1
        if self.failures:
            raise self.failures.pop()
        self.read.set()


def test_what_cannot_be_read_is_tried_again_until_it_can() -> None:
    async def reads_and_waits() -> tuple[int, int]:
        source = Source([psycopg.OperationalError("gone"), PoolTimeout("none free")])
        clock = Patient()
        follower = Follower(source.take, clock, unread="thing.unread")
        await follower.start()
        async with asyncio.timeout(5):
            await source.read.wait()
        await follower.close()
        return source.reads, len(clock.slept)

    assert asyncio.run(reads_and_waits()) == (3, 1)


def test_a_change_is_read_and_no_change_is_not() -> None:
    async def reads() -> list[int]:
        source, seen = Source([]), []
        follower = Follower(source.take, Patient(), unread="thing.unread")
        await follower.start()
        await asyncio.sleep(0.01)
        seen.append(source.reads)
        source.read.clear()
        follower.changed()
        async with asyncio.timeout(5):
            await source.read.wait()
        await follower.close()
        return [*seen, source.reads]

    assert asyncio.run(reads()) == [1, 2]


def test_a_fault_of_the_reader_itself_is_not_taken_for_a_database_that_is_away() -> None:
    with pytest.raises(ZeroDivisionError):
        asyncio.run(
            Follower(Source([ZeroDivisionError()]).take, Patient(), unread="thing.unread").start()
        )
