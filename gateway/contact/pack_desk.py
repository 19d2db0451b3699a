"""The desk at which law packs are proposed, put in force and ended."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib.resources.abc import Traversable
from uuid import UUID

import psycopg

from audit.entry import EntryValue, EventType
from gateway.clock import Clock, rfc3339
from gateway.contact.activation import (
    PackVersion,
    activate_pack,
    end_pack,
    file_of,
    pack_history,
    propose_end,
    propose_pack,
)
from gateway.contact.simulation import (
    Archive,
    PackSimulation,
    Progress,
    TriedPack,
    simulate_pack,
)
from gateway.errors import NotFoundError
from gateway.evidence import record_with_change
from policies.contact.packs import ContactPack, load_contact_packs
from policies.parameters import read_parameters


@dataclass(frozen=True, slots=True)
class PackStanding:
    """A pack: what its file says (None: there is no file), and what is in force or to come.

    `is_changed`: the file says something other than what is in force, or is not in force at all.
    """

    pack: str
    version: str | None
    digest: str | None
    is_verified: bool | None
    is_by_default: bool | None
    source: str
    rules: int
    in_force: tuple[PackVersion, ...]
    is_changed: bool

    @classmethod
    def of(
        cls, name: str, pack: ContactPack | None, versions: Sequence[PackVersion]
    ) -> "PackStanding":
        """From a file and its versions that have not ended."""
        if pack is None:
            return cls(name, None, None, None, None, "", 0, tuple(versions), is_changed=True)
        return cls(
            name,
            pack.version,
            pack.digest,
            pack.is_verified,
            pack.is_by_default,
            pack.source,
            len(pack.rules),
            tuple(versions),
            is_changed=pack.digest not in {one.digest for one in versions},
        )


@dataclass(frozen=True, slots=True)
class PackDesk:
    """Use cases on connections of their own; `directory` holds the files of policies."""

    connection: Callable[[], AbstractContextManager[psycopg.Connection]]
    clock: Clock
    directory: Traversable
    archive: Archive

    def packs(self) -> tuple[ContactPack, ...]:
        """The packs with contact rules that the files hold; PolicyFileError if one cannot be."""
        return load_contact_packs(self.directory)

    def pack(self, pack_id: str) -> ContactPack:
        """One of them.

        Raises:
            NotFoundError: no file holds a pack of this name with contact rules.
        """
        for pack in self.packs():
            if pack.pack_id == pack_id:
                return pack
        raise NotFoundError("no file under packs/ holds contact rules of this name")

    def propose(self, pack_id: str, effective_at: datetime | None, *, actor: str) -> UUID:
        """Proposes the pack of a file, from a date on or from its activation; the proposal's id.

        Raises:
            AlreadyExistsError, NotFoundError, RequestInvalidError: see propose_pack.
        """
        now = self.clock.now()
        pack = self.pack(pack_id)
        parameters = read_parameters(self.directory)
        with self.connection() as connection:
            return propose_pack(
                connection, pack, parameters, effective_at=effective_at, actor=actor, at=now
            )

    def activate(
        self, pack_id: str, effective_at: datetime | None, *, actor: str
    ) -> Sequence[str]:
        """Puts an approved pack in force; see activate_pack."""
        pack = self.pack(pack_id)
        with self.connection() as connection:
            return activate_pack(
                connection, pack, effective_at=effective_at, actor=actor, at=self.clock.now()
            )

    def propose_end(self, pack_id: str, *, actor: str) -> UUID:
        """Proposes that a pack decides no longer."""
        with self.connection() as connection:
            return propose_end(connection, pack_id, actor=actor, at=self.clock.now())

    def end(self, pack_id: str, *, actor: str) -> Sequence[str]:
        """Ends a pack; see end_pack."""
        with self.connection() as connection:
            return end_pack(connection, pack_id, actor=actor, at=self.clock.now())

    def standing(self) -> list[PackStanding]:
        """Every pack of the files, and every one in force or to come, by name."""
        now = self.clock.now()
        open_ = [one for one in self.history() if one.ended_at is None or one.ended_at > now]
        packs = {pack.pack_id: pack for pack in self.packs()}
        return [
            PackStanding.of(name, packs.get(name), [one for one in open_ if one.pack == name])
            for name in sorted({*packs, *(one.pack for one in open_)})
        ]

    def simulate(
        self,
        pack_id: str,
        last: timedelta,
        *,
        actor: str,
        progress: Progress = lambda _done, _all: None,
    ) -> PackSimulation:
        """Tries the pack of a file on what was asked lately; the log says who looked.

        Raises:
            NotFoundError: no file holds such a pack.
            ReplayEndedError: see simulate_pack.
        """
        pack = self.pack(pack_id)
        until = self.clock.now()
        asked: dict[str, EntryValue] = {
            "view": "pack-simulation",
            "pack": pack_id,
            "digest": pack.digest,
            "since": rfc3339(until - last),
        }
        with self.connection() as connection, connection.transaction():
            record_with_change(
                connection, EventType.LOG_SEARCHED, at=until, actor=actor, query=asked
            )
        tried = TriedPack(pack.text, file_of(pack_id), dict(read_parameters(self.directory)))
        return simulate_pack(
            self.archive, tried, since=until - last, until=until, progress=progress
        )

    def history(self) -> list[PackVersion]:
        """When which pack was in force, newest first."""
        with self.connection() as connection:
            return pack_history(connection)
