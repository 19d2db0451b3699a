"""Replays the log's releases under another policy: what a vendor would newly see, or lose."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from ipaddress import ip_address
from typing import Any

import psycopg

from audit.entry import EventType
from gateway.oversight.query import MAX_PAGE, LogQuery
from gateway.oversight.search import LogHit, find_entries
from gateway.oversight.views import released_fields
from policies.decide import AccessRequest, Deny, decide
from policies.elements import SHANGHAI
from policies.fields import LEVEL_WORDS, Level, Stage
from policies.limits import SQL_KEYS, RowConditions
from policies.model import FieldRule, VendorPolicy

_KINDS = """
SELECT encode(commitment, 'hex'), project, portfolio, product, stage
  FROM casegate.assigned_case WHERE vendor_id = %s AND contract_id = %s
"""

LeftOut = Callable[[str, str, RowConditions], set[str]]
"""Vendor, contract and conditions to the commitments (hex) of cases that they leave out."""


@dataclass(frozen=True, slots=True)
class FieldEffect:
    """Of how many cases a field would be other than before; `drop` stands for nothing."""

    stage: str
    field: str
    before: str
    after: str
    cases: int

    @property
    def is_wider(self) -> bool:
        """Whether the vendor would see more."""
        return LEVEL_WORDS[self.after.split()[0]] > LEVEL_WORDS[self.before.split()[0]]


@dataclass(frozen=True, slots=True)
class Simulation:
    """What would have been different.

    `refused` counts releases that would have been denied, by reason; `uncovered` the cases that
    the conditions leave out; `days_over_quota` the days on which more cases left than the quota.
    `unknown_profiles` counts releases whose rules the log does not hold: they are not compared.
    `unknown_cases` are erased since, so that nothing tells whether the conditions cover them: they
    count as covered.
    """

    releases: int
    cases: int
    effects: tuple[FieldEffect, ...]
    refused: Mapping[str, int]
    uncovered: int
    days_over_quota: int
    unknown_profiles: int
    unknown_cases: int


def simulate(
    connection: psycopg.Connection,
    policy: VendorPolicy,
    left_out: LeftOut,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Simulation:
    """Replays every release of the policy's vendor and contract in a range of time.

    Each is judged as it was asked, with its purpose, address and moment; the term of the policy
    is left aside, since a new term never covers the past. `left_out` is asked once for the cases
    that conditions on region and hold leave out, which it has to open (release.replay).

    Raises:
        TamperedError: a hit is not what its leaf or the index says.
    """
    replay = _Replay(connection, policy, left_out)
    query = LogQuery(
        vendor=policy.vendor,
        event=EventType.ACCESS_RELEASE.value,
        since=since,
        until=until,
        limit=MAX_PAGE,
    )
    for hits in _pages(connection, query):
        own = [hit for hit in hits if hit.entry.get("contract") == policy.contract]
        replay.take(own)
    return replay.result()


class _Replay:
    def __init__(
        self, connection: psycopg.Connection, policy: VendorPolicy, left_out: LeftOut
    ) -> None:
        self._connection = connection
        self._policy = policy
        self._fields: dict[str, Mapping[str, str]] = {}
        rows = policy.limits.rows
        kinds = connection.execute(_KINDS, (policy.vendor, policy.contract)).fetchall()
        self._known = {str(row[0]) for row in kinds}
        self._left_out = left_out(policy.vendor, policy.contract, rows) | {
            str(row[0])
            for row in kinds
            if any(
                row[place] not in rows.allowed[key]
                for place, key in enumerate(SQL_KEYS, start=1)
                if key in rows.allowed
            )
        }
        self._seen: set[str] = set()
        self._uncovered: set[str] = set()
        self._changed: dict[tuple[str, str, str, str], set[str]] = defaultdict(set)
        self._refused: Counter[str] = Counter()
        self._days: Counter[date] = Counter()
        self._releases = 0
        self._unknown = 0

    def take(self, hits: list[LogHit]) -> None:
        """Judges a page of releases."""
        profiles = {str(hit.entry["profile"]) for hit in hits} - self._fields.keys()
        if profiles:
            self._fields |= released_fields(self._connection, profiles)
        for hit in hits:
            self._judge(hit.entry)

    def result(self) -> Simulation:
        """What has been found."""
        quota = self._policy.limits.quotas.pull_cases
        effects = [FieldEffect(*key, len(cases)) for key, cases in sorted(self._changed.items())]
        return Simulation(
            self._releases,
            len(self._seen),
            tuple(sorted(effects, key=lambda effect: (not effect.is_wider, -effect.cases))),
            dict(self._refused),
            len(self._uncovered),
            0 if quota is None else sum(cases > quota for cases in self._days.values()),
            self._unknown,
            len(self._seen - self._known),
        )

    def _judge(self, entry: Mapping[str, Any]) -> None:
        moment = datetime.fromisoformat(entry["time"])
        cases = set(entry["cases"])
        self._releases += 1
        self._seen |= cases
        self._days[moment.astimezone(SHANGHAI).date()] += len(entry["cases"])
        before = self._fields.get(str(entry["profile"]))
        if before is None:
            self._unknown += 1
            return
        stage, source = Stage(entry["stage"]), entry.get("source")
        request = AccessRequest(
            self._policy.vendor,
            self._policy.contract,
            entry.get("purpose"),
            stage,
            min(max(moment, self._policy.term.begins), _last(self._policy)),
            None if source is None else ip_address(source),
        )
        answer = decide(request, self._policy)
        rules: tuple[FieldRule, ...] = ()
        if isinstance(answer, Deny):
            self._refused[answer.reason.value] += 1
        else:
            rules = answer.rules
        uncovered = cases & self._left_out
        self._uncovered |= uncovered
        self._compare(stage, before, {rule.field: rule.words for rule in rules}, cases - uncovered)
        self._compare(stage, before, {}, uncovered)

    def _compare(
        self, stage: Stage, before: Mapping[str, str], after: Mapping[str, str], cases: set[str]
    ) -> None:
        if not cases:
            return
        nothing = Level.DROP.word
        for field in {*before, *after}:
            was, becomes = before.get(field, nothing), after.get(field, nothing)
            if was != becomes:
                self._changed[stage.value, field, was, becomes] |= cases


def _last(policy: VendorPolicy) -> datetime:
    """The last moment of a term that a log can tell from its end."""
    return policy.term.ends - datetime.resolution


def _pages(connection: psycopg.Connection, query: LogQuery) -> Iterator[list[LogHit]]:
    before: int | None = None
    while True:
        page = find_entries(connection, _below(query, before))
        yield page.hits
        if page.next_before is None:
            return
        before = page.next_before


def _below(query: LogQuery, before: int | None) -> LogQuery:
    return query if before is None else replace(query, before=before)
