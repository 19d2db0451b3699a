"""Brings a database to this version's schema and makes its roles."""

import importlib.resources
from pathlib import Path

import psycopg
from alembic import command
from alembic.config import Config
from psycopg import sql
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from gateway.errors import DatabaseUnavailableError
from gateway.store.database import Database
from gateway.store.roles import PURPOSES, ensure_passwords


def migrate(database: Database) -> None:
    """Makes roles with their passwords, then runs the migrations. Safe to repeat.

    Raises:
        DatabaseUnavailableError: PostgreSQL does not answer.
    """
    settings = database.settings
    passwords = ensure_passwords(settings.resolve(settings.database.passwords))
    try:
        with psycopg.connect(database.owner_url, autocommit=True) as connection:
            for purpose in PURPOSES:
                _ensure_role(connection, database.roles.name(purpose), passwords[purpose])
            _upgrade(database)
    except psycopg.OperationalError as error:
        raise DatabaseUnavailableError(
            "PostgreSQL does not answer; nothing was changed"
        ) from error


def _ensure_role(connection: psycopg.Connection, role: str, password: str) -> None:
    found = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,)).fetchone()
    verb = sql.SQL("ALTER" if found else "CREATE")
    connection.execute(
        sql.SQL("{} ROLE {} LOGIN NOINHERIT PASSWORD {}").format(
            verb, sql.Identifier(role), sql.Literal(password)
        )
    )


def _upgrade(database: Database) -> None:
    scripts = Path(str(importlib.resources.files("gateway.store") / "migrations"))
    config = Config()
    config.set_main_option("script_location", str(scripts).replace("%", "%%"))
    config.attributes["roles"] = database.roles
    engine = create_engine(
        "postgresql+psycopg://",
        creator=lambda: psycopg.connect(database.owner_url),
        poolclass=NullPool,
    )
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    engine.dispose()
