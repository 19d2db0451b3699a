"""An empty log in a database of its own, made as a migration would make it."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from audit.schema import SCHEMA
from tests.bench.stand import Stand


@contextmanager
def log_database(stand: Stand, name: str) -> Iterator[str]:
    """The owner's connection string of a new database with an empty log; dropped at the end."""
    owner = stand.installation.database().owner_url
    url = make_conninfo(owner, dbname=name)
    drop_database(owner, name)
    with psycopg.connect(owner, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    try:
        with psycopg.connect(url, autocommit=True) as connection:
            for statement in SCHEMA:
                connection.execute(statement.encode())
        yield url
    finally:
        drop_database(owner, name)


def drop_database(owner: str, name: str) -> None:
    """Drops it, if it is there, with whoever is still connected."""
    with psycopg.connect(owner, autocommit=True) as connection:
        connection.execute(
            sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
        )
