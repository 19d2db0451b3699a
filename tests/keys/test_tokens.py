import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from keys.errors import KeyFileError, TokenError, TokenExpiredError, TokenForeignError
from keys.secret import Secret
from keys.thumbprint import base64url
from keys.tokens import TokenAuthority, expiry_of, load_signing_key

NOW = datetime(2026, 5, 1, 8, tzinfo=UTC)
LATER = NOW + timedelta(days=30)
THUMBPRINT = hashlib.sha256(b"certificate").digest()
BOUND = base64url(THUMBPRINT)
ISSUER = "https://gateway.example"
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
SECONDS = timedelta(seconds=1)


@pytest.fixture
def tokens() -> TokenAuthority:
    return TokenAuthority(KEY, issuer=ISSUER, audience=ISSUER)


def _mint(tokens: TokenAuthority, *, not_after: datetime = LATER) -> tuple[str, int]:
    return tokens.mint(
        client_id="alpha",
        contract_id="alpha-2026",
        thumbprint=THUMBPRINT,
        now=NOW,
        not_after=not_after,
    )


def _claims(**changes: Any) -> dict[str, Any]:
    claims = {
        "iss": ISSUER,
        "aud": ISSUER,
        "sub": "alpha",
        "client_id": "alpha",
        "contract_id": "alpha-2026",
        "iat": int(NOW.timestamp()),
        "exp": int(NOW.timestamp()) + 600,
        "jti": "one",
        "cnf": {"x5t#S256": BOUND},
        **changes,
    }
    return {name: value for name, value in claims.items() if value is not ...}


def _signed(claims: Mapping[str, Any], typ: str | None = "at+jwt") -> str:
    return jwt.encode(dict(claims), KEY, algorithm="EdDSA", headers={"typ": typ})


def test_a_minted_token_says_who_it_is_for_and_for_how_long(tokens: TokenAuthority) -> None:
    token, lifetime = _mint(tokens)

    known = tokens.verify(token, thumbprint_b64=BOUND, now=NOW)

    assert lifetime == 600
    assert (known.client_id, known.contract_id) == ("alpha", "alpha-2026")
    assert expiry_of(known.expires_at) == NOW + 600 * SECONDS
    header = jwt.get_unverified_header(token)
    assert (header["alg"], header["typ"], header["kid"]) == ("EdDSA", "at+jwt", tokens.jwk["kid"])


@pytest.mark.parametrize(("left", "lifetime"), [(1, 1), (599, 599), (600, 600), (86_400, 600)])
def test_a_token_never_outlives_contract_or_certificate(
    tokens: TokenAuthority, left: int, lifetime: int
) -> None:
    assert _mint(tokens, not_after=NOW + left * SECONDS)[1] == lifetime


@pytest.mark.parametrize("left", [0, -1, -86_400])
def test_no_token_begins_where_nothing_of_the_term_is_left(
    tokens: TokenAuthority, left: int
) -> None:
    with pytest.raises(TokenError):
        _mint(tokens, not_after=NOW + left * SECONDS)


def test_a_token_holds_until_the_second_before_its_end_even_when_remembered(
    tokens: TokenAuthority,
) -> None:
    token, _ = _mint(tokens)
    tokens.verify(token, thumbprint_b64=BOUND, now=NOW)
    tokens.verify(token, thumbprint_b64=BOUND, now=NOW + 599.999 * SECONDS)

    with pytest.raises(TokenExpiredError):
        tokens.verify(token, thumbprint_b64=BOUND, now=NOW + 600 * SECONDS)
    with pytest.raises(TokenExpiredError):
        tokens.verify(token, thumbprint_b64=BOUND, now=NOW + 600 * SECONDS)


