import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import psycopg
import pytest

from gateway.errors import (
    AlreadyExistsError,
    ApprovalRefusedError,
    NotFoundError,
    RequestInvalidError,
)
from gateway.operations.approval import (
    LIFETIME,
    MAX_PAGE,
    Proposal,
    ProposalKind,
    decide,
    list_proposals,
    propose,
    read_proposal,
    take_approval,
)
from gateway.oversight.search import LogQuery
from tests.gateway.store.lender import START, Lender

KIND = ProposalKind.VENDOR_RESUME
SUBJECT = {"vendor": "alpha"}
WANG, LI = "staff:wang", "staff:li"
LATER = START + timedelta(minutes=5)


@pytest.fixture
def lender(postgres_url: str, tmp_path: Path) -> Lender:
    return Lender.fresh(postgres_url, tmp_path)


@pytest.fixture
def connection(lender: Lender) -> Iterator[psycopg.Connection]:
    with psycopg.connect(lender.database.conninfo("company"), autocommit=True) as connection:
        yield connection


def _propose(connection: psycopg.Connection, actor: str = WANG) -> UUID:
    return propose(connection, KIND, SUBJECT, actor=actor, at=START)


def _approve(connection: psycopg.Connection, proposal: UUID, actor: str = LI) -> Proposal:
    return decide(connection, proposal, is_approved=True, actor=actor, at=LATER)


def _decisions(lender: Lender) -> list[object]:
    query = LogQuery(event="proposal.decided")
    page = lender.office().search(query, actor="cli:tester")
    return [hit.entry["status"] for hit in page.hits]


def test_what_a_second_person_approved_is_taken_once(
    connection: psycopg.Connection, lender: Lender
) -> None:
    proposal = _propose(connection)
    approved = _approve(connection, proposal)

    taken = take_approval(connection, KIND, SUBJECT, at=LATER)

    assert (approved.status, approved.decided_by) == ("approved", LI)
    assert taken.proposal_id == proposal
    assert taken.done_at == LATER
    with pytest.raises(ApprovalRefusedError) as refused:
        take_approval(connection, KIND, SUBJECT, at=LATER)
    assert refused.value.code == "APPROVAL_MISSING"
    assert _decisions(lender) == ["approved"]


@pytest.mark.parametrize("actor", [WANG, "cli:wang"])
def test_who_proposed_does_not_approve_by_any_way(
    connection: psycopg.Connection, actor: str
) -> None:
    proposal = _propose(connection)

    with pytest.raises(ApprovalRefusedError) as refused:
        _approve(connection, proposal, actor)

    assert refused.value.code == "SECOND_PERSON_NEEDED"
    assert read_proposal(connection, proposal, at=LATER).status == "open"


def test_the_database_itself_refuses_one_person_for_both(lender: Lender) -> None:
    with lender.owner() as owner, pytest.raises(psycopg.errors.CheckViolation):
        owner.execute(
            "INSERT INTO casegate.proposal (proposal_id, kind, subject, digest, proposed_by,"
            " proposed_at, expires_at, status, decided_by) VALUES (%s, 'x', '{}', %s, 'staff:a',"
            " now(), now() + interval '1 day', 'approved', 'staff:a')",
            (uuid4(), bytes(32)),
        )


def test_an_approval_is_of_exactly_its_subject(connection: psycopg.Connection) -> None:
    _approve(connection, _propose(connection))

    for kind, subject in (
        (KIND, {"vendor": "beta"}),
        (KIND, {**SUBJECT, "more": "x"}),
        (ProposalKind.CREDENTIAL_RESUME, SUBJECT),
    ):
        with pytest.raises(ApprovalRefusedError):
            take_approval(connection, kind, subject, at=LATER)


def test_an_approval_that_was_not_used_in_time_is_worth_nothing(
    connection: psycopg.Connection,
) -> None:
    _approve(connection, _propose(connection))

    with pytest.raises(ApprovalRefusedError):
        take_approval(connection, KIND, SUBJECT, at=START + LIFETIME)


def test_nobody_decides_after_the_end_and_the_same_may_be_proposed_again(
    connection: psycopg.Connection,
) -> None:
    proposal = _propose(connection)
    late = START + LIFETIME

    assert read_proposal(connection, proposal, at=late).status == "expired"
    with pytest.raises(ApprovalRefusedError) as refused:
        decide(connection, proposal, is_approved=True, actor=LI, at=late)
    assert refused.value.code == "PROPOSAL_NOT_OPEN"
    again = propose(connection, KIND, SUBJECT, actor=WANG, at=late)
    assert again != proposal


def test_the_same_is_not_proposed_twice_at_once(connection: psycopg.Connection) -> None:
    _propose(connection)

    with pytest.raises(AlreadyExistsError):
        _propose(connection, LI)


@pytest.mark.parametrize(("actor", "status"), [(WANG, "withdrawn"), (LI, "rejected")])
def test_anybody_may_say_no(connection: psycopg.Connection, actor: str, status: str) -> None:
    proposal = _propose(connection)

    decided = decide(connection, proposal, is_approved=False, actor=actor, at=LATER)

    assert decided.status == status
    with pytest.raises(ApprovalRefusedError):
        take_approval(connection, KIND, SUBJECT, at=LATER)


def test_an_unknown_proposal_is_not_found(connection: psycopg.Connection) -> None:
    with pytest.raises(NotFoundError):
        decide(connection, uuid4(), is_approved=True, actor=LI, at=LATER)


def test_one_approval_lets_one_of_two_racers_through(
    connection: psycopg.Connection, lender: Lender
) -> None:
    _approve(connection, _propose(connection))
    outcomes: list[str] = []
    start = threading.Barrier(8)

    def race() -> None:
        with psycopg.connect(lender.database.conninfo("company"), autocommit=True) as mine:
            start.wait()
            try:
                take_approval(mine, KIND, SUBJECT, at=LATER)
                outcomes.append("through")
            except ApprovalRefusedError:
                outcomes.append("refused")

    racers = [threading.Thread(target=race) for _ in range(8)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join()

    assert sorted(outcomes) == ["refused"] * 7 + ["through"]


def test_proposals_come_in_pages_newest_first(connection: psycopg.Connection) -> None:
    made = [
        propose(
            connection,
            KIND,
            {"vendor": f"v{number}"},
            actor=WANG,
            at=START + timedelta(seconds=number),
        )
        for number in range(5)
    ]
    decide(connection, made[4], is_approved=False, actor=LI, at=LATER)

    first = list_proposals(connection, at=LATER, limit=2)
    rest = list_proposals(connection, at=LATER, after=first[-1].proposal_id)
    waiting = list_proposals(connection, at=LATER, only_open=True)

    assert [item.proposal_id for item in (*first, *rest)] == made[::-1]
    assert [item.proposal_id for item in waiting] == made[3::-1]
    with pytest.raises(RequestInvalidError):
        list_proposals(connection, at=LATER, limit=MAX_PAGE + 1)
