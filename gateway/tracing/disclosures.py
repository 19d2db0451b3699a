"""What the log says of given cases: to whom they were released, when, in which fields."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from uuid import UUID

import psycopg

from audit.entry import EventType
from gateway.oversight.query import MAX_PAGE, LogQuery
from gateway.oversight.search import LogHit, find_entries
from gateway.oversight.views import released_fields

MOST_RELEASES = 20_000
_COMMITMENTS_A_QUERY = 500

_ASSIGNED = """
SELECT case_id, vendor_id, contract_id, encode(commitment, 'hex')
  FROM casegate.assigned_case WHERE case_id = ANY(%s)
"""
_SHARES = """
SELECT vendor_id, count(DISTINCT case_id)::float8
       / greatest((SELECT count(*) FROM casegate.case_record), 1)
  FROM casegate.assigned_case GROUP BY vendor_id
"""


@dataclass(frozen=True, slots=True)
class Release:
    """One release: its entry's place and leaf hash (its receipt), when, and to whom."""

    index: int
    leaf_hash: str
    time: str
    vendor: str
    contract: str
    stage: str


@dataclass(slots=True)
class Given:
    """That a vendor was given a case: in which words of levels by field, in which releases."""

    vendor: str
    contract: str
    words: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    releases: list[Release] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Disclosures:
    """Who was given which case; `is_partial`: the oldest of over 20,000 releases were not read."""

    given: Mapping[UUID, list[Given]]
    is_partial: bool


def read_disclosures(connection: psycopg.Connection, cases: Iterable[UUID]) -> Disclosures:
    """Every release of these cases that the log holds, each read from its hashed bytes.

    Raises:
        TamperedError: an entry is not what its leaf or the index says.
    """
    rows = connection.execute(_ASSIGNED, (list(cases),)).fetchall()
    owners = {str(row[3]): (UUID(str(row[0])), str(row[1]), str(row[2])) for row in rows}
    given: dict[tuple[UUID, str, str], Given] = {}
    fields: dict[str, Mapping[str, str]] = {}
    left, is_partial = MOST_RELEASES, False
    commitments = list(owners)
    for begin in range(0, len(commitments), _COMMITMENTS_A_QUERY):
        wanted = tuple(commitments[begin : begin + _COMMITMENTS_A_QUERY])
        query: LogQuery | None = LogQuery(
            event=EventType.ACCESS_RELEASE.value, cases=wanted, limit=MAX_PAGE
        )
        while query is not None:
            if left <= 0:
                is_partial = True
                break
            page = find_entries(connection, query)
            left -= len(page.hits)
            profiles = {str(hit.entry.get("profile")) for hit in page.hits} - fields.keys()
            fields |= released_fields(connection, profiles) if profiles else {}
            for hit in page.hits:
                _add(given, hit, owners, set(wanted), fields)
            query = None if page.next_before is None else replace(query, before=page.next_before)
    by_case: dict[UUID, list[Given]] = defaultdict(list)
    for (case_id, _vendor, _contract), what in given.items():
        by_case[case_id].append(what)
    return Disclosures(dict(by_case), is_partial)


def vendor_shares(connection: psycopg.Connection) -> dict[str, float]:
    """Which part of all cases each vendor was ever assigned, from 0 to 1."""
    return {str(row[0]): float(row[1]) for row in connection.execute(_SHARES)}


def _add(
    given: dict[tuple[UUID, str, str], Given],
    hit: LogHit,
    owners: Mapping[str, tuple[UUID, str, str]],
    wanted: set[str],
    fields: Mapping[str, Mapping[str, str]],
) -> None:
    entry = hit.entry
    release = Release(
        hit.index,
        hit.leaf_hash,
        str(entry["time"]),
        str(entry.get("vendor")),
        str(entry.get("contract")),
        str(entry.get("stage")),
    )
    for commitment in wanted.intersection(entry.get("cases") or ()):
        case_id, vendor, contract = owners[commitment]
        what = given.setdefault((case_id, vendor, contract), Given(vendor, contract))
        what.releases.append(release)
        for name, words in fields.get(str(entry.get("profile")), {}).items():
            what.words[name].add(words)
