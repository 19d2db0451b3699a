"""A vendor's certificate signing request: possession proved, key strong enough (RFC 2986)."""

import hashlib
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from keys.errors import RequestRefusedError

MAX_REQUEST_BYTES = 16 * 1024
MIN_RSA_BITS = 3072
MAX_RSA_BITS = 8192
_MIN_RSA_EXPONENT = 65537
_CURVES = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)
_HASHES = (SHA256, SHA384, SHA512)


@dataclass(frozen=True, slots=True)
class KeyRequest:
    """What is taken from a request: its key and nothing else.

    The subject and the names that it asks for are ignored: they come from the record.
    """

    public_key: CertificatePublicKeyTypes
    spki_sha256: bytes
    der: bytes


def read_key_request(der: bytes) -> KeyRequest:
    """Reads a PKCS#10 request in DER and verifies it.

    Raises:
        RequestRefusedError: with code CSR_MALFORMED, CSR_UNPROVED (the signature is not of the
            key that it asks a certificate for) or KEY_WEAK (less than P-256, RSA-3072, Ed25519).
    """
    if len(der) > MAX_REQUEST_BYTES:
        raise RequestRefusedError("CSR_MALFORMED", "a request has at most 16 KiB")
    try:
        request = x509.load_der_x509_csr(der)
        public_key = request.public_key()
        is_proved = request.is_signature_valid
        algorithm = request.signature_hash_algorithm
    except (ValueError, UnsupportedAlgorithm, TypeError) as error:
        raise RequestRefusedError("CSR_MALFORMED", "this is no PKCS#10 request") from error
    if not is_proved:
        raise RequestRefusedError("CSR_UNPROVED", "the request is not signed by its own key")
    verify_strength(public_key)
    is_edwards = isinstance(public_key, ed25519.Ed25519PublicKey)
    if not is_edwards and not isinstance(algorithm, _HASHES):
        raise RequestRefusedError("KEY_WEAK", "sign the request with SHA-256 or better")
    spki = public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return KeyRequest(public_key, hashlib.sha256(spki).digest(), der)


def verify_strength(public_key: object) -> None:
    """Raises RequestRefusedError KEY_WEAK unless the key is one that certificates may have."""
    match public_key:
        case ed25519.Ed25519PublicKey():
            return
        case ec.EllipticCurvePublicKey():
            if isinstance(public_key.curve, _CURVES):
                return
        case rsa.RSAPublicKey():
            exponent = public_key.public_numbers().e
            if MIN_RSA_BITS <= public_key.key_size <= MAX_RSA_BITS and (
                exponent >= _MIN_RSA_EXPONENT and exponent % 2
            ):
                return
        case _:
            pass
    raise RequestRefusedError(
        "KEY_WEAK", "use a key of at least P-256 (P-256, P-384, P-521), RSA 3072 or Ed25519"
    )
