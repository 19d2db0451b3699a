"""A witness as a process: over HTTP, killed at every step, and the client that asks it."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from audit.cosignature import CosignatureSigner
from audit.errors import WitnessRefusedError, WitnessUnavailableError
from audit.merkle import consistency_proof, leaf_hash
from audit.note import SignedNote
from audit.witness.protocol import AddCheckpoint
from audit.witness.state import origin_hash
from audit.witness_client import Prove, WitnessClient
from tests.audit.log_directory import ORIGIN, entries_of, new_signer, new_witness
from tests.audit.log_directory import signed as sign_log
from tests.audit.witness_process import WitnessProcess

LOG = new_signer()
ENTRIES = entries_of(40)
FORK = [*ENTRIES[:10], b"another", *ENTRIES[11:]]


def prover(entries: Sequence[bytes]) -> Prove:
    leaves = [leaf_hash(entry) for entry in entries]
    return lambda old: consistency_proof(leaves, old)


def cosign(client: WitnessClient, entries: Sequence[bytes], old: int = 0) -> str:
    return client.cosign(sign_log(LOG, entries), old_size=old, prove=prover(entries))


@pytest.fixture
def witness(tmp_path: Path) -> Iterator[WitnessProcess]:
    with WitnessProcess(tmp_path, LOG.verifier_key) as process:
        yield process


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WitnessProcess]:
    """One witness for all requests that change nothing."""
    with WitnessProcess(tmp_path_factory.mktemp("asked"), LOG.verifier_key) as process:
        yield process


def get(url: str, path: str) -> tuple[int, str]:
    return exchange(url, "GET", path, None)


def exchange(url: str, method: str, path: str, body: bytes | None) -> tuple[int, str]:
    parts = urlsplit(url)
    connection = HTTPConnection(parts.hostname or "", parts.port, timeout=5)
    try:
        connection.request(method, path, body)
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


def test_a_log_is_cosigned_as_it_grows_and_after_a_restart(witness: WitnessProcess) -> None:
    first = cosign(witness.client(), ENTRIES[:7])
    SignedNote.from_text(first).verify([witness.verifier])
    assert witness.stop(signal.SIGTERM) == 0
    witness.start()

    second = cosign(witness.client(), ENTRIES)

    assert second.startswith(sign_log(LOG, ENTRIES))
    assert get(witness.url, f"/{origin_hash(ORIGIN)}/checkpoint") == (200, second)


def test_a_fork_and_a_rollback_raise_the_alarm(witness: WitnessProcess) -> None:
    cosign(witness.client(), ENTRIES[:20])

    with pytest.raises(WitnessRefusedError, match="another log"):
        cosign(witness.client(), FORK, old=20)
    with pytest.raises(WitnessRefusedError, match="another log"):
        cosign(witness.client(), FORK[:20])
    with pytest.raises(WitnessRefusedError, match="20 entries, the log has 19"):
        cosign(witness.client(), ENTRIES[:19])
    cosign(witness.client(), ENTRIES)


def test_a_witness_killed_outright_never_forgets_what_it_answered(
    witness: WitnessProcess,
) -> None:
    for size in range(1, 40, 9):
        cosign(witness.client(), ENTRIES[:size])
        witness.kill()
        witness.start()
        with pytest.raises(WitnessRefusedError):
            cosign(witness.client(), FORK[: size - 1])
        assert get(witness.url, f"/{origin_hash(ORIGIN)}/checkpoint")[1].split("\n")[1] == str(
            size
        )


DYING = """
import os, signal, sys
from pathlib import Path
left = int(sys.argv[2])
def dying(call):
    def wrapped(*arguments, **options):
        global left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        result = call(*arguments, **options)
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return result
    return wrapped
