"""What the vendor still holds: each case that went out under the contract, out of the log.

The log is read backwards from its newest entry, page by page, each hit held to its leaf hash.
How far it has come is written with what was found, so that a run that was killed goes on there.
"""

import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson
import psycopg

from audit.entry import EventType
from gateway.clock import rfc3339
from gateway.offboarding.record import Offboarding
from gateway.oversight.search import LogHit, LogQuery, find_entries

FILE_NAME = "inventory.ndjson"
# A release has up to 500 cases: so many are in memory at a time.
_PAGE = 50
_ROWS = 2000
# Both sides are read whole. Right after they were written the planner knows nothing of their
# sizes, and would look through one for each row of the other.
_WHOLE = "SET LOCAL enable_nestloop = off; SET LOCAL cursor_tuple_fraction = 1"
# Profiles travel as one text a case: SQL has no arrays of arrays of different lengths.
_GATHER = """
INSERT INTO casegate.offboarding_item AS i (contract_id, commitment, first_index, first_at,
       last_index, last_at, releases, profiles)
SELECT %s, n.commitment, n.first_index, n.first_at, n.last_index, n.last_at, n.releases,
       string_to_array(n.profiles, ',')
  FROM unnest(%s::bytea[], %s::bigint[], %s::timestamptz[], %s::bigint[], %s::timestamptz[],
              %s::bigint[], %s::text[])
       AS n(commitment, first_index, first_at, last_index, last_at, releases, profiles)
    ON CONFLICT (contract_id, commitment) DO UPDATE
   SET first_index = least(i.first_index, excluded.first_index),
       first_at = least(i.first_at, excluded.first_at),
       last_index = greatest(i.last_index, excluded.last_index),
       last_at = greatest(i.last_at, excluded.last_at),
       releases = i.releases + excluded.releases,
       profiles = (SELECT array_agg(DISTINCT p ORDER BY p)
                     FROM unnest(i.profiles || excluded.profiles) p)
"""
_SCANNED = "UPDATE casegate.offboarding SET scanned_to = %s WHERE contract_id = %s"
_ITEMS = """
SELECT i.commitment, i.first_index, i.first_at, i.last_index, i.last_at, i.releases, i.profiles,
       a.case_ref
  FROM casegate.offboarding_item i
  LEFT JOIN casegate.assigned_case a
    ON a.vendor_id = %(vendor)s AND a.contract_id = %(contract)s AND a.commitment = i.commitment
 WHERE i.contract_id = %(contract)s
 ORDER BY i.commitment
"""
_NEVER_RELEASED = """
SELECT count(*) FROM casegate.assigned_case a
 WHERE a.vendor_id = %(vendor)s AND a.contract_id = %(contract)s AND NOT EXISTS (
   SELECT FROM casegate.offboarding_item i
    WHERE i.contract_id = %(contract)s AND i.commitment = a.commitment)
"""


@dataclass(slots=True)
class _Found:
    """A case in one page of releases."""

    first: tuple[int, datetime]
    last: tuple[int, datetime]
    releases: int = 0
    profiles: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Inventory:
    """The written inventory: `sha256` of the file in hex, `size` in bytes; cases and releases."""

    sha256: str
    size: int
    cases: int
    releases: int
    erased: int
    never_released: int
    profiles: Mapping[str, Mapping[str, str] | None]

    def document(self) -> dict[str, Any]:
        """As the report says it."""
        return {
            "file": FILE_NAME,
            "sha256": self.sha256,
            "bytes": self.size,
            "cases": self.cases,
            "releases_of_cases": self.releases,
            "cases_erased_since": self.erased,
            "assigned_but_never_released": self.never_released,
            "fields_by_profile": {name: self.profiles[name] for name in sorted(self.profiles)},
        }


def gather(connection: psycopg.Connection, offboarding: Offboarding) -> None:
    """Collects every release of the contract from the log; goes on where an earlier run stopped.

    A release whose body was stopped on its way is counted too: the vendor may hold it.

    Raises:
        TamperedError: an entry is not what its leaf or the index says.
    """
    # From the newest entry on, not from the end's own: a worker that had not heard yet may have
    # released a page meanwhile. By now all have heard, or refuse because they hear nothing.
    before = offboarding.scanned_to
    while before != 0:
        page = find_entries(
            connection,
            LogQuery(
                vendor=offboarding.vendor_id,
                event=EventType.ACCESS_RELEASE.value,
                before=before,
                limit=_PAGE,
            ),
        )
        before = page.next_before or 0
        with connection.transaction():
            _add(connection, offboarding.contract_id, page.hits)
            connection.execute(_SCANNED, (before, offboarding.contract_id))


