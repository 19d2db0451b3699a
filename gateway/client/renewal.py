"""Renewal of the client certificate: a new key, made here, and the gateway's answer in its place.

The next key and the next certificate lie beside the present ones until both are there. A renewal
that was killed is begun again with the same key, since a key has one request for ever; one that
was killed between the two renames is finished when the client starts next.
"""

import base64
import os
import threading
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.hazmat.primitives.serialization.pkcs7 import load_der_pkcs7_certificates
from cryptography.x509.oid import NameOID

from gateway.client.configuration import ClientSettings
from gateway.client.connection import Connection, Pause
from gateway.client.errors import SetupError, UnreachableError

RENEWAL = "/.well-known/est/simplereenroll"
_ACCEPTED = 202
_PENDING_SECONDS = 60.0
_PENDING_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class Standing:
    """The present certificate: its serial number in hex, and when it ends."""

    serial: str
    not_after: datetime

    def days_left(self, now: datetime) -> int:
        """Whole days until it ends."""
        return (self.not_after - now).days


def standing(settings: ClientSettings) -> Standing:
    """Reads the present certificate.

    Raises:
        SetupError: it is not there, or is none.
    """
    own = _chain(settings.certificate)[0]
    return Standing(f"{own.serial_number:x}", own.not_valid_after_utc)


def finish_renewal(settings: ClientSettings) -> None:
    """Ends a renewal that was killed between its last two steps; otherwise does nothing."""
    key, certificate = _next(settings.key), _next(settings.certificate)
    if certificate.exists() and not key.exists():
        certificate.replace(settings.certificate)


def renew(connection: Connection, *, pause: Pause | None = None) -> Standing:
    """Gets a new certificate for a new key and puts both in the place of the present ones.

    Raises:
        RefusedError: RENEWED_ALREADY: the certificate has a successor that this is not.
        UnreachableError: it was not issued within some minutes; run it again.
        SetupError: what was issued is not for our key, or a file cannot be written.
    """
    settings, wait = connection.settings, pause or threading.Event().wait
    present = _chain(settings.certificate)
    key = _next_key(settings)
    request = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, _name_of(present[0]))]))
        .sign(key, SHA256())
    )
    body = base64.encodebytes(request.public_bytes(Encoding.DER))
    headers = {"Content-Type": "application/pkcs10"}
    for _ in range(_PENDING_ATTEMPTS):
        answer = connection.ask("POST", RENEWAL, body=body, headers=headers, with_token=False)
        if answer.status != _ACCEPTED:
            break
        wait(_PENDING_SECONDS)
    else:
        raise UnreachableError("the certificate is not issued yet; run the renewal again")
    issued = load_der_pkcs7_certificates(base64.b64decode(answer.body))[0]
    if issued.public_key() != key.public_key():
        raise SetupError("the certificate that came is not for the key that was sent")
    pem = b"".join(one.public_bytes(Encoding.PEM) for one in (issued, *present[1:]))
    _write(_next(settings.certificate), pem)
    _next(settings.key).replace(settings.key)
    finish_renewal(settings)
    connection.close()
    connection.forget_token()
    return standing(settings)


def _next_key(settings: ClientSettings) -> ec.EllipticCurvePrivateKey:
    path = _next(settings.key)
    if not path.exists():
        fresh = ec.generate_private_key(ec.SECP256R1())
        pem = fresh.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        _write(path, pem)
    key = load_pem_private_key(path.read_bytes(), None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise SetupError(f"{path} is no key of ours; remove it and run the renewal again")
    return key


def _chain(path: Path) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(path.read_bytes())
    except (OSError, ValueError) as error:
        raise SetupError(f"{path} is not a certificate in PEM") from error


def _name_of(certificate: x509.Certificate) -> str:
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value) if names else "vendor"


def _next(path: Path) -> Path:
    return path.with_name(f"{path.name}.next")


def _write(path: Path, content: bytes) -> None:
    """For the owner only, and on the disk before this returns."""
    try:
        own = path.with_name(f"{path.name}.part")
        descriptor = os.open(own, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(descriptor, "wb") as file:  # noqa: PTH123  # a descriptor
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        own.replace(path)
    except OSError as error:
        raise SetupError(f"{path} cannot be written ({error.strerror})") from error
