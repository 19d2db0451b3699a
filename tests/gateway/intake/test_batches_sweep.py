"""What became of the rows of old batches is forgotten, and only that."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import psycopg
import pytest

from gateway.intake import batches_sweep
from gateway.intake.batches_sweep import AnswerSweep
from tests.gateway.intake.desk import Intake


@pytest.fixture(scope="module")
def intake(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Intake]:
    with Intake.open(postgres_url, tmp_path_factory.mktemp("sweep"), cases=4) as opened:
        yield opened


def test_old_answers_are_forgotten_some_at_a_time_while_the_batch_stays_known(
    intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches_sweep, "_AT_ONCE", 2)
    old = [intake.send({"call_id": f"x{number}"}, key=f"old-{number}") for number in range(3)]
    waiting = intake.send(*[{"call_id": "x"}] * 1_001)
    intake.lender.clock.at += timedelta(days=10)
    new = intake.send({"call_id": "y"})

    @contextmanager
    def connection() -> Iterator[psycopg.Connection]:
        with intake.lender.office().connection("company") as opened:
            yield opened

    def sweep(days: int) -> int:
        return AnswerSweep(connection, intake.lender.clock, days).keep_time()

    assert [sweep(11), sweep(10), sweep(10), sweep(10)] == [0, 2, 1, 0]
    again = intake.send({"call_id": "x0"}, key="old-0")
    assert (again.batch_id, again.receipt) == (old[0].batch_id, old[0].receipt)
    assert (again.document["rejected"], again.document["items"]) == (1, [])
    assert len(new.document["items"]) == 1
    assert intake.desk.status(intake.principal(), new.batch_id, page=0).document["items"]
    assert intake.drain() == 2
    assert intake.desk.status(intake.principal(), waiting.batch_id, page=1).document["items"]
