"""The archive in a bucket, over HTTP: conditions, locks, outages, and a process that is killed."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from audit.archive import LogArchive
from audit.directory import verify_directory
from audit.errors import (
    ArchiveRefusedError,
    ArchiveUnavailableError,
    LogInconsistentError,
    TamperedError,
    UnverifiableError,
)
from audit.note import Ed25519Verifier
from audit.object_store import ObjectStore
from audit.s3_store import S3ObjectStore, S3Place
from audit.tile_source import DirectorySource
from tests.audit.http_server import Request, answering
from tests.audit.log_directory import (
    ORIGIN,
    entries_of,
    files_of,
    new_signer,
    policy_of,
    write_log,
)
from tests.audit.s3_server import CREDENTIALS, REGION, S3Server

LOG = new_signer()
ENTRIES = entries_of(700)
# The service compares with its own clock: this must be later.
NOON = datetime(2099, 3, 1, 12, tzinfo=UTC)
_NAMES = count(1)

_: type[ObjectStore] = S3ObjectStore


def store_at(place: S3Place) -> S3ObjectStore:
    return S3ObjectStore(place, lambda: NOON, credentials=CREDENTIALS, timeout_seconds=2)


def follow(store: S3ObjectStore, directory: Path) -> None:
    verifiers = [Ed25519Verifier.from_text(LOG.verifier_key)]
    LogArchive(store, verifiers, ORIGIN).follow(DirectorySource(directory))


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    server = S3Server()
    yield server
    server.stop()


@pytest.fixture
def bucket(server: S3Server) -> str:
    return server.new_bucket(f"log-{next(_NAMES)}")


@pytest.fixture
def store(server: S3Server, bucket: str) -> S3ObjectStore:
    return store_at(server.place(bucket, prefix="casegate/one"))


def test_what_was_put_is_read_and_what_was_not_is_none(store: S3ObjectStore) -> None:
    assert store.put_new("tile/0/000", b"one") is True

    assert store.read("tile/0/000", 3) == b"one"
    assert store.read("tile/0/001", 3) is None
    with pytest.raises(UnverifiableError):
        store.read("tile/0/000", 2)


def test_a_second_object_of_a_path_is_not_put(store: S3ObjectStore) -> None:
    store.put_new("tile/0/000", b"one")

    assert store.put_new("tile/0/000", b"two") is False
    assert store.read("tile/0/000", 9) == b"one"


@pytest.mark.parametrize("put", [S3ObjectStore.put, S3ObjectStore.put_new])
def test_nobody_deletes_what_was_put_before_its_time(
    store: S3ObjectStore,
    server: S3Server,
    bucket: str,
    put: Callable[[S3ObjectStore, str, bytes], object],
) -> None:
    put(store, "checkpoint", b"one")
    client = server.client()
    version = client.list_object_versions(Bucket=bucket)["Versions"][0]
    name = {"Bucket": bucket, "Key": "casegate/one/checkpoint", "VersionId": version["VersionId"]}

    kept = client.head_object(**name)
    assert kept["ObjectLockMode"] == "COMPLIANCE"
    assert kept["ObjectLockRetainUntilDate"] == NOON + timedelta(days=30)
    with pytest.raises(ClientError, match="AccessDenied"):
        client.delete_object(**name)
    with pytest.raises(ClientError, match="AccessDenied"):
        client.delete_object(**name, BypassGovernanceRetention=True)


def test_a_replaced_checkpoint_is_a_version_more(
    store: S3ObjectStore, server: S3Server, bucket: str
) -> None:
    for text in (b"one", b"two"):
        store.put("checkpoint", text)

    assert store.read("checkpoint", 9) == b"two"
    assert len(server.client().list_object_versions(Bucket=bucket)["Versions"]) == 2


def test_a_bucket_without_object_lock_is_refused_unless_none_is_asked_for(
    server: S3Server, bucket: str
) -> None:
    plain = server.new_bucket(f"plain-{next(_NAMES)}", is_locked=False)

    with pytest.raises(ArchiveRefusedError, match="Object Lock"):
        store_at(server.place(plain)).verify_locked()

    store_at(server.place(bucket)).verify_locked()
    unlocked = store_at(server.place(plain, mode="NONE"))
    unlocked.verify_locked()
    assert unlocked.put_new("tile/0/000", b"one") is True


def test_a_bucket_that_is_not_there_is_no_answer(server: S3Server) -> None:
    store = store_at(server.place("nowhere"))

    calls: list[Callable[[], object]] = [
        store.verify_locked,
        lambda: store.read("x", 1),
        lambda: store.put("x", b""),
    ]
    for call in calls:
        with pytest.raises(ArchiveUnavailableError, match="NoSuchBucket"):
            call()


def test_a_whole_log_is_archived_and_verified_from_the_bucket(
    store: S3ObjectStore, tmp_path: Path
) -> None:
    for size in (255, 256, 700):
        write_log(tmp_path, LOG, ENTRIES[:size])
        follow(store, tmp_path)

    assert verify_directory(store, policy_of(LOG)).entries == 700
    for path, data in files_of(tmp_path).items():
        assert store.read(path, len(data)) == data


def test_an_object_with_a_false_version_on_top_is_found_and_the_first_one_is_still_there(
    store: S3ObjectStore, server: S3Server, bucket: str, tmp_path: Path
) -> None:
    write_log(tmp_path, LOG, ENTRIES)
    follow(store, tmp_path)
    key = "casegate/one/tile/entries/001"
    true = files_of(tmp_path)["tile/entries/001"]
    client = server.client()
    false = true.replace(b"entry 300", b"entry 30X")
    client.put_object(Bucket=bucket, Key=key, Body=false)

    with pytest.raises(TamperedError) as found:
        verify_directory(store, policy_of(LOG))

    assert found.value.index == 300
    versions = client.list_object_versions(Bucket=bucket, Prefix=key)["Versions"]
    oldest = min(versions, key=lambda version: (version["IsLatest"], version["LastModified"]))
    kept = client.get_object(Bucket=bucket, Key=key, VersionId=oldest["VersionId"])["Body"].read()
    assert kept == true


def test_an_object_planted_where_a_tile_will_be_is_found(
    store: S3ObjectStore, tmp_path: Path
) -> None:
    write_log(tmp_path, LOG, ENTRIES)
    store.put("tile/0/001", b"planted")

    with pytest.raises(LogInconsistentError, match="tile/0/001"):
        follow(store, tmp_path)


def test_an_outage_is_an_error_of_its_own_and_then_the_archive_goes_on(tmp_path: Path) -> None:
    server = S3Server()
    try:
        store = store_at(server.place(server.new_bucket(f"outage-{next(_NAMES)}")))
        write_log(tmp_path, LOG, ENTRIES[:300])
        follow(store, tmp_path)
        server.stop()
        write_log(tmp_path, LOG, ENTRIES)
        with pytest.raises(ArchiveUnavailableError):
            follow(store, tmp_path)

        server.start()
        follow(store, tmp_path)

        assert verify_directory(store, policy_of(LOG)).entries == 700
    finally:
        server.stop()


DYING = """
import os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from audit.archive import LogArchive
from audit.note import Ed25519Verifier
from audit.s3_store import S3ObjectStore, S3Place
from audit.tile_source import DirectorySource
from tests.audit.s3_server import CREDENTIALS
directory, bucket, url, region, vkey, left = sys.argv[1:]
store = S3ObjectStore(S3Place(bucket, "", url, region, "GOVERNANCE", 30),
                      lambda: datetime(2099, 3, 1, tzinfo=UTC), credentials=CREDENTIALS)
