import re

import httpx
import jwt
import orjson
import pytest

from gateway.http.problems import MEDIA_TYPE
from tests.installation import Installation

FORM = "application/x-www-form-urlencoded"
GRANT = "grant_type=client_credentials"


def _problem(answer: httpx.Response, status: int, code: str) -> dict[str, object]:
    content: dict[str, object] = orjson.loads(answer.content)
    assert answer.status_code == status
    assert content["code"] == code
    assert answer.headers["content-type"] == MEDIA_TYPE
    assert content["status"] == status
    assert content["type"] == f"urn:casegate:problem:{code}"
    assert content["request_id"] == answer.headers["casegate-request-id"]
    assert answer.headers["cache-control"] == "no-store"
    return content


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=501",
        "limit=-1",
        "limit=abc13812345678",
        "limit=1.5",
        "limit=",
        "cursor=" + "A" * 513,
        "assignment=" + "A" * 65,
    ],
)
def test_a_parameter_out_of_bounds_is_refused_without_repeating_it(
    gateway: Installation, query: str
) -> None:
    with gateway.vendor("alpha") as client:
        answer = client.get(f"/v1/cases?{query}")

    content = _problem(answer, 422, "SCHEMA_INVALID")
    name, _, value = query.partition("=")
    assert name in answer.text
    assert len(value) < 2 or value not in str(content["errors"])


@pytest.mark.parametrize("path", ["/v1/cases", "/v1/assignments"])
@pytest.mark.parametrize("cursor", ["x", "13812345678", "%00", "AAAA" * 20, "%E5%BC%A0", "-1"])
def test_a_made_up_cursor_is_refused_without_repeating_it(
    gateway: Installation, path: str, cursor: str
) -> None:
    with gateway.vendor("alpha") as client:
        answer = client.get(f"{path}?cursor={cursor}")

    _problem(answer, 422, "SCHEMA_INVALID")
    assert "13812345678" not in answer.text


def test_a_cursor_of_the_other_listing_or_the_other_vendor_is_refused(
    gateway: Installation,
) -> None:
    with gateway.vendor("alpha") as alpha, gateway.vendor("beta") as beta:
        cursor = alpha.get("/v1/cases?limit=1").json()["next_cursor"]
        own = alpha.get(f"/v1/cases?limit=1&cursor={cursor}")
        others = [
            beta.get(f"/v1/cases?limit=1&cursor={cursor}"),
            alpha.get(f"/v1/assignments?limit=1&cursor={cursor}"),
            alpha.get(f"/v1/cases?limit=1&assignment=x&cursor={cursor}"),
        ]

    assert own.status_code == 200
    for answer in others:
        _problem(answer, 422, "SCHEMA_INVALID")


@pytest.mark.parametrize(
    "path",
    ["/", "/v1", "/v1/cases/", "/v2/cases", "/docs", "/openapi.json", "/company/v1/portfolios"],
)
def test_an_unknown_path_is_401_without_a_token_and_404_with_one(
    gateway: Installation, path: str
) -> None:
    with gateway.vendor("alpha") as client:
        _problem(client.get(path), 404, "NOT_FOUND")
        del client.headers["Authorization"]
        _problem(client.get(path), 401, "TOKEN_MISSING")


@pytest.mark.parametrize(
    "reference",
    [
        "%2e%2e",
        "a%2Fb",
        "%E5%BC%A0%E4%B8%89",
        "%00",
        "A" * 5000,
        "..%2f..%2f",
        "%F0%9F%92%A9",
        "'",
    ],
)
def test_any_text_in_place_of_a_reference_is_not_found(
    gateway: Installation, reference: str
) -> None:
    with gateway.vendor("alpha") as client:
        _problem(client.get(f"/v1/cases/{reference}"), 404, "NOT_FOUND")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
def test_another_method_is_refused(gateway: Installation, method: str) -> None:
    with gateway.vendor("alpha") as client:
        _problem(client.request(method, "/v1/cases"), 405, "METHOD_NOT_ALLOWED")


def test_head_is_refused_and_has_no_body(gateway: Installation) -> None:
    with gateway.vendor("alpha") as client:
        answer = client.head("/v1/cases")

    assert answer.status_code == 405
    assert answer.content == b""


def test_a_percent_encoded_path_meets_the_same_checks(gateway: Installation) -> None:
    with gateway.vendor("alpha", token="") as client:
        for path in ("/v1/%63ases", "/%76%31/cases", "/oauth2/../v1/cases", "/oauth2/token/../x"):
            _problem(client.get(path), 401, "TOKEN_MISSING")


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (GRANT, "application/json"),
        (GRANT, ""),
        (f"{GRANT}&{GRANT}", FORM),
        (f"{GRANT}&client_id=alpha&client_id=beta", FORM),
        ("grant_type", FORM),
        ("", FORM),
        ("%FF=%FF&=", FORM),
        ("&".join(f"a{number}=1" for number in range(17)), FORM),
    ],
)
def test_a_malformed_token_request_is_an_invalid_request(
    gateway: Installation, body: str, kind: str
) -> None:
    with gateway.vendor("alpha", token="") as client:
        answer = client.post("/oauth2/token", content=body, headers={"content-type": kind})

    assert _problem(answer, 400, "SCHEMA_INVALID")["error"] == "invalid_request"


