"""Access tokens bound to a client certificate (RFC 9068 profile, RFC 8705 binding)."""

import hmac
import secrets
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from keys.errors import KeyFileError, TokenError, TokenExpiredError, TokenForeignError
from keys.secret import Secret
from keys.thumbprint import base64url, ed25519_jwk

LIFETIME_SECONDS = 600
_MAX_TOKEN_BYTES = 4096
_MAX_CACHED = 4096


@dataclass(frozen=True, slots=True)
class AccessToken:
    """What a verified token says. `expires_at` is in seconds of the Unix epoch."""

    token_id: str
    client_id: str
    contract_id: str
    confirmation: str
    expires_at: int


def load_signing_key(pem: Secret) -> Ed25519PrivateKey:
    """Reads an Ed25519 private key in PKCS#8 PEM.

    Raises:
        KeyFileError: it is something else.
    """
    try:
        key = load_pem_private_key(pem.reveal(), password=None)
    except (ValueError, TypeError) as error:
        raise KeyFileError("a signing key file is not an unencrypted PKCS#8 PEM key") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyFileError("a signing key must be an Ed25519 key")
    return key


class TokenAuthority:
    """Mints and verifies the tokens of one issuer for one audience."""

    def __init__(self, key: Ed25519PrivateKey, *, issuer: str, audience: str) -> None:
        self._key = key
        self._public = key.public_key()
        self._issuer = issuer
        self._audience = audience
        self.jwk = ed25519_jwk(self._public)
        self._verified: OrderedDict[str, AccessToken] = OrderedDict()

    def mint(
        self,
        *,
        client_id: str,
        contract_id: str,
        thumbprint: bytes,
        now: datetime,
        not_after: datetime,
    ) -> tuple[str, int]:
        """Returns a token and its lifetime in seconds: at most 600, never past `not_after`.

        Raises:
            TokenError: nothing of the lifetime is left.
        """
        issued = int(now.timestamp())
        expires = min(issued + LIFETIME_SECONDS, int(not_after.timestamp()))
        if expires <= issued:
            raise TokenError("the contract or the certificate ends before a token could begin")
        claims = {
            "iss": self._issuer,
            "aud": self._audience,
            "sub": client_id,
            "client_id": client_id,
            "contract_id": contract_id,
            "iat": issued,
            "exp": expires,
            "jti": secrets.token_urlsafe(16),
            "cnf": {"x5t#S256": base64url(thumbprint)},
        }
        headers = {"typ": "at+jwt", "kid": self.jwk["kid"]}
        return jwt.encode(claims, self._key, algorithm="EdDSA", headers=headers), expires - issued

    def verify(self, token: str, *, thumbprint_b64: str, now: datetime) -> AccessToken:
        """Returns what the token says, if it was minted here for this very certificate.

        A signature already checked is remembered (at most 4,096 tokens a process); time and
        binding are checked at every call.

        Raises:
            TokenExpiredError: its time is over.
            TokenForeignError: it is bound to another certificate.
            TokenError: it is malformed, or of another issuer, audience, type or key.
        """
        known = self._verified.get(token)
        if known is None:
            known = self._check(token)
            self._verified[token] = known
            if len(self._verified) > _MAX_CACHED:
                self._verified.popitem(last=False)
        if now.timestamp() >= known.expires_at:
            self._verified.pop(token, None)
            raise TokenExpiredError("the token has expired")
        if not hmac.compare_digest(known.confirmation, thumbprint_b64):
            raise TokenForeignError("the token is bound to another certificate")
        return known

    def _check(self, token: str) -> AccessToken:
        if len(token) > _MAX_TOKEN_BYTES:
            raise TokenError("the token is too long")
        try:
            if jwt.get_unverified_header(token).get("typ") != "at+jwt":
                raise TokenError("the token is of another type")
            # Time is compared with our own clock in verify(), not with the library's.
            claims = jwt.decode(
                token,
                self._public,
                algorithms=["EdDSA"],
                issuer=self._issuer,
                audience=self._audience,
                options={
                    "require": ["exp", "iat", "aud", "iss", "sub", "jti"],
                    "verify_exp": False,
                    "verify_iat": False,
                    "verify_nbf": False,
                },
            )
            return AccessToken(
                token_id=str(claims["jti"]),
                client_id=str(claims["client_id"]),
                contract_id=str(claims["contract_id"]),
                confirmation=str(claims["cnf"]["x5t#S256"]),
                expires_at=int(claims["exp"]),
            )
        except (jwt.PyJWTError, KeyError, TypeError, ValueError) as error:
            raise TokenError("the token is not one of ours") from error


def expiry_of(seconds: int) -> datetime:
    """The moment of an `exp` claim."""
    return datetime.fromtimestamp(seconds, tz=UTC)
