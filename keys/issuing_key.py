"""The key of an issuing authority from a file: encrypted PKCS#8, passphrase by reference."""

import os
from collections.abc import Mapping
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from keys.authority import CertificateAuthority, RevocationPoints
from keys.errors import CertificateError, KeyFileError
from keys.secret import Secret, read_private_file

MIN_PASSPHRASE_BYTES = 12
_MIN_KEY_BITS = 256
_MAX_CERTIFICATE_BYTES = 64 * 1024


def read_passphrase(
    reference: str, directory: Path, environment: Mapping[str, str] | None = None
) -> Secret:
    """A passphrase or PIN that settings name: `file:PATH` or `env:NAME`; its first line.

    Paths start at `directory`. Files have mode 600.

    Raises:
        KeyFileError: there is none, or its file can be read by others.
    """
    environment = os.environ if environment is None else environment
    kind, _, name = reference.partition(":")
    if kind == "env" and name:
        text = environment.get(name, "").encode()
        if not text:
            raise KeyFileError(f"the environment has no {name}")
    elif kind == "file" and name:
        text = read_private_file(directory / name).reveal()
    else:
        raise KeyFileError("write a passphrase's reference as file:PATH or env:NAME")
    line = text.split(b"\n", 1)[0].rstrip(b"\r")
    if not line:
        raise KeyFileError(f"{reference} begins with an empty line; put the passphrase there")
    return Secret(line)


def load_issuing_key(path: Path, passphrase: Secret) -> ec.EllipticCurvePrivateKey:
    """Opens an encrypted PKCS#8 file with an elliptic-curve key.

    Raises:
        KeyFileError: the file is missing, readable by others, not encrypted, of another
            passphrase, or no elliptic-curve key of at least 256 bits.
    """
    content = read_private_file(path).reveal()
    try:
        key = load_pem_private_key(content, passphrase.reveal())
    except TypeError:
        raise KeyFileError(
            f"{path} is not encrypted; an issuing key rests under a passphrase"
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        raise KeyFileError(f"{path} does not open: no PKCS#8 key, or another passphrase") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.key_size < _MIN_KEY_BITS:
        raise KeyFileError(f"{path} is not an elliptic-curve key of at least 256 bits")
    return key


def load_certificates(path: Path) -> list[x509.Certificate]:
    """The certificates of a PEM file, in its order, at least one.

    Raises:
        CertificateError: the file is missing or holds something else.
    """
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_CERTIFICATE_BYTES)
        return x509.load_pem_x509_certificates(content)
    except (OSError, ValueError) as error:
        raise CertificateError(f"{path} cannot be read as PEM certificates") from error


def join_authority(
    certificate: x509.Certificate,
    key: ec.EllipticCurvePrivateKey,
    points: RevocationPoints | None = None,
) -> CertificateAuthority:
    """An authority of a certificate and its key.

    Raises:
        CertificateError: the key is another's, or the certificate is not an authority's.
    """
    if certificate.public_key() != key.public_key():
        raise CertificateError("the issuing key does not belong to the issuing certificate")
    try:
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    except x509.ExtensionNotFound:
        raise CertificateError("the issuing certificate is not an authority's") from None
    if not constraints.value.ca:
        raise CertificateError("the issuing certificate is not an authority's")
    return CertificateAuthority(certificate, key, points)
