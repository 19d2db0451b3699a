"""A vendor's days or hours: what it was given, what it was refused, what it did the first time."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import groupby

import psycopg

from audit.entry import EventType
from gateway.errors import RequestInvalidError
from gateway.oversight.lookup import Place
from gateway.oversight.query import LogQuery
from gateway.oversight.search import read_hits

MAX_BUCKETS = 500
# Days are those of the lender; China has one zone and no summer time.
ZONE = "Asia/Shanghai"

_STATE = """
SELECT (SELECT id FROM oversight.word WHERE word = %s), next_index, size
  FROM oversight.indexed, audit.tail
"""
_SUMS = """
WITH chosen AS (
  SELECT DISTINCT date_trunc(%(step)s, hour, %(zone)s) AS start FROM oversight.volume
   WHERE vendor = %(vendor)s AND hour >= %(since)s AND hour < %(until)s
   ORDER BY start DESC LIMIT %(wanted)s)
SELECT c.start, e.word, coalesce(k.word, ''), sum(v.entries)::bigint, sum(v.cases)::bigint,
       sum(v.bytes)::bigint
  FROM chosen c
  JOIN oversight.volume v ON v.vendor = %(vendor)s
       AND v.hour >= greatest(c.start, %(since)s)
       AND v.hour < least(c.start + %(length)s::interval, %(until)s)
  JOIN oversight.word e ON e.id = v.event
  LEFT JOIN oversight.word k ON k.id = v.code
 GROUP BY c.start, e.word, k.word ORDER BY c.start DESC
"""
_FIRSTS = """
SELECT u.kind, w.word, u.first_index, u.first_at, e.place, e.length
  FROM oversight.used u JOIN oversight.word w ON w.id = u.word
  JOIN oversight.entry e ON e.index = u.first_index
 WHERE u.vendor = %(vendor)s AND u.kind <> 'rules'
   AND u.first_at >= %(from)s AND u.first_at < %(to)s
 ORDER BY u.first_index
"""
_PROFILES = """
SELECT w.word, u.releases, u.first_at, u.last_at
  FROM oversight.used u JOIN oversight.word w ON w.id = u.word
 WHERE u.vendor = %(vendor)s AND u.kind = 'profile'
   AND u.last_at >= %(from)s AND u.first_at < %(to)s
 ORDER BY u.last_at DESC
"""


class Step(StrEnum):
    """How long a bucket is."""

    HOUR = "hour"
    DAY = "day"

    @property
    def length(self) -> timedelta:
        """Its length; days have 24 hours in the zone of this module."""
        return timedelta(hours=1) if self is Step.HOUR else timedelta(days=1)


@dataclass(frozen=True, slots=True)
class FirstUse:
    """Something that a vendor's releases had not been made with before."""

    kind: str
    word: str
    index: int
    at: datetime


@dataclass(frozen=True, slots=True)
class ProfileUse:
    """A set of fields, by its digest, that left for the vendor in the time shown."""

    profile: str
    releases: int
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True, slots=True)
class Bucket:
    """Sums from `start` on; `bytes` are of bodies released, `sent` of what connections took."""

    start: datetime
    releases: int
    cases: int
    bytes: int
    sent: int
    denials: Mapping[str, int]
    events: Mapping[str, int]
    first: list[FirstUse]


@dataclass(frozen=True, slots=True)
class Timeline:
    """Buckets with entries, newest first; `next_until` continues at earlier ones.

    Sums are the index's, of the entries below `indexed`; each first use was read from its leaf.
    """

    vendor: str
    step: Step
    buckets: list[Bucket]
    profiles: list[ProfileUse]
    next_until: datetime | None
    indexed: int
    size: int


def view_timeline(
    connection: psycopg.Connection,
    vendor: str,
    *,
    step: Step,
    since: datetime | None,
    until: datetime | None,
    limit: int,
) -> Timeline:
    """The buckets of a vendor that begin in whole hours from `since` up to `until`.

    Raises:
        RequestInvalidError: the limit is out of bounds.
        TamperedError: a first use is not what its leaf says.
    """
    if not 1 <= limit <= MAX_BUCKETS:
        raise RequestInvalidError(f"limit must be from 1 to {MAX_BUCKETS}")
    row = connection.execute(_STATE, (vendor,)).fetchone()
    assert row is not None
    number, indexed, size = row
    since = (since or datetime.min.replace(tzinfo=UTC)).replace(minute=0, second=0, microsecond=0)
    parameters = {
        "vendor": number,
        "step": step.value,
        "zone": ZONE,
        "length": step.length,
        "since": since,
        "until": until or datetime.max.replace(tzinfo=UTC),
        "wanted": limit + 1,
    }
    rows = connection.execute(_SUMS, parameters).fetchall()
    starts = list(dict.fromkeys(row[0] for row in rows))
    shown = starts[:limit]
    if not shown:
        return Timeline(vendor, step, [], [], None, indexed, size)
    page = {"vendor": number, "from": shown[-1], "to": shown[0] + step.length}
    firsts = list(_first_uses(connection, vendor, page))
    profiles = [ProfileUse(*row) for row in connection.execute(_PROFILES, page)]
    buckets = [
        _bucket(start, step, list(sums), firsts)
        for start, sums in groupby(rows, key=lambda row: row[0])
        if start >= shown[-1]
    ]
    following = shown[-1] if len(starts) > limit else None
    return Timeline(vendor, step, buckets, profiles, following, indexed, size)


def _bucket(
    start: datetime,
    step: Step,
    sums: list[tuple[datetime, str, str, int, int, int]],
    firsts: list[FirstUse],
) -> Bucket:
    denials: dict[str, int] = {}
    events: dict[str, int] = {}
    cases: dict[str, int] = {}
    sent: dict[str, int] = {}
    for _start, event, code, entries, shown, count in sums:
        events[event] = events.get(event, 0) + entries
        cases[event] = cases.get(event, 0) + shown
        sent[event] = sent.get(event, 0) + count
        if code:
            denials[code] = denials.get(code, 0) + entries
    release, end = EventType.ACCESS_RELEASE.value, EventType.ACCESS_END.value
    return Bucket(
        start=start,
        releases=events.get(release, 0),
        cases=cases.get(release, 0),
        bytes=sent.get(release, 0),
        sent=sent.get(end, 0),
        denials=denials,
        events=events,
        first=[use for use in firsts if start <= use.at < start + step.length],
    )


def _first_uses(
    connection: psycopg.Connection, vendor: str, page: Mapping[str, object]
) -> Iterator[FirstUse]:
    rows = connection.execute(_FIRSTS, page).fetchall()
    places = {row[2]: Place(row[2], row[4], row[5]) for row in rows}
    query = LogQuery(vendor=vendor, event=EventType.ACCESS_RELEASE.value)
    read = {hit.index: hit.entry for hit in read_hits(connection, list(places.values()), query)}
    for kind, word, index, at, _place, _length in rows:
        if read[index].get(kind) == word:
            yield FirstUse(kind, word, index, at)
