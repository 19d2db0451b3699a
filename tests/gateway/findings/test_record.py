from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import sql

from gateway.errors import IllegalTransitionError, NotFoundError, RequestInvalidError
from gateway.findings.record import (
    Fault,
    Severity,
    close_finding,
    list_findings,
    raise_finding,
    read_finding,
)
from tests.gateway.store.lender import ACTOR, START, Lender

HOUR = timedelta(hours=1)


@pytest.fixture(scope="module")
def lender(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Lender:
    return Lender.fresh(postgres_url, tmp_path_factory.mktemp("lender"))


@pytest.fixture
def connection(lender: Lender) -> Iterator[psycopg.Connection]:
    with lender.role() as opened:
        yield opened


def raised(connection: psycopg.Connection, number: int, vendor: str = "alpha") -> UUID:
    fault = Fault("RECORDING_MISSING", Severity.MAJOR, vendor, {"case_ref": f"R{number}"})
    return raise_finding(connection, fault, at=START + number * HOUR)


def entries(lender: Lender) -> bytes:
    rows = lender.query("SELECT bundle FROM audit.batch ORDER BY first_index")
    return b"".join(bytes(row[0]) for row in rows)  # type: ignore[call-overload]


def test_pages_go_from_the_newest_to_the_oldest_without_a_gap(
    connection: psycopg.Connection,
) -> None:
    ids = [raised(connection, number, "beta") for number in range(5)]
    pages: list[UUID] = []
    after: UUID | None = None
    while page := list_findings(connection, vendor="beta", after=after, limit=2):
        pages += [one.finding_id for one in page]
        after = pages[-1]

    assert pages == ids[::-1]


def test_the_entry_tells_of_the_rule_and_not_of_the_evidence(
    lender: Lender, connection: psycopg.Connection
) -> None:
    finding = raised(connection, 77)
    written = entries(lender)

    assert f'"finding":"{finding}"'.encode() in written
    assert b'"rule":"RECORDING_MISSING"' in written
    assert b"R77" not in written


def test_a_finding_goes_with_the_transaction_that_raised_it(
    lender: Lender, connection: psycopg.Connection
) -> None:
    before = len(entries(lender))
    with connection.transaction(force_rollback=True):
        finding = raised(connection, 78)

    with pytest.raises(NotFoundError):
        read_finding(connection, finding)
    assert len(entries(lender)) == before


def test_a_closed_finding_says_why_and_stays_closed(connection: psycopg.Connection) -> None:
    finding = raised(connection, 79)
    closed = close_finding(connection, finding, reason="上传了录音", actor=ACTOR, at=START)

    assert (closed.state, closed.reason, closed.closed_by) == ("closed", "上传了录音", ACTOR)
    assert finding not in {one.finding_id for one in list_findings(connection, only_open=True)}
    with pytest.raises(IllegalTransitionError):
        close_finding(connection, finding, reason="again", actor=ACTOR, at=START)
    with pytest.raises(NotFoundError):
        close_finding(connection, uuid4(), reason="none", actor=ACTOR, at=START)


def test_the_vendors_role_sees_no_finding(lender: Lender) -> None:
    for table in ("finding", "canary", "pseudonym_key"):
        query = sql.SQL("SELECT * FROM casegate.{}").format(sql.Identifier(table))
        with (
            lender.role("vendor") as connection,
            pytest.raises(psycopg.errors.InsufficientPrivilege),
        ):
            connection.execute(query)


def test_a_page_is_bounded(connection: psycopg.Connection) -> None:
    with pytest.raises(RequestInvalidError):
        list_findings(connection, limit=201)
