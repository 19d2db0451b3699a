"""Where sealed recordings lie: a directory, or a bucket of an S3-compatible service.

Uploads grow in files under `incoming/`, which no reader looks at. What is whole is put in its
place by one step that either happens or does not: a rename, or the completion of a transfer.
"""

import fcntl
import os
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID

from typing_extensions import override

from audit.durable import sync_directory
from audit.http_exchange import is_loopback_url
from gateway.errors import DatabaseUnavailableError, NotFoundError, UploadRefusedError
from gateway.intake.recordings_cipher import ByteStream

_PART_BYTES = 16 * 1024 * 1024
_TIMEOUT_SECONDS = 20.0


class RecordingStore(Protocol):
    """Keeps whole recordings by their id."""

    def keep(self, recording_id: UUID, path: Path) -> None:
        """Puts a whole file in its place and takes it from `path`; again does no harm.

        Raises:
            DatabaseUnavailableError: the store does not answer; nothing is in its place.
        """
        ...

    def open(self, recording_id: UUID) -> ByteStream:
        """The sealed bytes from their beginning.

        Raises:
            NotFoundError: there are none.
            DatabaseUnavailableError: the store does not answer.
        """
        ...

    def remove(self, recording_id: UUID) -> None:
        """Deletes what is there, if anything is; raises as keep does."""
        ...


