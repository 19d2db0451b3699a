"""What somebody can do who owns the database, and then also has the log's signing key."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from audit.bundle import decode_bundle, encode_bundle
from audit.merkle import leaf_hash
from audit.note import NoteSigner
from audit.publisher import Publisher
from audit.store import read_batches
from audit.tile_writer import TileWriter
from gateway.store.embedded import DATABASE

_BATCH_ENTRIES = 4
_NEWEST = "SELECT note FROM audit.signed_head ORDER BY size DESC LIMIT 1"

Mutate = Callable[[list[bytes], int], list[bytes]]


def edited(entries: list[bytes], at: int) -> list[bytes]:
    return [*entries[:at], entries[at].replace(b"alpha", b"gamma"), *entries[at + 1 :]]


def deleted(entries: list[bytes], at: int) -> list[bytes]:
    return [*entries[:at], *entries[at + 1 :]]


def inserted(entries: list[bytes], at: int) -> list[bytes]:
    return [*entries[:at], entries[at].replace(b"alpha", b"gamma"), *entries[at:]]


def reordered(entries: list[bytes], at: int) -> list[bytes]:
    return [*entries[:at], entries[at + 1], entries[at], *entries[at + 2 :]]


def duplicated(entries: list[bytes], at: int) -> list[bytes]:
    return [*entries[:at], entries[at], *entries[at:]]


def tail_cut(entries: list[bytes], at: int) -> list[bytes]:
    return entries[:at]


def forked(entries: list[bytes], at: int) -> list[bytes]:
    """The same up to there, then another history that is longer than the true one."""
    return [*entries[:at], *reversed(entries)]


MUTATIONS: tuple[Mutate, ...] = (
    edited,
    deleted,
    inserted,
    reordered,
    duplicated,
    tail_cut,
    forked,
)


@dataclass(frozen=True, slots=True)
class Insider:
    """Owner of the server on which an installation's database lies."""

    owner_url: str

    @contextmanager
    def database(self) -> Iterator[psycopg.Connection]:
        """The log's database, with the tripwires off."""
        with psycopg.connect(self.owner_url, autocommit=True) as connection:
            connection.execute("SET session_replication_role = replica")
            yield connection

    def copy(self, source: str, target: str) -> None:
        """Makes one database the exact copy of another, in place of what it was."""
        names = {"source": sql.Identifier(source), "target": sql.Identifier(target)}
        server = make_conninfo(self.owner_url, dbname="postgres")
        with psycopg.connect(server, autocommit=True) as connection:
            for statement in (
                "DROP DATABASE IF EXISTS {target} WITH (FORCE)",
                "CREATE DATABASE {target} TEMPLATE {source}",
            ):
                connection.execute(sql.SQL(statement).format(**names))

    def restore(self, source: str) -> None:
        """Puts a copy in the place of the log's database."""
        self.copy(source, DATABASE)

    def keep(self, target: str) -> None:
        """Takes a copy of the log's database."""
        self.copy(DATABASE, target)

    def entries(self) -> list[bytes]:
        with self.database() as connection, closing(read_batches(connection)) as batches:
            return [entry for batch in batches for entry in decode_bundle(batch.bundle)]

    def rewrite(self, entries: list[bytes]) -> None:
        """Another log under the same heads: every hash, root and index of it fits."""
        with self.database() as connection:
            connection.execute("TRUNCATE audit.batch")
            connection.execute(
                "UPDATE audit.tail SET size = 0, frontier = '', root = sha256(''::bytea)"
            )
            for start in range(0, len(entries), _BATCH_ENTRIES):
                part = entries[start : start + _BATCH_ENTRIES]
                hashes = b"".join(leaf_hash(entry) for entry in part)
                connection.execute(
                    "SELECT audit.append_batch(%s, %s, %s)", (uuid4(), hashes, encode_bundle(part))
                )

    def sign(self, signer: NoteSigner, origin: str) -> str:
        """Signs whatever stands there as if it had been all along; returns the checkpoint."""
        with self.database() as connection:
            connection.execute("DELETE FROM audit.signed_head")
            publisher = Publisher(connection, signer, origin)
            assert publisher.publish_once(datetime.now(tz=UTC)) is not None
            return self.newest_note()

    def newest_note(self) -> str:
        with self.database() as connection:
            row = connection.execute(_NEWEST).fetchone()
        assert row is not None
        return str(row[0])

    def publish(self, directory: Path) -> Path:
        """Writes the log as it now stands, in the public format."""
        with (
            self.database() as connection,
            TileWriter(directory) as writer,
            closing(read_batches(connection)) as batches,
        ):
            writer.extend(batches)
            writer.publish(self.newest_note())
        return directory
