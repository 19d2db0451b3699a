"""Entries of this process, and what a leaping clock leaves in the log."""

import asyncio
from datetime import UTC, datetime, timedelta

import orjson
import pytest
from typing_extensions import override

from audit.entry import EventType
from audit.errors import AuditUnavailableError
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


class _FailingLog(_Log):
    """Does not answer while `is_down`."""

    is_down = False

    @override
    async def append(self, entry: bytes) -> Receipt:
        if self.is_down:
            raise AuditUnavailableError("down")
        return await super().append(entry)


async def _record_through_an_outage(log: _FailingLog, clock: _Clock, refused: int) -> None:
    evidence = LoggedEvidence(log, clock)
    log.is_down = True
    for _ in range(refused):
        with pytest.raises(AuditUnavailableError):
            await evidence.record(EventType.ACCESS_DENIED)
        clock.elapsed += 2
        clock.wall += timedelta(seconds=2)
    log.is_down = False
    for _ in range(2):
        await evidence.record(EventType.TOKEN_ISSUED)


def test_a_log_that_answers_again_says_how_long_it_did_not() -> None:
    log = _FailingLog()

    asyncio.run(_record_through_an_outage(log, _Clock(), refused=3))

    assert [entry["type"] for entry in log.entries] == [
        "token.issued",
        "log.recovered",
        "token.issued",
    ]
    assert log.entries[1]["unconfirmed"] == 3
    assert log.entries[1]["outage_ms"] == 6000
