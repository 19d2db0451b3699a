"""Witnesses as real processes on loopback, ours and others, for tests."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

from audit.cosignature import CosignatureVerifier
from audit.witness_client import WitnessClient


class WitnessProcess:
    """`python -m audit witness` on a free port of loopback."""

    def __init__(self, directory: Path, *logs: str, name: str = "witness.example/w1") -> None:
        self._directory = directory
        self._logs = logs
        if not (directory / "state").exists():
            made = self._run("witness-init", name)
            (directory / "vkey").write_text(made, encoding="utf-8")
        self.verifier = CosignatureVerifier.from_text(
            (directory / "vkey").read_text(encoding="utf-8").strip()
        )
        self._process: subprocess.Popen[str] | None = None
        self.url = ""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop(signal.SIGTERM)

    def start(self, *, port: int = 0) -> None:
        log_options = [part for log in self._logs for part in ("--log", log)]
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "audit", "witness", "--listen", f"127.0.0.1:{port}"),
                *self._files(),
                *log_options,
            ],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line.startswith("listening on "), "the witness did not start"
        self.url = f"http://{line.removeprefix('listening on ').strip()}"

    def stop(self, number: signal.Signals) -> int:
        """Send a signal and wait; returns the exit status."""
        process, self._process = self._process, None
        if process is None:
            return 0
        process.send_signal(number)
        status = process.wait(10)
        assert process.stdout is not None
        process.stdout.close()
        return status

    def kill(self) -> None:
        self.stop(signal.SIGKILL)

    def client(self) -> WitnessClient:
        return WitnessClient(self.url, self.verifier)

    def _files(self) -> list[str]:
        return ["--key", str(self._directory / "key"), "--state", str(self._directory / "state")]

    def _run(self, command: str, *arguments: str) -> str:
        return subprocess.run(
            [sys.executable, "-m", "audit", command, *self._files(), *arguments],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
