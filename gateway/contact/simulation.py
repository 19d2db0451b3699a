"""A law pack tried on what vendors really asked: what it would have refused, before it decides."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import pairwise
from multiprocessing import get_context
from typing import Any, Protocol

import psycopg

from gateway.contact.past import NOBODY, Span
from gateway.contact.replay import Findings, Replay
from gateway.errors import ReplayEndedError
from keys.kek import KeyEncryptionKey
from policies.contact.calendar import china_calendar
from policies.contact.packs import ContactPack, read_contact_pack
from policies.contact.rules import compile_contact_rules

# A share of the debtors at a time, by the first byte of their keys: it fits in memory.
_SHARES = 256
_WORKERS = 2
# Fewer than this are done here, sooner than two processes have started.
_WORTH_WORKERS = 20_000
_COUNT = """
SELECT count(*) FILTER (WHERE person_mac <> %(nobody)s),
       count(*) FILTER (WHERE person_mac = %(nobody)s)
  FROM casegate.contact
 WHERE vendor_id IS NOT NULL AND requested_at >= %(since)s AND requested_at < %(until)s
"""
# The pack decides as if it had been in force all the time.
_ALWAYS = datetime(1970, 1, 1, tzinfo=UTC)

Progress = Callable[[int, int], None]
"""Permits replayed so far, and all of them."""


class Archive(Protocol):
    """Where a process of a replay reads; it travels to it, so it has to be picklable."""

    def connection(self) -> psycopg.Connection:
        """A connection of the company's role, for whoever asked to close."""
        ...

    def kek(self) -> KeyEncryptionKey:
        """What opens cases: the zone of a debtor stands in them."""
        ...


@dataclass(frozen=True, slots=True)
class TriedPack:
    """A pack as it travels to a process."""

    text: str
    file: str
    parameters: Mapping[str, str | None]

    def read(self) -> ContactPack:
        """The pack, as if it had always been in force; PolicyFileError when it cannot be."""
        pack = read_contact_pack(self.text, self.file, self.parameters)
        return replace(pack, begins=_ALWAYS, ends=None)


@dataclass(frozen=True, slots=True)
class PackSimulation:
    """What a pack would have done from `since` until `until`.

    `erased` permits are of debtors who were erased since, and are not replayed.
    """

    pack: str
    version: str
    digest: str
    since: datetime
    until: datetime
    findings: Findings
    erased: int

    @property
    def permits(self) -> int:
        """Those that were granted and are replayed."""
        return self.findings.permits.total()

    @property
    def refused(self) -> int:
        """Those that would not have been granted."""
        return self.findings.refused.total()

    @property
    def percent(self) -> float:
        """The same in percent."""
        return _percent(self.refused, self.permits)

    def document(self) -> dict[str, Any]:
        """Everything as JSON; a rule's percent is of all permits, a permit may meet several."""
        found = self.findings
        return {
            "pack": self.pack,
            "version": self.version,
            "digest": self.digest,
            "since": self.since,
            "until": self.until,
            "permits": self.permits,
            "refused": self.refused,
            "percent": self.percent,
            "refusals": found.refusals,
            "refused_again": found.refused_again,
            "erased": self.erased,
            "by_rule": {
                rule: {"refused": count, "percent": _percent(count, self.permits)}
                for rule, count in found.by_rule.most_common()
            },
            "by_vendor": _shares(found, 0),
            "by_day": _shares(found, 1),
            "examples": [str(permit) for permit in found.examples],
        }


def simulate_pack(
    archive: Archive,
    tried: TriedPack,
    *,
    since: datetime,
    until: datetime,
    progress: Progress = lambda _done, _all: None,
) -> PackSimulation:
    """Replays the permits and refusals of a time under one pack alone.

    Whatever else was in force had said yes to the permits already, so that only this pack's rules
    can change them. Agents and scripts are asked with the dates that are kept of them.

    Raises:
        PolicyFileError: the pack cannot be read.
        ReplayEndedError: a process of the replay died.
    """
    pack = tried.read()
    with archive.connection() as connection:
        times = {"since": since, "until": until, "nobody": NOBODY}
        row = connection.execute(_COUNT, times).fetchone()
    assert row is not None
    wanted, erased = row
    found = Findings()
    progress(0, wanted)
    spans = list(_spans(since, until))
    results = (
        _in_processes(archive, tried, spans)
        if wanted >= _WORTH_WORKERS
        else _here(archive, tried, spans)
    )
    for each in results:
        found.add(each)
        progress(found.permits.total(), wanted)
    return PackSimulation(pack.pack_id, pack.version, pack.digest, since, until, found, erased)


def _spans(since: datetime, until: datetime) -> Iterator[Span]:
    edges = [bytes([byte]) + bytes(31) for byte in range(_SHARES)]
    # Longer than any key, so that the last share has an end too.
    edges.append(b"\xff" * 33)
    for first, last in pairwise(edges):
        yield Span(first, last, since, until)


def _here(archive: Archive, tried: TriedPack, spans: list[Span]) -> Iterator[Findings]:
    with archive.connection() as connection:
        replay = _replay(connection, archive, tried)
        for span in spans:
            yield replay.run(span)


def _in_processes(archive: Archive, tried: TriedPack, spans: list[Span]) -> Iterator[Findings]:
    # Spawned, not forked: the caller may have threads, for instance of a progress bar.
    with ProcessPoolExecutor(
        _WORKERS, get_context("spawn"), initializer=_open, initargs=(archive, tried)
    ) as pool:
        try:
            yield from pool.map(_run, spans)
        except BrokenProcessPool as error:
            raise ReplayEndedError(
                "a process of the replay ended; the machine may be short of memory"
            ) from error


# A process connects and compiles once, not once a span.
_replays: list[Replay] = []


def _open(archive: Archive, tried: TriedPack) -> None:
    _replays.append(_replay(archive.connection(), archive, tried))


def _run(span: Span) -> Findings:
    return _replays[0].run(span)


def _replay(connection: psycopg.Connection, archive: Archive, tried: TriedPack) -> Replay:
    rules = compile_contact_rules([tried.read()], china_calendar())
    return Replay(connection, rules, archive.kek())


def _shares(found: Findings, part: int) -> dict[str, dict[str, float]]:
    """Permits and refused ones by vendor (part 0) or day (part 1)."""
    permits: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    for place, count in found.permits.items():
        permits[str(place[part])] += count
        refused[str(place[part])] += found.refused[place]
    return {
        name: {
            "permits": permits[name],
            "refused": refused[name],
            "percent": _percent(refused[name], permits[name]),
        }
        for name in sorted(permits)
    }


def _percent(part: int, whole: int) -> float:
    return round(100 * part / whole, 3) if whole else 0.0
