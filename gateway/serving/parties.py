"""Opens the parties that settings name under [audit]: the archive and the time authority."""

import os
from collections.abc import Mapping, Sequence

from audit.archive import LogArchive
from audit.errors import ExchangeError, TimestampError
from audit.note import Ed25519Verifier
from audit.timestamp_authority import TimestampClient, TokenVerifier
from gateway.clock import Clock
from gateway.errors import ConfigurationError
from gateway.sections import ArchiveSettings, TimestampSettings
from gateway.serving.following import ArchiveFollower, Follower, TimestampFollower
from gateway.settings import Settings
from keys.secret import read_private_file


def open_followers(settings: Settings, vkeys: Sequence[str], clock: Clock) -> list[Follower]:
    """What follows the exported log, whose keys these are; nothing connects yet.

    The time authority comes first: its answer is small, an archive that catches up is not.

    Raises:
        ConfigurationError: a key, a certificate or a URL is missing or malformed.
        KeyFileError: a key file is missing or readable by others.
    """
    audit = settings.audit
    followers: list[Follower] = []
    if audit.timestamps is not None:
        followers.append(_open_timestamps(settings, audit.timestamps))
    if audit.archive is not None:
        followers.append(_open_archive(settings, audit.archive, vkeys, clock))
    return followers


def _open_timestamps(settings: Settings, section: TimestampSettings) -> TimestampFollower:
    assert settings.audit.export is not None
    path = settings.resolve(section.certificate)
    try:
        client = TimestampClient(section.url, TokenVerifier(path.read_bytes()))
    except OSError as error:
        raise ConfigurationError(
            f"audit.timestamps.certificate: {path} cannot be read ({error.strerror})"
        ) from error
    except (TimestampError, ExchangeError) as error:
        raise ConfigurationError(f"audit.timestamps: {error}") from error
    directory = settings.resolve(settings.audit.export)
    return TimestampFollower(directory, client, every_seconds=section.every_seconds)


def _open_archive(
    settings: Settings, section: ArchiveSettings, vkeys: Sequence[str], clock: Clock
) -> ArchiveFollower:
    # Not above: every worker would load boto3 too, a third of a second that serves nobody there.
    from audit.s3_store import S3Credentials, S3ObjectStore, S3Place  # noqa: PLC0415

    assert settings.audit.export is not None
    if (section.access_key is None) != (section.secret_key is None):
        raise ConfigurationError("audit.archive: access_key and secret_key go together")
    credentials = None
    if section.access_key is not None and section.secret_key is not None:
        credentials = S3Credentials(
            _read_reference(settings, section.access_key, os.environ),
            _read_reference(settings, section.secret_key, os.environ),
        )
    place = S3Place(
        section.bucket,
        section.prefix,
        section.endpoint,
        section.region,
        section.mode,
        section.retention_days,
    )
    try:
        store = S3ObjectStore(place, clock.now, credentials=credentials)
    except ValueError as error:
        raise ConfigurationError("audit.archive.endpoint is not a URL") from error
    verifiers = [Ed25519Verifier.from_text(vkey) for vkey in vkeys]
    return ArchiveFollower(
        settings.resolve(settings.audit.export),
        LogArchive(store, verifiers, settings.audit.origin),
        every_seconds=section.every_seconds,
    )


def _read_reference(settings: Settings, reference: str, environment: Mapping[str, str]) -> str:
    """The text that `env:NAME` or `file:PATH` stands for; it is never in the settings."""
    kind, _, place = reference.partition(":")
    if kind == "file":
        path = settings.directory / place
        text = read_private_file(path).reveal().decode(errors="replace").strip()
    else:
        text = environment.get(place, "").strip()
    if not text:
        raise ConfigurationError(f"audit.archive: {reference} is empty or not set")
    return text