def write_inventory(
    connection: psycopg.Connection, offboarding: Offboarding, directory: Path
) -> Inventory:
    """Writes what was gathered as NDJSON, one case a line in the order of commitments.

    The file is there whole or not at all (mode 600). Memory does not grow with the cases.

    Raises:
        TamperedError: the entry that says what a profile let out is not what its leaf says.
        OSError: the directory cannot be written.
    """
    fields = _fields_of_profiles(connection, offboarding.vendor_id, offboarding.contract_id)
    names = {"vendor": offboarding.vendor_id, "contract": offboarding.contract_id}
    digest, size, cases, releases, erased = hashlib.sha256(), 0, 0, 0, 0
    seen: set[str] = set()
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = directory / f"{FILE_NAME}.{os.getpid()}.part"
    try:
        part.touch(mode=0o600)
        with part.open("wb") as file:
            for row in _items(connection, names):
                line = _line(row, fields)
                file.write(line)
                digest.update(line)
                size += len(line)
                cases += 1
                releases += row[5]
                erased += row[7] is None
                seen |= set(row[6])
            file.flush()
            os.fsync(file.fileno())
        part.replace(directory / FILE_NAME)
    finally:
        with suppress(FileNotFoundError):
            part.unlink()
    with connection.transaction():
        connection.execute(_WHOLE)
        never = connection.execute(_NEVER_RELEASED, names).fetchone()
    assert never is not None
    known = {profile: fields.get(profile) for profile in seen}
    return Inventory(digest.hexdigest(), size, cases, releases, erased, int(never[0]), known)


def _add(connection: psycopg.Connection, contract_id: str, hits: list[LogHit]) -> None:
    found: dict[str, _Found] = {}
    for hit in hits:  # newest first
        if hit.entry.get("contract") != contract_id:
            continue
        place = (hit.index, datetime.fromisoformat(hit.entry["time"]))
        for case in hit.entry["cases"]:
            item = found.setdefault(case, _Found(place, place))
            item.first = min(item.first, place)
            item.last = max(item.last, place)
            item.releases += 1
            item.profiles.add(str(hit.entry["profile"]))
    if not found:
        return
    items = found.values()
    connection.execute(
        _GATHER,
        (
            contract_id,
            [bytes.fromhex(case) for case in found],
            [item.first[0] for item in items],
            [item.first[1] for item in items],
            [item.last[0] for item in items],
            [item.last[1] for item in items],
            [item.releases for item in items],
            [",".join(sorted(item.profiles)) for item in items],
        ),
    )


def _items(connection: psycopg.Connection, names: Mapping[str, str]) -> Iterator[tuple[Any, ...]]:
    with connection.transaction(), connection.cursor(name="inventory") as cursor:
        connection.execute(_WHOLE)
        cursor.itersize = _ROWS
        yield from cursor.execute(_ITEMS, names)


def _line(row: tuple[Any, ...], fields: Mapping[str, Mapping[str, str]]) -> bytes:
    commitment, first_index, first_at, last_index, last_at, releases, profiles, case_ref = row
    names = sorted({name for profile in profiles for name in fields.get(profile, ())})
    return (
        orjson.dumps(
            {
                # None when the person has been erased since: nothing links the case to him.
                "case_ref": case_ref,
                "commitment": bytes(commitment).hex(),
                "fields": names,
                "profiles": profiles,
                "releases": releases,
                "first": {"receipt": first_index, "at": rfc3339(first_at)},
                "last": {"receipt": last_index, "at": rfc3339(last_at)},
            }
        )
        + b"\n"
    )


def _fields_of_profiles(
    connection: psycopg.Connection, vendor_id: str, contract_id: str
) -> dict[str, Mapping[str, str]]:
    """What each profile's digest let out, field by level, as policies were loaded."""
    fields: dict[str, Mapping[str, str]] = {}
    before: int | None = None
    while True:
        page = find_entries(
            connection,
            LogQuery(vendor=vendor_id, event=EventType.POLICY_LOADED.value, before=before),
        )
        for hit in page.hits:
            if hit.entry.get("contract") == contract_id:
                for profile, rules in hit.entry["profiles"].items():
                    fields[profile] = rules["fields"]
        before = page.next_before
        if not before:
            return fields
