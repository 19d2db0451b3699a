"""What the rows stand on: one installation, its processes, and helpers beside them."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import orjson

from keys.authority import CertificateAuthority, new_authority
from tests.installation import Installation

ROOT = Path(__file__).parents[2]
_PATIENCE_SECONDS = 120.0
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Stand:
    """Shared by all rows of a run. `seconds` is the length of a round that has one; `quick` asks
    for sizes that only show that a row runs, `full` for those that take minutes to build."""

    directory: Path
    cases: int
    seconds: float
    connections: int
    workers: int
    import_rows: int
    quick: bool = False
    full: bool = False

    @property
    def cache(self) -> Path:
        """Where a row keeps what it would build again, byte for byte, in the next run."""
        folder = ROOT / "var" / "bench" / "cache"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    @cached_property
    def installation(self) -> Installation:
        """A sandbox that also trusts the bench's own vendor authority."""
        made = Installation.make(self.directory / "sandbox", cases=self.cases)
        with made.settings.resolve(made.settings.tls.vendor_ca).open("ab") as bundle:
            bundle.write(self.authority.certificate_pem)
        return made

    @cached_property
    def authority(self) -> CertificateAuthority:
        """Issues the certificates that the revocation row revokes."""
        now = self.now()
        return new_authority(
            "Casegate bench vendor CA", not_before=now, not_after=now + timedelta(days=2)
        )

    def now(self) -> datetime:
        return datetime.now(tz=UTC)


def start(module: str, *arguments: str, environment: dict[str, str] | None = None) -> "Helper":
    """Starts `python -m tests.bench.MODULE` with pipes to it."""
    command = [sys.executable, "-m", f"tests.bench.{module}", *arguments]
    return Helper(
        subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
    )


@dataclass(frozen=True, slots=True)
class Helper:
    """A process that is told what to do in one line and answers in lines."""

    process: subprocess.Popen[bytes]

    def tell(self, order: dict[str, Any]) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(orjson.dumps(order) + b"\n")
        self.process.stdin.flush()

    def hear(self) -> Any:
        """The next line, as JSON.

        Raises:
            RuntimeError: the process ended instead, or was ended after two silent minutes.
        """
        assert self.process.stdout is not None
        overdue = threading.Timer(_PATIENCE_SECONDS, self.process.kill)
        overdue.start()
        try:
            line = self.process.stdout.readline()
        finally:
            overdue.cancel()
        if not line:
            raise RuntimeError(f"{self.process.args!r} ended with code {self.process.wait()}")
        return orjson.loads(line)

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait(20)
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()


@contextmanager
def helpers(module: str, count: int) -> Iterator[Sequence[Helper]]:
    """Several of them; ended afterwards whatever happens."""
    started = [start(module) for _ in range(count)]
    try:
        yield started
    finally:
        for helper in started:
            helper.end()


def cpu_seconds(root_pid: int) -> float:
    """Processor time of a process and all its living descendants (proc(5), stat)."""
    children: dict[int, list[int]] = {}
    spent: dict[int, float] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal():
            continue
        try:
            # The command's name may hold spaces; the fields that count follow its bracket.
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        pid = int(entry.name)
        children.setdefault(int(fields[1]), []).append(pid)
        spent[pid] = (int(fields[11]) + int(fields[12])) / _TICKS
    total = 0.0
    waiting = [root_pid]
    while waiting:
        pid = waiting.pop()
        total += spent.get(pid, 0.0)
        waiting.extend(children.get(pid, ()))
    return total
