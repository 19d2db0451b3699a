import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from keys.errors import KeyFileError, TokenError, TokenExpiredError, TokenForeignError
from keys.secret import Secret
from keys.thumbprint import base64url
from keys.token_key import TokenAlgorithm, TokenKey, new_token_key
from keys.tokens import TokenAuthority, expiry_of, load_signing_key

NOW = datetime(2026, 5, 1, 8, tzinfo=UTC)
LATER = NOW + timedelta(days=30)
THUMBPRINT = hashlib.sha256(b"certificate").digest()
BOUND = base64url(THUMBPRINT)
ISSUER = "https://gateway.example"
PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
KEY = TokenKey.of(PRIVATE)
HEADERS = {"typ": "at+jwt", "kid": KEY.key_id}
P256 = TokenKey.load(Secret(new_token_key(TokenAlgorithm.ES256)))
SECONDS = timedelta(seconds=1)
UNTIMED: Any = {"verify_exp": False, "verify_iat": False, "verify_nbf": False}


@pytest.fixture
def tokens() -> TokenAuthority:
    return TokenAuthority(KEY, issuer=ISSUER, audience=ISSUER)


def _mint(tokens: TokenAuthority, *, not_after: datetime = LATER) -> tuple[str, int]:
    minted = tokens.mint(
        client_id="alpha",
        contract_id="alpha-2026",
        thumbprint=THUMBPRINT,
        now=NOW,
        not_after=not_after,
    )
    return minted.token, minted.lifetime


def _claims(**changes: Any) -> dict[str, Any]:
    claims = {
        "iss": ISSUER,
        "aud": ISSUER,
        "sub": "alpha",
        "client_id": "alpha",
        "contract_id": "alpha-2026",
        "scope": "release",
        "iat": int(NOW.timestamp()),
        "nbf": int(NOW.timestamp()),
        "exp": int(NOW.timestamp()) + 600,
        "jti": "one",
        "cnf": {"x5t#S256": BOUND},
        **changes,
    }
    return {name: value for name, value in claims.items() if value is not ...}


def _signed(claims: Mapping[str, Any], **headers: Any) -> str:
    whole = {"typ": "at+jwt", "kid": KEY.key_id, **headers}
    whole = {name: value for name, value in whole.items() if value is not ...}
    return jwt.encode(dict(claims), PRIVATE, algorithm="EdDSA", headers=whole)


def test_a_minted_token_says_who_it_is_for_and_for_how_long(tokens: TokenAuthority) -> None:
    token, lifetime = _mint(tokens)

    known = tokens.verify(token, thumbprint_b64=BOUND, now=NOW)

    assert lifetime == 600
    assert (known.client_id, known.contract_id) == ("alpha", "alpha-2026")
    assert expiry_of(known.expires_at) == NOW + 600 * SECONDS
    header = jwt.get_unverified_header(token)
    assert (header["alg"], header["typ"], header["kid"]) == ("EdDSA", "at+jwt", tokens.key_id)


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
        {"nbf": ...},
        {"scope": ...},
        {"aud": [ISSUER]},
        {"aud": [ISSUER, "https://elsewhere.example"]},
        {"sub": "beta"},
        {"nbf": int(NOW.timestamp()) + 11},
        {"iat": int(NOW.timestamp()) + 11},
        {"exp": float("inf")},
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
        tokens.verify(_signed(_claims(), typ=typ), thumbprint_b64=BOUND, now=NOW)


@pytest.mark.parametrize(
    "headers",
    [
        {"kid": "unknown"},
        {"kid": ...},
        {"kid": ""},
        {"jku": "https://elsewhere.example/jwks.json"},
        {"x5u": "https://elsewhere.example/x.pem"},
        {"jwk": KEY.jwk},
        {"x5c": ["AAAA"]},
        {"crit": ["exp"]},
        {"zip": "DEF"},
        {"cty": "JWT"},
    ],
    ids=str,
)
def test_a_token_does_not_choose_how_it_is_believed(
    tokens: TokenAuthority, headers: dict[str, Any]
) -> None:
    with pytest.raises(TokenError):
        tokens.verify(_signed(_claims(), **headers), thumbprint_b64=BOUND, now=NOW)


def test_a_clock_ten_seconds_ahead_of_ours_still_mints_tokens_that_we_take(
    tokens: TokenAuthority,
) -> None:
    ahead = int(NOW.timestamp()) + 10

    tokens.verify(_signed(_claims(nbf=ahead, iat=ahead)), thumbprint_b64=BOUND, now=NOW)


