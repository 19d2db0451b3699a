"""Holds the log to what writers were promised: pure, so that it can itself be tested."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import orjson

from audit.merkle import leaf_hash
from tests.soak.ledger import Promises

_SHOWN = 20


@dataclass(slots=True)
class Faults:
    """Counts of what is wrong, by kind, and a few of them in words."""

    counts: dict[str, int] = field(default_factory=dict)
    examples: list[str] = field(default_factory=list)

    def add(self, kind: str, words: str = "", *, count: int = 1) -> None:
        if count:
            self.counts[kind] = self.counts.get(kind, 0) + count
            if len(self.examples) < _SHOWN:
                self.examples.append(f"{kind} {words}".rstrip())


@dataclass(frozen=True, slots=True)
class Tally:
    """What was in the log: entries of writers, and those of them nobody was told of.

    Attributes:
        entries: entries of any kind.
        written: entries that writers wrote.
        late: of these, appends that had been refused and landed all the same, once.
        unheard: of these, appends whose writer died before the answer.
    """

    entries: int
    written: int
    late: int
    unheard: int


def check_promises(promises: Promises, entries: Iterable[bytes], faults: Faults) -> Tally:
    """Compares every acknowledgement with the entry at its index; finds entries told twice.

    Args:
        promises: of all writers.
        entries: the whole log, in index order from 0.
        faults: what is found wrong is added here.
    """
    leaves: list[str] = []
    places: dict[str, int] = {}
    for index, entry in enumerate(entries):
        leaves.append(leaf_hash(entry).hex())
        entry_id = written_id(entry)
        if entry_id is None:
            continue
        if entry_id in places:
            faults.add("doubled entry", f"{entry_id} at {places[entry_id]} and {index}")
        places.setdefault(entry_id, index)
    told: set[str] = set()
    for promise in promises.acknowledged:
        name = f"{promise.entry_id} at {promise.index}"
        if promise.entry_id in told:
            faults.add("doubled acknowledgement", name)
        told.add(promise.entry_id)
        if promise.index >= len(leaves):
            faults.add("lost: past the end of the log", name)
        elif places.get(promise.entry_id) != promise.index:
            faults.add("lost: another entry stands there", name)
        elif leaves[promise.index] != promise.leaf_hash:
            faults.add("another leaf hash", name)
    faults.add("append that found the log rewound", count=promises.rewound)
    faults.add("malformed line of a ledger", count=promises.malformed)
    unheard = places.keys() - told
    late = len(unheard & promises.refused)
    return Tally(len(leaves), len(places), late, len(unheard) - late)


def written_id(entry: bytes) -> str | None:
    """The id that a writer gave an entry; None for an entry of somebody else."""
    content = orjson.loads(entry)
    return str(content["request"]) if "writer" in content else None
