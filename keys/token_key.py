"""A key that signs access tokens, with the one algorithm that it is for."""

import hashlib
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Self

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from keys.errors import KeyFileError
from keys.secret import Secret
from keys.thumbprint import base64url, ed25519_jwk

_COORDINATE_BYTES = 32


class TokenAlgorithm(StrEnum):
    """What FAPI 2.0 lets tokens be signed with, but for PS256, whose tokens are long."""

    EDDSA = "EdDSA"
    ES256 = "ES256"


@dataclass(frozen=True, slots=True)
class TokenKey:
    """A private key; its kind fixes the algorithm, whatever the header of a token says.

    `jwk` is the public half (RFC 7517) with its thumbprint (RFC 7638) as `kid`.
    """

    private: Ed25519PrivateKey | ec.EllipticCurvePrivateKey = field(repr=False)
    algorithm: TokenAlgorithm
    jwk: dict[str, str]

    @property
    def key_id(self) -> str:
        """The `kid`."""
        return self.jwk["kid"]

    def sign(self, message: bytes) -> bytes:
        """The signature as a JWS carries it (RFC 8037, 3.1; RFC 7518, 3.4), 64 bytes."""
        if isinstance(self.private, Ed25519PrivateKey):
            return self.private.sign(message)
        r, s = decode_dss_signature(self.private.sign(message, ec.ECDSA(SHA256())))
        return r.to_bytes(_COORDINATE_BYTES) + s.to_bytes(_COORDINATE_BYTES)

    @classmethod
    def of(cls, private: Ed25519PrivateKey | ec.EllipticCurvePrivateKey) -> Self:
        """A key that is at hand already.

        Raises:
            KeyFileError: it is on another curve than P-256.
        """
        if isinstance(private, Ed25519PrivateKey):
            return cls(private, TokenAlgorithm.EDDSA, ed25519_jwk(private.public_key()))
        if not isinstance(private.curve, ec.SECP256R1):
            raise KeyFileError("a token key on a NIST curve must be on P-256")
        return cls(private, TokenAlgorithm.ES256, _p256_jwk(private.public_key()))

    @classmethod
    def load(cls, pem: Secret) -> Self:
        """Reads a private key in PKCS#8 PEM.

        Raises:
            KeyFileError: it is something else than an Ed25519 or a P-256 key.
        """
        try:
            private = load_pem_private_key(pem.reveal(), password=None)
        except (ValueError, TypeError) as error:
            raise KeyFileError("a token key file is not an unencrypted PKCS#8 PEM key") from error
        if not isinstance(private, Ed25519PrivateKey | ec.EllipticCurvePrivateKey):
            raise KeyFileError("a token key must be an Ed25519 or a P-256 key")
        return cls.of(private)


def new_token_key(algorithm: TokenAlgorithm) -> bytes:
    """Returns a fresh key as PKCS#8 PEM, ready to be written to a file."""
    private: Ed25519PrivateKey | ec.EllipticCurvePrivateKey
    if algorithm is TokenAlgorithm.ES256:
        private = ec.generate_private_key(ec.SECP256R1())
    else:
        private = Ed25519PrivateKey.generate()
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _p256_jwk(key: ec.EllipticCurvePublicKey) -> dict[str, str]:
    """The public key as a JWK (RFC 7518, 6.2.1)."""
    numbers = key.public_numbers()
    x = base64url(numbers.x.to_bytes(_COORDINATE_BYTES))
    y = base64url(numbers.y.to_bytes(_COORDINATE_BYTES))
    canonical = f'{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}'.encode()
    kid = base64url(hashlib.sha256(canonical).digest())
    return {
        "kty": "EC",
        "crv": "P-256",
        "x": x,
        "y": y,
        "alg": TokenAlgorithm.ES256.value,
        "use": "sig",
        "kid": kid,
    }
