"""Entries of this process, and what a leaping clock leaves in the log."""

import asyncio
from datetime import UTC, datetime, timedelta

import orjson
import pytest

from audit.entry import EventType
from audit.log import Receipt
from gateway.evidence import LoggedEvidence


class _Log:
    def __init__(self) -> None:
        self.entries: list[dict[str, object]] = []

    async def append(self, entry: bytes) -> Receipt:
        self.entries.append(orjson.loads(entry))
        return Receipt(len(self.entries) - 1, bytes(32))


class _Clock:
    def __init__(self) -> None:
        self.wall = datetime(2026, 3, 1, 12, tzinfo=UTC)
        self.elapsed = 0.0

    def now(self) -> datetime:
        return self.wall

    def monotonic(self) -> float:
        return self.elapsed

    async def sleep(self, seconds: float) -> None:
        self.elapsed += seconds


async def _record_around(leap: float) -> list[dict[str, object]]:
    log, clock = _Log(), _Clock()
    evidence = LoggedEvidence(log, clock)
    await evidence.record(EventType.ACCESS_DENIED)
    clock.elapsed += 10
    clock.wall += timedelta(seconds=10 + leap)
    await evidence.record(EventType.ACCESS_DENIED)
    return log.entries


@pytest.mark.parametrize("leap", [-1.5, -3600.0, 5.5, 86400.0])
def test_a_clock_that_leaps_is_noted_before_the_next_entry(leap: float) -> None:
    entries = asyncio.run(_record_around(leap))

    assert [entry["type"] for entry in entries] == [
        "access.denied",
        "clock.anomaly",
        "access.denied",
    ]
    assert entries[1]["leap_ms"] == round(leap * 1000)


@pytest.mark.parametrize("leap", [0.0, -0.9, 4.9])
def test_a_clock_that_is_only_being_corrected_is_not(leap: float) -> None:
    entries = asyncio.run(_record_around(leap))

    assert [entry["type"] for entry in entries] == ["access.denied", "access.denied"]
