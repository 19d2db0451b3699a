"""Random runs: crashes, lost answers, retries, duplicates, reordering; nothing lost or doubled."""

import random  # seeded: a run that fails is told by its number
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from typing_extensions import override

from gateway.errors import DatabaseUnavailableError
from gateway.intake import batches_desk, batches_worker
from tests.gateway.intake.desk import Intake
from tests.promises.processes import wait_until

RUNS, LONG_RUNS = 40, 1_000
_PART = 4


class Fuse:
    """Cuts a connection before one of its next statements, or after its transaction's end."""

    def __init__(self) -> None:
        self.left: int | None = None
        self.blown = 0

    def burn(self, connection: psycopg.Connection[Any]) -> None:
        if self.left is None:
            return
        self.left -= 1
        if self.left < 0:
            self.left = None
            self.blown += 1
            connection.close()
            raise psycopg.OperationalError("cut")


class CutConnection(psycopg.Connection[Any]):
    """A connection with a fuse before each statement."""

    fuse: Fuse

    @override
    def cursor(self, *args: Any, **kwargs: Any) -> Any:
        self.fuse.burn(self)
        return super().cursor(*args, **kwargs)


@dataclass
class Line:
    """One process's connection, opened again after it was cut."""

    conninfo: str
    fuse: Fuse = field(default_factory=Fuse)
    loses_answer: bool = False
    held: CutConnection | None = None

    @contextmanager
    def connect(self) -> Iterator[psycopg.Connection]:
        if self.held is None or self.held.closed:
            self.held = CutConnection.connect(self.conninfo, autocommit=True)
            self.held.fuse = self.fuse
        yield self.held
        if self.loses_answer:
            self.loses_answer = False
            self.fuse.blown += 1
            raise psycopg.OperationalError("the answer is lost")

    def close(self) -> None:
        if self.held is not None:
            self.held.close()


@dataclass
class Vendor:
    """A vendor's system that sends until it is answered, and sometimes once more."""

    intake: Intake
    line: Line
    chance: random.Random

    def run(self) -> None:
        """One run: some calls, in several batches that overlap, in any order, with failures."""
        chance, intake = self.chance, self.intake
        calls = [intake.record(call_id=f"run-{uuid4()}") for _ in range(chance.randint(1, 7))]
        batches = [
            (chance.sample(calls, chance.randint(1, len(calls))), self._key())
            for _ in range(chance.randint(1, 3))
        ]
        batches.append((calls, self._key()))
        answers: dict[str, list[Any]] = {}
        pending = list(batches)
        while pending:
            rows, key = chance.choice(pending)
            if chance.random() < 0.3:
                self._work()
            try:
                with self._failing():
                    answer = intake.send(*rows, key=key)
            except DatabaseUnavailableError:
                continue  # it may have been taken or not: it is sent again
            if key is not None:
                answers.setdefault(key, []).append(answer)
            if chance.random() < 0.75:
                pending.remove((rows, key))
        # A part whose worker was cut stays locked until the server has noticed.
        assert wait_until(lambda: not self._work() and not self._is_waiting(), seconds=30)
        self._verify(calls, answers)

    def _key(self) -> str | None:
        return None if self.chance.random() < 0.3 else str(uuid4())

    @contextmanager
    def _failing(self) -> Iterator[None]:
        """One of two attempts ends early, or well but unheard."""
        if self.chance.random() < 0.4:
            self.line.fuse.left = self.chance.randint(0, 16)
        elif self.chance.random() < 0.2:
            self.line.loses_answer = True
        try:
            yield
        finally:
            self.line.fuse.left = None
            self.line.loses_answer = False

    def _work(self) -> bool:
        """A round of the worker, which is killed now and then; whether there may be more."""
        try:
            with self._failing(), self.line.connect() as connection:
                return self.intake.worker.work(connection)
        except psycopg.OperationalError:
            return True

    def _is_waiting(self) -> bool:
        waiting = "SELECT 1 FROM casegate.record_batch_part WHERE done_at IS NULL LIMIT 1"
        return bool(self.intake.lender.query(waiting))

    def _verify(self, calls: list[dict[str, Any]], answers: dict[str, list[Any]]) -> None:
        named = [call["call_id"] for call in calls]
        kept = self.intake.lender.query(
            "SELECT r.call_id, c.state, c.result FROM casegate.call_record r"
            " JOIN casegate.contact c ON c.contact_id = r.permit_id WHERE r.call_id = ANY (%s)",
            (named,),
        )
        assert Counter(row[0] for row in kept) == Counter(named)
        assert {row[1:] for row in kept} == {("recorded", "RPC_NO_COMMIT")}
        for heard in answers.values():
            assert len({(one.batch_id, one.receipt) for one in heard}) == 1


@pytest.fixture(scope="module")
def intake(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Intake]:
    with Intake.open(postgres_url, tmp_path_factory.mktemp("runs"), cases=60) as opened:
        yield opened


def _run(intake: Intake, monkeypatch: pytest.MonkeyPatch, runs: range) -> None:
    """Batches of more than four rows are large here: they wait, in parts."""
    monkeypatch.setattr(batches_desk, "PART_ROWS", _PART)
    monkeypatch.setattr(batches_worker, "PART_ROWS", _PART)
    intake.grant(60, each=len(runs) * 7 // 60 + 1)
    before = _accepted(intake)
    line = Line(intake.lender.database.conninfo("company", bounded=False))
    sending = replace(
        intake, desk=replace(intake.desk, connect=line.connect), numbers=intake.numbers
    )
    calls = len(intake.permits)
    try:
        for number in runs:
            try:
                Vendor(sending, line, random.Random(number)).run()
            except AssertionError as error:
                error.add_note(f"in run {number}")
                raise
    finally:
        line.close()
    assert line.fuse.blown > len(runs) / 3
    assert _accepted(intake) - before == calls - len(intake.permits)
    assert intake.findings() == []


def _accepted(intake: Intake) -> int:
    """What all answers say was accepted, each batch counted once."""
    rows = intake.lender.query("SELECT coalesce(sum(accepted), 0) FROM casegate.record_batch_part")
    return int(str(rows[0][0]))


def test_nothing_is_lost_or_doubled_in_random_runs(
    intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    _run(intake, monkeypatch, range(RUNS))


@pytest.mark.long
def test_nothing_is_lost_or_doubled_in_a_thousand_random_runs(
    intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    _run(intake, monkeypatch, range(10_000, 10_000 + LONG_RUNS))
