"""Where an installation keeps recordings and within which limits, as its settings say."""

import os
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

from gateway.errors import ConfigurationError
from gateway.intake.recording_store import BucketStore, DirectoryStore, RecordingStore
from gateway.intake.recordings import RecordingLimits
from gateway.settings import Settings
from keys.errors import KeyFileError
from keys.secret import read_private_file


def recordings_directory(settings: Settings) -> Path:
    """Under which uploads grow, and recordings are kept where no bucket is set."""
    return settings.resolve(settings.recordings.directory)


def recording_limits(settings: Settings, parameters: Mapping[str, str | None]) -> RecordingLimits:
    """What vendors may send, and how long it is kept: that is one of the company's parameters."""
    own = settings.recordings
    return RecordingLimits(
        own.max_bytes,
        own.open_uploads,
        own.bytes_per_day,
        timedelta(hours=own.upload_hours),
        retention_years(parameters),
    )


def retention_years(parameters: Mapping[str, str | None]) -> int:
    """For so many years after its call a recording is kept; unset, for five."""
    return int(parameters["retain.recordings_years"] or 5)


def recording_store(
    settings: Settings, environment: Mapping[str, str] | None = None
) -> RecordingStore:
    """The store that the settings name; a bucket is not asked for before the first call.

    Raises:
        ConfigurationError: one of a bucket's two keys is missing.
    """
    bucket = settings.recordings.bucket
    if bucket is None:
        return DirectoryStore(recordings_directory(settings))
    if (bucket.access_key is None) != (bucket.secret_key is None):
        raise ConfigurationError("recordings.bucket: access_key and secret_key go together")
    environment = os.environ if environment is None else environment
    return BucketStore(
        bucket.bucket,
        prefix=bucket.prefix,
        endpoint=bucket.endpoint,
        region=bucket.region,
        access_key=_read(settings, bucket.access_key, environment),
        secret_key=_read(settings, bucket.secret_key, environment),
    )


def _read(settings: Settings, reference: str | None, environment: Mapping[str, str]) -> str | None:
    if reference is None:
        return None
    kind, _, name = reference.partition(":")
    if kind == "env":
        found = environment.get(name, "")
    else:
        try:
            found = read_private_file(settings.resolve(Path(name))).reveal().decode()
        except (KeyFileError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"recordings.bucket: {reference} cannot be read") from error
    if not found.strip():
        raise ConfigurationError(f"recordings.bucket: {reference} holds nothing")
    return found.strip()
