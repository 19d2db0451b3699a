from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from audit.checkpoint import Checkpoint
from audit.errors import AuditUnavailableError, LogInconsistentError
from audit.merkle import leaf_hash, root_of
from audit.note import Ed25519Signer
from audit.publisher import Publisher
from audit.schema import HEAD_CONFLICT
from audit.store import read_batches, read_signed_heads
from audit.verify import verify_batches

ORIGIN = "audit.example.com/gw/test"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SIGN = "SELECT audit.sign_head(%s, %s, %s, %s, %s)"


@pytest.fixture
def signing(audit_database_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(audit_database_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def publisher(signing: psycopg.Connection, signer: Ed25519Signer) -> Publisher:
    return Publisher(signing, signer, ORIGIN)


def disarmed(owner: psycopg.Connection, statement: str) -> None:
    """What an owner can do who first takes the tripwires away."""
    for table in ("batch", "signed_head", "tail"):
        owner.execute(f"ALTER TABLE audit.{table} DISABLE TRIGGER append_only".encode())
    owner.execute(statement.encode())


def test_an_empty_log_has_nothing_to_sign(publisher: Publisher) -> None:
    assert publisher.publish_once(NOON) is None


def test_each_round_signs_the_end_of_the_log_once(
    publisher: Publisher, append: Callable[..., int], owner: psycopg.Connection
) -> None:
    append(b"one", b"two")
    append(b"three")

    checkpoint = publisher.publish_once(NOON)

    root = root_of(map(leaf_hash, (b"one", b"two", b"three")))
    assert checkpoint == Checkpoint(ORIGIN, 3, root)
    assert publisher.publish_once(NOON) is None
    row = owner.execute("SELECT size, root, signed_at FROM audit.signed_head").fetchall()
    assert row == [(3, root, NOON)]


def test_the_whole_log_verifies_offline_against_what_was_signed(
    publisher: Publisher,
    append: Callable[..., int],
    owner: psycopg.Connection,
    signer: Ed25519Signer,
) -> None:
    for number in range(20):
        append(*(b"%d.%d" % (number, part) for part in range(number % 3 + 1)))
        if number % 4 == 0:
            publisher.publish_once(NOON + timedelta(seconds=number))

    heads = list(read_signed_heads(owner))
    report = verify_batches(read_batches(owner), heads, signer.verifier_key, origin=ORIGIN)

    assert (report.heads, report.signed_size, report.unsigned_tail) == (5, 33, 6)


def test_a_restarted_publisher_goes_on_from_the_newest_head(
    publisher: Publisher,
    append: Callable[..., int],
    owner: psycopg.Connection,
    signer: Ed25519Signer,
) -> None:
    append(b"one", b"two", b"three")
    publisher.publish_once(NOON)
    append(b"four")

    checkpoint = Publisher(owner, signer, ORIGIN).publish_once(NOON)

    assert checkpoint is not None
    assert checkpoint.root == root_of(map(leaf_hash, (b"one", b"two", b"three", b"four")))


def test_two_publishers_take_turns(
    publisher: Publisher,
    append: Callable[..., int],
    owner: psycopg.Connection,
    signer: Ed25519Signer,
) -> None:
    other = Publisher(owner, signer, ORIGIN)
    sizes = []
    for number in range(6):
        append(b"%d" % number)
        checkpoint = (publisher, other)[number // 2 % 2].publish_once(NOON)
        sizes.append(checkpoint.size if checkpoint else None)

    assert sizes == [1, 2, 3, 4, 5, 6]


def test_a_publisher_skips_its_round_while_another_is_at_work(
    publisher: Publisher, append: Callable[..., int], audit_database_url: str
) -> None:
    append(b"one")
    with psycopg.connect(audit_database_url) as other:
        other.execute("SELECT pg_advisory_xact_lock(%s)", (0x6361736567617465,))

        assert publisher.publish_once(NOON) is None

    assert publisher.publish_once(NOON) is not None


def test_a_new_key_goes_on_where_a_former_one_signed(
    publisher: Publisher,
    append: Callable[..., int],
    owner: psycopg.Connection,
    signer: Ed25519Signer,
) -> None:
    append(b"one")
    publisher.publish_once(NOON)
    append(b"two")
    newer = Ed25519Signer(ORIGIN, Ed25519PrivateKey.generate())

    with pytest.raises(LogInconsistentError):
        Publisher(owner, newer, ORIGIN).publish_once(NOON)

    rotated = Publisher(owner, newer, ORIGIN, former_keys=[signer.verifier_key])
    assert rotated.publish_once(NOON) is not None


FORGERIES = {
    "an unsigned entry edited": (
        "UPDATE audit.batch SET bundle = overlay(bundle placing 'X' from 3) WHERE first_index = 3"
    ),
    "an unsigned leaf hash edited": (
        "UPDATE audit.batch SET leaf_hashes = sha256('') WHERE first_index = 3"
    ),
    "an unsigned root edited": "UPDATE audit.batch SET root = sha256('') WHERE first_index = 3",
    "the newest unsigned batch removed": "DELETE FROM audit.batch WHERE first_index = 4",
    "a middle unsigned batch removed": "DELETE FROM audit.batch WHERE first_index = 3",
    "the newest head removed": "DELETE FROM audit.signed_head WHERE size = 3",
    "the newest head's note replaced": (
        "UPDATE audit.signed_head SET note = (SELECT note FROM audit.signed_head WHERE size = 2)"
        " WHERE size = 3"
    ),
    "the newest head's frontier edited": "UPDATE audit.signed_head SET frontier = sha256('')",
}


# Without memory and without a witness, a head that is gone was never there: only a running
# publisher notices.
SEEN_BY = [
    (forgery, is_restarted)
    for forgery in FORGERIES
    for is_restarted in (False, True)
    if not (is_restarted and forgery == "the newest head removed")
]


@pytest.mark.parametrize(("forgery", "is_restarted"), SEEN_BY)
def test_a_forged_log_is_not_signed(
    publisher: Publisher,
    append: Callable[..., int],
    owner: psycopg.Connection,
    signer: Ed25519Signer,
    forgery: str,
    is_restarted: bool,  # noqa: FBT001 - a pytest parameter
) -> None:
    append(b"one", b"two")
    publisher.publish_once(NOON)
    append(b"three")
    publisher.publish_once(NOON)
    append(b"four")
    append(b"five")
    disarmed(owner, FORGERIES[forgery])

    acting = Publisher(owner, signer, ORIGIN) if is_restarted else publisher
    before = list(read_signed_heads(owner))
    with pytest.raises(LogInconsistentError):
        acting.publish_once(NOON)

    assert list(read_signed_heads(owner)) == before


def test_the_journal_refuses_smaller_other_and_invented_heads(
    publisher: Publisher, append: Callable[..., int], owner: psycopg.Connection
) -> None:
    append(b"one", b"two")
    append(b"three")
    checkpoint = publisher.publish_once(NOON)
    assert checkpoint is not None
    append(b"four", b"five")
    root = checkpoint.root

    for size, claimed in ((2, root_of(map(leaf_hash, (b"one", b"two")))), (3, bytes(32))):
        with pytest.raises(psycopg.Error) as refusal:
            owner.execute(SIGN, (size, claimed, "note", b"", NOON))
        assert refusal.value.sqlstate == HEAD_CONFLICT
    for size in (4, 5, 6):
        with pytest.raises(psycopg.Error) as refusal:
            owner.execute(SIGN, (size, bytes(32), "note", b"", NOON))
        assert refusal.value.sqlstate == HEAD_CONFLICT

    assert owner.execute(SIGN, (3, root, "note", b"", NOON)).fetchone() == (False,)


def test_a_journal_that_moved_on_alone_is_a_conflict(
    publisher: Publisher, append: Callable[..., int], owner: psycopg.Connection
) -> None:
    append(b"one")
    owner.execute(
        "CREATE OR REPLACE FUNCTION audit.sign_head("
        " p_size bigint, p_root bytea, p_note text, p_frontier bytea, p_signed_at timestamptz)"
        " RETURNS boolean LANGUAGE plpgsql"
        " AS $$BEGIN RAISE EXCEPTION USING ERRCODE = 'CG003'; END$$"
    )

    with pytest.raises(LogInconsistentError):
        publisher.publish_once(NOON)


def test_a_database_that_is_gone_can_be_tried_again(
    publisher: Publisher, append: Callable[..., int], signing: psycopg.Connection
) -> None:
    append(b"one")
    signing.close()

    with pytest.raises(AuditUnavailableError):
        publisher.publish_once(NOON)
