"""A log read from servers that lie, stall, cut off and send elsewhere."""

import pickle
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from typer.testing import CliRunner

from audit.cli import application
from audit.directory import verify_directory
from audit.errors import TamperedError, UnverifiableError
from audit.http_source import HTTPSource
from audit.tile_source import DirectorySource
from audit.tile_tree import TileTree
from audit.tlog_proof import TlogProof
from tests.audit.http_server import Request, Responder, answering
from tests.audit.log_directory import (
    entries_of,
    files_of,
    new_signer,
    policy_of,
    policy_text,
    write_log,
)

LOG = new_signer()
ENTRIES = entries_of(600)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    write_log(tmp_path / "log", LOG, ENTRIES)
    return tmp_path / "log"


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    path = tmp_path / "policy.txt"
    path.write_text(policy_text(LOG), encoding="utf-8")
    return path


def serving(files: dict[str, bytes]) -> Responder:
    """Serves a log under any prefix."""

    def respond(request: Request) -> None:
        body = files.get(request.path.removeprefix("/a/log").removeprefix("/"))
        request.answer(404) if body is None else request.answer(200, body)

    return respond


@pytest.fixture
def served(log: Path) -> Iterator[str]:
    with answering(serving(files_of(log))) as url:
        yield f"{url}/a/log/"


def run(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(application, [*map(str, arguments)])
    return result.exit_code, result.output


def source_of(stack: ExitStack, respond: Responder, *, timeout: float = 5) -> HTTPSource:
    url = stack.enter_context(answering(respond))
    return stack.enter_context(closing(HTTPSource(url, timeout_seconds=timeout)))


def test_a_served_log_is_verified_proven_and_followed_like_one_on_disk(
    served: str, log: Path, policy: Path
) -> None:
    status, output = run("verify", served, "--policy", policy)
    assert status == 0, output
    assert "verified: 600 entries" in output

    assert run("prove", 7, "--log", served) == run("prove", 7, "--log", log)
    assert TlogProof.from_text(run("prove", 7, "--log", served)[1]).index == 7
    assert run("consistency", 300, 600, "--log", served) == (
        run("consistency", 300, 600, "--log", log)
    )


def test_a_worker_process_can_be_handed_a_served_log(served: str) -> None:
    with closing(pickle.loads(pickle.dumps(HTTPSource(served)))) as source:  # noqa: S301 - ours
        assert verify_directory(source, policy_of(LOG)).entries == 600


def test_one_connection_serves_many_tiles(log: Path) -> None:
    files = files_of(log)
    ports = set()

    def respond(request: Request) -> None:
        ports.add(request.client_address[1])
        request.answer(200, files[request.path[1:]])

    with ExitStack() as stack:
        verify_directory(source_of(stack, respond), policy_of(LOG))

    assert len(ports) == 1


def test_a_connection_closed_between_two_tiles_is_opened_again(log: Path) -> None:
    files = files_of(log)

    def respond(request: Request) -> None:
        request.answer(200, files[request.path[1:]])
        request.close_connection = True  # without having said so

    with ExitStack() as stack:
        report = verify_directory(source_of(stack, respond), policy_of(LOG))

    assert report.entries == 600


def test_an_entry_that_the_server_altered_is_found(log: Path, policy: Path) -> None:
    files = files_of(log)
    bundle = "tile/entries/001"
    files[bundle] = files[bundle].replace(b"entry 300", b"entry 30X")

    with answering(serving(files)) as url:
        status, output = run("verify", url, "--policy", policy)

    assert status == 1, output
    assert "TAMPERED: entry 300:" in output


def test_a_missing_file_is_none() -> None:
    with ExitStack() as stack:
        assert source_of(stack, lambda request: request.answer(404)).read("x", 10) is None
        assert source_of(stack, lambda request: request.answer(410)).read("x", 10) is None
        # What S3 says of an object that is not there to somebody who may not list.
        assert source_of(stack, lambda request: request.answer(403)).read("x", 10) is None


def _cut_short(request: Request) -> None:
    request.answer(200, b"x" * 50, Content_Length="100")
    request.close_connection = True


def _chunks_cut_short(request: Request) -> None:
    request.send_response(200)
    request.send_header("Transfer-Encoding", "chunked")
    request.end_headers()
    request.wfile.write(b"64\r\n" + b"x" * 50)
    request.close_connection = True


def _without_end(request: Request) -> None:
    request.send_response(200)
    request.end_headers()
    request.wfile.write(b"x" * 50)
    request.close_connection = True


def _endless_chunks(request: Request) -> None:
    request.send_response(200)
    request.send_header("Transfer-Encoding", "chunked")
    request.end_headers()
    while True:
        request.wfile.write(b"400\r\n" + b"x" * 1024 + b"\r\n")


def _no_http(request: Request) -> None:
    request.wfile.write(b"\x00\x01\x02\r\n\r\n")
    request.close_connection = True


MISBEHAVIOURS: dict[str, Responder] = {
    "a body cut short": _cut_short,
    "chunks cut short": _chunks_cut_short,
    "a body that only the connection ends": _without_end,
    "a body over the limit": lambda request: request.answer(200, b"x" * 101),
    "a length over the limit": lambda request: request.answer(200, Content_Length="9" * 12),
    "chunks without end": _endless_chunks,
    "an encoding": lambda request: request.answer(200, b"x", Content_Encoding="gzip"),
    "a redirect": lambda request: request.answer(302, Location="http://127.0.0.1/checkpoint"),
    "a lasting redirect": lambda request: request.answer(308, Location="/elsewhere"),
    "an error": lambda request: request.answer(500, b"sorry"),
    "a refusal": lambda request: request.answer(401),
    "no HTTP": _no_http,
}


@pytest.mark.parametrize("name", MISBEHAVIOURS)
def test_a_server_that_misbehaves_proves_nothing(name: str) -> None:
    with ExitStack() as stack:
        source = source_of(stack, MISBEHAVIOURS[name], timeout=3)

        with pytest.raises(UnverifiableError, match="checkpoint"):
            source.read("checkpoint", 100)


def _drip(request: Request, released: threading.Event, *, in_head: bool) -> None:
    if not in_head:
        request.send_response(200)
        request.send_header("Content-Length", "100")
        request.end_headers()
    while not released.wait(0.05):
        request.wfile.write(b"x")
        request.wfile.flush()


@pytest.mark.parametrize("in_head", [True, False])
def test_a_server_that_sends_a_byte_at_a_time_is_left_after_the_deadline(
    in_head: bool,  # noqa: FBT001 - a pytest parameter
) -> None:
    released = threading.Event()
    with ExitStack() as stack:
        source = source_of(
            stack, lambda request: _drip(request, released, in_head=in_head), timeout=0.5
        )
        began = time.monotonic()
        try:
            with pytest.raises(UnverifiableError):
                source.read("checkpoint", 100)
            seconds = time.monotonic() - began
        finally:
            released.set()

    assert seconds < 3


def test_a_server_that_is_not_there_proves_nothing(policy: Path) -> None:
    with answering(lambda request: request.answer(404)) as url:
        pass

    status, output = run("verify", url, "--policy", policy)

    assert status == 2
    assert "CANNOT TELL" in output


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.com/log",
        "https://",
        "https://user:word@example.com/log",
        "https://example.com/log?x=1",
        "https://example.com/log#x",
        "https://example.com:port/log",
        "https://[::1/log",
    ],
)
def test_a_url_of_another_shape_is_refused(url: str) -> None:
    with pytest.raises(UnverifiableError):
        HTTPSource(url)


