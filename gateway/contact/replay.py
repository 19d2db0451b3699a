"""Past wishes decided again by other rules, debtor by debtor and in the order of time."""

from collections import Counter, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple, Protocol
from uuid import UUID

import psycopg

from gateway.cases.record import open_record
from gateway.contact.past import MEMORY, Past, PastRow, Span, read_past
from gateway.contact.situation import (
    DEFAULT_ZONE,
    FACTS_OF_RESULTS,
    NOBODY_CALLS,
    is_reached,
    zones_of,
)
from keys.kek import KeyEncryptionKey
from policies.contact.model import (
    AgentStanding,
    CallKind,
    Channel,
    ContactRequest,
    FiredRule,
    PartyRole,
    PastContact,
    ScriptStanding,
    Situation,
)
from policies.elements import SHANGHAI

# As much as a decision is shown.
_LONGEST = 1000
_EXAMPLES = 20
_AGENTS = "SELECT vendor_id, contract_id, agent_ref, nda_signed_on FROM casegate.agent"
_COURSES = (
    "SELECT vendor_id, contract_id, agent_ref, course_id, passed_on, valid_to"
    " FROM casegate.agent_course"
)
_SIGNED = (
    "SELECT vendor_id, contract_id, agent_ref, script_id, version, at"
    " FROM casegate.script_acknowledgement"
)
_SCRIPTS = "SELECT script_id, version, channel, valid_from, valid_to FROM casegate.script"
_CALLERS = (
    "SELECT vendor_id, contract_id, number, registered_at, ended_at FROM casegate.caller_number"
)
_BY_DEBTOR = attrgetter("person")


class ReplayRules(Protocol):
    """policies.contact.rules.ContactRules fits."""

    def fired(self, request: ContactRequest, situation: Situation) -> tuple[FiredRule, ...]:
        """The rules that say no."""
        ...


class _Course(NamedTuple):
    course_id: str
    passed_on: date
    valid_to: date


@dataclass(frozen=True, slots=True)
class Register:
    """Agents, scripts and caller numbers with the dates by which they can be asked of the past.

    Their state of then is not kept, and it was good: a permit was granted on it.
    """

    secrecy: Mapping[tuple[str, str, str], date | None]
    courses: Mapping[tuple[str, str, str], list[_Course]]
    acknowledged: Mapping[tuple[str, str, str, str, int], datetime]
    scripts: Mapping[tuple[str, int], tuple[Channel, datetime | None, datetime | None]]
    callers: Mapping[tuple[str, str, str], list[tuple[datetime, datetime | None]]]

    @classmethod
    def read(cls, connection: psycopg.Connection) -> "Register":
        """Reads them, as the company."""
        courses: dict[tuple[str, str, str], list[_Course]] = {}
        for vendor, contract, agent, *course in connection.execute(_COURSES):
            courses.setdefault((vendor, contract, agent), []).append(_Course(*course))
        callers: dict[tuple[str, str, str], list[tuple[datetime, datetime | None]]] = {}
        for vendor, contract, number, begins, ends in connection.execute(_CALLERS):
            callers.setdefault((vendor, contract, number), []).append((begins, ends))
        return cls(
            {(row[0], row[1], row[2]): row[3] for row in connection.execute(_AGENTS)},
            courses,
            {
                (row[0], row[1], row[2], row[3], row[4]): row[5]
                for row in connection.execute(_SIGNED)
            },
            {
                (row[0], row[1]): (Channel(row[2]), row[3], row[4])
                for row in connection.execute(_SCRIPTS)
            },
            callers,
        )

    def agent(self, row: PastRow, day: date) -> AgentStanding:
        """How the agent of a row stood on a day."""
        key = (str(row.vendor_id), str(row.contract_id), str(row.agent_ref))
        if key not in self.secrecy:
            return NOBODY_CALLS
        signed_on = self.secrecy[key]
        acknowledged = self.acknowledged.get(
            (*key, str(row.script_id), int(row.script_version or 0))
        )
        return AgentStanding(
            "qualified",
            frozenset(
                course.course_id
                for course in self.courses.get(key, ())
                if course.passed_on <= day <= course.valid_to
            ),
            signed_on is not None and signed_on <= day,
            acknowledged is not None and acknowledged <= row.at,
        )

    def script(self, row: PastRow) -> ScriptStanding:
        """How the script's version of a row stood then."""
        found = self.scripts.get((str(row.script_id), int(row.script_version or 0)))
        if found is None:
            return ScriptStanding(None)
        channel, begins, ends = found
        is_in_term = begins is not None and begins <= row.at and (ends is None or row.at < ends)
        return ScriptStanding("active", channel, is_in_term)

    def is_caller_registered(self, row: PastRow) -> bool:
        """Whether the number was the vendor's then."""
        key = (str(row.vendor_id), str(row.contract_id), str(row.caller_number))
        return any(
            begins <= row.at and (ends is None or row.at < ends)
            for begins, ends in self.callers.get(key, ())
        )


