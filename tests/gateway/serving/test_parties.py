"""A served installation with its log archived in a bucket and stamped by an authority."""

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from audit.directory import verify_directory
from audit.errors import AuditError
from audit.policy import TrustPolicy
from audit.s3_store import S3ObjectStore
from audit.timestamp_authority import TokenVerifier
from gateway.clock import SystemClock
from gateway.errors import ConfigurationError
from gateway.serving.parties import open_followers
from gateway.settings import load_settings
from keys.errors import KeyFileError
from tests.audit.s3_server import CREDENTIALS, REGION, S3Server
from tests.audit.tsa_server import TimeAuthority
from tests.audit.witness_process import WitnessProcess
from tests.installation import Installation
from tests.promises.ledger import logged_entries
from tests.promises.processes import wait_until

pytestmark = pytest.mark.long

_ARCHIVE = """
[audit.archive]
bucket = "{bucket}"
endpoint = "{url}"
region = "{region}"
prefix = "one"
mode = "GOVERNANCE"
retention_days = 1
every_seconds = 0.5
access_key = "env:TEST_ACCESS"
secret_key = "file:secrets/archive.key"
"""
_BUCKET = '[audit.archive]\nbucket = "b"\nretention_days = 1\n'
_TIMESTAMPS = """
[audit.timestamps]
url = "{url}"
certificate = "{certificate}"
every_seconds = 0.5
"""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    monkeypatch.setenv("TEST_ACCESS", CREDENTIALS.access_key)
    server = S3Server()
    yield server
    server.stop()


def _configure(installation: Installation, text: str) -> None:
    """Puts lines under [audit], which is the last table of a sandbox's file."""
    with installation.config.open("a") as file:
        file.write(text)


def _archive(installation: Installation, server: S3Server, bucket: str) -> None:
    secret = installation.directory / "secrets/archive.key"
    secret.write_text(CREDENTIALS.secret_key + "\n")
    secret.chmod(0o600)
    _configure(installation, _ARCHIVE.format(bucket=bucket, url=server.url, region=REGION))


def _policy(installation: Installation) -> TrustPolicy:
    vkey = (installation.directory / "log.vkey").read_text().strip()
    return TrustPolicy.from_text(f"log {vkey}\nquorum none\n")


def _archived(server: S3Server, bucket: str) -> S3ObjectStore:
    place = server.place(bucket, prefix="one")
    return S3ObjectStore(place, SystemClock().now, credentials=CREDENTIALS)


def _alarms(installation: Installation) -> list[tuple[Any, ...]]:
    return [
        (entry.fields["party"], entry.fields["state"])
        for entry in logged_entries(installation)
        if entry.fields["type"] == "log.alarm"
    ]


def _is(condition: Callable[[], object]) -> Callable[[], bool]:
    """A condition that is not met yet while what it asks is not there."""

    def met() -> bool:
        try:
            return bool(condition())
        except (AuditError, OSError):
            return False

    return met


@contextmanager
def _served(installation: Installation) -> Iterator[subprocess.Popen[bytes]]:
    with installation.serving(workers=1) as process:
        yield process
        assert process.poll() is None, (installation.directory / "serve.log").read_text()


def test_what_is_logged_stands_in_the_bucket_with_a_time_that_an_authority_vouches_for(
    own_installation: Installation, server: S3Server, tmp_path: Path
) -> None:
    bucket = server.new_bucket("whole")
    authority = TimeAuthority(tmp_path / "authority")
    store = _archived(server, bucket)
    verifier = TokenVerifier(authority.root.read_bytes())
    _configure(own_installation, "heartbeat_seconds = 1\n")
    _archive(own_installation, server, bucket)

    def size() -> int:
        report = verify_directory(store, _policy(own_installation), timestamps=verifier)
        return report.entries if len(report.times) > 1 else 0

    with authority.serving() as url:
        _configure(own_installation, _TIMESTAMPS.format(url=url, certificate=authority.root))
        with _served(own_installation):
            assert wait_until(_is(size), seconds=30)
            before = size()
            # Nobody asks for anything: the heartbeats alone make it grow.
            assert wait_until(_is(lambda: size() > before), seconds=30)

    assert _alarms(own_installation) == []


