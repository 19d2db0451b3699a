"""The token endpoint and what the gate makes of tokens, as FAPI 2.0 would try them."""

import ssl
import time
import warnings
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import httpx
import jwt
import orjson
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256

from gateway.installation import token_keys
from keys.secret import Secret
from keys.thumbprint import base64url
from keys.token_key import TokenAlgorithm, TokenKey, new_token_key
from tests.installation import Installation
from tests.promises.ledger import log_size, logged_entries

FORM = "application/x-www-form-urlencoded"
GRANT = "grant_type=client_credentials"
STRANGER = Ed25519PrivateKey.generate()
Claims = dict[str, Any]


def _claims(gateway: Installation, **changes: Any) -> Claims:
    pem = (gateway.directory / "vendors/alpha/client.pem").read_bytes()
    thumbprint = x509.load_pem_x509_certificate(pem).fingerprint(SHA256())
    now = int(time.time())
    claims = {
        "iss": gateway.settings.issuer,
        "aud": gateway.settings.issuer,
        "sub": "alpha",
        "client_id": "alpha",
        "contract_id": "alpha-2026",
        "scope": "release",
        "iat": now,
        "nbf": now,
        "exp": now + 300,
        "jti": f"made-{now}",
        "cnf": {"x5t#S256": base64url(thumbprint)},
        **changes,
    }
    return {name: value for name, value in claims.items() if value is not ...}


def _token(gateway: Installation, claims: Mapping[str, Any], **changes: Any) -> str:
    """Signed by the gateway's own key, unless `key` and `alg` say otherwise."""
    (key, *_others) = token_keys(gateway.settings)
    headers = {"typ": "at+jwt", "kid": key.key_id, **changes.pop("headers", {})}
    signing = changes.get("key", key.private)
    return jwt.encode(
        dict(claims), signing, algorithm=changes.get("alg", "EdDSA"), headers=headers
    )


def _shown(gateway: Installation, token: str, **headers: str) -> httpx.Response:
    with gateway.vendor("alpha", token=token) as client:
        return client.get("/v1/cases?limit=1", headers=headers)


