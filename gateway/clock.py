"""The only place that reads the clocks of the machine."""

import asyncio
import time
from datetime import UTC, datetime
from typing import Protocol

from typing_extensions import override


class Clock(Protocol):
    """Wall time for what is written down, monotonic time for what is measured."""

    def now(self) -> datetime:
        """The current time, aware, in UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds of a clock that never goes back; only differences mean something."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Waits."""
        ...


class SystemClock:
    """The clocks of this machine."""

    def now(self) -> datetime:
        """The current time, aware, in UTC."""
        return datetime.now(tz=UTC)  # noqa: TID251  # the one call

    def monotonic(self) -> float:
        """Seconds since an unspecified moment."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Waits without blocking the event loop."""
        await asyncio.sleep(seconds)


class TrialClock(SystemClock):
    """A wall clock for trials: it stood at `start` when the machine's stood at `since`.

    A trial on a Sunday night can so see what happens on a working morning, and a whole day pass
    in minutes. What is measured stays in real seconds.
    """

    def __init__(self, start: datetime, since: datetime, rate: float = 1.0) -> None:
        """Both moments are aware; `rate` is trial seconds a real second."""
        self._start = start.astimezone(UTC)
        self._since = since.astimezone(UTC)
        self._rate = rate

    @override
    def now(self) -> datetime:
        """The trial's time, aware, in UTC."""
        return self._start + (super().now() - self._since) * self._rate


def rfc3339(moment: datetime) -> str:
    """A moment in UTC with milliseconds, as `2026-01-31T08:00:00.000Z` (RFC 3339)."""
    stamp = moment.astimezone(UTC).isoformat(timespec="milliseconds")
    return f"{stamp.removesuffix('+00:00')}Z"
