import re
from collections.abc import Callable
from uuid import uuid4

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audit import schema
from audit.bundle import encode_bundle
from audit.merkle import Frontier, leaf_hash

APPEND = "SELECT audit.append_batch(%s, %s, %s)"


def tail(connection: psycopg.Connection) -> Frontier:
    row = connection.execute("SELECT size, frontier, root FROM audit.tail").fetchone()
    assert row is not None
    frontier = Frontier(row[0], row[1])
    assert frontier.root == row[2]
    return frontier


def test_a_new_log_is_empty(owner: psycopg.Connection) -> None:
    assert tail(owner) == Frontier()


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.integers(1, 40), min_size=1, max_size=6))
def test_sql_and_python_grow_the_same_tree(
    owner: psycopg.Connection, append: Callable[..., int], counts: list[int]
) -> None:
    expected = tail(owner)
    for count in counts:
        entries = [b"entry %d of %d" % (number, count) for number in range(count)]

        assert append(*entries) == expected.size

        expected = expected.extend(leaf_hash(entry) for entry in entries)
        assert tail(owner) == expected
    row = owner.execute(
        "SELECT root, size_after FROM audit.batch ORDER BY first_index DESC LIMIT 1"
    ).fetchone()
    assert row == (expected.root, expected.size)


def test_the_same_batch_again_stores_nothing_and_gives_the_same_index(
    owner: psycopg.Connection, append: Callable[..., int]
) -> None:
    batch_id = uuid4()
    append(b"before")
    assert append(b"one", b"two", batch_id=batch_id) == 1
    append(b"after")

    assert append(b"one", b"two", batch_id=batch_id) == 1
    assert tail(owner).size == 4


def test_a_batch_id_is_not_given_to_other_entries(append: Callable[..., int]) -> None:
    batch_id = uuid4()
    append(b"one", batch_id=batch_id)

    with pytest.raises(psycopg.Error) as refusal:
        append(b"two", batch_id=batch_id)

    assert refusal.value.sqlstate == schema.BATCH_ID_REUSED


GOOD_HASHES = leaf_hash(b"one") + leaf_hash(b"two")
GOOD_BUNDLE = encode_bundle([b"one", b"two"])


@pytest.mark.parametrize(
    ("leaf_hashes", "bundle"),
    [
        (b"", b""),
        (b"short", GOOD_BUNDLE),
        (GOOD_HASHES[:-1], GOOD_BUNDLE),
        (GOOD_HASHES[:32], GOOD_BUNDLE),
        (GOOD_HASHES + leaf_hash(b"three"), GOOD_BUNDLE),
        (GOOD_HASHES[32:] + GOOD_HASHES[:32], GOOD_BUNDLE),
        (GOOD_HASHES, GOOD_BUNDLE[:-1]),
        (GOOD_HASHES, GOOD_BUNDLE + b"\x00"),
        (GOOD_HASHES, GOOD_BUNDLE.replace(b"two", b"tow")),
    ],
)
def test_a_batch_that_the_publisher_would_choke_on_is_refused(
    owner: psycopg.Connection, leaf_hashes: bytes, bundle: bytes
) -> None:
    with pytest.raises(psycopg.Error) as refusal:
        owner.execute(APPEND, (uuid4(), leaf_hashes, bundle))

    assert refusal.value.sqlstate == schema.BATCH_MALFORMED
    assert tail(owner).size == 0


def test_the_longest_entry_and_the_empty_one_are_stored(
    owner: psycopg.Connection, append: Callable[..., int]
) -> None:
    append(b"x" * 65_535, b"")

    assert tail(owner) == Frontier().extend([leaf_hash(b"x" * 65_535), leaf_hash(b"")])


def test_an_append_is_flushed_even_in_a_session_that_asks_for_less(
    owner: psycopg.Connection,
) -> None:
    owner.execute("SET synchronous_commit = off")
    with owner.transaction():
        owner.execute(APPEND, (uuid4(), GOOD_HASHES, GOOD_BUNDLE))

        setting = owner.execute("SHOW synchronous_commit").fetchone()

    assert setting == ("on",)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit.batch SET bundle = ''",
        "DELETE FROM audit.batch",
        "TRUNCATE audit.batch",
        "UPDATE audit.signed_head SET note = ''",
        "DELETE FROM audit.signed_head",
        "TRUNCATE audit.signed_head",
        "DELETE FROM audit.tail",
        "TRUNCATE audit.tail",
    ],
)
def test_even_the_owner_trips_over_a_change(owner: psycopg.Connection, statement: str) -> None:
    with pytest.raises(psycopg.Error) as refusal:
        owner.execute(statement.encode())

    assert refusal.value.sqlstate == schema.APPEND_ONLY


# Each call with what a role must have for it; NULLs get past the rights, not further.
CALLS = {
    "append": "SELECT audit.append_batch(gen_random_uuid(), '', '')",
    "find": "SELECT audit.find_batch(gen_random_uuid())",
    "sign": "SELECT audit.sign_head(1, '', '', '', now())",
    "read batches": "SELECT count(*) FROM audit.batch",
    "read heads": "SELECT count(*) FROM audit.signed_head",
    "read tail": "SELECT size FROM audit.tail",
    "insert batch": "INSERT INTO audit.batch DEFAULT VALUES",
    "update tail": "UPDATE audit.tail SET size = 0",
    "insert head": "INSERT INTO audit.signed_head DEFAULT VALUES",
}
READS = {"read batches", "read heads", "read tail"}
RIGHTS = {
    "appender": {"append", "find"},
    "reader": READS,
    "signer": READS | {"sign"},
    "nobody": set[str](),
}


@pytest.mark.parametrize("part", RIGHTS)
def test_each_role_can_do_its_part_and_nothing_else(owner: psycopg.Connection, part: str) -> None:
    roles = {name: f'{name} "{uuid4().hex}"; DROP SCHEMA audit --' for name in RIGHTS}
    for role in roles.values():
        owner.execute(b'CREATE ROLE "' + role.replace('"', '""').encode() + b'"')
    for statement in schema.grants(
        appenders=[roles["appender"]], readers=[roles["reader"]], signers=[roles["signer"]]
    ):
        owner.execute(statement.encode())
    owner.execute(b'SET ROLE "' + roles[part].replace('"', '""').encode() + b'"')

    allowed = set()
    for name, call in CALLS.items():
        try:
            owner.execute(call.encode())
            allowed.add(name)
        except psycopg.errors.InsufficientPrivilege:
            pass
        except psycopg.Error:
            allowed.add(name)

    assert allowed == RIGHTS[part]


@pytest.mark.parametrize("role", ["", "nul\x00"])
def test_a_name_that_no_role_can_have_is_refused(role: str) -> None:
    with pytest.raises(ValueError, match="role name"):
        schema.grants(appenders=[role], readers=[], signers=[])


def test_the_statements_hold_nothing_that_a_migration_tool_would_take_for_a_parameter() -> None:
    for statement in schema.SCHEMA:
        assert "%" not in statement
        assert re.search(r"(?<!:):\w", statement) is None


def test_every_state_code_is_raised_by_some_function() -> None:
    text = "".join(schema.SCHEMA)
    codes = (
        schema.BATCH_MALFORMED,
        schema.BATCH_ID_REUSED,
        schema.HEAD_CONFLICT,
        schema.APPEND_ONLY,
    )

    assert all(f"ERRCODE = '{code}'" in text for code in codes)
    assert len(set(codes)) == len(codes)
