"""What writers were promised: one line an acknowledgement, written before it is counted."""

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

ACKNOWLEDGED = "+"
REFUSED = "-"
REWOUND = "!"


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """What append answered for an entry: index, leaf hash in hex, the entry's own id."""

    index: int
    leaf_hash: str
    entry_id: str


@dataclass(slots=True)
class Promises:
    """All that writers wrote down; `rewound` counts appends that said the log went back."""

    acknowledged: list[Acknowledgement] = field(default_factory=list)
    refused: set[str] = field(default_factory=set)
    rewound: int = 0
    malformed: int = 0


class Ledger:
    """The appending end. Each line is one write(2): a killed process loses none it wrote."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self._file)

    def acknowledge(self, index: int, leaf_hash: bytes, entry_id: str) -> None:
        self._write(f"{ACKNOWLEDGED} {index} {leaf_hash.hex()} {entry_id}\n")

    def refuse(self, entry_id: str, *, is_rewound: bool) -> None:
        self._write(f"{REWOUND if is_rewound else REFUSED} {entry_id}\n")

    def _write(self, line: str) -> None:
        if os.write(self._file, line.encode()) != len(line):
            raise OSError("a line of the ledger was cut short")


def read_ledgers(paths: Iterable[Path]) -> Promises:
    """Everything that was written down by writers, living or dead."""
    promises = Promises()
    for path in paths:
        for line in path.read_text().splitlines():
            match line.split(" "):
                case [mark, index, leaf_hash, entry_id] if mark == ACKNOWLEDGED:
                    promises.acknowledged.append(Acknowledgement(int(index), leaf_hash, entry_id))
                case [mark, entry_id] if mark == REFUSED:
                    promises.refused.add(entry_id)
                case [mark, _entry_id] if mark == REWOUND:
                    promises.rewound += 1
                case _:
                    promises.malformed += 1
    return promises
