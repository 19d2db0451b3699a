"""A running service when the store fails: the rows of deploy/runbooks/log-failures.md."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

import httpx
import psycopg
import pytest

from audit.directory import verify_directory
from audit.policy import TrustPolicy
from audit.tile_source import DirectorySource
from gateway.installation import published_size
from tests.installation import Installation
from tests.promises.ledger import log_size, logged_entries
from tests.promises.processes import children_of, wait_until
from tests.soak.observer import checkpoint_of
from tests.soak.server import FragileServer

pytestmark = pytest.mark.long

_UNAVAILABLE = {"AUDIT_UNAVAILABLE", "DATABASE_UNAVAILABLE", "TRUST_STALE"}
_DISK = "256m"


@contextmanager
def fragile(directory: Path) -> Iterator[tuple[Installation, FragileServer]]:
    """A small installation whose PostgreSQL the test may break."""
    installation = Installation.make(directory, cases=10)
    settings = installation.settings
    server = FragileServer(
        settings.resolve(settings.database.embedded_directory),
        installation.database().owner_url,
    )
    try:
        yield installation, server
    finally:
        server.close()


@pytest.fixture
def sandbox(open_directory: Path) -> Iterator[tuple[Installation, FragileServer]]:
    with fragile(open_directory / f"fragile-{uuid4().hex[:8]}") as made:
        yield made


@pytest.fixture
def small_disk(open_directory: Path) -> Iterator[tuple[Installation, FragileServer, Path]]:
    """The same on a small disk of its own: database, exported log and the service's log file."""
    disk = open_directory / f"small-{uuid4().hex[:8]}"
    disk.mkdir(mode=0o755)
    command = ["mount", "-t", "tmpfs", "-o", f"mode=755,size={_DISK}", "casegate-test", str(disk)]
    if subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("a small disk cannot be mounted here: needs root")
    try:
        with fragile(disk) as (installation, server):
            yield installation, server, disk
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


def pull(client: httpx.Client) -> httpx.Response | None:
    """One pull; None when the connection is cut, as it is while revocations are not heard."""
    with suppress(httpx.HTTPError):
        return client.get("/v1/cases", params={"limit": 2})
    return None


def is_served(client: httpx.Client) -> bool:
    answer = pull(client)
    return answer is not None and answer.status_code == 200


def refusals(client: httpx.Client, *, seconds: float) -> tuple[set[str], float]:
    """The codes of what a client that goes on asking is told, and the longest answer."""
    codes: set[str] = set()
    slowest = 0.0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        began = time.monotonic()
        answer = pull(client)
        slowest = max(slowest, time.monotonic() - began)
        if answer is not None:
            codes.add("" if answer.status_code == 200 else str(answer.json()["code"]))
            assert ("casegate-receipt" in answer.headers) == (answer.status_code == 200)
    return codes, slowest


def verify_whole(installation: Installation) -> None:
    ended = installation.run("audit", "verify")
    assert ended.returncode == 0, ended.stderr


def has_told(installation: Installation, event: str) -> bool:
    return f'"{event}"' in (installation.directory / "serve.log").read_text()


def test_on_a_full_disk_nothing_leaves_and_with_room_it_goes_on(
    small_disk: tuple[Installation, FragileServer, Path],
) -> None:
    installation, server, disk = small_disk
    with installation.serving(workers=1), installation.vendor("alpha") as client:
        assert is_served(client)
        ballast = disk / "ballast"
        with ballast.open("wb") as file, suppress(OSError):
            while True:
                file.write(bytes(65_536))
                file.flush()
        # What PostgreSQL has reserved is used up first; those releases are logged.
        assert wait_until(lambda: not is_served(client), seconds=30)
        told, slowest = refusals(client, seconds=3)
        ballast.unlink()
        server.start()  # it has ended if its own journal had no room
        assert wait_until(lambda: is_served(client), seconds=30)
        released = pull(client)

    assert told
    assert told <= _UNAVAILABLE
    assert slowest < 5
    assert released is not None
    receipts = [entry.receipt for entry in logged_entries(installation)]
    assert released.headers["casegate-receipt"] in receipts
    verify_whole(installation)


def test_a_database_that_comes_back_as_an_older_copy_is_served_and_signed_no_more(
    sandbox: tuple[Installation, FragileServer], tmp_path: Path
) -> None:
    installation, server = sandbox
    data = installation.settings.resolve(installation.settings.database.embedded_directory)
    checkpoint = installation.directory / "var" / "log" / "checkpoint"
    with installation.serving(workers=1), installation.vendor("alpha") as client:
        assert is_served(client)
        server.stop("fast")
        copied = shutil.copytree(data, tmp_path / "older", symlinks=True)
        server.start()
        assert wait_until(lambda: is_served(client), seconds=20)
        for _pull in range(5):
            assert is_served(client)
        size = log_size(installation)
        assert wait_until(lambda: published_size(installation.settings) >= size, seconds=20)
        published = checkpoint.read_text()
        server.stop("fast")
        _put_in_place(copied, data)
        server.start()
        assert wait_until(lambda: has_told(installation, "publisher.stopped"), seconds=20)
        assert refusals(client, seconds=3)[0] <= _UNAVAILABLE
        heads = _signed_sizes(installation)

    # A restart forgets what the processes saw; the published directory does not.
    (installation.directory / "serve.log").unlink()
    with installation.serving(workers=1):
        context = installation.tls("vendors/alpha")
        with httpx.Client(base_url=installation.vendor_url, verify=context, timeout=10) as client:
            answer = client.post("/oauth2/token", data={"grant_type": "client_credentials"})
        assert wait_until(lambda: has_told(installation, "publisher.stopped"), seconds=20)

    assert (answer.status_code, answer.json()["code"]) == (503, "AUDIT_UNAVAILABLE")
    assert max(heads) < size
    assert _signed_sizes(installation) == heads
    assert checkpoint_of(checkpoint.read_text()) == checkpoint_of(published)