class DirectoryStore:
    """Fits RecordingStore. Files under two hexadecimal digits of their ids, for the owner only."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def keep(self, recording_id: UUID, path: Path) -> None:
        """See RecordingStore."""
        own = self._path(recording_id)
        try:
            own.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            if path.exists():
                path.replace(own)
                sync_directory(own.parent)
            elif not own.exists():
                raise FileNotFoundError(str(path.name))
        except OSError as error:
            raise _unavailable() from error

    def open(self, recording_id: UUID) -> ByteStream:
        """See RecordingStore."""
        try:
            return self._path(recording_id).open("rb")
        except FileNotFoundError as error:
            raise NotFoundError("the content of this recording is not there") from error
        except OSError as error:
            raise _unavailable() from error

    def remove(self, recording_id: UUID) -> None:
        """See RecordingStore."""
        try:
            self._path(recording_id).unlink(missing_ok=True)
        except OSError as error:
            raise _unavailable() from error

    def _path(self, recording_id: UUID) -> Path:
        name = recording_id.hex
        return self._directory / "kept" / name[:2] / f"{name}.sealed"


class BucketStore:
    """Fits RecordingStore. A file is sent in parts and is there when the last step is done."""

    def __init__(
        self,
        bucket: str,
        *,
        prefix: str = "",
        endpoint: str | None = None,
        region: str = "us-east-1",
        access_key: str | None = None,
        secret_key: str | None = None,
    ) -> None:
        """Connects with the first call; without keys by what the environment offers (boto3)."""
        # Heavy, and only where there is a bucket.
        import boto3  # noqa: PLC0415
        from boto3.exceptions import Boto3Error  # noqa: PLC0415
        from boto3.s3.transfer import TransferConfig  # noqa: PLC0415
        from botocore.config import Config  # noqa: PLC0415
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

        self._bucket = bucket
        self._prefix = prefix
        is_local = endpoint is not None and is_loopback_url(endpoint)
        self._client: Any = boto3.session.Session().client(
            "s3",
            endpoint_url=endpoint,
            region_name=region,
            aws_access_key_id=access_key,
            aws_secret_access_key=secret_key,
            config=Config(
                connect_timeout=_TIMEOUT_SECONDS,
                read_timeout=_TIMEOUT_SECONDS,
                retries={"total_max_attempts": 3, "mode": "standard"},
                s3={"addressing_style": "auto" if endpoint is None else "path"},
                proxies={} if is_local else None,
            ),
        )
        # One part at a time: the memory of a worker does not grow with the recording.
        self._transfer: Any = TransferConfig(
            multipart_threshold=_PART_BYTES, multipart_chunksize=_PART_BYTES, use_threads=False
        )
        self._faults: tuple[type[Exception], ...] = (
            Boto3Error,
            BotoCoreError,
            ClientError,
            OSError,
        )

    def keep(self, recording_id: UUID, path: Path) -> None:
        """See RecordingStore."""
        try:
            if not path.exists():
                self._client.head_object(Bucket=self._bucket, Key=self._key(recording_id))
                return
            self._client.upload_file(
                str(path), self._bucket, self._key(recording_id), Config=self._transfer
            )
            path.unlink(missing_ok=True)
        except self._faults as error:
            raise _unavailable() from error

    def open(self, recording_id: UUID) -> ByteStream:
        """See RecordingStore."""
        try:
            answer = self._client.get_object(Bucket=self._bucket, Key=self._key(recording_id))
        except self._faults as error:
            if _code(error) == "NoSuchKey":
                raise NotFoundError("the content of this recording is not there") from error
            raise _unavailable() from error
        body: ByteStream = answer["Body"]
        return body

    def remove(self, recording_id: UUID) -> None:
        """See RecordingStore."""
        try:
            self._client.delete_object(Bucket=self._bucket, Key=self._key(recording_id))
        except self._faults as error:
            raise _unavailable() from error

    def _key(self, recording_id: UUID) -> str:
        name = f"{recording_id.hex[:2]}/{recording_id.hex}.sealed"
        return f"{self._prefix}/{name}" if self._prefix else name

    @override
    def __repr__(self) -> str:
        return f"BucketStore({self._bucket!r})"


class IncomingFile:
    """The growing file of one upload, held by one request at a time on all workers of a host."""

    def __init__(self, directory: Path, recording_id: UUID) -> None:
        """Opens it, made when it is not there.

        Raises:
            UploadRefusedError: UPLOAD_BUSY: another request writes to it.
            DatabaseUnavailableError: the directory cannot be used.
        """
        self.path = incoming_path(directory, recording_id)
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise _unavailable() from error
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._descriptor)
            raise UploadRefusedError("UPLOAD_BUSY") from error
        self._end = os.fstat(self._descriptor).st_size

    @property
    def size(self) -> int:
        """How many bytes it has."""
        return self._end

    def cut(self, size: int) -> None:
        """Takes away what was written beyond `size`."""
        try:
            os.ftruncate(self._descriptor, size)
        except OSError as error:
            raise _unavailable() from error
        self._end = size

    def append(self, data: bytes) -> None:
        """Writes at its end."""
        view = memoryview(data)
        try:
            while view:
                written = os.pwrite(self._descriptor, view, self._end)
                self._end += written
                view = view[written:]
        except OSError as error:
            raise _unavailable() from error

    def sync(self) -> None:
        """Returns when what was written outlasts a crash."""
        try:
            os.fdatasync(self._descriptor)
        except OSError as error:
            raise _unavailable() from error

    def close(self) -> None:
        """Lets go of it."""
        os.close(self._descriptor)

    def stream(self) -> ByteStream:
        """A reader of its own, from the beginning."""
        return self.path.open("rb")


def remove_incoming(directory: Path, recording_id: UUID) -> None:
    """Deletes an upload's file, if it is there.

    Raises:
        DatabaseUnavailableError: the directory cannot be used.
    """
    try:
        incoming_path(directory, recording_id).unlink(missing_ok=True)
    except OSError as error:
        raise _unavailable() from error


def incoming_path(directory: Path, recording_id: UUID) -> Path:
    """Where an upload grows."""
    return directory / "incoming" / f"{recording_id.hex}.part"


def _code(error: Exception) -> str:
    answer: dict[str, Any] = getattr(error, "response", None) or {}
    return str(answer.get("Error", {}).get("Code", ""))


def _unavailable() -> DatabaseUnavailableError:
    return DatabaseUnavailableError("the store of recordings does not answer")
