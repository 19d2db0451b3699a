"""What the publisher writes of others: their long failures, their end, and its own heartbeat."""

from collections.abc import Iterator
from datetime import timedelta

import orjson
import psycopg
import pytest

from audit.bundle import decode_bundle
from audit.schema import SCHEMA
from gateway.clock import rfc3339
from gateway.serving.alarms import Alarms
from gateway.serving.heartbeat import Heartbeat
from tests.gateway.store.lender import START, SetClock


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database_url, autocommit=True) as connection:
        for statement in SCHEMA:
            connection.execute(statement.encode())
        yield connection


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def alarms(clock: SetClock) -> Alarms:
    return Alarms(clock, after_seconds=900)


def passes(clock: SetClock, seconds: float) -> None:
    clock.at += timedelta(seconds=seconds)
    clock.seconds += seconds


def logged(connection: psycopg.Connection) -> list[dict[str, object]]:
    rows = connection.execute("SELECT bundle FROM audit.batch ORDER BY first_index").fetchall()
    return [orjson.loads(entry) for (bundle,) in rows for entry in decode_bundle(bundle)]


def test_a_failure_becomes_an_entry_once_and_only_when_it_lasts(
    connection: psycopg.Connection, clock: SetClock, alarms: Alarms
) -> None:
    for _ in range(10):
        alarms.failed("archive", "no answer")
        alarms.record(connection)
        passes(clock, 100)

    assert [(entry["type"], entry["time"]) for entry in logged(connection)] == [
        ("log.alarm", rfc3339(START + timedelta(seconds=900)))
    ]
    assert logged(connection)[0] == logged(connection)[0] | {
        "party": "archive",
        "reason": "no answer",
        "since": rfc3339(START),
        "state": "raised",
    }
    assert alarms.since("archive") == START


def test_the_end_of_an_alarm_is_an_entry_and_that_of_a_short_failure_is_not(
    connection: psycopg.Connection, clock: SetClock, alarms: Alarms
) -> None:
    alarms.failed("archive", "no answer")
    passes(clock, 60)
    alarms.succeeded("archive")
    alarms.record(connection)
    assert logged(connection) == []
    assert alarms.since("archive") is None

    alarms.failed("archive", "no answer")
    passes(clock, 900)
    alarms.record(connection)
    for _ in range(3):
        alarms.succeeded("archive")
        alarms.record(connection)

    assert [entry["state"] for entry in logged(connection)] == ["raised", "over"]
    assert alarms.since("archive") is None


def test_what_waiting_will_not_mend_is_an_entry_at_once(
    connection: psycopg.Connection, alarms: Alarms
) -> None:
    alarms.failed("archive", "differs from the log", at_once=True)
    alarms.record(connection)

    assert [entry["reason"] for entry in logged(connection)] == ["differs from the log"]


def test_each_party_has_its_own_alarm(
    connection: psycopg.Connection, clock: SetClock, alarms: Alarms
) -> None:
    alarms.failed("archive", "no answer")
    passes(clock, 600)
    alarms.failed("timestamps", "no answer")
    passes(clock, 600)
    alarms.record(connection)

    assert [entry["party"] for entry in logged(connection)] == ["archive"]


def test_an_alarm_that_could_not_be_entered_is_entered_later(
    connection: psycopg.Connection, alarms: Alarms, database_url: str
) -> None:
    alarms.failed("archive", "differs", at_once=True)
    with psycopg.connect(database_url) as lost:
        lost.close()
        with pytest.raises(psycopg.Error):
            alarms.record(lost)

    alarms.record(connection)

    assert [entry["state"] for entry in logged(connection)] == ["raised"]


def test_a_still_log_gets_a_heartbeat_each_minute(
    connection: psycopg.Connection, clock: SetClock
) -> None:
    heartbeat = Heartbeat(clock, every_seconds=60)
    for _ in range(400):
        heartbeat.step(connection)
        passes(clock, 0.5)

    times = [entry["time"] for entry in logged(connection)]
    assert {entry["type"] for entry in logged(connection)} == {"log.heartbeat"}
    assert times == [rfc3339(START + timedelta(seconds=seconds)) for seconds in (60, 120, 180)]


def test_a_log_that_grows_gets_none(connection: psycopg.Connection, clock: SetClock) -> None:
    heartbeat = Heartbeat(clock, every_seconds=60)
    for size in range(1, 20):
        heartbeat.grew(size)
        passes(clock, 59)
        assert heartbeat.step(connection) is False

    assert logged(connection) == []


def test_of_two_publishers_only_one_beats(connection: psycopg.Connection, clock: SetClock) -> None:
    one, other = (Heartbeat(clock, every_seconds=60) for _ in range(2))
    for _ in range(600):
        one.step(connection)
        other.step(connection)
        passes(clock, 0.5)

    assert len(logged(connection)) == 4