def test_a_service_whose_archive_is_down_goes_on_says_so_once_and_catches_up(
    own_installation: Installation, server: S3Server
) -> None:
    bucket = server.new_bucket("outage")
    _configure(own_installation, "heartbeat_seconds = 1\nalarm_after_seconds = 1\n")
    _archive(own_installation, server, bucket)
    store = _archived(server, bucket)
    checkpoint = own_installation.directory / "var/log/checkpoint"
    server.stop()
    with _served(own_installation):
        assert wait_until(lambda: ("archive", "raised") in _alarms(own_installation), seconds=40)
        published = checkpoint.read_text()
        assert wait_until(lambda: checkpoint.read_text() != published, seconds=10)

        server.start()
        assert wait_until(lambda: ("archive", "over") in _alarms(own_installation), seconds=40)
        assert wait_until(
            _is(lambda: verify_directory(store, _policy(own_installation)).entries), seconds=10
        )

    assert _alarms(own_installation) == [("archive", "raised"), ("archive", "over")]


def test_a_silent_witness_is_told_beside_the_checkpoint_and_asked_until_it_answers(
    own_installation: Installation, tmp_path: Path
) -> None:
    vkey = (own_installation.directory / "log.vkey").read_text().strip()
    folder = own_installation.directory / "var/log"
    with WitnessProcess(tmp_path, vkey) as witness:
        key = witness.verifier.to_text()
        own = f'witnesses = [{{ url = "{witness.url}", vkey = "{key}" }}]\n'
        _configure(own_installation, own + "alarm_after_seconds = 1\n")
        policy = TrustPolicy.from_text(f"log {vkey}\nwitness w {key}\nquorum w\n")
        port = witness.url.rpartition(":")[2]
        witness.kill()
        with _served(own_installation):
            party = f"witness:{witness.verifier.name}"
            assert wait_until(lambda: (party, "raised") in _alarms(own_installation), seconds=30)
            said = (folder / "unwitnessed").read_text()
            assert said.startswith(f"{witness.verifier.name} 20")

            witness.start(port=int(port))
            assert wait_until(
                _is(lambda: policy.open((folder / "checkpoint").read_text())), seconds=30
            )
            assert wait_until(lambda: not (folder / "unwitnessed").exists(), seconds=10)
            assert wait_until(lambda: (party, "over") in _alarms(own_installation), seconds=10)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ('[audit.archive]\nbucket = "b"\n', "retention_days"),
        (_BUCKET + 'mode = "SOME"\n', "mode"),
        (_BUCKET + 'prefix = "/a"\n', "prefix"),
        (
            _BUCKET + 'secret_key = "AKIA"\n',
            "secret_key",
        ),
        ('[audit.timestamps]\nurl = "http://tsa.example"\n', "certificate"),
    ],
)
def test_a_malformed_party_is_one_sentence(
    installation: Installation, tmp_path: Path, text: str, word: str
) -> None:
    config = tmp_path / "casegate.toml"
    config.write_text(installation.config.read_text() + text)

    with pytest.raises(ConfigurationError, match=word) as found:
        load_settings(config)

    assert "AKIA" not in str(found.value)


def test_what_follows_the_export_needs_one(installation: Installation, tmp_path: Path) -> None:
    config = tmp_path / "casegate.toml"
    text = installation.config.read_text().replace('export = "var/log"', "")
    config.write_text(text + _BUCKET)

    with pytest.raises(ConfigurationError, match=r"audit\.export"):
        load_settings(config)


_OPENED: dict[str, tuple[str, str]] = {
    "a variable that is not set": (
        _BUCKET + 'access_key = "env:CASEGATE_TEST_NOT_SET"\nsecret_key = "env:PATH"\n',
        "CASEGATE_TEST_NOT_SET",
    ),
    "a file that is not there": (
        _BUCKET + 'access_key = "env:PATH"\nsecret_key = "file:secrets/nowhere.key"\n',
        "nowhere.key",
    ),
    "half a credential": (
        _BUCKET + 'access_key = "env:PATH"\n',
        "go together",
    ),
    "an endpoint that is no URL": (
        _BUCKET + 'endpoint = "s3.example"\naccess_key = "env:PATH"\nsecret_key = "env:PATH"\n',
        "endpoint",
    ),
    "a certificate that is not there": (
        '[audit.timestamps]\nurl = "http://tsa.example"\ncertificate = "nowhere.pem"\n',
        "nowhere.pem",
    ),
    "a certificate that is none": (
        '[audit.timestamps]\nurl = "http://tsa.example"\ncertificate = "casegate.toml"\n',
        "audit.timestamps",
    ),
}


@pytest.mark.parametrize("name", _OPENED)
def test_a_party_that_cannot_be_opened_is_one_sentence(
    installation: Installation, tmp_path: Path, name: str
) -> None:
    text, word = _OPENED[name]
    config = tmp_path / "casegate.toml"
    config.write_text(installation.config.read_text() + text)
    vkey = (installation.directory / "log.vkey").read_text().strip()

    with pytest.raises((ConfigurationError, KeyFileError), match=word):
        open_followers(load_settings(config), [vkey], SystemClock())
