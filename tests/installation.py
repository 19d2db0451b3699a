"""A real installation under test: sandbox directory, server processes, clients over real TLS."""

import os
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import orjson

from gateway.clock import SystemClock
from gateway.office import Office
from gateway.settings import Settings, load_settings
from gateway.store.database import Database, locate_database
from gateway.trial.morning import next_working_morning
from gateway.trial.sandbox import activate_policies, make_sandbox


def free_port() -> int:
    """A port of loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass(frozen=True)
class Installation:
    """A sandbox made for a test."""

    directory: Path
    settings: Settings

    @classmethod
    def make(
        cls, directory: Path, *, cases: int = 200, enrols: bool = False, calls: bool = False
    ) -> "Installation":
        """Makes a sandbox on free ports with its own embedded PostgreSQL.

        `enrols` adds the third listener, and with it a worker. With `calls` the wall clock stands
        at 10:02 of a working day to come, so that calls are allowed at whatever hour it runs.
        """
        clock = SystemClock()
        settings = make_sandbox(
            directory,
            vendor_port=free_port(),
            company_port=free_port(),
            enrolment_port=free_port() if enrols else None,
            clock=clock,
            cases=cases,
            morning=next_working_morning(clock.now()) if calls else None,
        )
        return cls(directory, settings)

    @property
    def config(self) -> Path:
        return self.directory / "casegate.toml"

    @property
    def vendor_url(self) -> str:
        return f"https://localhost:{self.settings.vendor.port}"

    @property
    def company_url(self) -> str:
        return f"https://localhost:{self.settings.company.port}"

    @property
    def enrolment_url(self) -> str:
        assert self.settings.enrolment is not None
        return f"https://localhost:{self.settings.enrolment.port}"

    def database(self) -> Database:
        return locate_database(load_settings(self.config), announce=False)

    def office(self) -> Office:
        return Office(self.database(), self.settings.make_clock())

    def activate(self) -> None:
        """Puts in force what the files of policies say now, by two made-up persons."""
        activate_policies(self.office())

    def truth(self) -> list[dict[str, Any]]:
        lines = (self.directory / "truth.ndjson").read_bytes().splitlines()
        return [orjson.loads(line) for line in lines]

    def tls(self, folder: str) -> ssl.SSLContext:
        """Client context of `vendors/alpha`, `staff/auditor`, …"""
        base = self.directory / folder
        context = ssl.create_default_context(cafile=str(base / "ca.pem"))
        context.load_cert_chain(base / "client.pem", base / "client.key")
        return context

    @contextmanager
    def vendor(self, vendor_id: str, *, token: str | None = None) -> Iterator[httpx.Client]:
        """A vendor's client with a bound token (its own unless one is given; "" for none)."""
        with httpx.Client(
            base_url=self.vendor_url, verify=self.tls(f"vendors/{vendor_id}"), timeout=10
        ) as client:
            if token is None:
                token = self.token(client)
            if token:
                client.headers["Authorization"] = f"Bearer {token}"
            yield client

    def token(self, client: httpx.Client) -> str:
        answer = client.post("/oauth2/token", data={"grant_type": "client_credentials"})
        answer.raise_for_status()
        return str(answer.json()["access_token"])

    @contextmanager
    def staff(self, role: str) -> Iterator[httpx.Client]:
        with httpx.Client(
            base_url=self.company_url, verify=self.tls(f"staff/{role}"), timeout=30
        ) as client:
            yield client

    @contextmanager
    def serving(self, *, workers: int = 2) -> Iterator[subprocess.Popen[bytes]]:
        """`casegate serve` as a real process; its stderr goes to `serve.log` in the directory."""
        command = [sys.executable, "-m", "gateway.cli", "serve"]
        command += ["--config", str(self.config), "--workers", str(workers)]
        with (self.directory / "serve.log").open("ab") as log:
            process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=log, env={**os.environ}
            )
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line == b"ready\n", (self.directory / "serve.log").read_text()
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            process.wait(40)
            if process.stdout is not None:
                process.stdout.close()

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Any `casegate` command of this installation (`--config` is added)."""
        command = [sys.executable, "-m", "gateway.cli", *arguments, "--config", str(self.config)]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
