"""Access tokens bound to a client certificate (RFC 9068 profile, RFC 8705 binding).

A token may be shown many times while it lives; that is no replay, since it is worth nothing
without the private key of its certificate. Its `jti` serves to end it early (RFC 7009).
"""

import hmac
import secrets
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

import jwt
import orjson
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from keys.errors import KeyFileError, TokenError, TokenExpiredError, TokenForeignError
from keys.secret import Secret
from keys.thumbprint import base64url
from keys.token_key import TokenKey

LIFETIME_SECONDS = 600
# Another worker's clock may be a little ahead of ours (FAPI 2.0 Security Profile, 5.3.2.1).
_AHEAD_SECONDS = 10
_MAX_TOKEN_BYTES = 4096
_MAX_CACHED = 4096
_TYPE = "at+jwt"
# `jwk`, `jku`, `x5u`, `crit` and the like would let a token choose how it is believed (RFC 8725).
_HEADERS = frozenset({"alg", "typ", "kid"})
_REQUIRED = ["exp", "iat", "nbf", "aud", "iss", "sub", "jti"]


@dataclass(frozen=True, slots=True)
class AccessToken:
    """What a verified token says. `not_before` and `expires_at` are in seconds of the epoch."""

    token_id: str
    client_id: str
    contract_id: str
    confirmation: str
    expires_at: int
    not_before: int
    scope: str


@dataclass(frozen=True, slots=True)
class MintedToken:
    """A new token, its `jti`, and its lifetime in seconds."""

    token: str = field(repr=False)
    token_id: str
    lifetime: int


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
    """Mints and verifies the tokens of one issuer for one audience.

    One key signs; others only verify: the one that will sign next, and those that have retired.
    """

    def __init__(
        self, key: TokenKey, *, issuer: str, audience: str, others: Iterable[TokenKey] = ()
    ) -> None:
        self._issuer = issuer
        self._audience = audience
        self._verified: OrderedDict[str, AccessToken] = OrderedDict()
        self.use(key, others)

    def use(self, key: TokenKey, others: Iterable[TokenKey] = ()) -> None:
        """Goes on with other keys; a token of a key that is not among them ends here."""
        self._key = key
        # The same for all tokens of a key (RFC 7515, 7.1): made once.
        header = {"alg": key.algorithm.value, "typ": _TYPE, "kid": key.key_id}
        self._header = f"{base64url(orjson.dumps(header))}."
        self._known = {other.key_id: other for other in (*others, key)}
        self._verified.clear()

    @property
    def key_id(self) -> str:
        """The `kid` of the key that signs."""
        return self._key.key_id

    @property
    def jwks(self) -> list[dict[str, str]]:
        """The public keys (RFC 7517, 5), the one that signs first."""
        others = [key.jwk for key in self._known.values() if key is not self._key]
        return [self._key.jwk, *others]

    def mint(
        self,
        *,
        client_id: str,
        contract_id: str,
        thumbprint: bytes,
        now: datetime,
        not_after: datetime,
        scope: str = "release",
    ) -> MintedToken:
        """Returns a new token; its lifetime is at most 600 seconds, never past `not_after`.

        Raises:
            TokenError: nothing of the lifetime is left.
        """
        issued = int(now.timestamp())
        expires = min(issued + LIFETIME_SECONDS, int(not_after.timestamp()))
        if expires <= issued:
            raise TokenError("the contract or the certificate ends before a token could begin")
        token_id = secrets.token_urlsafe(16)
        claims = {
            "iss": self._issuer,
            "aud": self._audience,
            "sub": client_id,
            "client_id": client_id,
            "contract_id": contract_id,
            "scope": scope,
            "iat": issued,
            "nbf": issued,
            "exp": expires,
            "jti": token_id,
            "cnf": {"x5t#S256": base64url(thumbprint)},
        }
        signed = self._header + base64url(orjson.dumps(claims))
        signature = base64url(self._key.sign(signed.encode()))
        return MintedToken(f"{signed}.{signature}", token_id, expires - issued)

    def verify(self, token: str, *, thumbprint_b64: str, now: datetime) -> AccessToken:
        """Returns what the token says, if it was minted here for this very certificate.

        A signature already checked is remembered (at most 4,096 tokens a process); time and
        binding are checked at every call.

        Raises:
            TokenExpiredError: its time is over.
            TokenForeignError: it is bound to another certificate.
            TokenError: it is malformed, of another issuer, audience, type or key, or its time
                has not begun.
        """
        known = self._verified.get(token)
        if known is None:
            known = self.read(token)
            self._verified[token] = known
            if len(self._verified) > _MAX_CACHED:
                self._verified.popitem(last=False)
        moment = now.timestamp()
        if moment >= known.expires_at:
            self._verified.pop(token, None)
            raise TokenExpiredError("the token has expired")
        if moment + _AHEAD_SECONDS < known.not_before:
            raise TokenError("the token's time has not begun")
        if not hmac.compare_digest(known.confirmation, thumbprint_b64):
            raise TokenForeignError("the token is bound to another certificate")
        return known

    def read(self, token: str) -> AccessToken:
        """What a token of ours says, whatever the time and whoever shows it.

        Raises:
            TokenError: it is malformed, or of another issuer, audience, type or key.
        """
        if len(token) > _MAX_TOKEN_BYTES:
            raise TokenError("the token is too long")
        try:
            key = self._key_of(jwt.get_unverified_header(token))
            # Time is compared with our own clock in verify(), not with the library's.
            claims = jwt.decode(
                token,
                key.private.public_key(),
                algorithms=[key.algorithm],
                issuer=self._issuer,
                audience=self._audience,
                options={
                    "require": _REQUIRED,
                    "strict_aud": True,
                    "verify_exp": False,
                    "verify_iat": False,
                    "verify_nbf": False,
                },
            )
            if claims["sub"] != claims["client_id"]:
                raise TokenError("the token's subject is not its client")
            return AccessToken(
                token_id=str(claims["jti"]),
                client_id=str(claims["client_id"]),
                contract_id=str(claims["contract_id"]),
                confirmation=str(claims["cnf"]["x5t#S256"]),
                expires_at=int(claims["exp"]),
                not_before=max(int(claims["nbf"]), int(claims["iat"])),
                scope=str(claims["scope"]),
            )
        except (jwt.PyJWTError, KeyError, TypeError, ValueError, OverflowError) as error:
            raise TokenError("the token is not one of ours") from error

    def _key_of(self, header: dict[str, object]) -> TokenKey:
        key = self._known[str(header["kid"])]
        if header.get("typ") != _TYPE or not _HEADERS.issuperset(header):
            raise TokenError("the token is of another type")
        if header.get("alg") != key.algorithm:
            raise TokenError("the token names another algorithm than its key's")
        return key


def expiry_of(seconds: int) -> datetime:
    """The moment of an `exp` claim."""
    return datetime.fromtimestamp(seconds, tz=UTC)
