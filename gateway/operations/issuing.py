"""Opens the issuing authorities that settings name: the active one, and those retiring."""

import os
from collections.abc import Mapping
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.errors import ConfigurationError
from gateway.sections import AuthoritySettings, DeviceKeySettings
from gateway.settings import Settings
from keys.authority import CertificateAuthority
from keys.errors import CertificateError
from keys.hierarchy import retired_path, revocation_points
from keys.issuing_key import (
    join_authority,
    load_certificates,
    load_issuing_key,
    read_passphrase,
)
from keys.thumbprint import spki_digest


def authority_settings(settings: Settings) -> AuthoritySettings:
    """The section `authority`.

    Raises:
        ConfigurationError: there is none, so this installation issues no certificates.
    """
    if settings.authority is None:
        raise ConfigurationError(
            "casegate.toml has no section [authority]: nothing is issued or revoked by list here;"
            " make an authority with: casegate ca init --directory DIR"
        )
    return settings.authority


def issuing_certificate(settings: Settings) -> x509.Certificate:
    """The active issuer's certificate.

    Raises:
        CertificateError, ConfigurationError: its file cannot be read, or none is named.
    """
    return load_certificates(settings.resolve(authority_settings(settings).certificate))[0]


def load_authority(
    settings: Settings, environment: Mapping[str, str] | None = None
) -> CertificateAuthority:
    """The active issuing authority with its key, and where its revocations are told.

    Read anew at each call, so that a rollover is heard without a restart; keep the result for a
    piece of work, not for the life of a process.

    Raises:
        ConfigurationError: no authority is set.
        KeyFileError, DeviceError, CertificateError: key or certificate cannot be used.
    """
    own = authority_settings(settings)
    certificate = issuing_certificate(settings)
    if own.pkcs11 is not None:
        device = _device_key(settings, own.pkcs11, own.pkcs11.key, environment)
        return _joined(own, certificate, device)
    assert own.issuing_key is not None
    key = _file_key(settings, own, settings.resolve(own.issuing_key), environment)
    return _joined(own, certificate, key)


def load_authorities(
    settings: Settings, environment: Mapping[str, str] | None = None
) -> list[CertificateAuthority]:
    """The active authority, then those retiring whose keys are at hand.

    A retiring authority issues nothing, but it signs its revocation list and names a delegate
    for status answers until its last certificate has ended.

    Raises:
        ConfigurationError, KeyFileError, DeviceError, CertificateError: see load_authority.
    """
    own = authority_settings(settings)
    active = load_authority(settings, environment)
    path = settings.resolve(own.certificate)
    found = [active]
    for earlier in sorted(path.parent.glob(f"{path.stem}-*{path.suffix}")):
        certificate = load_certificates(earlier)[0]
        key = _retiring_key(settings, own, certificate, environment)
        if key is not None:
            found.append(_joined(own, certificate, key))
    return found


def _retiring_key(
    settings: Settings,
    own: AuthoritySettings,
    certificate: x509.Certificate,
    environment: Mapping[str, str] | None,
) -> ec.EllipticCurvePrivateKey | None:
    if own.issuing_key is not None:
        path = retired_path(settings.resolve(own.issuing_key), spki_digest(certificate))
        return _file_key(settings, own, path, environment) if path.exists() else None
    assert own.pkcs11 is not None
    for label in own.pkcs11.retiring:
        key = _device_key(settings, own.pkcs11, label, environment)
        if key.public_key() == certificate.public_key():
            return key
    return None


def _joined(
    own: AuthoritySettings, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey
) -> CertificateAuthority:
    points = revocation_points(own.public_url, spki_digest(certificate))
    return join_authority(certificate, key, points)


def _file_key(
    settings: Settings,
    own: AuthoritySettings,
    path: Path,
    environment: Mapping[str, str] | None,
) -> ec.EllipticCurvePrivateKey:
    if own.passphrase is None:
        raise CertificateError(
            "the issuing key rests under a passphrase: set authority.passphrase"
        )
    names = os.environ if environment is None else environment
    return load_issuing_key(path, read_passphrase(own.passphrase, settings.directory, names))


def _device_key(
    settings: Settings,
    device: DeviceKeySettings,
    label: str,
    environment: Mapping[str, str] | None,
) -> ec.EllipticCurvePrivateKey:
    from keys.device_key import DeviceKey  # noqa: PLC0415  # only where a device holds the key

    pin = read_passphrase(device.pin, settings.directory, environment)
    return DeviceKey(settings.resolve(device.module), token=device.token, label=label, pin=pin)
