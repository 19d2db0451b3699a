"""An object store that speaks S3, with versions, Object Lock and conditional put."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, NoReturn

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from typing_extensions import override

from audit.errors import ArchiveRefusedError, ArchiveUnavailableError, UnverifiableError
from audit.http_exchange import is_loopback_url
from audit.tile_source import CHECKPOINT
from audit.timestamp import INDEX

LockMode = Literal["COMPLIANCE", "GOVERNANCE", "NONE"]

_EXISTS = 412
_CONFLICT = 409
_MISSING = 404
_NO_LOCK = "ObjectLockConfigurationNotFoundError"
_CONFLICT_ATTEMPTS = 4
_TEXTS = (CHECKPOINT, INDEX)


@dataclass(frozen=True, slots=True)
class S3Place:
    """Where objects go and how long they stay.

    Attributes:
        bucket: its name.
        prefix: what all paths begin with, without a slash at its end; may be empty.
        endpoint: URL of the service; None for the provider's own of that region.
        region: as the service names it.
        mode: kind of Object Lock; NONE for none.
        retention_days: how long each object is locked from the moment it is put.
    """

    bucket: str
    prefix: str
    endpoint: str | None
    region: str
    mode: LockMode
    retention_days: int


@dataclass(frozen=True, slots=True)
class S3Credentials:
    """An access key; printed nowhere."""

    access_key: str
    secret_key: str

    @override
    def __repr__(self) -> str:
        return "S3Credentials(…)"


class S3ObjectStore:
    """Fits ObjectStore. Every call ends within about half a minute.

    Object Lock does not keep a new version from being laid over an object, only the old one
    from being deleted. Hence the condition on every put but those of the two that change, and
    hence versions: the oldest one is what the log put there.
    """

    def __init__(
        self,
        place: S3Place,
        now: Callable[[], datetime],
        *,
        credentials: S3Credentials | None = None,
        timeout_seconds: float = 5.0,
    ) -> None:
        """Join place and clock; connects with the first call.

        Args:
            place: bucket, prefix and lock.
            now: tells the time from which an object is retained.
            credentials: an access key; None for what the environment offers (boto3's chain).
            timeout_seconds: for connecting and for each read; a call is tried three times.
        """
        self._place = place
        self._now = now
        is_local = place.endpoint is not None and is_loopback_url(place.endpoint)
        self._client: Any = boto3.session.Session().client(
            "s3",
            endpoint_url=place.endpoint,
            region_name=place.region,
            aws_access_key_id=None if credentials is None else credentials.access_key,
            aws_secret_access_key=None if credentials is None else credentials.secret_key,
            config=Config(
                connect_timeout=timeout_seconds,
                read_timeout=timeout_seconds,
                retries={"total_max_attempts": 3, "mode": "standard"},
                # Names of buckets as host names need DNS of the provider's own.
                s3={"addressing_style": "auto" if place.endpoint is None else "path"},
                proxies={} if is_local else None,
            ),
        )

    def verify_locked(self) -> None:
        """See ObjectStore; with mode NONE there is nothing to check."""
        if self._place.mode == "NONE":
            return
        versions = lock = None
        try:
            answer = self._client.get_bucket_versioning(Bucket=self._place.bucket)
            versions = answer.get("Status")
            answer = self._client.get_object_lock_configuration(Bucket=self._place.bucket)
            lock = answer.get("ObjectLockConfiguration", {}).get("ObjectLockEnabled")
        except ClientError as error:
            if _code(error) != _NO_LOCK:
                _unavailable(error)
        except BotoCoreError as error:
            _unavailable(error)
        if lock != "Enabled" or versions != "Enabled":
            raise ArchiveRefusedError(
                "the archive's bucket has no Object Lock or no versions, so what is put there"
                " could be deleted; make a bucket with Object Lock, or set mode to NONE"
            )

    def put_new(self, path: str, data: bytes) -> bool:
        """See ObjectStore: PUT with If-None-Match."""
        for _ in range(_CONFLICT_ATTEMPTS):
            try:
                self._put(path, data, {"IfNoneMatch": "*"})
            except ClientError as error:
                status = _status(error)
                if status == _EXISTS:
                    return False
                # Another put of this path was under way; which of them stays is not said.
                if status != _CONFLICT:
                    _unavailable(error)
            except BotoCoreError as error:
                _unavailable(error)
            else:
                return True
        raise ArchiveUnavailableError("the archive kept answering that another put is under way")

    def put(self, path: str, data: bytes) -> None:
        """See ObjectStore: a new version."""
        try:
            self._put(path, data, {})
        except (ClientError, BotoCoreError) as error:
            _unavailable(error)

    def read(self, path: str, limit: int) -> bytes | None:
        """See ObjectStore."""
        try:
            answer = self._client.get_object(Bucket=self._place.bucket, Key=self._key(path))
            with answer["Body"] as body:
                data: bytes = body.read(limit + 1)
        except ClientError as error:
            if _status(error) == _MISSING and _code(error) != "NoSuchBucket":
                return None
            _unavailable(error)
        # urllib3's and the socket's own errors come out of a body that breaks off.
        except (BotoCoreError, OSError) as error:
            _unavailable(error)
        if len(data) > limit:
            raise UnverifiableError(f"{path} is longer than such a file can be")
        return data

    def _put(self, path: str, data: bytes, conditions: dict[str, str]) -> None:
        place = self._place
        options: dict[str, Any] = dict(conditions)
        if place.mode != "NONE":
            options["ObjectLockMode"] = place.mode
            options["ObjectLockRetainUntilDate"] = self._now() + timedelta(place.retention_days)
        is_text = path in _TEXTS
        self._client.put_object(
            Bucket=place.bucket,
            Key=self._key(path),
            Body=data,
            ChecksumAlgorithm="SHA256",
            ContentType="text/plain; charset=utf-8" if is_text else "application/octet-stream",
            CacheControl="no-cache" if is_text else "max-age=31536000, immutable",
            **options,
        )

    def _key(self, path: str) -> str:
        return f"{self._place.prefix}/{path}" if self._place.prefix else path


def _status(error: ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _unavailable(error: Exception) -> NoReturn:
    # The service's code or the kind of failure, never its sentence: that may hold names.
    what = _code(error) if isinstance(error, ClientError) else type(error).__name__
    raise ArchiveUnavailableError(f"the archive did not answer as it should: {what}") from error
