"""The desk at which staff decide of agents, scripts and the numbers that vendors call from."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import psycopg

from gateway.clock import Clock
from gateway.people import callers, script_states, standing
from gateway.people.agents import Agent, AgentKey, list_agents, read_agent
from gateway.people.callers import CallerNumber
from gateway.people.paging import Listing, Page
from gateway.people.scripts import Script, ScriptContent, list_scripts, read_script
from gateway.release.cursor import CursorCipher

Decision = Callable[..., Agent]


@dataclass(frozen=True, slots=True)
class PeopleDesk:
    """Use cases on connections of their own, for the company API and the commands.

    `courses` gives the ids of the courses that an agent has to have passed, by the packs in force.
    """

    connection: Callable[[], AbstractContextManager[psycopg.Connection]]
    clock: Clock
    cursors: CursorCipher
    courses: Callable[[], frozenset[str]]

    def agents(
        self,
        *,
        vendor: str | None = None,
        contract: str | None = None,
        status: str | None = None,
        cursor: str | None = None,
        limit: int = 100,
    ) -> Page:
        """A page of agents.

        Raises:
            RequestInvalidError: the cursor is not one of this listing.
        """
        listing = Listing(self.cursors, f"staff/agents/{vendor}/{contract}/{status}")
        position = listing.position(cursor)
        after = AgentKey(*position.split("/")) if position else None
        with self.connection() as connection:
            found = list_agents(
                connection,
                vendor=vendor,
                contract=contract,
                status=status,
                after=after,
                limit=limit + 1,
            )
        return listing.page([(each.key.path(), each.document()) for each in found], limit)

    def agent(self, key: AgentKey) -> Agent:
        """One agent; see people.agents."""
        with self.connection() as connection:
            return read_agent(connection, key)

    def qualify(self, key: AgentKey, *, actor: str) -> Agent:
        """Lets an agent call; see people.standing."""
        with self.connection() as connection:
            return standing.qualify(
                connection, key, self.courses(), actor=actor, at=self.clock.now()
            )

    def suspend(self, key: AgentKey, *, actor: str) -> Agent:
        """Stops a person at once; see people.standing."""
        return self._decided(standing.suspend, key, actor)

    def ban(self, key: AgentKey, *, actor: str) -> Agent:
        """Takes a person out at every vendor; see people.standing."""
        return self._decided(standing.ban, key, actor)

    def leave(self, key: AgentKey, *, actor: str) -> Agent:
        """Ends a registration; see people.standing."""
        return self._decided(standing.leave, key, actor)

    def resume(self, key: AgentKey, *, actor: str) -> Agent | UUID:
        """Lifts a suspension by an approval, or proposes it; see people.standing."""
        with self.connection() as connection:
            return standing.resume(
                connection, key, self.courses(), actor=actor, at=self.clock.now()
            )

    def unban(self, key: AgentKey, *, actor: str) -> Agent | UUID:
        """Lifts a ban by an approval, or proposes it; see people.standing."""
        with self.connection() as connection:
            return standing.unban(connection, key, actor=actor, at=self.clock.now())

    def scripts(
        self,
        *,
        script_id: str | None = None,
        status: str | None = None,
        cursor: str | None = None,
        limit: int = 100,
    ) -> Page:
        """A page of versions of scripts, without their texts.

        Raises:
            RequestInvalidError: the cursor is not one of this listing.
        """
        listing = Listing(self.cursors, f"staff/scripts/{script_id}/{status}")
        name, _, number = listing.position(cursor).partition("/")
        with self.connection() as connection:
            found = list_scripts(
                connection,
                script_id=script_id,
                status=status,
                after=(name, int(number or 0)),
                limit=limit + 1,
            )
        at = self.clock.now()
        items = [
            (f"{each.script_id}/{each.version}", each.document(at, is_whole=False))
            for each in found
        ]
        return listing.page(items, limit)

    def script(self, script_id: str, version: int) -> dict[str, object]:
        """One version with its text; see people.scripts."""
        with self.connection() as connection:
            return read_script(connection, script_id, version).document(self.clock.now())

    def draft(self, script_id: str, content: ScriptContent, *, actor: str) -> dict[str, object]:
        """Keeps a draft; see people.script_states."""
        at = self.clock.now()
        with self.connection() as connection:
            return script_states.draft(
                connection, script_id, content, actor=actor, at=at
            ).document(at)

    def submit(self, script_id: str, version: int, *, actor: str) -> UUID:
        """Hands a draft in for approval; see people.script_states."""
        with self.connection() as connection:
            return script_states.submit(
                connection, script_id, version, actor=actor, at=self.clock.now()
            )

    def approve(self, script_id: str, version: int, *, actor: str) -> dict[str, object]:
        """Approves as the second person; see people.script_states."""
        return self._moved(script_states.approve, script_id, version, actor)

    def activate(self, script_id: str, version: int, *, actor: str) -> dict[str, object]:
        """Puts a version in use at once; see people.script_states."""
        return self._moved(script_states.activate, script_id, version, actor)

    def withdraw(self, script_id: str, version: int, *, actor: str) -> dict[str, object]:
        """Takes a version out of use at once; see people.script_states."""
        return self._moved(script_states.withdraw, script_id, version, actor)

    def callers(
        self,
        *,
        vendor: str | None = None,
        with_ended: bool = False,
        cursor: str | None = None,
        limit: int = 100,
    ) -> Page:
        """A page of numbers to call from.

        Raises:
            RequestInvalidError: the cursor is not one of this listing.
        """
        listing = Listing(self.cursors, f"staff/callers/{vendor}/{with_ended}")
        position = listing.position(cursor)
        after = None
        if position:
            of, under, number, moment = position.split("/")
            after = CallerNumber(of, under, number, datetime.fromisoformat(moment))
        with self.connection() as connection:
            found = callers.list_callers(
                connection, vendor=vendor, with_ended=with_ended, after=after, limit=limit + 1
            )
        return listing.page([(each.path(), each.document()) for each in found], limit)

    def add_caller(
        self, vendor_id: str, contract_id: str, number: str, *, actor: str
    ) -> CallerNumber:
        """Registers a number; see people.callers."""
        with self.connection() as connection:
            return callers.add_caller(
                connection, vendor_id, contract_id, number, actor=actor, at=self.clock.now()
            )

    def end_caller(
        self, vendor_id: str, contract_id: str, number: str, *, actor: str
    ) -> CallerNumber:
        """Ends a number at once; see people.callers."""
        with self.connection() as connection:
            return callers.end_caller(
                connection, vendor_id, contract_id, number, actor=actor, at=self.clock.now()
            )

    def _decided(self, decide: Decision, key: AgentKey, actor: str) -> Agent:
        with self.connection() as connection:
            return decide(connection, key, actor=actor, at=self.clock.now())

    def _moved(
        self, move: Callable[..., Script], script_id: str, version: int, actor: str
    ) -> dict[str, object]:
        at = self.clock.now()
        with self.connection() as connection:
            return move(connection, script_id, version, actor=actor, at=at).document(at)
