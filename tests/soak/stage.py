"""The processes of a soak: writers, two publishers, a witness, each started again when it dies."""

import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from gateway.store.database import Database
from tests.installation import Installation, free_port
from tests.soak.server import FragileServer
from tests.soak.writer import URL_VARIABLE

_END_SECONDS = 30.0
_WITNESS = "witness.example/soak"
EXPORTS = ("log", "log-2")


@dataclass(slots=True)
class Member:
    """One process and how to start it; `lives` counts the starts."""

    name: str
    kind: str
    process: subprocess.Popen[bytes] | None = None
    lives: int = 0

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid


@dataclass(slots=True)
class Stage:
    """A sandbox with a database of its own, and whoever works on its log."""

    installation: Installation
    database: Database
    server: FragileServer
    in_flight: int
    members: list[Member] = field(default_factory=list)
    witness_vkey: str = ""

    @classmethod
    def make(cls, directory: Path, *, writers: int, in_flight: int) -> "Stage":
        """Makes the installation, names a witness to its first publisher, starts nothing yet."""
        installation = Installation.make(directory / "sandbox", cases=1)
        settings = installation.settings
        # Once: to ask again is to connect, and to start a server that is not running.
        database = installation.database()
        server = FragileServer(
            settings.resolve(settings.database.embedded_directory), database.owner_url
        )
        stage = cls(installation, database, server, in_flight)
        stage._make_witness()
        stage.members = [
            *(Member(f"writer-{number + 1}", "writer") for number in range(writers)),
            *(Member(f"publisher-{number + 1}", "publisher") for number in range(len(EXPORTS))),
            Member("witness", "witness"),
        ]
        return stage

    @property
    def directory(self) -> Path:
        return self.installation.directory

    @property
    def exports(self) -> list[Path]:
        """The log directories that the publishers write."""
        return [self.directory / "var" / name for name in EXPORTS]

    @property
    def ledgers(self) -> list[Path]:
        return sorted(self.directory.glob("*.ledger"))

    def of_kind(self, *kinds: str) -> list[Member]:
        return [member for member in self.members if member.kind in kinds]

    def start(self, member: Member) -> None:
        """Starts a process, in place of the one before."""
        member.lives += 1
        command, environment = self._command(member)
        with (self.directory / f"{member.name}.log").open("ab") as log:
            member.process = subprocess.Popen(
                command,
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def kill(self, member: Member) -> None:
        """SIGKILL and wait."""
        if member.process is not None:
            member.process.kill()
            member.process.wait()

    def end(self, *kinds: str) -> list[str]:
        """SIGTERM and wait; returns the names of those that ended otherwise than by it.

        One that has only just been started may not have put its handler in place.
        """
        ending = [member for member in self.of_kind(*kinds) if member.process is not None]
        for member in ending:
            assert member.process is not None
            member.process.send_signal(signal.SIGCONT)
            member.process.terminate()
        failed = []
        for member in ending:
            assert member.process is not None
            try:
                code = member.process.wait(_END_SECONDS)
            except subprocess.TimeoutExpired:
                member.process.kill()
                code = member.process.wait()
            member.process = None
            if code not in {0, -signal.SIGTERM}:
                failed.append(f"{member.name} ({code})")
        return failed

    def stops(self) -> int:
        """How often a publisher said that it stopped for good."""
        logs = [self.directory / f"{member.name}.log" for member in self.of_kind("publisher")]
        return sum(path.read_text().count('"publisher.stopped"') for path in logs)

    def _command(self, member: Member) -> tuple[list[str], dict[str, str]]:
        database = self.database
        if member.kind == "writer":
            name = f"{member.name}.{member.lives}"
            ledger = str(self.directory / f"{name}.ledger")
            command = ["-m", "tests.soak.writer", name, ledger, str(self.in_flight)]
            return [sys.executable, *command], {URL_VARIABLE: database.conninfo("vendor")}
        if member.kind == "publisher":
            config = str(self.directory / f"{member.name}.toml")
            command = ["-m", "gateway.serving.child", config, "publisher"]
            return [sys.executable, *command], {"CASEGATE_OWNER_URL": database.owner_url}
        return [
            *(sys.executable, "-m", "audit", "witness", "--listen", self._listen),
            *("--log", (self.directory / "log.vkey").read_text().strip()),
            *self._witness_files(),
        ], {}

    @property
    def _listen(self) -> str:
        return (self.directory / "witness.address").read_text()

    def _witness_files(self) -> list[str]:
        names = {"--key": "witness-seed", "--state": "witness-state"}
        return [part for option, name in names.items() for part in (option, self._file(name))]

    def _file(self, name: str) -> str:
        return str(self.directory / name)

    def _make_witness(self) -> None:
        made = subprocess.run(
            [*(sys.executable, "-m", "audit", "witness-init", _WITNESS), *self._witness_files()],
            check=True,
            capture_output=True,
            text=True,
        )
        self.witness_vkey = made.stdout.strip()
        (self.directory / "witness.address").write_text(f"127.0.0.1:{free_port()}")
        settings = self.installation.config.read_text()
        # One witness for one publisher: a second one that is a round behind would look to it
        # like a log that went back.
        witnesses = (
            f'witnesses = [{{ url = "http://{self._listen}", vkey = "{self.witness_vkey}" }}]\n'
        )
        export = f'export = "var/{EXPORTS[0]}"\n'
        assert export in settings
        for number, name in enumerate(EXPORTS, 1):
            lines = f'export = "var/{name}"\n' + (witnesses if number == 1 else "")
            path = self.directory / f"publisher-{number}.toml"
            path.write_text(settings.replace(export, lines))
