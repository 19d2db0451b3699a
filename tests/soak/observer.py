"""Somebody outside who keeps every checkpoint that he ever saw published."""

import threading
from dataclasses import dataclass, field
from pathlib import Path

from audit.checkpoint import Checkpoint
from audit.note import SignedNote
from tests.soak.checker import Faults

_POLL_SECONDS = 0.03


@dataclass(slots=True)
class Observer:
    """Polls the `checkpoint` files of log directories in a thread of its own."""

    directories: list[Path]
    seen: dict[Path, list[str]] = field(default_factory=dict)
    _stopping: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        self._thread = threading.Thread(target=self._watch, name="observer")
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()

    def newest_size(self, directory: Path, *, cosigned: bool = False) -> int:
        """The size of the last (cosigned) checkpoint seen there; 0 before the first."""
        for note in reversed(list(self.seen.get(directory, ()))):
            if not cosigned or len(SignedNote.from_text(note).signatures) > 1:
                return checkpoint_of(note).size
        return 0

    def check_order(self, faults: Faults) -> None:
        """No directory ever went back, and no size was ever published with two roots."""
        roots: dict[int, bytes] = {}
        for directory, notes in self.seen.items():
            size = 0
            for note in notes:
                checkpoint = checkpoint_of(note)
                if checkpoint.size < size:
                    faults.add("checkpoint that went back", f"{directory.name} {size}")
                if roots.setdefault(checkpoint.size, checkpoint.root) != checkpoint.root:
                    faults.add("two roots for one size", f"{directory.name} {checkpoint.size}")
                size = checkpoint.size

    def _watch(self) -> None:
        while not self._stopping.wait(_POLL_SECONDS):
            self._look()
        self._look()

    def _look(self) -> None:
        for directory in self.directories:
            try:
                note = (directory / "checkpoint").read_bytes().decode()
            except FileNotFoundError:
                continue
            notes = self.seen.setdefault(directory, [])
            if not notes or notes[-1] != note:
                notes.append(note)


def checkpoint_of(note: str) -> Checkpoint:
    return Checkpoint.from_body(SignedNote.from_text(note).body)
