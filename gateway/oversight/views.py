"""What auditors ask again and again, page by page, each item read from its leaf."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar

import psycopg

from audit.entry import EventType
from gateway.errors import RequestInvalidError
from gateway.oversight.explanations import explain
from gateway.oversight.lookup import find_ends, find_rules
from gateway.oversight.query import LogQuery
from gateway.oversight.search import LogHit, LogPage, find_entries, read_hits

Item = TypeVar("Item")
HOUR = timedelta(hours=1)

CHANGE_KINDS = (
    *("configuration", "policy", "key", "credential", "vendor", "contract", "case", "subject"),
    *("issuer", "proposal", "enrolment", "offboarding"),
)
REFUSALS = tuple(
    event.value
    for event in EventType
    if event.value.endswith((".denied", ".refused")) and not event.value.startswith("witness.")
)
READINGS = (EventType.LOG_SEARCHED, EventType.LOG_EXPORTED, EventType.LOG_VERIFIED)

_VOLUMES = """
SELECT w.hour, w.vendor, coalesce(sum(v.entries), 0)::bigint, coalesce(sum(v.cases), 0)::bigint,
       coalesce(sum(v.bytes), 0)::bigint
  FROM unnest(%(hours)s::timestamptz[], %(vendors)s::text[]) AS w(hour, vendor)
  LEFT JOIN oversight.volume v ON v.hour = w.hour
       AND v.event = (SELECT id FROM oversight.word WHERE word = 'access.release')
       AND (w.vendor = '' OR v.vendor = (SELECT id FROM oversight.word WHERE word = w.vendor))
 GROUP BY w.hour, w.vendor
"""
_REPORTED = (
    *("time", "vendor", "contract", "certificate", "request", "route", "source", "purpose"),
    *("stage", "policy", "profile", "bytes"),
)
_OF_END = ("time", "bytes", "aborted")


@dataclass(frozen=True, slots=True)
class ViewPage(Generic[Item]):
    """Items, newest first; `next_before` continues at lower indexes, None at the end."""

    items: list[Item]
    next_before: int | None
    signed_size: int


@dataclass(frozen=True, slots=True)
class Denial:
    """A refusal with its reason; `policy` is the digest of the policy that refused, if one did."""

    index: int
    leaf_hash: str
    entry: Mapping[str, Any]
    explanation: str
    rule: str | None
    policy: str | None


@dataclass(frozen=True, slots=True)
class HourVolume:
    """What was released in one hour, by the index's sums."""

    hour: datetime
    releases: int
    cases: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Change:
    """A change with the releases of the hour before, its own and the next.

    They are the vendor's where the change concerns one, else everybody's.
    """

    index: int
    leaf_hash: str
    entry: Mapping[str, Any]
    volume: list[HourVolume]


@dataclass(frozen=True, slots=True)
class Disclosure:
    """One release in which a person's case left: to whom, why, with which fields, how it ended.

    `release` is the entry without the other cases of its page; `fields` are name and level by the
    policy that the log holds for the profile, None when it holds none; `end` is None when the end
    was never logged.
    """

    index: int
    leaf_hash: str
    release: Mapping[str, Any]
    fields: Mapping[str, str] | None
    end: Mapping[str, Any] | None


def view_denials(connection: psycopg.Connection, query: LogQuery) -> ViewPage[Denial]:
    """Refusals and why.

    Raises:
        TamperedError: a hit is not what its leaf or the index says.
    """
    page = find_entries(connection, replace(query, event=None, events=REFUSALS))
    return _page(page, (_denial(hit) for hit in page.hits))


def verify_kinds(kinds: Collection[str]) -> None:
    """Raises RequestInvalidError unless there are kinds, and each is one of CHANGE_KINDS."""
    if not set(kinds) <= set(CHANGE_KINDS) or not kinds:
        raise RequestInvalidError(f"a kind of change is one of {', '.join(CHANGE_KINDS)}")


def view_changes(
    connection: psycopg.Connection, query: LogQuery, kinds: Collection[str] = CHANGE_KINDS
) -> ViewPage[Change]:
    """Changes of who may get what, beside the volume of the hours around them.

    Raises:
        RequestInvalidError: a kind is none of CHANGE_KINDS.
        TamperedError: a hit is not what its leaf or the index says.
    """
    verify_kinds(kinds)
    prefixes = tuple(f"{kind}." for kind in kinds)
    events = tuple(event.value for event in EventType if event.value.startswith(prefixes))
    page = find_entries(connection, replace(query, event=None, events=events))
    return _page(page, _with_volume(connection, page.hits))