os.fsync = dying(os.fsync)
Path.replace = dying(Path.replace)
from audit.cosignature import CosignatureSigner
from audit.note import Ed25519Verifier
from audit.witness.cosigner import Cosigner
from audit.witness.state import WitnessState
signer = CosignatureSigner.from_private_text(sys.argv[3])
state = WitnessState(Path(sys.argv[1]), signer.verifier)
cosigner = Cosigner(signer, state, [Ed25519Verifier.from_text(sys.argv[4])])
sys.stdout.write(str(cosigner.add_checkpoint(sys.stdin.buffer.read(), 1_800_000_000).status))
"""


def test_a_witness_dying_at_any_step_has_recorded_what_it_said(tmp_path: Path) -> None:
    from audit.witness.state import WitnessState

    signer: CosignatureSigner = new_witness()
    WitnessState.create(tmp_path / "state", signer.verifier)
    sizes = []
    for step in range(20):
        state = WitnessState(tmp_path / "state", signer.verifier)
        note = state.newest(origin_hash(ORIGIN))
        state.close()
        old = 0 if note is None else int(note.split("\n")[1])
        sizes.append(old)
        entries = ENTRIES[: step + 1]
        proof = prover(entries)(old)
        ended = subprocess.run(
            [
                *(sys.executable, "-c", DYING, str(tmp_path / "state"), str(step)),
                *(signer.to_private_text(), LOG.verifier_key),
            ],
            input=AddCheckpoint(old, tuple(proof), sign_log(LOG, entries)).to_body(),
            check=False,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(Path.cwd())},
        )
        if ended.returncode == 0:
            assert ended.stdout == b"200"
            break
        assert ended.stdout == b""

    # Six steps: before and after each of flushing, renaming, flushing the folder.
    assert step == 6
    assert sizes == sorted(sizes)


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/", None, 404),
        ("GET", "/add-checkpoint", None, 405),
        ("POST", "/add-checkpoint", b"nonsense", 400),
        ("POST", "/add-checkpoint", b"x" * 262_145, 413),
        ("GET", "/../identity", None, 404),
        ("DELETE", "/x/checkpoint", None, 404),
    ],
)
def test_other_requests_get_their_status(
    asked: WitnessProcess, method: str, path: str, body: bytes | None, status: int
) -> None:
    assert exchange(asked.url, method, path, body)[0] == status


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"nonsense\r\n\r\n", b"400"),
        (b"GET / HTTP/2.0\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", b"400"),
        (b"POST /add-checkpoint HTTP/1.1\r\n\r\n", b"411"),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", b"411"),
        (b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", b"400"),
        (b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 40_000 + b"\r\n\r\n", b"431"),
        (b"GET / HTTP/1.0\r\n\r\n", b"404"),
    ],
)
def test_what_is_hardly_http_is_answered_and_hung_up_on(
    asked: WitnessProcess, sent: bytes, status: bytes
) -> None:
    parts = urlsplit(asked.url)
    with socket.create_connection((parts.hostname, parts.port), timeout=5) as connection:
        connection.sendall(sent)
        assert connection.recv(100).startswith(b"HTTP/1.1 " + status)


def test_a_client_that_waits_for_leave_to_send_gets_it(asked: WitnessProcess) -> None:
    parts = urlsplit(asked.url)
    head = b"POST /add-checkpoint HTTP/1.1\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n"
    with socket.create_connection((parts.hostname, parts.port), timeout=5) as connection:
        connection.sendall(head)
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"x")
        assert connection.recv(100).startswith(b"HTTP/1.1 400")


def test_a_witness_that_cannot_be_reached_or_is_another_is_unavailable(
    witness: WitnessProcess,
) -> None:
    with pytest.raises(WitnessUnavailableError):
        cosign(WitnessClient(witness.url, new_witness().verifier), ENTRIES)
    with pytest.raises(WitnessUnavailableError, match="status 404"):
        cosign(WitnessClient(f"{witness.url}/elsewhere", witness.verifier), ENTRIES)
    witness.kill()
    with pytest.raises(WitnessUnavailableError):
        cosign(witness.client(), ENTRIES)
    for url in ("ftp://127.0.0.1", "http://", "http://127.0.0.1:port"):
        with pytest.raises(WitnessUnavailableError):
            WitnessClient(url, witness.verifier)


def test_a_witness_that_sends_byte_after_byte_is_given_up() -> None:
    import threading
    import time

    ended = threading.Event()

    def drip(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.sendall(b"HTTP/1.1 200 OK\r\n")
            for _ in range(100):
                if ended.wait(0.05):
                    return
                try:
                    connection.sendall(b"X")
                except OSError:
                    return

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=drip, args=(listener,))
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        client = WitnessClient(url, new_witness().verifier, timeout_seconds=0.4)
        start = time.monotonic()
        with pytest.raises(WitnessUnavailableError):
            cosign(client, ENTRIES)
        assert time.monotonic() - start < 3
        ended.set()
        thread.join()


def test_a_witness_is_made_once_and_does_not_run_without_its_state(tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from audit.cli import application

    files = ["--key", str(tmp_path / "key"), "--state", str(tmp_path / "state")]
    run = ["witness", *files, "--log", LOG.verifier_key]

    assert CliRunner().invoke(application, run).exit_code == 1
    made = CliRunner().invoke(application, ["witness-init", "w.example/1", *files])
    assert made.output.startswith("w.example/1+")
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    assert CliRunner().invoke(application, ["witness-init", "w.example/1", *files]).exit_code == 1
    (tmp_path / "state/identity").unlink()
    assert CliRunner().invoke(application, run).exit_code == 1
    assert CliRunner().invoke(application, [*run, "--listen", "nowhere"]).exit_code == 2