def test_a_token_works_with_its_own_certificate_alone_even_when_remembered(
    tokens: TokenAuthority,
) -> None:
    token, _ = _mint(tokens)
    other = base64url(hashlib.sha256(b"another").digest())

    with pytest.raises(TokenForeignError):
        tokens.verify(token, thumbprint_b64=other, now=NOW)
    tokens.verify(token, thumbprint_b64=BOUND, now=NOW)
    with pytest.raises(TokenForeignError):
        tokens.verify(token, thumbprint_b64=other, now=NOW)


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://elsewhere.example"},
        {"aud": "https://elsewhere.example"},
        {"iss": ...},
        {"aud": ...},
        {"exp": ...},
        {"iat": ...},
        {"sub": ...},
        {"jti": ...},
        {"cnf": ...},
        {"cnf": {}},
        {"cnf": "text"},
        {"client_id": ...},
        {"contract_id": ...},
        {"exp": "soon"},
    ],
)
def test_a_well_signed_token_with_other_claims_is_refused(
    tokens: TokenAuthority, changes: dict[str, Any]
) -> None:
    with pytest.raises(TokenError):
        tokens.verify(_signed(_claims(**changes)), thumbprint_b64=BOUND, now=NOW)


def test_the_control_of_the_refusals_above_is_accepted(tokens: TokenAuthority) -> None:
    assert tokens.verify(_signed(_claims()), thumbprint_b64=BOUND, now=NOW).token_id == "one"


@pytest.mark.parametrize("typ", ["JWT", "AT+JWT", "application/at+jwt", None])
def test_a_token_of_another_type_is_refused(tokens: TokenAuthority, typ: str | None) -> None:
    with pytest.raises(TokenError):
        tokens.verify(_signed(_claims(), typ), thumbprint_b64=BOUND, now=NOW)


def test_a_token_of_another_key_is_refused(tokens: TokenAuthority) -> None:
    stranger = TokenAuthority(Ed25519PrivateKey.generate(), issuer=ISSUER, audience=ISSUER)

    with pytest.raises(TokenError):
        tokens.verify(_mint(stranger)[0], thumbprint_b64=BOUND, now=NOW)


def test_an_unsigned_token_is_refused(tokens: TokenAuthority) -> None:
    token = jwt.encode(_claims(), "", algorithm="none", headers={"typ": "at+jwt"})

    with pytest.raises(TokenError):
        tokens.verify(token, thumbprint_b64=BOUND, now=NOW)


def test_the_public_key_used_as_a_shared_secret_is_refused(tokens: TokenAuthority) -> None:
    secret = KEY.public_key().public_bytes_raw()
    token = jwt.encode(_claims(), secret, algorithm="HS256", headers={"typ": "at+jwt"})

    with pytest.raises(TokenError):
        tokens.verify(token, thumbprint_b64=BOUND, now=NOW)


@pytest.mark.parametrize("token", ["", "a", "a.b.c", "e30.e30.", "é.é.é", "x" * 4097])
def test_what_is_no_token_is_refused(tokens: TokenAuthority, token: str) -> None:
    with pytest.raises(TokenError):
        tokens.verify(token, thumbprint_b64=BOUND, now=NOW)


def test_the_memory_of_checked_tokens_is_bounded(
    tokens: TokenAuthority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keys.tokens._MAX_CACHED", 3)
    for _ in range(8):
        tokens.verify(_mint(tokens)[0], thumbprint_b64=BOUND, now=NOW)

    assert len(tokens._verified) == 3


def test_refused_tokens_are_not_remembered(tokens: TokenAuthority) -> None:
    with pytest.raises(TokenError):
        tokens.verify("a.b.c", thumbprint_b64=BOUND, now=NOW)

    assert not tokens._verified


def _pem(key: Ed25519PrivateKey | ec.EllipticCurvePrivateKey) -> Secret:
    return Secret(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def test_an_ed25519_key_is_read_and_any_other_refused() -> None:
    assert load_signing_key(_pem(KEY)).public_key() == KEY.public_key()
    with pytest.raises(KeyFileError, match="Ed25519"):
        load_signing_key(_pem(ec.generate_private_key(ec.SECP256R1())))
    with pytest.raises(KeyFileError, match="PKCS#8"):
        load_signing_key(Secret(b"nonsense"))
