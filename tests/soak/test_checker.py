"""The soak's checker finds each kind of broken promise: planted here one at a time."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from audit.merkle import leaf_hash
from tests.soak.checker import Faults, check_promises
from tests.soak.ledger import Acknowledgement, Ledger, Promises, read_ledgers

_FOREIGN = orjson.dumps({"type": "log.started"})


def entry(name: str) -> bytes:
    return orjson.dumps({"request": name, "writer": "w"})


def sound() -> tuple[Promises, list[bytes]]:
    """Five entries of writers beside one of somebody else; all five were acknowledged."""
    entries = [entry("a"), entry("b"), _FOREIGN, entry("c"), entry("d"), entry("e")]
    acknowledged = [
        Acknowledgement(index, leaf_hash(found).hex(), orjson.loads(found)["request"])
        for index, found in enumerate(entries)
        if found != _FOREIGN
    ]
    return Promises(acknowledged), entries


def faults_of(promises: Promises, entries: list[bytes]) -> dict[str, int]:
    faults = Faults()
    check_promises(promises, entries, faults)
    return faults.counts


def test_kept_promises_have_no_fault() -> None:
    promises, entries = sound()
    faults = Faults()

    tally = check_promises(promises, entries, faults)

    assert not faults.counts
    assert (tally.entries, tally.written, tally.late, tally.unheard) == (6, 5, 0, 0)


def _cut(_promises: Promises, entries: list[bytes]) -> None:
    del entries[-1]


def _remove(_promises: Promises, entries: list[bytes]) -> None:
    del entries[1]


def _swap(_promises: Promises, entries: list[bytes]) -> None:
    entries[0], entries[1] = entries[1], entries[0]


def _edit(_promises: Promises, entries: list[bytes]) -> None:
    entries[1] = orjson.dumps({"request": "b", "writer": "x"})


def _double(_promises: Promises, entries: list[bytes]) -> None:
    entries.append(entries[0])


def _double_promise(promises: Promises, entries: list[bytes]) -> None:
    promises.acknowledged.append(promises.acknowledged[0])
    assert entries


def _misplace_promise(promises: Promises, entries: list[bytes]) -> None:
    promises.acknowledged[0] = replace(promises.acknowledged[0], index=1)
    assert entries


def _rewind(promises: Promises, entries: list[bytes]) -> None:
    promises.rewound = 1
    assert entries


@pytest.mark.parametrize(
    ("plant", "found"),
    [
        (_cut, {"lost: past the end of the log": 1}),
        (_remove, {"lost: another entry stands there": 3, "lost: past the end of the log": 1}),
        (_swap, {"lost: another entry stands there": 2}),
        (_edit, {"another leaf hash": 1}),
        (_double, {"doubled entry": 1}),
        (_double_promise, {"doubled acknowledgement": 1}),
        (_misplace_promise, {"lost: another entry stands there": 1}),
        (_rewind, {"append that found the log rewound": 1}),
    ],
)
def test_a_broken_promise_is_found(
    plant: Callable[[Promises, list[bytes]], None], found: dict[str, int]
) -> None:
    promises, entries = sound()
    plant(promises, entries)

    assert faults_of(promises, entries) == found


def test_what_was_refused_may_have_landed_once() -> None:
    promises, entries = sound()
    late = promises.acknowledged.pop()
    unheard = promises.acknowledged.pop()
    promises.refused = {late.entry_id, "never landed"}
    faults = Faults()

    tally = check_promises(promises, entries, faults)

    assert not faults.counts
    assert (tally.late, tally.unheard) == (1, 1)
    assert unheard.entry_id not in promises.refused


def test_a_ledger_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "w.ledger"
    with Ledger(path) as ledger:
        ledger.acknowledge(7, b"\x01" * 32, "w.1")
        ledger.refuse("w.2", is_rewound=False)
        ledger.refuse("w.3", is_rewound=True)
    with path.open("a") as torn:
        torn.write("+ 8 0101")

    promises = read_ledgers([path])

    assert promises.acknowledged == [Acknowledgement(7, "01" * 32, "w.1")]
    assert promises.refused == {"w.2"}
    assert (promises.rewound, promises.malformed) == (1, 1)