left = int(left)
put = store._put
def dying(*arguments):
    global left
    put(*arguments)
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
store._put = dying
verifier = Ed25519Verifier.from_text(vkey)
LogArchive(store, [verifier], verifier.name).follow(DirectorySource(Path(directory)))
"""


def test_an_archive_whose_process_was_killed_goes_on_from_what_the_bucket_has(
    server: S3Server, bucket: str, tmp_path: Path
) -> None:
    write_log(tmp_path, LOG, ENTRIES)
    for puts in (1, 3, 2):
        ended = subprocess.run(
            [
                *(sys.executable, "-c", DYING, str(tmp_path), bucket, server.url, REGION),
                *(LOG.verifier_key, str(puts)),
            ],
            env={**os.environ, "PYTHONPATH": str(Path.cwd())},
            check=False,
        )
        assert ended.returncode == -signal.SIGKILL

    store = store_at(server.place(bucket, mode="GOVERNANCE"))
    follow(store, tmp_path)

    assert verify_directory(store, policy_of(LOG)).entries == 700
    versions = server.client().list_object_versions(Bucket=bucket)["Versions"]
    assert all(version["IsLatest"] for version in versions)


@pytest.mark.parametrize(("conflicts", "is_kept"), [(1, True), (3, True), (100, False)])
def test_a_put_that_meets_another_is_tried_again_but_not_for_ever(
    conflicts: int,
    is_kept: bool,  # noqa: FBT001 - a pytest parameter
) -> None:
    asked = []

    def respond(request: Request) -> None:
        asked.append(request.headers["If-None-Match"])
        if len(asked) > conflicts:
            request.answer(200)
        else:
            request.answer(409, b"<Error><Code>ConditionalRequestConflict</Code></Error>")

    with answering(respond) as url:
        store = store_at(S3Place("bucket", "", url, REGION, "NONE", 1))
        if is_kept:
            assert store.put_new("tile/0/000", b"one") is True
        else:
            with pytest.raises(ArchiveUnavailableError, match="another put"):
                store.put_new("tile/0/000", b"one")

    assert asked == ["*"] * min(conflicts + 1, 4)


def test_a_key_is_printed_nowhere() -> None:
    assert "not-a-secret" not in repr(CREDENTIALS)
