"""Agents as values: what a vendor says of them, and what is kept."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import psycopg
from psycopg.rows import args_row

from gateway.clock import rfc3339
from gateway.errors import NotFoundError, RequestInvalidError
from gateway.people.hashing import commitment_of
from gateway.people.screening import verify_impersonal
from policies.elements import SHANGHAI

# How long one pass of a course can hold: training is repeated yearly.
LONGEST_COURSE = timedelta(days=366)
MOST_CASES = 100_000
MOST_HOURS = 1_000
FULL_SCORE = 100
AGENT_REF = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}")
COURSE_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,31}")
AGENTS = "SELECT * FROM casegate.agent_page"
_ONE = AGENTS + " WHERE vendor_id = %s AND contract_id = %s AND agent_ref = %s"
_PAGE = (
    AGENTS
    + """
 WHERE (%(vendor)s::text IS NULL OR vendor_id = %(vendor)s)
   AND (%(contract)s::text IS NULL OR contract_id = %(contract)s)
   AND (%(status)s::text IS NULL OR status = %(status)s)
   AND (vendor_id, contract_id, agent_ref) > (%(v)s, %(c)s, %(a)s)
 ORDER BY vendor_id, contract_id, agent_ref LIMIT %(limit)s
"""
)


@dataclass(frozen=True, slots=True)
class AgentKey:
    """Which agent: a reference means something under one contract only."""

    vendor_id: str
    contract_id: str
    agent_ref: str

    def path(self) -> str:
        """In one word; no part holds a slash."""
        return f"{self.vendor_id}/{self.contract_id}/{self.agent_ref}"

    def subject(self) -> dict[str, str]:
        """In entries and proposals."""
        return {"vendor": self.vendor_id, "contract": self.contract_id, "agent": self.agent_ref}


@dataclass(frozen=True, slots=True)
class Registration:
    """What a vendor says of somebody who is to call; `id_hash` as people.hashing has it."""

    agent_ref: str
    id_hash: bytes
    nda_signed_on: date | None = None
    max_cases: int | None = None

    def verify(self, at: datetime) -> None:
        """Raises PersonalDataError or RequestInvalidError where a value cannot be."""
        verify_reference(self.agent_ref)
        if self.nda_signed_on is not None and self.nda_signed_on > day_of(at):
            raise RequestInvalidError("nda_signed_on lies in the future")
        if self.max_cases is not None and not 1 <= self.max_cases <= MOST_CASES:
            raise RequestInvalidError(f"max_cases is between 1 and {MOST_CASES}")


@dataclass(frozen=True, slots=True)
class CoursePass:
    """A course that an agent has passed; it holds through the day `valid_to`.

    `score` is out of 100; `evidence_sha256` is of the document that the vendor keeps to show.
    """

    course_id: str
    version: str
    passed_on: date
    valid_to: date
    hours: int
    score: int
    evidence_sha256: bytes

    def verify(self, at: datetime) -> None:
        """Raises PersonalDataError or RequestInvalidError where a value cannot be."""
        verify_impersonal(course_id=self.course_id, version=self.version)
        if not COURSE_ID.fullmatch(self.course_id):
            raise RequestInvalidError("course_id is lower-case letters, digits, _ and -")
        if not VERSION.fullmatch(self.version):
            raise RequestInvalidError("version is letters, digits, dots and hyphens")
        if self.passed_on > day_of(at):
            raise RequestInvalidError("passed_on lies in the future")
        if not self.passed_on <= self.valid_to <= self.passed_on + LONGEST_COURSE:
            raise RequestInvalidError("valid_to is at most a year after passed_on")
        if not (1 <= self.hours <= MOST_HOURS and 0 <= self.score <= FULL_SCORE):
            raise RequestInvalidError("hours are whole and above 0; score is between 0 and 100")


@dataclass(frozen=True, slots=True)
class Agent:
    """An agent as kept. `courses` and `acknowledged` are lists of JSON objects, newest state."""

    vendor_id: str
    contract_id: str
    agent_ref: str
    id_hash: bytes
    status: str
    nda_signed_on: date | None
    max_cases: int | None
    registered_at: datetime
    qualified_at: datetime | None
    changed_at: datetime
    courses: Sequence[Mapping[str, Any]]
    acknowledged: Sequence[Mapping[str, Any]]

    @property
    def key(self) -> AgentKey:
        """Which it is."""
        return AgentKey(self.vendor_id, self.contract_id, self.agent_ref)

    def own_document(self) -> dict[str, object]:
        """As its vendor sees it."""
        return {
            "agent_ref": self.agent_ref,
            "status": self.status,
            "nda_signed_on": self.nda_signed_on,
            "max_cases": self.max_cases,
            "registered_at": rfc3339(self.registered_at),
            "courses": self.courses,
            "acknowledged": self.acknowledged,
        }

    def document(self) -> dict[str, object]:
        """As staff see it; `person` is the same wherever the same person was registered."""
        return {
            "vendor": self.vendor_id,
            "contract": self.contract_id,
            "person": commitment_of(self.id_hash),
            **self.own_document(),
            "qualified_at": None if self.qualified_at is None else rfc3339(self.qualified_at),
            "changed_at": rfc3339(self.changed_at),
        }

    def missing(self, courses: frozenset[str], at: datetime) -> list[str]:
        """What qualifying lacks on that day: `nda`, and the ids of courses not passed or over."""
        today = day_of(at).isoformat()
        held = {each["course_id"] for each in self.courses if each["valid_to"] >= today}
        nda = [] if self.nda_signed_on is not None else ["nda"]
        return [*nda, *sorted(courses - held)]


def read_agent(connection: psycopg.Connection, key: AgentKey) -> Agent:
    """One agent.

    Raises:
        NotFoundError: there is none of this reference.
    """
    with connection.cursor(row_factory=args_row(Agent)) as cursor:
        found = cursor.execute(_ONE, (key.vendor_id, key.contract_id, key.agent_ref)).fetchone()
    if found is None:
        raise NotFoundError(f"there is no agent {key.agent_ref} of {key.vendor_id}")
    return found


def list_agents(
    connection: psycopg.Connection,
    *,
    vendor: str | None,
    contract: str | None,
    status: str | None,
    after: AgentKey | None,
    limit: int,
) -> list[Agent]:
    """Agents of all vendors, or of one, by vendor, contract and reference."""
    last = after or AgentKey("", "", "")
    named = {"vendor": vendor, "contract": contract, "status": status, "limit": limit}
    named |= {"v": last.vendor_id, "c": last.contract_id, "a": last.agent_ref}
    with connection.cursor(row_factory=args_row(Agent)) as cursor:
        return cursor.execute(_PAGE, named).fetchall()


def verify_reference(agent_ref: str) -> None:
    """Raises PersonalDataError or RequestInvalidError unless it can be an agent's reference."""
    verify_impersonal(agent_ref=agent_ref)
    if not AGENT_REF.fullmatch(agent_ref):
        raise RequestInvalidError(
            "agent_ref is up to 32 letters, digits, dots, hyphens; no name of a person"
        )


def day_of(at: datetime) -> date:
    """The calendar day of a moment where the company is."""
    return at.astimezone(SHANGHAI).date()
