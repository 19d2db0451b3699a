"""The desk at which a vendor registers its agents, and reads scripts and its numbers to call from.

Registering, training and leaving are rare, so that each runs in a thread on a connection of its
own, and the entry of the log is made in the transaction of the change.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime

import psycopg
from psycopg.rows import args_row

from audit.entry import EntryValue, EventType
from gateway.clock import Clock, rfc3339
from gateway.errors import (
    AgentNotAcceptedError,
    AlreadyExistsError,
    DatabaseUnavailableError,
    GatewayError,
    IllegalTransitionError,
    NotFoundError,
)
from gateway.evidence import record_with_change
from gateway.identity.principal import VendorPrincipal
from gateway.people.agents import Agent, AgentKey, CoursePass, Registration, verify_reference
from gateway.people.hashing import HashParameters, agent_mac, commitment_of
from gateway.people.paging import Listing, Page
from gateway.people.scripts import UsableScript
from gateway.release.cursor import CursorCipher
from keys.secret import Secret

_REGISTER = "SELECT casegate.register_agent(%s, %s, %s, %s, %s, %s, %s)"
_COURSE = "SELECT casegate.record_course(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
_ACKNOWLEDGE = "SELECT casegate.acknowledge_script(%s, %s, %s, %s, %s, %s)"
_LEAVE = "SELECT casegate.leave_agent(%s, %s, %s, %s)"
_AGENTS = "SELECT * FROM casegate.vendor_agents(%s, %s, %s, %s)"
_AGENT = "SELECT * FROM casegate.vendor_agent(%s, %s, %s)"
_SCRIPTS = "SELECT * FROM casegate.vendor_scripts(%s, %s, %s)"
_NUMBERS = "SELECT * FROM casegate.vendor_caller_numbers(%s, %s, %s, %s)"
# By the SQLSTATEs of migration 0014.
_REFUSALS: dict[str, tuple[type[GatewayError], str]] = {
    "CG141": (AgentNotAcceptedError, "the person is not accepted as an agent"),
    "CG142": (AlreadyExistsError, "agent_ref is another person's; take another"),
    "CG143": (NotFoundError, "no such agent of this vendor"),
    "CG144": (NotFoundError, "no such script in use"),
    "CG145": (IllegalTransitionError, "the agent's state does not allow this"),
}


@dataclass(frozen=True, slots=True)
class VendorDesk:
    """Use cases on connections of the vendor's role; all block, so each runs in a thread.

    Each raises DatabaseUnavailableError where PostgreSQL does not answer.
    """

    connection: Callable[[], AbstractContextManager[psycopg.Connection]]
    clock: Clock
    index_key: Secret
    cursors: CursorCipher

    def hash_parameters(self) -> dict[str, object]:
        """How to make an agent's `id_hash`; the same for all vendors, for as long as this stands.

        Needs no connection.
        """
        return HashParameters.of(self.index_key).document()

    def asked(self, id_hash: bytes) -> str:
        """What an entry about a refusal says of the person."""
        return commitment_of(agent_mac(self.index_key, id_hash))

    def register(self, principal: VendorPrincipal, wish: Registration) -> dict[str, object]:
        """Registers an agent; the same again changes nothing, other dates or limits are taken up.

        Raises:
            PersonalDataError, RequestInvalidError: a value cannot be.
            AgentNotAcceptedError: the person is not taken, here or anywhere; it is not said why.
            AlreadyExistsError: the reference is another person's.
            IllegalTransitionError: a suspended agent's registration is not corrected.
        """
        at = self.clock.now()
        wish.verify(at)
        person = agent_mac(self.index_key, wish.id_hash)
        key = _key(principal, wish.agent_ref)
        row = (*_three(key), person, wish.nda_signed_on, wish.max_cases, at)
        with self._writing() as connection:
            outcome = _value(connection, _REGISTER, row)
            if outcome == "registered":
                self._note(
                    connection, principal, EventType.AGENT_REGISTERED, wish.agent_ref, at,
                    person=commitment_of(person),
                )  # fmt: skip
            elif outcome == "changed":
                self._changed(connection, principal, wish.agent_ref, "corrected", at)
            return _own_agent(connection, key)

    def record_course(
        self, principal: VendorPrincipal, agent_ref: str, course: CoursePass
    ) -> dict[str, object]:
        """Keeps that an agent has passed a course, if it is the newest pass.

        Raises:
            PersonalDataError, RequestInvalidError: a value cannot be.
            NotFoundError: the vendor has no such agent, or he has left.
        """
        at = self.clock.now()
        verify_reference(agent_ref)
        course.verify(at)
        key = _key(principal, agent_ref)
        row = (
            *(*_three(key), course.course_id, course.passed_on, course.valid_to, course.version),
            *(course.hours, course.score, course.evidence_sha256, at),
        )
        with self._writing() as connection:
            if _value(connection, _COURSE, row):
                self._changed(
                    connection, principal, agent_ref, "course", at,
                    course=course.course_id,
                    version=course.version,
                    passed=course.passed_on.isoformat(),
                    valid_to=course.valid_to.isoformat(),
                    evidence=course.evidence_sha256.hex(),
                )  # fmt: skip
            return _own_agent(connection, key)

    def acknowledge(
        self, principal: VendorPrincipal, agent_ref: str, script_id: str, version: int
    ) -> dict[str, object]:
        """Notes that an agent has read a script's version in use; again changes nothing.

        Raises:
            PersonalDataError, RequestInvalidError: the reference cannot be one.
            NotFoundError: no such agent, or the version is not in use.
        """
        at = self.clock.now()
        verify_reference(agent_ref)
        key = _key(principal, agent_ref)
        with self._writing() as connection:
            if _value(connection, _ACKNOWLEDGE, (*_three(key), script_id, version, at)):
                self._changed(
                    connection, principal, agent_ref, "acknowledged", at,
                    script=script_id,
                    version=version,
                )  # fmt: skip
            return _own_agent(connection, key)

    def leave(self, principal: VendorPrincipal, agent_ref: str) -> dict[str, object]:
        """Takes an agent out at once, with his open permits; again changes nothing.

        Raises:
            PersonalDataError, RequestInvalidError: the reference cannot be one.
            NotFoundError: the vendor has no such agent.
            IllegalTransitionError: he is banned.
        """
        at = self.clock.now()
        verify_reference(agent_ref)
        key = _key(principal, agent_ref)
        with self._writing() as connection:
            if _value(connection, _LEAVE, (*_three(key), at)) != "left":
                self._changed(connection, principal, agent_ref, "left", at)
            return _own_agent(connection, key)

    def agents(self, principal: VendorPrincipal, *, cursor: str | None, limit: int) -> Page:
        """The vendor's agents under its contract, by reference.

        Raises:
            RequestInvalidError: the cursor is not one of this listing.
        """
        listing = self._listing(principal, "agents")
        after = listing.position(cursor)
        with self._reading() as connection, connection.cursor(row_factory=args_row(Agent)) as rows:
            row = (principal.vendor_id, principal.contract_id, after, limit + 1)
            found = rows.execute(_AGENTS, row).fetchall()
        items = [(agent.agent_ref, agent.own_document()) for agent in found]
        return listing.page(items, limit)

    def scripts(self, principal: VendorPrincipal, *, cursor: str | None, limit: int) -> Page:
        """The scripts in use now, with their texts, by id.

        Raises:
            RequestInvalidError: the cursor is not one of this listing.
        """
        listing = self._listing(principal, "scripts")
        after = listing.position(cursor)
        with (
            self._reading() as connection,
            connection.cursor(row_factory=args_row(UsableScript)) as rows,
        ):
            found = rows.execute(_SCRIPTS, (after, limit + 1, self.clock.now())).fetchall()
        return listing.page([(one.script_id, one.document()) for one in found], limit)

    def caller_numbers(
        self, principal: VendorPrincipal, *, cursor: str | None, limit: int
    ) -> Page:
        """The numbers that the vendor may call from under its contract.

        Raises:
            RequestInvalidError: the cursor is not one of this listing.
        """
        listing = self._listing(principal, "callers")
        after = listing.position(cursor)
        row = (principal.vendor_id, principal.contract_id, after, limit + 1)
        with self._reading() as connection:
            found = connection.execute(_NUMBERS, row).fetchall()
        items: list[tuple[str, dict[str, object]]] = [
            (number, {"number": number, "registered_at": rfc3339(at)}) for number, at in found
        ]
        return listing.page(items, limit)

    def _listing(self, principal: VendorPrincipal, name: str) -> Listing:
        return Listing(self.cursors, f"{name}/{principal.vendor_id}/{principal.contract_id}")

    @contextmanager
    def _reading(self) -> Iterator[psycopg.Connection]:
        with self.connection() as connection:
            try:
                yield connection
            except psycopg.Error as error:
                raise _refusal(error) from error

    @contextmanager
    def _writing(self) -> Iterator[psycopg.Connection]:
        with self._reading() as connection, connection.transaction():
            yield connection

    def _changed(
        self,
        connection: psycopg.Connection,
        principal: VendorPrincipal,
        agent_ref: str,
        change: str,
        at: datetime,
        **fields: EntryValue,
    ) -> None:
        self._note(
            connection, principal, EventType.AGENT_CHANGED, agent_ref, at, change=change, **fields
        )

    @staticmethod
    def _note(
        connection: psycopg.Connection,
        principal: VendorPrincipal,
        event: EventType,
        agent_ref: str,
        at: datetime,
        **fields: EntryValue,
    ) -> None:
        record_with_change(
            connection,
            event,
            at=at,
            vendor=principal.vendor_id,
            contract=principal.contract_id,
            certificate=principal.thumbprint.hex(),
            agent=agent_ref,
            **fields,
        )


def _key(principal: VendorPrincipal, agent_ref: str) -> AgentKey:
    return AgentKey(principal.vendor_id, principal.contract_id, agent_ref)


def _three(key: AgentKey) -> tuple[str, str, str]:
    return key.vendor_id, key.contract_id, key.agent_ref


def _value(connection: psycopg.Connection, query: str, row: tuple[object, ...]) -> object:
    found = connection.execute(query, row).fetchone()
    assert found is not None
    return found[0]


def _own_agent(connection: psycopg.Connection, key: AgentKey) -> dict[str, object]:
    """As it stands now; the functions before have set whose rows are seen."""
    with connection.cursor(row_factory=args_row(Agent)) as rows:
        found = rows.execute(_AGENT, (*_three(key),)).fetchone()
    assert found is not None
    return found.own_document()


def _refusal(error: psycopg.Error) -> Exception:
    state = error.sqlstate or ""
    if state in _REFUSALS:
        kind, message = _REFUSALS[state]
        return kind(message)
    if isinstance(error, psycopg.DataError):
        return NotFoundError("text that PostgreSQL cannot hold names nothing")
    return DatabaseUnavailableError("PostgreSQL does not answer")
