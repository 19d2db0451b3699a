"""`casegate-vendor` against a served installation, as a vendor runs it."""

import csv
import io
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson
import pytest
from typer.testing import CliRunner
from typing_extensions import override

from gateway.client.command import app
from gateway.client.configuration import load_client_settings
from gateway.client.connection import Connection
from gateway.client.errors import RefusedError
from gateway.client.uploads import RecordingFile, upload_recording
from gateway.trial.call_centre import SCRIPT, agent_refs, caller_number
from tests.gateway.intake.uploading import wav
from tests.installation import Installation

# Everything served, more than once: left to `make test-long`.
pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def config(calling_gateway: Installation, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A vendor's directory, as its administrator made it."""
    folder = tmp_path_factory.mktemp("vendor")
    for name in ("ca.pem", "client.pem", "client.key"):
        shutil.copy(calling_gateway.directory / "vendors" / "alpha" / name, folder / name)
    port = urlsplit(calling_gateway.vendor_url).port
    path = folder / "casegate-vendor.toml"
    path.write_text(f'url = "https://localhost:{port}"\n')
    return path


def run(config: Path, *arguments: str) -> tuple[int, list[dict[str, Any]]]:
    """Exit code and the lines of JSON that it printed; errors travel on."""
    done = CliRunner().invoke(app, [*arguments, "--config", str(config)], catch_exceptions=False)
    return done.exit_code, [orjson.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def cases(config: Path, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    path = tmp_path_factory.mktemp("pulled") / "cases.ndjson"
    assert run(config, "pull", str(path)) == (0, [{"cases": 30, "file": str(path)}])
    return [orjson.loads(line) for line in path.read_bytes().splitlines()]


def test_cases_come_whole_as_lines_and_as_a_table(
    config: Path, cases: list[dict[str, Any]], tmp_path: Path
) -> None:
    path = tmp_path / "cases.csv"

    assert run(config, "pull", str(path))[0] == 0

    text = path.read_bytes()
    assert text.startswith("\ufeff".encode())
    rows = list(csv.DictReader(io.StringIO(text.decode("utf-8-sig"))))
    assert {row["case_ref"] for row in rows} == {case["case_ref"] for case in cases}
    assert path.stat().st_mode & 0o077 == 0
    assert [left.name for left in tmp_path.iterdir()] == ["cases.csv"]


def test_a_permit_is_asked_shown_and_closed_and_a_refusal_tells_its_rules(
    config: Path, cases: list[dict[str, Any]]
) -> None:
    wish = ["permit", "ask", "--case", cases[0]["case_ref"], "--agent", agent_refs("alpha")[0]]
    wish += ["--script", SCRIPT, "--version", "1", "--caller", caller_number(1)]

    code, [permit] = run(config, *wish, "--key", "k-1")
    assert (code, permit["decision"]) == (0, "granted")
    assert run(config, *wish, "--key", "k-1")[1][0]["permit_id"] == permit["permit_id"]
    assert run(config, "permit", "show", permit["permit_id"])[1][0]["state"] == "granted"
    assert run(config, "permit", "close", permit["permit_id"], "NO_ANSWER")[0] == 0
    code, [refused] = run(config, *[word.replace(SCRIPT, "no-such") for word in wish])
    assert (code, refused["decision"]) == (1, "denied")
    assert refused["codes"]


def test_records_are_sent_once_however_often_the_file_is_sent(
    config: Path, cases: list[dict[str, Any]], tmp_path: Path, calling_gateway: Installation
) -> None:
    now = calling_gateway.settings.make_clock().now()
    rows = [
        {
            "call_id": f"client-{number}",
            "case_ref": cases[1]["case_ref"],
            "agent": agent_refs("alpha")[0],
            "started_at": (now - timedelta(minutes=9 - number)).isoformat(),
            "ended_at": (now - timedelta(minutes=9 - number, seconds=-20)).isoformat(),
            "talk_s": 0,
            "result_code": "NO_ANSWER",
        }
        for number in range(3)
    ]
    path = tmp_path / "calls.ndjson"
    path.write_bytes(b"\n".join(orjson.dumps(row) for row in [*rows, {"call_id": "bad"}]))

    first = run(config, "records", str(path), "--batch", "2")
    again = run(config, "records", str(path), "--batch", "2")

    assert first[0] == 1
    assert [(row["index"], row["outcome"]) for row in first[1]] == [(3, "rejected")]
    assert again == first


def test_a_recording_is_uploaded_resumed_and_not_sent_twice(
    config: Path, tmp_path: Path, calling_gateway: Installation
) -> None:
    path = tmp_path / "call.wav"
    path.write_bytes(wav(30))
    ended = calling_gateway.settings.make_clock().now() - timedelta(minutes=1)
    times = [f"--started-at={(ended - timedelta(minutes=2)).isoformat()}"]
    times += [f"--ended-at={ended.isoformat()}"]

    code, [done] = run(config, "upload", str(path), "--call-id", "client-0", *times)
    again = run(config, "upload", str(path), "--call-id", "client-0", *times)

    assert (code, [done]) == again
    path.write_bytes(wav(30, fill=b"x"))
    with pytest.raises(RefusedError, match="RECORDING_CHANGED"):
        run(config, "upload", str(path), "--call-id", "client-0", *times)


def test_an_upload_goes_on_after_breaks(
    config: Path, tmp_path: Path, calling_gateway: Installation
) -> None:
    path = tmp_path / "call.wav"
    path.write_bytes(wav(60))
    ended = calling_gateway.settings.make_clock().now() - timedelta(minutes=1)
    recording = RecordingFile(path, "client-broken", ended - timedelta(minutes=2), ended)
    connection = _Breaking(load_client_settings(config))
    seen: list[int] = []

    upload_recording(
        connection,
        recording,
        part=100_000,
        progress=lambda sent, _size: seen.append(sent),
        pause=lambda _seconds: None,
    )

    connection.close()
    assert connection.breaks == 2
    assert seen == sorted(seen)
    assert seen[-1] == path.stat().st_size


class _Breaking(Connection):
    """Loses the answer of every second part, which did come in."""

    breaks = 0
    parts = 0

    @override
    def ask(self, method: str, path: str, **options: Any) -> Any:
        from gateway.client.errors import UnreachableError

        answer = super().ask(method, path, **options)
        self.parts += method == "PATCH"
        if method == "PATCH" and self.parts % 2 == 0 and self.breaks < 3:
            self.breaks += 1
            raise UnreachableError("the answer is lost")
        return answer


def test_changes_are_told_once_with_a_cursor_file(config: Path, tmp_path: Path) -> None:
    place = tmp_path / "cursor"

    code, found = run(config, "changes", "--cursor-file", str(place))

    assert code == 0
    assert {change["kind"] for change in found} >= {"assigned"}
    assert run(config, "changes", "--cursor-file", str(place)) == (0, [])


def test_a_certificate_is_renewed_in_its_place_and_only_when_it_is_due(config: Path) -> None:
    before = (config.parent / "client.key").read_bytes()
    assert run(config, "renew", "--when-days-left", "1")[1][0]["renewed"] is False

    code, [done] = run(config, "renew")

    assert (code, done["renewed"]) == (0, True)
    assert (config.parent / "client.key").read_bytes() != before
    assert datetime.fromisoformat(done["not_after"]) > datetime.now(tz=UTC)
    # Key and certificate belong together. (Its time begins by the trial's clock, not by TLS's.)
    load_client_settings(config).tls()
    names = {path.name for path in config.parent.iterdir()}
    assert names == {"ca.pem", "client.pem", "client.key", "casegate-vendor.toml"}
