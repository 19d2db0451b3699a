"""Brings a database to this version's schema and makes its roles."""

import importlib.resources
from pathlib import Path

import psycopg
from psycopg import sql

from gateway.errors import ConfigurationError, DatabaseUnavailableError
from gateway.store.database import Database
from gateway.store.roles import PURPOSES, ensure_passwords

_MIGRATIONS = Path(str(importlib.resources.files("gateway.store") / "migrations"))


def migrate(database: Database) -> None:
    """Makes roles with their passwords, then runs the migrations. Safe to repeat.

    A role that exists keeps its password: another host may be using it.

    Raises:
        ConfigurationError: the roles exist, but this installation has no passwords for them.
        DatabaseUnavailableError: PostgreSQL does not answer.
    """
    settings = database.settings
    path = settings.resolve(settings.database.passwords)
    names = [database.roles.name(purpose) for purpose in PURPOSES]
    try:
        with psycopg.connect(database.owner_url, autocommit=True) as connection:
            existing = {
                str(row[0])
                for row in connection.execute(
                    "SELECT rolname FROM pg_roles WHERE rolname = ANY(%s)", (names,)
                )
            }
            if existing and not path.exists():
                raise ConfigurationError(
                    f"the database's roles were made by another installation; copy its"
                    f" {path.name} to {path}"
                )
            passwords = ensure_passwords(path)
            for purpose, name in zip(PURPOSES, names, strict=True):
                if name not in existing:
                    _create_role(connection, name, passwords[purpose])
            if not _is_current(connection):
                _upgrade(database)
    except psycopg.OperationalError as error:
        raise DatabaseUnavailableError(
            "PostgreSQL does not answer; nothing was changed"
        ) from error


def _create_role(connection: psycopg.Connection, role: str, password: str) -> None:
    connection.execute(
        sql.SQL("CREATE ROLE {} LOGIN NOINHERIT PASSWORD {}").format(
            sql.Identifier(role), sql.Literal(password)
        )
    )


def _is_current(connection: psycopg.Connection) -> bool:
    """Whether the newest migration has run: then each start is spared alembic and SQLAlchemy."""
    row = connection.execute("SELECT to_regclass('casegate.alembic_version')").fetchone()
    if row is None or row[0] is None:
        return False
    rows = connection.execute("SELECT version_num FROM casegate.alembic_version")
    found = {str(row[0]) for row in rows}
    # A migration's file is named after its revision and what it is about.
    newest = max(path.name for path in (_MIGRATIONS / "versions").glob("[0-9]*.py"))
    return found == {newest.partition("_")[0]}


def _upgrade(database: Database) -> None:
    # Only this command needs them, and they take a fifth of every command's start.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415
    from sqlalchemy import create_engine  # noqa: PLC0415
    from sqlalchemy.pool import NullPool  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
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
