"""Detached signatures of reports: JWS with Ed25519 (RFC 7515, appendix F; RFC 8037)."""

import base64
import binascii

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_public_key,
)

from gateway.offboarding.errors import ReportError
from keys.thumbprint import base64url, ed25519_jwk

_TYPE = "casegate-report+jws"
_PARTS = 3


def sign_detached(key: Ed25519PrivateKey, content: bytes) -> str:
    """A detached JWS over the content's bytes: `header..signature`."""
    head = {"alg": "EdDSA", "kid": ed25519_jwk(key.public_key())["kid"], "typ": _TYPE}
    header = base64url(orjson.dumps(head, option=orjson.OPT_SORT_KEYS))
    signature = key.sign(f"{header}.{base64url(content)}".encode())
    return f"{header}..{base64url(signature)}"


def verify_detached(key: Ed25519PublicKey, content: bytes, signature: str) -> None:
    """Checks a detached JWS.

    Raises:
        ReportError: it is not of this content and this key.
    """
    parts = signature.strip().split(".")
    if len(parts) != _PARTS or parts[1]:
        raise ReportError("the signature file is not a detached JWS")
    try:
        head = orjson.loads(_decoded(parts[0]))
        value = _decoded(parts[2])
    except (binascii.Error, ValueError) as error:
        raise ReportError("the signature file is not a detached JWS") from error
    if not isinstance(head, dict) or (head.get("alg"), head.get("typ")) != ("EdDSA", _TYPE):
        raise ReportError("the signature is not of a report")
    try:
        key.verify(value, f"{parts[0]}.{base64url(content)}".encode())
    except InvalidSignature as error:
        raise ReportError("the signature is not of this file under this key") from error


def new_report_key() -> bytes:
    """A new private key for reports, PKCS#8 in PEM."""
    key = Ed25519PrivateKey.generate()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def read_report_key(pem: bytes) -> Ed25519PublicKey:
    """The public key of reports, from PEM.

    Raises:
        ReportError: it is something else.
    """
    try:
        key = load_pem_public_key(pem)
    except ValueError as error:
        raise ReportError("the report key is not a public key in PEM") from error
    if not isinstance(key, Ed25519PublicKey):
        raise ReportError("the report key is not an Ed25519 key")
    return key


def _decoded(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