def test_a_proxy_of_the_environment_is_not_asked_for_loopback(
    served: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)

    with closing(HTTPSource(served)) as source:
        assert source.read("checkpoint", 10_000) is not None


def test_a_proxy_of_the_environment_is_asked_for_the_rest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = []

    def respond(request: Request) -> None:
        asked.append((request.path, request.headers["Proxy-Authorization"]))
        request.answer(200, b"text")

    with answering(respond) as url:
        monkeypatch.setenv("http_proxy", url.replace("http://", "http://me:word@"))
        for name in ("no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
        with closing(HTTPSource("http://log.example:8080/a")) as source:
            assert source.read("checkpoint", 10) == b"text"

    assert asked == [("http://log.example:8080/a/checkpoint", "Basic bWU6d29yZA==")]


def test_what_is_wrong_is_still_told_when_the_end_of_the_log_is_gone(log: Path) -> None:
    files = files_of(log)
    del files["tile/0/002.p/88"]

    with ExitStack() as stack:
        source = source_of(stack, serving(files))
        with pytest.raises(UnverifiableError, match=r"missing: tile/0/002\.p/88"):
            verify_directory(source, policy_of(LOG))
        assert TileTree(source, 512).root(512) == TileTree(DirectorySource(log), 512).root(512)
        files["tile/0/000"] = b"short"
        with pytest.raises(TamperedError):
            TileTree(source, 512).leaf(3)
