from pathlib import Path

import psycopg
import pytest

from audit.entry import EventType
from gateway.evidence import record_with_change
from gateway.installation import log_signer
from gateway.oversight.indexing import catch_up
from gateway.serving import publishing
from gateway.serving.publishing import INDEX_RETRY_SECONDS, _LogKeys, _Outlet
from tests.gateway.store.lender import ACTOR, START, Lender


@pytest.fixture
def lender(postgres_url: str, tmp_path: Path) -> Lender:
    return Lender.fresh(postgres_url, tmp_path)


def _indexed(lender: Lender) -> int:
    ((count,),) = lender.query("SELECT count(*) FROM oversight.entry")
    assert isinstance(count, int)
    return count


def test_an_entry_that_the_index_cannot_read_keeps_the_log_neither_unsigned_nor_unexported(
    lender: Lender, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def failing(_connection: psycopg.Connection, *, rounds: int) -> int:
        asked.append(rounds)
        raise TypeError("an entry of a shape that nobody foresaw")

    given = lender.database.settings
    audit = given.audit.model_copy(update={"export": Path("log")})
    settings = given.model_copy(update={"audit": audit})
    settings.resolve(settings.audit.vkey).write_text(log_signer(settings).verifier_key)
    keys = _LogKeys(settings)
    outlet = _Outlet(settings, keys.vkeys, lender.clock)
    try:
        with lender.role("publisher") as connection:
            publisher = keys.open_publisher(connection)
            monkeypatch.setattr(publishing, "catch_up", failing)
            for _round in range(3):
                outlet.step(connection, publisher.publish_once(START))
                record_with_change(connection, EventType.LOG_STARTED, at=START, actor=ACTOR)
            exported = settings.resolve(Path("log/checkpoint")).read_text()
            monkeypatch.setattr(publishing, "catch_up", catch_up)
            lender.clock.seconds += INDEX_RETRY_SECONDS
            outlet.step(connection, publisher.publish_once(START))
    finally:
        outlet.close()

    ((size,),) = lender.query("SELECT size FROM audit.tail")
    assert len(asked) == 1  # and not once a round
    assert int(exported.splitlines()[1]) == int(str(size)) - 1
    assert _indexed(lender) == size