def test_a_token_request_that_is_too_large_is_refused_before_it_is_kept(
    gateway: Installation,
) -> None:
    with gateway.vendor("alpha", token="") as client:
        answer = client.post("/oauth2/token", content=b"a" * 9000, headers={"content-type": FORM})

    assert _problem(answer, 400, "BODY_TOO_LARGE")["error"] == "invalid_request"


@pytest.mark.parametrize(
    ("form", "status", "error"),
    [
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"grant_type": ""}, 400, "invalid_request"),
        ({"client_id": "alpha"}, 400, "invalid_request"),
        ({"grant_type": "client_credentials", "client_id": "beta"}, 401, "invalid_client"),
    ],
)
def test_another_grant_or_client_is_refused_in_the_words_of_rfc_6749(
    gateway: Installation, form: dict[str, str], status: int, error: str
) -> None:
    with gateway.vendor("alpha", token="") as client:
        answer = client.post("/oauth2/token", data=form)

    assert (answer.status_code, answer.json()["error"]) == (status, error)


def test_the_metadata_is_that_of_rfc_8414_for_the_issuer_of_the_tokens(
    gateway: Installation,
) -> None:
    with gateway.vendor("alpha") as client:
        metadata = client.get("/.well-known/oauth-authorization-server").json()
        keys = client.get("/.well-known/jwks.json").json()
        token = client.headers["Authorization"].removeprefix("Bearer ")

    assert metadata["issuer"] == gateway.settings.issuer == gateway.vendor_url
    assert metadata["jwks_uri"] == f"{gateway.vendor_url}/.well-known/jwks.json"
    assert metadata["token_endpoint"] == f"{gateway.vendor_url}/oauth2/token"
    assert metadata["grant_types_supported"] == ["client_credentials"]
    assert metadata["token_endpoint_auth_methods_supported"] == ["tls_client_auth"]
    assert metadata["tls_client_certificate_bound_access_tokens"] is True
    # All that a resource server elsewhere would have: metadata, key set, token.
    (key,) = keys["keys"]
    assert set(key) == {"kty", "crv", "x", "alg", "use", "kid"}
    assert jwt.get_unverified_header(token)["kid"] == key["kid"]
    claims = jwt.decode(
        token,
        jwt.PyJWK.from_dict(key),
        algorithms=["EdDSA"],
        issuer=metadata["issuer"],
        audience=metadata["issuer"],
    )
    assert claims["client_id"] == claims["sub"] == "alpha"
    assert claims["exp"] - claims["iat"] == 600
    assert len(claims["cnf"]["x5t#S256"]) == 43


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ("", "TOKEN_INVALID"),
        ("Basic YTpi", "TOKEN_INVALID"),
        ("Bearer", "TOKEN_INVALID"),
        ("Bearer x.y.z", "TOKEN_INVALID"),
        ("Bearer " + "x" * 5000, "TOKEN_INVALID"),
    ],
)
def test_what_is_no_token_is_challenged(gateway: Installation, header: str, code: str) -> None:
    with gateway.vendor("alpha", token="") as client:
        answer = client.get("/v1/cases", headers={"Authorization": header})

    _problem(answer, 401, code)
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]


def test_two_authorization_headers_are_refused_even_if_one_is_good(gateway: Installation) -> None:
    with gateway.vendor("alpha") as client:
        good = client.headers.pop("Authorization")
        answer = client.get(
            "/v1/cases", headers=[("Authorization", good), ("Authorization", good)]
        )

    _problem(answer, 401, "TOKEN_INVALID")


def test_a_purpose_outside_the_contract_is_denied_and_an_overlong_one_refused(
    gateway: Installation,
) -> None:
    with gateway.vendor("alpha") as client:
        denied = client.get("/v1/cases", headers={"Casegate-Purpose": "MARKETING"})
        too_long = client.get("/v1/cases", headers={"Casegate-Purpose": "A" * 65})

    _problem(denied, 403, "PURPOSE_NOT_ALLOWED")
    _problem(too_long, 422, "SCHEMA_INVALID")


@pytest.mark.parametrize("path", ["/v1/permits", "/v1/payment-claims", "/v1/nothing"])
def test_a_body_that_is_too_large_is_refused_before_it_is_parsed(
    gateway: Installation, path: str
) -> None:
    with gateway.vendor("alpha") as client:
        answer = client.post(
            path, content=b" " * (3 * 1024 * 1024), headers={"content-type": "application/json"}
        )

    if path == "/v1/nothing":
        _problem(answer, 404, "NOT_FOUND")
    else:
        _problem(answer, 413, "BODY_TOO_LARGE")


def test_request_ids_are_unlike_and_ours_alone(gateway: Installation) -> None:
    with gateway.vendor("alpha") as client:
        ids = {
            client.get(
                "/v1/assignments", headers={"casegate-request-id": "mine", "x-request-id": "mine"}
            ).headers["casegate-request-id"]
            for _ in range(3)
        }

    assert len(ids) == 3
    assert all(re.fullmatch("[0-9a-f]{24}", request_id) for request_id in ids)


def test_json_and_ndjson_pages_hold_the_same_cases(gateway: Installation) -> None:
    with gateway.vendor("alpha") as client:
        page = client.get("/v1/cases?limit=5")
        lines = client.get("/v1/cases?limit=5", headers={"accept": "application/x-ndjson"})

    items = [orjson.loads(line) for line in lines.content.splitlines()]
    assert items == page.json()["items"]
    assert lines.headers["content-type"] == "application/x-ndjson"
    assert lines.headers["casegate-next-cursor"]
