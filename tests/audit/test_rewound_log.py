"""A store that comes back as an older copy of itself: found by whoever saw the newer one."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from audit.bundle import encode_bundle
from audit.errors import AuditUnavailableError, LogInconsistentError, LogRewoundError
from audit.log import AuditLog
from audit.merkle import leaf_hash
from audit.note import Ed25519Signer
from audit.publisher import Publisher
from audit.tile_writer import TileWriter
from gateway.oversight.export import extend_directory
from tests.fakes.faulty_batch_store import FaultyBatchStore

ORIGIN = "audit.example.com/gw/test"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def with_log(store: FaultyBatchStore, *, known_size: int = 0) -> AuditLog:
    return AuditLog(store, deadline_seconds=0.5, known_size=known_size)


def test_an_index_given_twice_ends_all_appending_for_good() -> None:
    older, newer = FaultyBatchStore(), FaultyBatchStore()

    async def scenario() -> list[type[BaseException] | None]:
        log = with_log(newer)
        await log.start()
        outcomes: list[type[BaseException] | None] = []
        for store in (newer, newer, older, older, newer):
            log._store = store
            try:
                await log.append(b"entry")
            except AuditUnavailableError as error:
                outcomes.append(type(error))
            else:
                outcomes.append(None)
        await log.close()
        return outcomes

    # The first that lands there is refused after the fact; the others are not even tried.
    refused = [AuditUnavailableError, LogRewoundError, LogRewoundError]
    assert asyncio.run(scenario()) == [None, None, *refused]
    assert len(older.entries) == 1


@pytest.mark.parametrize(("known_size", "is_refused"), [(0, False), (1, False), (2, True)])
def test_a_log_shorter_than_what_was_published_takes_nothing(
    known_size: int, *, is_refused: bool
) -> None:
    store = FaultyBatchStore()

    async def scenario() -> bool:
        log = with_log(store)
        await log.start()
        await log.append(b"one")
        await log.close()
        restarted = with_log(store, known_size=known_size)
        await restarted.start()
        try:
            await restarted.append(b"two")
        except AuditUnavailableError:
            return True
        finally:
            await restarted.close()
        return False

    assert asyncio.run(scenario()) == is_refused


@pytest.fixture
def copies(audit_database_url: str, signer: Ed25519Signer) -> tuple[str, str]:
    """A log of two heads, and a copy of it from before the second."""
    _grow(audit_database_url, signer, b"one")
    older = _copied(audit_database_url)
    _grow(audit_database_url, signer, b"two", b"three")
    return audit_database_url, older


def _grow(url: str, signer: Ed25519Signer, *entries: bytes) -> None:
    """Appends one batch and signs the end."""
    leaves = b"".join(leaf_hash(entry) for entry in entries)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "SELECT audit.append_batch(%s, %s, %s)", (uuid4(), leaves, encode_bundle(entries))
        )
        Publisher(connection, signer, ORIGIN).publish_once(NOON)


def _copied(url: str) -> str:
    name = str(conninfo_to_dict(url)["dbname"])
    copy = f"{name}_older"
    with psycopg.connect(make_conninfo(url, dbname="postgres"), autocommit=True) as connection:
        connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
                sql.Identifier(copy), sql.Identifier(name)
            )
        )
    return make_conninfo(url, dbname=copy)


def test_a_publisher_that_rejoins_an_older_copy_signs_nothing(
    copies: tuple[str, str], signer: Ed25519Signer
) -> None:
    newer, older = copies
    with (
        psycopg.connect(newer, autocommit=True) as first,
        psycopg.connect(older, autocommit=True) as second,
    ):
        publisher = Publisher(first, signer, ORIGIN)
        assert publisher.publish_once(NOON) is None
        publisher.rejoin(second)

        with pytest.raises(LogInconsistentError, match="vanished"):
            publisher.publish_once(NOON)


def test_a_directory_is_not_brought_to_an_older_copys_head(
    copies: tuple[str, str], tmp_path: Path
) -> None:
    newer, older = copies
    with (
        TileWriter(tmp_path / "log") as writer,
        psycopg.connect(newer, autocommit=True) as first,
        psycopg.connect(older, autocommit=True) as second,
    ):
        published = extend_directory(first, writer)
        assert published is not None
        assert extend_directory(first, writer) is None

        with pytest.raises(LogInconsistentError, match="not past"):
            extend_directory(second, writer)
        assert writer.published == published