@pytest.mark.parametrize("algorithm", list(TokenAlgorithm))
def test_tokens_are_signed_by_the_algorithm_of_the_key(algorithm: TokenAlgorithm) -> None:
    key = TokenKey.load(Secret(new_token_key(algorithm)))
    tokens = TokenAuthority(key, issuer=ISSUER, audience=ISSUER)
    token, _ = _mint(tokens)

    assert tokens.verify(token, thumbprint_b64=BOUND, now=NOW).client_id == "alpha"
    assert jwt.get_unverified_header(token)["alg"] == algorithm == key.jwk["alg"]
    foreign = jwt.decode(token, jwt.PyJWK.from_dict(key.jwk), audience=ISSUER, options=UNTIMED)
    assert foreign["sub"] == "alpha"


@pytest.mark.parametrize("named", ["EdDSA", "HS256", "none"])
def test_a_key_verifies_by_its_own_algorithm_alone(named: str) -> None:
    tokens = TokenAuthority(P256, issuer=ISSUER, audience=ISSUER, others=[KEY])
    key: Any = {"EdDSA": PRIVATE, "HS256": b"k" * 32, "none": None}[named]
    headers = {"typ": "at+jwt", "kid": P256.key_id}
    token = jwt.encode(_claims(), key, algorithm=named, headers=headers)

    with pytest.raises(TokenError):
        tokens.verify(token, thumbprint_b64=BOUND, now=NOW)


def test_while_keys_rotate_tokens_of_each_known_key_are_good_and_then_no_more(
    tokens: TokenAuthority,
) -> None:
    old, _ = _mint(tokens)
    tokens.use(KEY, [P256])
    tokens.use(P256, [KEY])
    new, _ = _mint(tokens)

    for token in (old, new):
        assert tokens.verify(token, thumbprint_b64=BOUND, now=NOW).client_id == "alpha"
    assert [key["kid"] for key in tokens.jwks] == [P256.key_id, KEY.key_id]
    tokens.use(P256)
    tokens.verify(new, thumbprint_b64=BOUND, now=NOW)
    with pytest.raises(TokenError):
        tokens.verify(old, thumbprint_b64=BOUND, now=NOW)


def test_a_thumbprint_of_a_p256_key_is_that_of_rfc_7638() -> None:
    members = {name: P256.jwk[name] for name in ("crv", "kty", "x", "y")}
    digest = hashlib.sha256(orjson.dumps(members, option=orjson.OPT_SORT_KEYS)).digest()

    assert P256.key_id == base64url(digest)


@pytest.mark.parametrize(
    "key",
    [ec.generate_private_key(ec.SECP384R1()), rsa.generate_private_key(65537, 2048)],
    ids=["P-384", "RSA"],
)
def test_a_token_key_of_another_kind_is_refused(key: Any) -> None:
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    with pytest.raises(KeyFileError, match="P-256"):
        TokenKey.load(Secret(pem))


def test_a_token_of_another_key_is_refused(tokens: TokenAuthority) -> None:
    key = TokenKey.of(Ed25519PrivateKey.generate())
    stranger = TokenAuthority(key, issuer=ISSUER, audience=ISSUER)

    with pytest.raises(TokenError):
        tokens.verify(_mint(stranger)[0], thumbprint_b64=BOUND, now=NOW)


def test_an_unsigned_token_is_refused(tokens: TokenAuthority) -> None:
    token = jwt.encode(_claims(), "", algorithm="none", headers=HEADERS)

    with pytest.raises(TokenError):
        tokens.verify(token, thumbprint_b64=BOUND, now=NOW)


def test_the_public_key_used_as_a_shared_secret_is_refused(tokens: TokenAuthority) -> None:
    secret = PRIVATE.public_key().public_bytes_raw()
    token = jwt.encode(_claims(), secret, algorithm="HS256", headers=HEADERS)

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
    assert load_signing_key(_pem(PRIVATE)).public_key() == PRIVATE.public_key()
    with pytest.raises(KeyFileError, match="Ed25519"):
        load_signing_key(_pem(ec.generate_private_key(ec.SECP256R1())))
    with pytest.raises(KeyFileError, match="PKCS#8"):
        load_signing_key(Secret(b"nonsense"))


@pytest.mark.parametrize("key", [KEY, P256], ids=["EdDSA", "ES256"])
def test_another_implementation_reads_what_is_minted_and_finds_its_name_in_it(
    key: TokenKey,
) -> None:
    minted = TokenAuthority(key, issuer=ISSUER, audience=ISSUER).mint(
        client_id="alpha",
        contract_id="alpha-2026",
        thumbprint=THUMBPRINT,
        now=NOW,
        not_after=LATER,
    )

    public = jwt.PyJWK(key.jwk).key
    whole = jwt.decode_complete(
        minted.token, public, algorithms=[key.algorithm], audience=ISSUER, options=UNTIMED
    )
    assert whole["header"] == {"alg": key.algorithm.value, "typ": "at+jwt", "kid": key.key_id}
    assert whole["payload"] == _claims(jti=minted.token_id)
    assert minted.token not in repr(minted)
