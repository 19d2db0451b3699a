"""The supervisor: ready when all accept, one sentence when it cannot, nothing left behind."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.installation import Installation, free_port
from tests.promises.ledger import locked_log
from tests.promises.processes import children_of, is_running, vendor_workers, wait_until
from tests.promises.wire import Wire


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """An installation that each test starts, or fails to start, by itself."""
    return Installation.make(tmp_path_factory.mktemp("stopped") / "sandbox", cases=20)


def serve(
    installation: Installation, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """`casegate serve` that is expected to give up."""
    command = [sys.executable, "-m", "gateway.cli", "serve", "--config"]
    command += [str(installation.config), "--workers", "1"]
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=40,
        check=False,
        env={**os.environ, **(environment or {})},
    )


def verify_gave_up(
    installation: Installation, ended: subprocess.CompletedProcess[str], *words: str
) -> None:
    """It ended with 1, was never ready, said why in plain words, and no process is left."""
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert "Traceback" not in ended.stderr
    told = [line for line in ended.stderr.splitlines() if line.startswith("casegate: ")]
    assert any(word in line for line in told for word in words), ended.stderr
    assert wait_until(lambda: not processes_of(installation), seconds=20)
    assert is_port_free(installation.settings.vendor.port)
    assert is_port_free(installation.settings.company.port)


def processes_of(installation: Installation) -> list[int]:
    """Processes of any kind that serve this installation."""
    config = str(installation.config).encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if config in command and b"gateway." in command:
            found.append(int(folder.name))
    return found


def is_port_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def test_when_ready_every_worker_accepts(stopped: Installation) -> None:
    with stopped.serving(workers=3) as supervisor:
        children = children_of(supervisor.pid)
        with stopped.vendor("alpha") as client, stopped.staff("auditor") as auditor:
            assert client.get("/v1/cases").status_code == 200
            assert auditor.get("/company/v1/log/entries").status_code == 200

    kinds = sorted(
        kind
        for command in children.values()
        for kind in ("worker vendor", "worker company", "publisher")
        if kind in command
    )
    assert kinds == ["publisher", "worker company", *["worker vendor"] * 3]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_with_0_and_leaves_no_process(
    stopped: Installation, number: signal.Signals
) -> None:
    with stopped.serving(workers=2) as supervisor:
        children = list(children_of(supervisor.pid))
        supervisor.send_signal(number)
        code = supervisor.wait(15)

    assert code == 0
    # Two vendor workers, one for the company, publisher, clockwork, the watcher of notes.
    assert len(children) == 6
    assert not [pid for pid in children if is_running(pid)]
    assert is_port_free(stopped.settings.vendor.port)


def test_a_request_under_way_is_answered_before_the_end(stopped: Installation) -> None:
    with stopped.serving(workers=1) as supervisor:
        with stopped.vendor("alpha") as client:
            token = client.headers["Authorization"].removeprefix("Bearer ")
        with Wire(stopped.settings.vendor.port, stopped.tls("vendors/alpha")) as wire:
            assert wire.ask("/v1/cases?limit=1", token=token).status == 200
            with locked_log(stopped):
                wire.send("/v1/cases", token=token)
                time.sleep(0.3)
                supervisor.send_signal(signal.SIGTERM)
                time.sleep(0.3)
            assert wire.receive().status == 200
        assert supervisor.wait(15) == 0


def test_a_killed_worker_is_started_again_and_serves(stopped: Installation) -> None:
    with stopped.serving(workers=1) as supervisor:
        killed = vendor_workers(supervisor.pid)[0]
        os.kill(killed, signal.SIGKILL)

        assert wait_until(lambda: vendor_workers(supervisor.pid) not in ([], [killed]), seconds=20)
        with stopped.vendor("alpha") as client:
            assert client.get("/v1/cases").status_code == 200
    assert '"worker.died"' in (stopped.directory / "serve.log").read_text()


def test_a_killed_supervisor_takes_its_processes_with_it(stopped: Installation) -> None:
    with stopped.serving(workers=2) as supervisor:
        children = list(children_of(supervisor.pid))
        supervisor.kill()
        supervisor.wait(5)

        assert wait_until(lambda: not [pid for pid in children if is_running(pid)], seconds=20), [
            pid for pid in children if is_running(pid)
        ]
    assert is_port_free(stopped.settings.vendor.port)


@pytest.mark.parametrize("listener", ["vendor", "company"])
def test_a_taken_port_is_one_sentence(stopped: Installation, listener: str) -> None:
    address = stopped.settings.vendor if listener == "vendor" else stopped.settings.company
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", address.port))
        other.listen()
        ended = serve(stopped)

    verify_gave_up(stopped, ended, f"127.0.0.1:{address.port}")
    assert f"[{listener}]" in ended.stderr


def _missing(path: Path) -> None:
    path.unlink()


def _readable_by_others(path: Path) -> None:
    path.chmod(0o644)


def _altered(path: Path) -> None:
    path.write_bytes(
        b"-----BEGIN %b-----\nbm90IGEga2V5\n-----END %b-----\n" % ((b"PRIVATE KEY",) * 2)
    )


def _of_another_kind(path: Path) -> None:
    path.write_bytes(b"0" * 7)


@pytest.fixture
def spoiled(
    stopped: Installation, request: pytest.FixtureRequest
) -> Iterator[tuple[str, subprocess.CompletedProcess[str]]]:
    """A file of the installation spoiled for one start, then as it was before."""
    name, spoil = request.param
    path = stopped.directory / name
    content, mode = path.read_bytes(), path.stat().st_mode
    spoil(path)
    try:
        yield name, serve(stopped)
    finally:
        path.unlink(missing_ok=True)
        path.write_bytes(content)
        path.chmod(mode)


SPOILS: list[tuple[str, Callable[[Path], None]]] = [
    ("secrets/kek.key", _missing),
    ("secrets/kek.key", _readable_by_others),
    ("secrets/token-signing.pem", _altered),
    ("secrets/server.key", _readable_by_others),
    ("secrets/server.key", _altered),
    ("secrets/database.json", _of_another_kind),
    ("ca/vendor-ca.pem", _missing),
]


@pytest.mark.parametrize(
    "spoiled", SPOILS, ids=lambda spoil: f"{spoil[0]}{spoil[1].__name__}", indirect=True
)
def test_a_spoiled_file_is_one_sentence_and_nothing_starts(
    stopped: Installation, spoiled: tuple[str, subprocess.CompletedProcess[str]]
) -> None:
    name, ended = spoiled

    words = ["token key"] if name == "secrets/token-signing.pem" else [Path(name).name]
    verify_gave_up(stopped, ended, *words)


def test_a_missing_log_signing_key_keeps_it_from_starting(stopped: Installation) -> None:
    path = stopped.directory / "secrets/log-signing.pem"
    content = path.read_bytes()
    path.unlink()
    try:
        ended = serve(stopped)
    finally:
        path.write_bytes(content)
        path.chmod(0o600)

    verify_gave_up(stopped, ended, "log-signing.pem")


def test_a_database_that_does_not_answer_is_one_sentence(stopped: Installation) -> None:
    url = f"postgresql://postgres:secret@127.0.0.1:{free_port()}/casegate"
    ended = serve(stopped, {"CASEGATE_DATABASE_URL": url})

    verify_gave_up(stopped, ended, "PostgreSQL does not answer")
    assert "secret" not in ended.stderr


def test_a_malformed_setting_is_one_sentence(stopped: Installation) -> None:
    sound = stopped.config.read_text()
    stopped.config.write_text(sound.replace("workers = 2", 'workers = "many"'))
    try:
        ended = serve(stopped)
    finally:
        stopped.config.write_text(sound)

    verify_gave_up(stopped, ended, "vendor.workers")
