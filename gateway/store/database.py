"""How processes reach PostgreSQL: one connection string a role."""

from dataclasses import dataclass

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg_pool import AsyncConnectionPool
from typing_extensions import override

from gateway.errors import ConfigurationError, DatabaseUnavailableError
from gateway.settings import Settings
from gateway.store.embedded import start_embedded
from gateway.store.roles import DatabaseRoles, read_passwords

_CONNECT_SECONDS = 5
# A statement of a listener that runs longer than this has gone wrong; the client waits for it.
_LISTENER_OPTIONS = "-c statement_timeout=5000 -c lock_timeout=2000"


@dataclass(frozen=True, slots=True)
class Database:
    """Connection strings of one installation. Passwords are inside: never printed."""

    owner_url: str
    settings: Settings

    @override
    def __repr__(self) -> str:
        return "Database(…)"

    @property
    def name(self) -> str:
        """The database's name."""
        return str(conninfo_to_dict(self.owner_url).get("dbname") or "postgres")

    @property
    def roles(self) -> DatabaseRoles:
        """The roles that belong to it."""
        return DatabaseRoles.of(self.settings.database.roles or self.name)

    def conninfo(self, purpose: str, *, bounded: bool = True) -> str:
        """Connection string of a role; `bounded` adds statement and lock timeouts.

        Raises:
            ConfigurationError: the roles have not been made yet.
        """
        passwords = read_passwords(self.settings.resolve(self.settings.database.passwords))
        return make_conninfo(
            self.owner_url,
            user=self.roles.name(purpose),
            password=passwords[purpose],
            application_name=f"casegate-{purpose}",
            connect_timeout=_CONNECT_SECONDS,
            options=_LISTENER_OPTIONS if bounded else "",
        )


def locate_database(settings: Settings, *, announce: bool = True) -> Database:
    """Finds the database of an installation, starting the embedded server where none is named.

    Raises:
        ConfigurationError: the URL is malformed, or the embedded server does not start.
    """
    url = settings.database.url
    if url is None:
        directory = settings.resolve(settings.database.embedded_directory)
        return Database(start_embedded(directory, announce=announce), settings)
    try:
        conninfo_to_dict(url)
    except psycopg.ProgrammingError as error:
        raise ConfigurationError(
            "the database URL is malformed; write postgresql://USER:PASSWORD@HOST/DATABASE"
        ) from error
    return Database(make_conninfo(url, connect_timeout=_CONNECT_SECONDS), settings)


def connect(conninfo: str) -> psycopg.Connection:
    """A synchronous connection for commands.

    Raises:
        DatabaseUnavailableError: PostgreSQL does not answer or refuses.
    """
    try:
        return psycopg.connect(conninfo, autocommit=True)
    except psycopg.OperationalError as error:
        raise DatabaseUnavailableError(
            "PostgreSQL does not answer; check the database URL and that the server runs"
        ) from error


def connection_pool(conninfo: str, *, size: int) -> AsyncConnectionPool:
    """A pool for a listener of at most `size`; it opens in the background and heals by itself.

    It keeps one connection and grows while callers wait: PostgreSQL's connections are shared by
    every worker of every host.
    """
    return AsyncConnectionPool(
        conninfo,
        min_size=1,
        max_size=size,
        open=False,
        timeout=2.0,
        max_waiting=1000,
        reconnect_timeout=30,
        kwargs={"autocommit": True, "prepare_threshold": 0},
    )
