"""The desk at which law packs are proposed, put in force and ended."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from importlib.resources.abc import Traversable
from uuid import UUID

import psycopg

from gateway.clock import Clock
from gateway.contact.activation import (
    PackVersion,
    activate_pack,
    end_pack,
    pack_history,
    propose_end,
    propose_pack,
)
from gateway.errors import NotFoundError
from policies.contact.packs import ContactPack, load_contact_packs
from policies.parameters import read_parameters


@dataclass(frozen=True, slots=True)
class PackDesk:
    """Use cases on connections of their own; `directory` holds the files of policies."""

    connection: Callable[[], AbstractContextManager[psycopg.Connection]]
    clock: Clock
    directory: Traversable

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

    def history(self) -> list[PackVersion]:
        """When which pack was in force, newest first."""
        with self.connection() as connection:
            return pack_history(connection)
