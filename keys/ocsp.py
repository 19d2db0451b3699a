"""Answers about a certificate's status (RFC 6960), signed by a delegate of its authority."""

import base64
import binascii
import hashlib
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import unquote

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import ocsp

from keys.authority import CertificateAuthority
from keys.crl import RevokedCertificate
from keys.errors import CertificateError, DeviceError, StatusRequestError
from keys.profiles import Profile

MAX_REQUEST_BYTES = 2048
MAX_NONCE_BYTES = 128  # RFC 9654, 2.1
ANSWER_LIFE = timedelta(minutes=5)
SIGNER_LIFE = timedelta(days=2)
SIGNER_ROTATION = timedelta(days=1)

# What is known of a serial number: not revoked, revoked so, or nothing.
Status = RevokedCertificate | bool | None
StatusOf = Callable[[bytes, int], Status]


@dataclass(frozen=True, slots=True)
class StatusQuestion:
    """One certificate asked about, by hashes of its issuer and its serial number."""

    hash_name: str
    issuer_name_hash: bytes
    issuer_key_hash: bytes
    serial: int
    nonce: bytes | None


@dataclass(frozen=True, slots=True)
class _Signer:
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    until: datetime


def read_question(der: bytes) -> StatusQuestion:
    """Reads a request about one certificate, in DER, of at most 2 KiB.

    Raises:
        StatusRequestError: it is malformed, too large, asks about several, or its nonce has not
            1 to 128 bytes.
    """
    if len(der) > MAX_REQUEST_BYTES:
        raise StatusRequestError("a status request has at most 2 KiB")
    try:
        request = ocsp.load_der_ocsp_request(der)
        algorithm = request.hash_algorithm
        nonce = _nonce(request.extensions)
        question = StatusQuestion(
            algorithm.name,
            request.issuer_name_hash,
            request.issuer_key_hash,
            request.serial_number,
            nonce,
        )
    except (ValueError, NotImplementedError, UnsupportedAlgorithm) as error:
        raise StatusRequestError("this is no status request about one certificate") from error
    if nonce is not None and not 1 <= len(nonce) <= MAX_NONCE_BYTES:
        raise StatusRequestError("a nonce has 1 to 128 bytes")
    return question


def read_path(text: str) -> bytes:
    """The request in the path of a GET: percent-encoded base64 of its DER (RFC 6960, A.1).

    Raises:
        StatusRequestError: it is not.
    """
    try:
        return base64.b64decode(unquote(text), validate=True)
    except (ValueError, binascii.Error):
        raise StatusRequestError("the path is not the base64 of a status request") from None


def _failed(status: ocsp.OCSPResponseStatus) -> bytes:
    return ocsp.OCSPResponseBuilder.build_unsuccessful(status).public_bytes(Encoding.DER)


# For whoever asks while no key is at hand (RFC 6960, 2.3).
TRY_LATER = _failed(ocsp.OCSPResponseStatus.TRY_LATER)


class StatusResponder:
    """Answers for several authorities, each by a delegate with a key made here.

    A delegate's key lives in this process only and is replaced each day, so the issuing key, and
    a device that may hold it, is asked once a day and not once a request. Answers are not kept:
    signing one takes less than finding it would save. Safe to call from several threads.
    """

    def __init__(self, authorities: Sequence[CertificateAuthority]) -> None:
        self._authorities = {
            (name, *_issuer_hashes(authority.certificate, name)): authority
            for authority in authorities
            for name in ("sha1", "sha256")
        }
        self._signers: dict[bytes, _Signer] = {}
        self._lock = threading.Lock()

    def answer(self, der: bytes, status_of: StatusOf, at: datetime) -> bytes:
        """The response in DER to a request in DER; never raises for what a caller sends.

        `status_of(issuer_id, serial)` gives True for a certificate in good standing, its
        revocation, or None for one that was never issued. A request about another authority's
        certificate is answered `unauthorized`, an unreadable one `malformedRequest`, and any
        `tryLater` while the authority's key cannot name a delegate.
        """
        try:
            question = read_question(der)
        except StatusRequestError:
            return _failed(ocsp.OCSPResponseStatus.MALFORMED_REQUEST)
        authority = self._authorities.get(
            (question.hash_name, question.issuer_name_hash, question.issuer_key_hash)
        )
        if authority is None:
            return _failed(ocsp.OCSPResponseStatus.UNAUTHORIZED)
        status = status_of(authority.issuer_id, question.serial)
        try:
            signer = self._signer(authority, at)
        except (DeviceError, CertificateError):
            return TRY_LATER
        revocation = status if isinstance(status, RevokedCertificate) else None
        builder = (
            ocsp.OCSPResponseBuilder()
            .add_response_by_hash(
                question.issuer_name_hash,
                question.issuer_key_hash,
                question.serial,
                SHA1() if question.hash_name == "sha1" else SHA256(),  # noqa: S303  # RFC 6960, 4.3
                _verdict(status),
                at,
                at + ANSWER_LIFE,
                None if revocation is None else revocation.revoked_at,
                None if revocation is None else _said(revocation.reason),
            )
            .responder_id(ocsp.OCSPResponderEncoding.HASH, signer.certificate)
            .certificates([signer.certificate])
        )
        if question.nonce is not None:
            builder = builder.add_extension(x509.OCSPNonce(question.nonce), critical=False)
        return builder.sign(signer.key, SHA256()).public_bytes(Encoding.DER)

    def _signer(self, authority: CertificateAuthority, at: datetime) -> _Signer:
        with self._lock:
            signer = self._signers.get(authority.issuer_id)
            if signer is None or not signer.until - SIGNER_ROTATION <= at < signer.until:
                key = ec.generate_private_key(ec.SECP256R1())
                certificate = authority.certify(
                    Profile.OCSP_SIGNER,
                    key.public_key(),
                    common_name=f"status of {authority.issuer_id.hex()[:16]}",
                    names=[],
                    not_before=at,
                    not_after=at + SIGNER_LIFE,
                )
                signer = _Signer(certificate, key, at + SIGNER_ROTATION)
                self._signers[authority.issuer_id] = signer
            return signer


def _nonce(extensions: x509.Extensions) -> bytes | None:
    try:
        return extensions.get_extension_for_class(x509.OCSPNonce).value.nonce
    except x509.ExtensionNotFound:
        return None


def _issuer_hashes(issuer: x509.Certificate, name: str) -> tuple[bytes, bytes]:
    """Of the issuer's name and of its key's bits (RFC 6960, 4.1.1)."""
    key = issuer.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return (
        hashlib.new(name, issuer.subject.public_bytes()).digest(),
        hashlib.new(name, key).digest(),
    )


def _verdict(status: Status) -> ocsp.OCSPCertStatus:
    if isinstance(status, RevokedCertificate):
        return ocsp.OCSPCertStatus.REVOKED
    return ocsp.OCSPCertStatus.GOOD if status else ocsp.OCSPCertStatus.UNKNOWN


def _said(reason: x509.ReasonFlags) -> x509.ReasonFlags | None:
    return None if reason is x509.ReasonFlags.unspecified else reason