INVALID = ("TOKEN_INVALID", "not-valid")
FOREIGN = "TOKEN_FOREIGN"
ELSEWHERE = "https://elsewhere.example"
PAST, FUTURE = int(time.time()), int(time.time()) + 3600
P256 = TokenKey.load(Secret(new_token_key(TokenAlgorithm.ES256))).private
# What is wrong with the token; its other claims or its other making; what the 401 says.
REFUSED: dict[str, tuple[Claims, dict[str, Any], tuple[str, str]]] = {
    "alg none": ({}, {"key": None, "alg": "none"}, INVALID),
    "alg HS256": ({}, {"key": b"k" * 32, "alg": "HS256"}, INVALID),
    "alg ES256": ({}, {"key": P256, "alg": "ES256"}, INVALID),
    "foreign key": ({}, {"key": STRANGER}, INVALID),
    "foreign kid": ({}, {"headers": {"kid": "x"}}, INVALID),
    "key by URL": ({}, {"headers": {"jku": ELSEWHERE}}, INVALID),
    "typ JWT": ({}, {"headers": {"typ": "JWT"}}, INVALID),
    "foreign aud": ({"aud": ELSEWHERE}, {}, INVALID),
    "foreign iss": ({"iss": ELSEWHERE}, {}, INVALID),
    "foreign sub": ({"sub": "beta"}, {}, INVALID),
    "no jti": ({"jti": ...}, {}, INVALID),
    "no binding": ({"cnf": ...}, {}, INVALID),
    "future nbf": ({"nbf": FUTURE}, {}, INVALID),
    "future iat": ({"iat": FUTURE}, {}, INVALID),
    "oversized": ({"pad": "x" * 4000}, {}, INVALID),
    "expired": ({"exp": PAST}, {}, ("TOKEN_EXPIRED", "expired")),
    "other certificate": ({"cnf": {"x5t#S256": "A"}}, {}, (FOREIGN, "certificate-changed")),
    "other vendor": ({"sub": "beta", "client_id": "beta"}, {}, (FOREIGN, "contract-changed")),
    "other contract": ({"contract_id": "x"}, {}, (FOREIGN, "contract-changed")),
    "other scope": ({"scope": "closing"}, {}, (FOREIGN, "scope-changed")),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_wrong_token_is_refused_and_the_challenge_says_how(
    gateway: Installation, case: str
) -> None:
    claims, making, (code, says) = REFUSED[case]
    answer = _shown(gateway, _token(gateway, _claims(gateway, **claims), **making))

    assert (answer.status_code, answer.json()["code"]) == (401, code)
    assert answer.headers["www-authenticate"] == (
        f'Bearer realm="casegate", error="invalid_token", error_description="{says}"'
    )


def test_the_same_token_with_nothing_wrong_is_served(gateway: Installation) -> None:
    assert _shown(gateway, _token(gateway, _claims(gateway))).status_code == 200


# What is wrong with the request for a token; form, query, headers; status and RFC 6749's word.
REQUESTS: dict[str, tuple[str, str, dict[str, str], int, str]] = {
    "duplicated grant": (f"{GRANT}&{GRANT}", "", {}, 400, "invalid_request"),
    "duplicated scope": (f"{GRANT}&scope=a&scope=b", "", {}, 400, "invalid_request"),
    "parameter in the query": (GRANT, f"?{GRANT}", {}, 400, "invalid_request"),
    "oversized": (f"{GRANT}&x={'a' * 9000}", "", {}, 400, "invalid_request"),
    "too many parameters": (f"{GRANT}{'&a=1' * 16}", "", {}, 400, "invalid_request"),
    "JSON": ("{}", "", {"content-type": "application/json"}, 400, "invalid_request"),
    "no grant": ("client_id=alpha", "", {}, 400, "invalid_request"),
    "code grant": ("grant_type=authorization_code", "", {}, 400, "unsupported_grant_type"),
    "password grant": ("grant_type=password", "", {}, 400, "unsupported_grant_type"),
    "refresh grant": ("grant_type=refresh_token", "", {}, 400, "unsupported_grant_type"),
    "another client": (f"{GRANT}&client_id=beta", "", {}, 401, "invalid_client"),
    "client secret": (f"{GRANT}&client_secret=x", "", {}, 400, "invalid_request"),
    "client assertion": (f"{GRANT}&client_assertion=x", "", {}, 400, "invalid_request"),
    "basic": (GRANT, "", {"authorization": "Basic YTpi"}, 400, "invalid_request"),
    "wider scope": (f"{GRANT}&scope=release+admin", "", {}, 400, "invalid_scope"),
    "other scope": (f"{GRANT}&scope=closing", "", {}, 400, "invalid_scope"),
    "foreign resource": (f"{GRANT}&resource={ELSEWHERE}", "", {}, 400, "invalid_target"),
}


@pytest.mark.parametrize("case", REQUESTS)
def test_a_wrong_request_gets_no_token(gateway: Installation, case: str) -> None:
    form, query, headers, status, error = REQUESTS[case]
    with gateway.vendor("alpha", token="") as client:
        answer = client.post(
            f"/oauth2/token{query}", content=form, headers={"content-type": FORM, **headers}
        )

    assert (answer.status_code, answer.json()["error"]) == (status, error)
    assert "access_token" not in answer.text


def test_a_full_request_gets_a_token_that_is_not_to_be_kept(gateway: Installation) -> None:
    form = {
        "grant_type": "client_credentials",
        "client_id": "alpha",
        "scope": "release",
        "resource": gateway.settings.issuer,
    }
    with gateway.vendor("alpha", token="") as client:
        answer = client.post("/oauth2/token", data=form)

    content = answer.json()
    claims = jwt.decode(content["access_token"], options={"verify_signature": False})
    assert set(content) == {"access_token", "token_type", "expires_in", "scope"}
    assert (content["token_type"], content["scope"]) == ("Bearer", "release")
    assert answer.headers["cache-control"] == "no-store"
    assert claims["nbf"] == claims["iat"] == claims["exp"] - 600
    assert claims["aud"] == gateway.settings.issuer


def test_downgraded_tls_gets_no_answer(gateway: Installation) -> None:
    context = gateway.tls("vendors/alpha")
    context.maximum_version = ssl.TLSVersion.TLSv1_2

    with (
        httpx.Client(base_url=gateway.vendor_url, verify=context) as client,
        pytest.raises(httpx.TransportError),
    ):
        client.post("/oauth2/token", data={"grant_type": "client_credentials"})


def test_the_metadata_names_each_endpoint_and_its_alias_for_mutual_tls(
    gateway: Installation,
) -> None:
    with gateway.vendor("alpha", token="") as client:
        metadata = client.get("/.well-known/oauth-authorization-server").json()

    assert metadata["revocation_endpoint"] == f"{gateway.vendor_url}/oauth2/revoke"
    assert metadata["revocation_endpoint_auth_methods_supported"] == ["tls_client_auth"]
    assert metadata["scopes_supported"] == ["release", "closing"]
    assert metadata["mtls_endpoint_aliases"] == {
        name: metadata[name] for name in ("token_endpoint", "revocation_endpoint")
    }


class _Hopping(httpx.Client):
    """A client whose every request may meet another worker."""

    def close_idle(self) -> None:
        pool: Any = self._transport
        pool._pool.close()


def _status_until(client: _Hopping, wanted: int, seconds: float = 2.0) -> float:
    """Asks until the status is as wanted on ten connections running; returns how long it took."""
    began = time.monotonic()
    last = began
    while time.monotonic() - last < 0.3:
        if client.get("/v1/cases?limit=1").status_code != wanted:
            last = time.monotonic()
        assert time.monotonic() - began < seconds, "a worker still answers otherwise"
        client.close_idle()
    return last - began


def _revoke(client: httpx.Client, **form: str) -> httpx.Response:
    return client.post("/oauth2/revoke", data=form)


def test_a_revoked_token_is_dead_on_every_worker_and_another_is_not(
    gateway: Installation,
) -> None:
    before = log_size(gateway)
    with (
        gateway.vendor("alpha") as other,
        _Hopping(base_url=gateway.vendor_url, verify=gateway.tls("vendors/alpha")) as client,
    ):
        token = gateway.token(client)
        client.headers["Authorization"] = f"Bearer {token}"
        assert client.get("/v1/cases?limit=1").status_code == 200
        del client.headers["Authorization"]
        answer = _revoke(client, token=token, token_type_hint="access_token")
        client.headers["Authorization"] = f"Bearer {token}"
        took = _status_until(client, 401)
        refused = client.get("/v1/cases?limit=1")
        kept = other.get("/v1/cases?limit=1")

    print(f"the last worker heard within {took * 1000:.0f} ms")
    assert (answer.status_code, answer.content) == (200, b"")
    assert refused.json()["code"] == "TOKEN_REVOKED"
    assert 'error_description="revoked"' in refused.headers["www-authenticate"]
    assert kept.status_code == 200
    jti = jwt.decode(token, options={"verify_signature": False})["jti"]
    entries = [entry.fields for entry in logged_entries(gateway, since=before)]
    (entry,) = [entry for entry in entries if entry["type"] == "token.revoked"]
    assert (entry["vendor"], entry["token"]) == ("alpha", jti)


def test_revoking_what_is_not_ones_own_does_nothing_and_says_nothing(
    gateway: Installation,
) -> None:
    with gateway.vendor("alpha") as alpha, gateway.vendor("beta", token="") as beta:
        token = alpha.headers["Authorization"].removeprefix("Bearer ")
        answers = [
            _revoke(beta, token=shown)
            for shown in (token, "unknown", "a.b.c", _token(gateway, _claims(gateway, exp=1)))
        ]
        time.sleep(0.3)
        kept = alpha.get("/v1/cases?limit=1")

    assert [(answer.status_code, answer.content) for answer in answers] == [(200, b"")] * 4
    assert kept.status_code == 200


@pytest.mark.parametrize(
    ("form", "status", "error"),
    [
        ({}, 400, "invalid_request"),
        ({"token_type_hint": "access_token"}, 400, "invalid_request"),
        ({"token": "x", "client_id": "beta"}, 401, "invalid_client"),
        ({"token": "x", "client_secret": "y"}, 400, "invalid_request"),
    ],
)
def test_a_wrong_revocation_is_refused(
    gateway: Installation, form: dict[str, str], status: int, error: str
) -> None:
    with gateway.vendor("alpha", token="") as client:
        answer = client.post(
            "/oauth2/revoke",
            content="&".join(f"{k}={v}" for k, v in form.items()),
            headers={"content-type": FORM},
        )

    assert (answer.status_code, orjson.loads(answer.content)["error"]) == (status, error)


def test_a_generic_oauth_client_gets_a_token_pulls_and_revokes(gateway: Installation) -> None:
    with warnings.catch_warnings(record=True):  # it would rather have the next httpx
        client_of = import_module("authlib.integrations.httpx_client").OAuth2Client
    with client_of(
        client_id="alpha",
        token_endpoint_auth_method="none",  # authlib's word for: only client_id in the form
        revocation_endpoint_auth_method="none",
        verify=gateway.tls("vendors/alpha"),
    ) as client:
        metadata = client.request(
            "GET",
            f"{gateway.vendor_url}/.well-known/oauth-authorization-server",
            withhold_token=True,
        ).json()
        aliases = metadata["mtls_endpoint_aliases"]
        token = client.fetch_token(aliases["token_endpoint"], grant_type="client_credentials")
        page = client.get(f"{gateway.vendor_url}/v1/cases", params={"limit": 2})
        revoked = client.revoke_token(aliases["revocation_endpoint"], token["access_token"])

    assert token["token_type"] == "Bearer"
    assert len(page.json()["items"]) == 2
    assert revoked.status_code == 200