def view_readers(connection: psycopg.Connection, query: LogQuery) -> ViewPage[LogHit]:
    """Who searched, exported or verified the log.

    Raises:
        TamperedError: a hit is not what its leaf or the index says.
    """
    events = tuple(event.value for event in READINGS)
    page = find_entries(connection, replace(query, event=None, events=events))
    return _page(page, page.hits)


def view_disclosures(connection: psycopg.Connection, query: LogQuery) -> ViewPage[Disclosure]:
    """To whom the cases of a person were released; `query.cases` are their commitments.

    Raises:
        RequestInvalidError: no case is named.
        TamperedError: a hit is not what its leaf or the index says.
    """
    if query.cases is None:
        raise RequestInvalidError("name a person or a case")
    page = find_entries(connection, replace(query, event=EventType.ACCESS_RELEASE.value))
    profiles = {str(hit.entry["profile"]) for hit in page.hits if "profile" in hit.entry}
    fields = released_fields(connection, profiles)
    ends = _ends_of(connection, page.hits)
    return _page(
        page,
        (
            Disclosure(
                hit.index,
                hit.leaf_hash,
                {name: hit.entry[name] for name in _REPORTED if name in hit.entry},
                fields.get(str(hit.entry.get("profile"))),
                ends.get(hit.index),
            )
            for hit in page.hits
        ),
    )


def _page(page: LogPage, items: Iterable[Item]) -> ViewPage[Item]:
    return ViewPage(list(items), page.next_before, page.signed_size)


def _denial(hit: LogHit) -> Denial:
    code, status = str(hit.entry.get("code")), hit.entry.get("status")
    reason = explain(code, status=status)
    policy = hit.entry.get("policy")
    return Denial(hit.index, hit.leaf_hash, hit.entry, reason.sentence, reason.rule, policy)


def _with_volume(connection: psycopg.Connection, hits: list[LogHit]) -> list[Change]:
    wanted = [
        (hour, str(hit.entry.get("vendor") or "")) for hit in hits for hour in _hours_around(hit)
    ]
    asked = sorted(set(wanted))
    parameters = {
        "hours": [hour for hour, _vendor in asked],
        "vendors": [vendor for _hour, vendor in asked],
    }
    sums = {
        (row[0], row[1]): HourVolume(row[0], int(row[2]), int(row[3]), int(row[4]))
        for row in connection.execute(_VOLUMES, parameters)
    }
    return [
        Change(
            hit.index,
            hit.leaf_hash,
            hit.entry,
            [sums[key] for key in wanted[3 * number : 3 * number + 3]],
        )
        for number, hit in enumerate(hits)
    ]


def _hours_around(hit: LogHit) -> tuple[datetime, datetime, datetime]:
    moment = datetime.fromisoformat(hit.entry["time"])
    hour = moment.replace(minute=0, second=0, microsecond=0)
    return hour - HOUR, hour, hour + HOUR


def _ends_of(
    connection: psycopg.Connection, releases: Iterable[LogHit]
) -> dict[int, Mapping[str, Any]]:
    """How releases ended, by their indexes: an end bears the request and names the release."""
    requests = {str(hit.entry["request"]): hit.index for hit in releases if "request" in hit.entry}
    ends = read_hits(
        connection,
        find_ends(connection, requests),
        LogQuery(event=EventType.ACCESS_END.value),
    )
    found = {hit.entry.get("release"): hit for hit in ends}
    for request, index in requests.items():
        if index not in found:  # lost, or newer than the index
            query = LogQuery(request=request, event=EventType.ACCESS_END.value, limit=1)
            found |= {
                hit.entry.get("release"): hit for hit in find_entries(connection, query).hits
            }
    return {
        release: {"index": hit.index, **{name: hit.entry.get(name) for name in _OF_END}}
        for release, hit in found.items()
        if release is not None
    }


def released_fields(
    connection: psycopg.Connection, profiles: Collection[str]
) -> dict[str, Mapping[str, str]]:
    """The fields of each profile digest, by the policies that the log holds."""
    loaded = read_hits(
        connection,
        find_rules(connection, profiles),
        LogQuery(event=EventType.POLICY_LOADED.value),
    )
    return {
        digest: profile["fields"]
        for hit in loaded
        for digest, profile in hit.entry["profiles"].items()
    }