def _put_in_place(copied: Path, data: Path) -> None:
    """The older copy's files under the directory that the server knows, with their owner."""
    owner = data.stat()
    shutil.rmtree(data)
    shutil.copytree(copied, data, symlinks=True)
    data.chmod(0o700)
    for path in (data, *data.rglob("*")):
        os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)


def _signed_sizes(installation: Installation) -> list[int]:
    with psycopg.connect(installation.database().owner_url) as connection:
        rows = connection.execute("SELECT size FROM audit.signed_head ORDER BY size").fetchall()
    return [int(row[0]) for row in rows]


_HOLDER = """
import os, signal, sys
from datetime import UTC, datetime
import psycopg
from audit.entry import EventType
from gateway.evidence import record_with_change
with psycopg.connect(sys.argv[1], autocommit=True) as connection, connection.transaction():
    record_with_change(
        connection, EventType.CASE_RECALLED, at=datetime.now(tz=UTC), actor="held"
    )
    print("holding", flush=True)
    os.kill(os.getpid(), signal.SIGSTOP)
"""


@contextmanager
def stopped_holder(installation: Installation) -> Iterator[subprocess.Popen[str]]:
    """A command that has the log's tail locked and is stopped before it commits."""
    command = [sys.executable, "-c", _HOLDER, installation.database().conninfo("company")]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "holding\n"
        try:
            yield process
        finally:
            process.send_signal(signal.SIGCONT)
            process.communicate(timeout=10)


def test_a_stopped_command_that_holds_the_log_is_cut_off(
    sandbox: tuple[Installation, FragileServer],
) -> None:
    installation, _server = sandbox
    with installation.serving(workers=1), installation.vendor("alpha") as client:
        assert is_served(client)
        with stopped_holder(installation) as holder:
            refused, slowest = refusals(client, seconds=0.5)
            assert wait_until(lambda: is_served(client), seconds=8)

    assert holder.returncode == 1
    assert refused <= {"AUDIT_UNAVAILABLE", ""}
    assert slowest < 5
    assert not [
        entry for entry in logged_entries(installation) if entry.fields.get("actor") == "held"
    ]
    verify_whole(installation)


def test_a_stopped_backend_of_the_log_costs_a_deadline_and_not_the_service(
    sandbox: tuple[Installation, FragileServer],
) -> None:
    installation, server = sandbox
    with installation.serving(workers=1), installation.vendor("alpha") as client:
        assert is_served(client)
        backends = set(server.backends())
        held = _log_backends(installation)
        for pid in held:
            os.kill(pid, signal.SIGSTOP)
        try:
            answer = pull(client)
            is_back = wait_until(lambda: is_served(client), seconds=10)
        finally:
            for pid in held:
                os.kill(pid, signal.SIGCONT)

    assert set(held) <= backends
    assert held
    assert answer is not None
    assert answer.status_code in {200, 503}
    assert is_back
    verify_whole(installation)


def _log_backends(installation: Installation) -> list[int]:
    with psycopg.connect(installation.database().owner_url) as connection:
        rows = connection.execute(
            "SELECT pid FROM pg_stat_activity WHERE application_name = 'casegate-audit'"
            " AND usename = %s",
            (installation.database().roles.vendor,),
        ).fetchall()
    return [int(row[0]) for row in rows]


@pytest.mark.parametrize("has_own_directory", [False, True])
def test_two_publishers_sign_one_history(
    sandbox: tuple[Installation, FragileServer],
    has_own_directory: bool,  # noqa: FBT001 - a pytest parameter
) -> None:
    installation, _server = sandbox
    config = installation.config
    exports = [installation.directory / "var" / "log"]
    if has_own_directory:
        config = installation.directory / "second.toml"
        text = installation.config.read_text().replace('"var/log"', '"var/log-2"')
        config.write_text(text)
        exports.append(installation.directory / "var" / "log-2")
    with installation.serving(workers=1) as supervisor, installation.vendor("alpha") as client:
        second = subprocess.Popen(
            [sys.executable, "-m", "gateway.serving.child", str(config), "publisher"],
            env={**os.environ, "CASEGATE_OWNER_URL": installation.database().owner_url},
            stderr=subprocess.DEVNULL,
        )
        try:
            for _pull in range(40):
                assert is_served(client)
                time.sleep(0.1)
            size = log_size(installation)
            assert wait_until(lambda: _is_at(exports, size), seconds=20)
            publishers = [
                command
                for command in children_of(supervisor.pid).values()
                if "publisher" in command
            ]
            assert len(publishers) == 1
            assert second.poll() is None
        finally:
            second.terminate()
            second.wait(15)

    assert not has_told(installation, "publisher.stopped")
    sizes = _signed_sizes(installation)
    assert len(set(sizes)) == len(sizes) > 3
    verify_whole(installation)
    key = (installation.directory / "log.vkey").read_text().strip()
    policy = TrustPolicy.from_text(f"log {key}\nquorum none\n")
    for directory in exports:
        assert verify_directory(DirectorySource(directory), policy).entries >= size


def _is_at(exports: list[Path], size: int) -> bool:
    notes = [directory / "checkpoint" for directory in exports]
    return all(note.exists() and checkpoint_of(note.read_text()).size >= size for note in notes)
