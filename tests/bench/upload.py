"""Row: a recording of 1 GiB comes in; what counts is the memory of the worker that takes it."""

import base64
import hashlib
import http.client
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from statistics import median
from time import monotonic
from uuid import uuid4

import orjson

from gateway.clock import rfc3339
from gateway.intake.recordings_place import recordings_directory
from tests.bench.harness import Sample, Target
from tests.bench.stand import Stand

_MIB = 1024 * 1024
_VENDOR = "alpha"
_TUS = {"Tus-Resumable": "1.0.0"}


class Uploading:
    """One request with the whole recording: sealed, hashed, flushed, compared, put in its place.
    The figure is the highest resident memory that any process of ours ever had."""

    name = "upload"
    unit = "MiB"
    target = Target(200.0, at_most=True)
    has_warmup = False

    _stand: Stand
    _server: int
    _size: int
    _sha256: str
    _block: bytes

    @contextmanager
    def open(self, stand: Stand) -> Iterator[None]:
        self._stand = stand
        self._size = (32 if stand.quick else 1024) * _MIB
        self._block = b"OggS" + bytes(range(256)) * (_MIB // 256)
        self._block = self._block[:_MIB]
        whole = hashlib.sha256()
        for _ in range(self._size // _MIB):
            whole.update(self._block)
        self._sha256 = whole.hexdigest()
        with stand.installation.serving(workers=1) as process:
            self._server = process.pid
            yield

    def ours(self) -> Sample:
        installation = self._stand.installation
        connection = http.client.HTTPSConnection(
            "localhost",
            installation.settings.vendor.port,
            context=installation.tls(f"vendors/{_VENDOR}"),
            timeout=120,
        )
        try:
            return self._upload(connection)
        finally:
            connection.close()
            shutil.rmtree(recordings_directory(installation.settings) / "kept", True)  # noqa: FBT003

    def peer(self) -> None:
        return None

    def figure(self, samples: Sequence[Sample]) -> float:
        return max(sample.value for sample in samples)

    def note(self, ours: Sequence[Sample]) -> str:
        speed = median(sample.details["mib_per_s"] for sample in ours)
        return f"{self._size // _MIB:,} MiB in one request at {speed:,.0f} MiB/s, the client's TLS"

    def _upload(self, connection: http.client.HTTPSConnection) -> Sample:
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        answer = _ask(connection, "POST", "/oauth2/token", form, b"grant_type=client_credentials")
        token = {"Authorization": f"Bearer {orjson.loads(answer[1])['access_token']}", **_TUS}
        headers = {"Upload-Length": str(self._size), "Upload-Metadata": self._metadata()}
        created = _ask(connection, "POST", "/v1/recordings", token | headers, b"")
        place = created[0]["Location"].partition("/v1/")[2]
        part = {"Content-Type": "application/offset+octet-stream", "Upload-Offset": "0"}
        part["Content-Length"] = str(self._size)
        blocks = (self._block for _ in range(self._size // _MIB))
        began = monotonic()
        _ask(connection, "PATCH", f"/v1/{place}", token | part, blocks)
        taken = monotonic() - began
        shown = orjson.loads(_ask(connection, "GET", f"/v1/{place}", token, b"")[1])
        if shown["state"] != "verified":
            raise RuntimeError(f"the upload is {shown['state']}")
        speed = self._size / _MIB / taken
        return Sample(_highest_memory(self._server) / _MIB, details={"mib_per_s": speed})

    def _metadata(self) -> str:
        ended = self._stand.now() - timedelta(minutes=1)
        said = {
            "call_id": f"bench-{uuid4().hex}",
            "sha256": self._sha256,
            "bytes": str(self._size),
            "codec": "ogg",
            "duration_s": "3600",
            "started_at": rfc3339(ended - timedelta(hours=2)),
            "ended_at": rfc3339(ended),
            "notice_given": "true",
        }
        pairs = ((name, base64.b64encode(word.encode()).decode()) for name, word in said.items())
        return ",".join(f"{name} {word}" for name, word in pairs)


def _ask(
    connection: http.client.HTTPSConnection,
    method: str,
    path: str,
    headers: dict[str, str],
    body: bytes | Iterator[bytes],
) -> tuple[http.client.HTTPMessage, bytes]:
    connection.request(method, path, body, headers)
    response = connection.getresponse()
    content = response.read()
    if response.status >= 300:
        raise RuntimeError(f"{method} {path}: {response.status} {content!r}")
    return response.headers, content


def _highest_memory(root_pid: int) -> int:
    """VmHWM in bytes (proc(5)), the largest of a process and its descendants, PostgreSQL's not."""
    parents: dict[int, int] = {}
    peaks: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal():
            continue
        try:
            lines = (entry / "status").read_text().splitlines()
        except OSError:
            continue
        said = dict(line.split(":", 1) for line in lines if ":" in line)
        if "VmHWM" not in said or said["Name"].strip() == "postgres":
            continue
        parents[int(entry.name)] = int(said["PPid"])
        peaks[int(entry.name)] = int(said["VmHWM"].split()[0]) * 1024

    def is_ours(pid: int) -> bool:
        while pid in parents:
            if pid == root_pid:
                return True
            pid = parents[pid]
        return False

    return max(peak for pid, peak in peaks.items() if is_ours(pid))
