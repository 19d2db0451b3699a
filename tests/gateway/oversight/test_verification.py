from pathlib import Path

import pytest

from audit.errors import TamperedError
from audit.verify import VerificationReport
from gateway.oversight.search import LogQuery
from gateway.oversight.verification import read_checkpoint, record_verification, verify_log
from tests.gateway.store.lender import ACTOR, START, Lender


@pytest.fixture
def lender(postgres_url: str, tmp_path: Path) -> Lender:
    return Lender.fresh(postgres_url, tmp_path)


def _verify(lender: Lender, vkey: str) -> VerificationReport:
    with lender.role("auditor") as connection:
        return verify_log(connection, vkey=vkey, origin=lender.origin)


def _tamper(lender: Lender, statement: str) -> None:
    """As somebody who owns the machine: triggers off, then whatever they like."""
    with lender.owner() as connection, connection.transaction():
        connection.execute("SET LOCAL session_replication_role = replica")
        connection.execute(statement.encode())


def test_an_untouched_log_verifies_to_its_signed_head(lender: Lender) -> None:
    vkey = lender.sign()

    report = _verify(lender, vkey)

    assert report.entries == report.signed_size == 7
    assert report.unsigned_tail == 0
    assert report.heads == 1


def test_entries_after_the_newest_head_are_counted_as_unsigned(lender: Lender) -> None:
    vkey = lender.sign()
    lender.office().search(LogQuery(), actor=ACTOR)

    assert _verify(lender, vkey).unsigned_tail == 1


_EDIT = "UPDATE audit.batch SET bundle = set_byte(bundle, 40, get_byte(bundle, 40) # 1)"
_FIT_HASH = "UPDATE audit.batch SET leaf_hashes = sha256('\\x00'::bytea || substr(bundle, 3))"
_COPY = (
    "UPDATE audit.batch b SET bundle = o.bundle, leaf_hashes = o.leaf_hashes FROM audit.batch o"
)


@pytest.mark.parametrize(
    ("statement", "index"),
    [
        (_EDIT + " WHERE first_index = 3", 3),
        (_EDIT + " WHERE first_index = 3; " + _FIT_HASH + " WHERE first_index = 3", 3),
        ("DELETE FROM audit.batch WHERE first_index = 2", 2),
        ("DELETE FROM audit.batch WHERE first_index >= 5", 5),
        ("DELETE FROM audit.batch", 0),
        ("UPDATE audit.batch SET root = sha256('x') WHERE first_index = 4", 4),
        (_COPY + " WHERE b.first_index = 1 AND o.first_index = 2", 1),
    ],
    ids=["edited", "edited-hash-too", "deleted", "cut-tail", "emptied", "root-swapped", "moved"],
)
def test_each_change_below_a_signed_head_is_found_and_placed(
    lender: Lender, statement: str, index: int
) -> None:
    vkey = lender.sign()
    _tamper(lender, statement)

    with pytest.raises(TamperedError) as caught:
        _verify(lender, vkey)

    assert caught.value.index == index


def test_a_log_rewritten_from_the_start_does_not_reach_the_signed_root(lender: Lender) -> None:
    vkey = lender.sign()
    _tamper(lender, "DELETE FROM audit.batch")
    _tamper(lender, "UPDATE audit.tail SET size = 0, frontier = '', root = sha256('')")
    for _ in range(7):
        lender.office().search(LogQuery(), actor=ACTOR)

    with pytest.raises(TamperedError):
        _verify(lender, vkey)


def test_another_logs_key_verifies_nothing(
    lender: Lender, postgres_url: str, tmp_path: Path
) -> None:
    stranger = Lender.fresh(postgres_url, tmp_path / "stranger").sign()
    lender.sign()

    with pytest.raises(TamperedError):
        _verify(lender, stranger)


def test_a_verification_is_itself_an_entry(lender: Lender) -> None:
    report = _verify(lender, lender.sign())
    with lender.role() as connection:
        record_verification(connection, report, actor=ACTOR, at=START)

    hit = lender.office().search(LogQuery(event="log.verified"), actor=ACTOR).hits[0]
    assert (hit.entry["entries"], hit.entry["root"]) == (7, report.signed_root.hex())


def test_the_newest_checkpoint_is_given_out_and_the_asking_is_logged(lender: Lender) -> None:
    with lender.role() as connection:
        assert read_checkpoint(connection, actor=ACTOR, at=START) is None
        lender.sign()
        note = read_checkpoint(connection, actor=ACTOR, at=START)

    assert note is not None
    assert note.splitlines()[:2] == [lender.origin, "8"]
    assert len(lender.office().search(LogQuery(event="log.searched"), actor=ACTOR).hits) == 3
