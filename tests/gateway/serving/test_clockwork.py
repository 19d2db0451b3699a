from datetime import datetime, timedelta

import pytest

from gateway.errors import DatabaseUnavailableError
from gateway.serving.clockwork import make_round
from tests.gateway.store.lender import START, SetClock


class Desk:
    """Stands in for the desk: `done` or an error, and when the next contract ends."""

    def __init__(
        self, following: datetime | None, *, done: int = 0, error: Exception | None = None
    ) -> None:
        self.following = following
        self.done = done
        self.error = error

    def keep_time(self) -> int:
        if self.error is not None:
            raise self.error
        return self.done

    def next_end(self) -> datetime | None:
        return self.following


@pytest.mark.parametrize(
    ("seconds", "wait"),
    [(None, 15.0), (3600.0, 15.0), (4.0, 4.05), (0.0, 1.0), (-60.0, 1.0)],
)
def test_it_wakes_at_the_next_end_and_every_fifteen_seconds(
    seconds: float | None, wait: float
) -> None:
    following = None if seconds is None else START + timedelta(seconds=seconds)

    assert make_round(Desk(following, done=1), SetClock()) == pytest.approx(wait)


def test_without_a_database_it_tries_again_soon() -> None:
    desk = Desk(None, error=DatabaseUnavailableError("PostgreSQL does not answer"))

    assert make_round(desk, SetClock()) == 1.0