@dataclass(slots=True)
class Findings:
    """Counts of a replay; several add up. Days are those of Asia/Shanghai.

    `permits` were granted, of which `refused` would not have been; `by_rule` counts each rule that
    says no to one. `refusals` were refused, of which `refused_again` these rules refuse too.
    `examples` are the ids of permits that would have been refused, the first of each span.
    """

    permits: Counter[tuple[str, date]] = field(default_factory=Counter)
    refused: Counter[tuple[str, date]] = field(default_factory=Counter)
    by_rule: Counter[str] = field(default_factory=Counter)
    refusals: int = 0
    refused_again: int = 0
    examples: list[UUID] = field(default_factory=list)

    def add(self, other: "Findings") -> None:
        """Adds those of another span."""
        self.permits += other.permits
        self.refused += other.refused
        self.by_rule += other.by_rule
        self.refusals += other.refusals
        self.refused_again += other.refused_again
        self.examples = sorted({*self.examples, *other.examples})[:_EXAMPLES]


class Replay:
    """Decides spans again, on one connection and by one set of rules."""

    def __init__(
        self, connection: psycopg.Connection, rules: ReplayRules, kek: KeyEncryptionKey
    ) -> None:
        self._connection = connection
        self._rules = rules
        self._kek = kek
        self._register = Register.read(connection)
        self._opened: dict[UUID, tuple[tuple[str, ...], str]] = {}

    def run(self, span: Span) -> Findings:
        """Replays every wish of a span.

        What would have been refused did not happen and counts for nothing afterwards; what was
        refused then stays away. A contact counts as what it turned out to be.
        """
        past = read_past(self._connection, span)
        self._opened = {}
        findings = Findings()
        for _person, rows in groupby(past.rows, _BY_DEBTOR):
            self._debtor(past, rows, span, findings)
        return findings

    def _debtor(self, past: Past, rows: Iterator[PastRow], span: Span, findings: Findings) -> None:
        history: deque[PastContact] = deque(maxlen=_LONGEST)
        facts: set[str] = set()
        reached: set[str | None] = set()
        for row in rows:
            while history and history[0].at <= row.at - MEMORY:
                history.popleft()
            is_wish = row.vendor_id is not None and row.direction == "outbound"
            fired: tuple[FiredRule, ...] = ()
            if is_wish and row.at >= span.since:
                is_again = row.party == PartyRole.CONTACT and row.point in reached
                fired = self._decide(
                    past, row, tuple(history), frozenset(facts), is_point_reached=is_again
                )
                self._note(row, fired, findings)
            if row.refused or fired:
                continue
            if row.result in FACTS_OF_RESULTS and not row.is_unpermitted:
                facts.add(FACTS_OF_RESULTS[row.result])
            if row.party == PartyRole.CONTACT and is_reached(row.result, row.counts):
                reached.add(row.point)
            history.append(
                PastContact(
                    row.at,
                    row.point,
                    row.debt,
                    Channel(row.channel),
                    row.counts,
                    row.result,
                    PartyRole(row.party),
                    row.is_failed,
                    row.is_exempt,
                )
            )

    def _decide(
        self,
        past: Past,
        row: PastRow,
        history: tuple[PastContact, ...],
        facts: frozenset[str],
        *,
        is_point_reached: bool,
    ) -> tuple[FiredRule, ...]:
        zones, debt = self._about(past, row.case_id)
        validity, is_opted_out = past.point(row.point, row.at)
        if past.is_own_number_invalid(row):
            facts |= {"own_number_invalid"}
        request = ContactRequest(
            row.at,
            Channel(row.channel),
            CallKind(row.call_kind),
            PartyRole(row.party),
            str(row.point),
            debt if row.debt is None else row.debt,
            zones,
            row.reason,
        )
        situation = Situation(
            history,
            self._register.agent(row, row.at.astimezone(SHANGHAI).date()),
            self._register.script(row),
            self._register.is_caller_registered(row),
            consents=past.consents(row),
            holds=past.holds(row),
            facts=facts,
            validity=validity,
            is_point_opted_out=is_opted_out,
            preference=past.preference(row),
            is_point_reached=is_point_reached,
        )
        return self._rules.fired(request, situation)

    def _about(self, past: Past, case_id: UUID) -> tuple[tuple[str, ...], str]:
        """The zones and the debt of a case; the default zone, no debt, when it is gone."""
        known = self._opened.get(case_id)
        if known is None:
            case = past.cases.get(case_id)
            if case is None:
                known = (DEFAULT_ZONE,), ""
            else:
                record = open_record(case.stored, self._kek)
                known = zones_of(record), str(record.get("debt_ref"))
            self._opened[case_id] = known
        return known

    @staticmethod
    def _note(row: PastRow, fired: tuple[FiredRule, ...], findings: Findings) -> None:
        if row.contact_id is None:
            findings.refusals += 1
            findings.refused_again += bool(fired)
            return
        place = str(row.vendor_id), row.at.astimezone(SHANGHAI).date()
        findings.permits[place] += 1
        if not fired:
            return
        findings.refused[place] += 1
        findings.by_rule.update({rule.rule_id for rule in fired})
        if len(findings.examples) < _EXAMPLES:
            findings.examples.append(row.contact_id)
