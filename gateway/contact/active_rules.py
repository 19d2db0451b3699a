"""The law packs in force, read from the database: the only ones that a permit is decided by."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg_pool import AsyncConnectionPool

from gateway.clock import Clock
from gateway.contact.rulebook import Rules
from gateway.errors import PermitStateError
from gateway.logs import logger
from gateway.store.follower import Follower
from policies.contact.calendar import WorkCalendar
from policies.contact.packs import ContactPack, read_contact_pack
from policies.contact.rules import ContactRules, compile_contact_rules
from policies.errors import PolicyError

IN_FORCE = (
    "SELECT digest, file, document, parameters, effective_at, ended_at"
    " FROM casegate.packs_in_force()"
)

StoredPack = tuple[str, str, str, Mapping[str, str | None], datetime, datetime | None]


@dataclass(frozen=True, slots=True)
class ActivePack:
    """A pack with when it decides: from `begins`, until `ends` if it is known."""

    pack: ContactPack
    begins: datetime
    ends: datetime | None

    def is_in_force(self, at: datetime) -> bool:
        """Whether it decides at a moment."""
        return self.begins <= at and (self.ends is None or at < self.ends)


def packs_of(rows: Iterable[StoredPack]) -> tuple[ActivePack, ...]:
    """The packs of stored rows.

    Raises:
        PolicyError: one cannot be read any more, or is not what its digest says. It is not left
            out: without it calls would be allowed that it forbids.
    """
    found: list[ActivePack] = []
    for digest, file, document, parameters, begins, ends in rows:
        pack = read_contact_pack(document, file, parameters)
        if pack.digest != digest:
            raise PolicyError("a law pack is not what its digest says")
        found.append(ActivePack(pack, begins, ends))
    return tuple(found)


class PackRulebook:
    """Rules by the packs in force; compiled once for each set of packs."""

    def __init__(self, packs: Sequence[ActivePack] | None, calendar: WorkCalendar) -> None:
        """`packs` None: they cannot be read, and nobody may call."""
        self._packs = packs
        self._calendar = calendar
        self._compiled: dict[tuple[str, ...], ContactRules] = {}

    def rules(self, at: datetime) -> Rules:
        """See Rulebook."""
        packs = [one.pack for one in self._packs or () if one.is_in_force(at)]
        if not packs:
            raise PermitStateError("RULES_UNSET")
        key = tuple(pack.digest for pack in packs)
        rules = self._compiled.get(key)
        if rules is None:
            rules = self._compiled[key] = compile_contact_rules(packs, self._calendar)
        return rules


class ActiveRules(Follower):
    """Keeps a worker's rules those that are in force; `changed` is told by the trust feed."""

    def __init__(self, pool: AsyncConnectionPool, calendar: WorkCalendar, clock: Clock) -> None:
        super().__init__(self._take, clock, unread="packs.unread")
        self._pool = pool
        self._calendar = calendar
        self._rulebook = PackRulebook(None, self._calendar)
        self._rows: list[StoredPack] | None = None

    def rules(self, at: datetime) -> Rules:
        """See Rulebook."""
        return self._rulebook.rules(at)

    async def _take(self) -> None:
        async with self._pool.connection() as connection:
            rows = await (await connection.execute(IN_FORCE)).fetchall()
        if rows == self._rows:
            return
        try:
            packs = await asyncio.to_thread(packs_of, rows)
        except PolicyError as error:
            logger().error("pack.unusable", error_type=type(error).__name__)
            self._rulebook = PackRulebook(None, self._calendar)
        else:
            self._rulebook = PackRulebook(packs, self._calendar)
        self._rows = rows
