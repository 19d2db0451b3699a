"""What the search index says of entries: worked out from their bytes alone, nothing written."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import orjson

from audit.entry import EventType

# Entries a span; a search by time reads at most one span more than it needs at each end.
SPAN_BITS = 13
USED_KINDS = ("certificate", "route", "source", "purpose", "policy", "profile")
# The rules behind a profile's digest: where a policy with them was loaded.
RULES_KIND = "rules"
_HOUR_LETTERS = len("2026-01-31T08")


@dataclass(frozen=True, slots=True)
class EntryRow:
    """A row of oversight.entry with words still in letters; times are RFC 3339."""

    index: int
    occurred: str
    event: str
    vendor: str | None
    certificate: str | None
    actor: str | None
    code: str | None
    place: int
    length: int
    request: str | None


class VolumeKey(NamedTuple):
    """Of which sums are kept; an empty text stands for none."""

    vendor: str
    hour: str
    event: str
    code: str


class UsedKey(NamedTuple):
    """One thing that a vendor's releases were made with: one of USED_KINDS, or RULES_KIND."""

    vendor: str
    kind: str
    word: str


@dataclass(slots=True)
class Volume:
    """Sums over entries."""

    entries: int = 0
    cases: int = 0
    bytes: int = 0


@dataclass(slots=True)
class Used:
    """Where a thing was used first, and between which times how often."""

    first_index: int
    first_at: str
    last_at: str
    releases: int = 0


@dataclass(slots=True)
class Derivation:
    """What adjoining entries add to the index; entries are given in the order of their index."""

    rows: list[EntryRow] = field(default_factory=list)
    subjects: list[tuple[bytes, int]] = field(default_factory=list)
    released: set[int] = field(default_factory=set)
    ended: set[int] = field(default_factory=set)
    spans: dict[int, tuple[str, str]] = field(default_factory=dict)
    volumes: dict[VolumeKey, Volume] = field(default_factory=dict)
    used: dict[UsedKey, Used] = field(default_factory=dict)

    def add(self, index: int, place: int, entry: bytes) -> None:
        """Takes in one entry; `place` is where its bytes begin in its batch's bundle."""
        content: dict[str, Any] = orjson.loads(entry)
        row = EntryRow(
            index,
            content["time"],
            content["type"],
            content.get("vendor"),
            content.get("certificate"),
            actor_of(content),
            content.get("code"),
            place,
            len(entry),
            content.get("request"),
        )
        self.rows.append(row)
        cases = commitments_of(content)
        for case in cases:
            self.subjects.append((bytes.fromhex(case), index))
        self._add_to_sums(row, len(_listed(content, "cases")), int(content.get("bytes") or 0))
        if row.event == EventType.ACCESS_RELEASE:
            self.released.add(index)
            self._add_use(row, content)
        elif row.event == EventType.ACCESS_END and isinstance(content.get("release"), int):
            self.ended.add(content["release"])
        elif row.event == EventType.POLICY_LOADED and row.vendor is not None:
            for digest in content.get("profiles") or ():
                self._count(UsedKey(row.vendor, RULES_KIND, digest), row)

    def words(self) -> dict[str, bool]:
        """Every word of the rows, and whether it is an event's name."""
        words = dict.fromkeys((key.word for key in self.used), False)
        for row in self.rows:
            for word in (row.vendor, row.certificate, row.actor, row.code):
                if word:
                    words.setdefault(word, False)
        return words | dict.fromkeys((row.event for row in self.rows), True)

    def _add_to_sums(self, row: EntryRow, cases: int, sent: int) -> None:
        block = row.index >> SPAN_BITS
        earliest, latest = self.spans.get(block, (row.occurred, row.occurred))
        self.spans[block] = (min(earliest, row.occurred), max(latest, row.occurred))
        hour = row.occurred[:_HOUR_LETTERS] + ":00:00Z"
        key = VolumeKey(row.vendor or "", hour, row.event, row.code or "")
        volume = self.volumes.get(key)
        if volume is None:
            volume = self.volumes[key] = Volume()
        volume.entries += 1
        volume.cases += cases
        volume.bytes += sent

    def _add_use(self, row: EntryRow, content: Mapping[str, Any]) -> None:
        if row.vendor is None:
            return
        for kind in USED_KINDS:
            word = content.get(kind)
            if word:
                self._count(UsedKey(row.vendor, kind, word), row)

    def _count(self, key: UsedKey, row: EntryRow) -> None:
        used = self.used.get(key)
        if used is None:
            used = self.used[key] = Used(row.index, row.occurred, row.occurred)
        used.first_at = min(used.first_at, row.occurred)
        used.last_at = max(used.last_at, row.occurred)
        used.releases += 1


def commitments_of(content: Mapping[str, Any]) -> list[str]:
    """The commitments in hex of the cases that an entry concerns, each once."""
    return sorted({*_listed(content, "cases"), *_listed(content, "changed")})


def _listed(content: Mapping[str, Any], name: str) -> list[str]:
    """The commitments under a name; some events have a count there, which concerns no one case."""
    found = content.get(name)
    return found if isinstance(found, list) else []


def actor_of(content: Mapping[str, Any]) -> str | None:
    """Which member of the staff, or which command, did what an entry reports."""
    actor: str | None = content.get("actor") or content.get("staff")
    return actor
