import io
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from gateway.errors import ConfigurationError, DatabaseUnavailableError, NotFoundError
from gateway.intake.recording_store import BucketStore, DirectoryStore, RecordingStore
from gateway.intake.recordings_place import recording_store
from gateway.sections import RecordingBucketSettings, RecordingSettings
from tests.audit.s3_server import CREDENTIALS, REGION, S3Server
from tests.gateway.intake.uploading import Uploading, wav
from tests.gateway.store.lender import Lender


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    server = S3Server()
    server.client().create_bucket(
        Bucket="recordings", CreateBucketConfiguration={"LocationConstraint": REGION}
    )
    yield server
    server.stop()


def _bucket(server: S3Server, bucket: str = "recordings") -> BucketStore:
    return BucketStore(
        bucket,
        prefix="calls",
        endpoint=server.url,
        region=REGION,
        access_key=CREDENTIALS.access_key,
        secret_key=CREDENTIALS.secret_key,
    )


@pytest.fixture(params=["directory", "bucket"])
def store(request: pytest.FixtureRequest, server: S3Server, tmp_path: Path) -> RecordingStore:
    return DirectoryStore(tmp_path / "kept") if request.param == "directory" else _bucket(server)


def test_what_is_kept_is_read_again_until_it_is_removed(
    store: RecordingStore, tmp_path: Path
) -> None:
    recording_id, path = uuid4(), tmp_path / "incoming.part"
    path.write_bytes(b"sealed bytes")
    with pytest.raises(NotFoundError):
        store.open(recording_id)

    store.keep(recording_id, path)
    store.keep(recording_id, path)  # as after a crash: it is in its place

    assert not path.exists()
    stream = store.open(recording_id)
    assert stream.read(6) + stream.read() == b"sealed bytes"
    stream.close()
    store.remove(recording_id)
    store.remove(recording_id)
    with pytest.raises(NotFoundError):
        store.open(recording_id)


def test_what_is_in_neither_place_is_an_outage_and_not_a_recording(
    store: RecordingStore, tmp_path: Path
) -> None:
    with pytest.raises(DatabaseUnavailableError):
        store.keep(uuid4(), tmp_path / "nothing.part")


def test_a_service_that_refuses_is_an_outage(server: S3Server, tmp_path: Path) -> None:
    path, store = tmp_path / "incoming.part", _bucket(server, "no-such-bucket")
    path.write_bytes(io.BytesIO(b"sealed").getvalue())

    with pytest.raises(DatabaseUnavailableError):
        store.keep(uuid4(), path)
    assert path.exists()


def test_a_recording_goes_through_a_bucket_and_back(
    server: S3Server, postgres_url: str, tmp_path: Path
) -> None:
    lender = Lender.fresh(postgres_url, tmp_path / "lender")
    uploading = Uploading(lender, tmp_path / "incoming", store=_bucket(server))
    content = wav(60)

    recording_id = uploading.send("C-1", content, step=100_000)

    assert uploading.heard(recording_id) == content
    assert uploading.heard(recording_id, (400_000, 400_100)) == content[400_000:400_100]
    assert [path for path in (tmp_path / "incoming").rglob("*") if path.is_file()] == []


def test_settings_name_the_store(server: S3Server, postgres_url: str, tmp_path: Path) -> None:
    lender = Lender.fresh(postgres_url, tmp_path / "lender")
    own = lender.database.settings
    assert isinstance(recording_store(own), DirectoryStore)
    half = RecordingBucketSettings(bucket="b", endpoint=server.url, access_key="env:A_KEY")
    whole = half.model_copy(update={"secret_key": "env:A_SECRET"})

    def chosen(bucket: RecordingBucketSettings, **environment: str) -> RecordingStore:
        changes = {"recordings": RecordingSettings(bucket=bucket)}
        return recording_store(own.model_copy(update=changes), environment)

    assert isinstance(chosen(whole, A_KEY="key", A_SECRET="word"), BucketStore)
    for bucket in (half, whole):
        with pytest.raises(ConfigurationError):
            chosen(bucket, A_KEY="key")
