"""The token endpoint, its revocation endpoint and their metadata.

Client credentials over mutual TLS as FAPI 2.0 asks: RFC 6749, 7009, 8414, 8705, 9068, with the
advice of RFC 9700. The client certificate is the only way to authenticate.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any
from urllib.parse import unquote_plus

import orjson
from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.types import ASGIApp, Receive, Scope, Send
from typing_extensions import override

from audit.entry import EventType
from gateway.clock import Clock
from gateway.errors import ClientRefusedError, CredentialRefusedError
from gateway.evidence import Evidence
from gateway.http.application import GatewayAPI
from gateway.identity.principal import CredentialScope, VendorPrincipal
from gateway.identity.token_revocation import TokenRevoker
from keys.errors import TokenError
from keys.tokens import TokenAuthority, expiry_of

_Endpoint = Callable[[Request], Awaitable[Response]]

TOKEN_PATH = "/oauth2/token"  # noqa: S105  # a path
REVOCATION_PATH = "/oauth2/revoke"
_MAX_FORM_BYTES = 8 * 1024
_MAX_FORM_FIELDS = 16
_FORM = "application/x-www-form-urlencoded"
_AUTHENTICATION = "tls_client_auth"
# Another way to authenticate beside the certificate (RFC 6749, 2.3: never two in one request).
_OTHER_AUTHENTICATION = frozenset(
    {"client_secret", "client_assertion", "client_assertion_type", "assertion"}
)
_MUTUAL_TLS: dict[str, Any] = {"security": [{"mutualTLS": []}]}


def _form_docs(required: str, **properties: dict[str, str]) -> dict[str, Any]:
    schema = {"type": "object", "required": [required], "properties": properties}
    body = {"required": True, "content": {_FORM: {"schema": schema}}}
    return {**_MUTUAL_TLS, "requestBody": body}


_TOKEN_DOCS = _form_docs(
    "grant_type",
    grant_type={"const": "client_credentials"},
    client_id={"type": "string", "description": "Your vendor id."},
    scope={"type": "string", "description": "Yours, which your certificate fixes."},
    resource={"type": "string", "description": "The issuer's URL, if sent (RFC 8707)."},
)
_REVOCATION_DOCS = _form_docs(
    "token",
    token={"type": "string", "description": "An access token of yours."},
    token_type_hint={"type": "string", "description": "Ignored: there is one kind."},
)


@dataclass(frozen=True, slots=True)
class TokenEndpoint:
    """What the endpoints need."""

    authority: TokenAuthority
    issuer: str
    evidence: Evidence
    clock: Clock
    revoker: TokenRevoker

    def metadata(self) -> bytes:
        """The authorization server's metadata (RFC 8414, 2; RFC 8705, 5)."""
        endpoints = {
            "token_endpoint": self.issuer + TOKEN_PATH,
            "revocation_endpoint": self.issuer + REVOCATION_PATH,
        }
        return orjson.dumps(
            {
                "issuer": self.issuer,
                **endpoints,
                "jwks_uri": f"{self.issuer}/.well-known/jwks.json",
                "grant_types_supported": ["client_credentials"],
                "response_types_supported": [],
                "scopes_supported": [scope.token_scope for scope in CredentialScope],
                "token_endpoint_auth_methods_supported": [_AUTHENTICATION],
                "revocation_endpoint_auth_methods_supported": [_AUTHENTICATION],
                "tls_client_certificate_bound_access_tokens": True,
                "mtls_endpoint_aliases": endpoints,
            }
        )

    async def issue(self, principal: VendorPrincipal, form: dict[str, str], request: str) -> bytes:
        """Answers a client_credentials request.

        Raises:
            ClientRefusedError: the grant, the client, the scope or the resource does not do.
            CredentialRefusedError: nothing of the term is left.
            AuditUnavailableError: the issue could not be logged.
        """
        scope = principal.scope.token_scope
        if "grant_type" not in form:
            raise ClientRefusedError("invalid_request", "SCHEMA_INVALID")
        if form["grant_type"] != "client_credentials":
            raise ClientRefusedError("unsupported_grant_type", "UNSUPPORTED_GRANT_TYPE")
        _verify_client(principal, form)
        if form.get("scope", scope) != scope:
            raise ClientRefusedError("invalid_scope", "SCHEMA_INVALID")
        if form.get("resource", self.issuer) != self.issuer:
            raise ClientRefusedError("invalid_target", "SCHEMA_INVALID")
        try:
            minted = self.authority.mint(
                client_id=principal.vendor_id,
                contract_id=principal.contract_id,
                thumbprint=principal.thumbprint,
                scope=scope,
                now=self.clock.now(),
                not_after=principal.valid_until,
            )
        except TokenError as error:
            raise CredentialRefusedError("CONTRACT_ENDED") from error
        await self.evidence.record(
            EventType.TOKEN_ISSUED,
            vendor=principal.vendor_id,
            contract=principal.contract_id,
            certificate=principal.thumbprint.hex(),
            request=request,
            lifetime=minted.lifetime,
            token_sha256=sha256(minted.token_id.encode()).hexdigest(),
        )
        return orjson.dumps(
            {
                "access_token": minted.token,
                "token_type": "Bearer",
                "expires_in": minted.lifetime,
                "scope": scope,
            }
        )

    async def revoke(self, principal: VendorPrincipal, form: dict[str, str], request: str) -> None:
        """Ends a token of the caller's contract; any other is left alone without a word.

        Raises:
            ClientRefusedError: no token was sent, or another client named.
            DatabaseUnavailableError, AuditUnavailableError: to be sent again.
        """
        if "token" not in form:
            raise ClientRefusedError("invalid_request", "SCHEMA_INVALID")
        _verify_client(principal, form)
        try:
            token = self.authority.read(form["token"])
        except TokenError:
            return  # RFC 7009, 2.2: what is not valid anyhow needs no revocation
        owner = (principal.vendor_id, principal.contract_id)
        expires_at = expiry_of(token.expires_at)
        if (token.client_id, token.contract_id) != owner or expires_at <= self.clock.now():
            return
        await self.revoker.revoke(token.token_id, principal.vendor_id, expires_at)
        await self.evidence.record(
            EventType.TOKEN_REVOKED,
            vendor=principal.vendor_id,
            contract=principal.contract_id,
            certificate=principal.thumbprint.hex(),
            request=request,
            token=token.token_id,
        )


class _DirectRoute(APIRoute):
    """A route whose function gets the request as it came: it declares nothing to be resolved.

    The general way costs more than the signature of a token.
    """

    @override
    def __init__(self, path: str, endpoint: _Endpoint, **options: Any) -> None:
        super().__init__(path, endpoint, **options)
        self.app = _direct(endpoint)


def _direct(endpoint: _Endpoint) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        response = await endpoint(Request(scope, receive))
        await response(scope, receive, send)

    return app


def add_oauth_routes(api: GatewayAPI, endpoint: TokenEndpoint) -> None:
    """Adds metadata, key set, token endpoint and revocation endpoint."""

    @api.get(
        "/.well-known/oauth-authorization-server",
        summary="Authorization server metadata",
        openapi_extra=_MUTUAL_TLS,
    )
    async def metadata() -> Response:
        return Response(endpoint.metadata(), media_type="application/json")

    @api.get(
        "/.well-known/jwks.json",
        summary="Public keys of the access tokens",
        openapi_extra=_MUTUAL_TLS,
    )
    async def key_set() -> Response:
        body = orjson.dumps({"keys": endpoint.authority.jwks})
        return Response(body, media_type="application/json")

    async def token(request: Request) -> Response:
        form = await _read_form(request)
        state = request.scope["state"]
        body = await endpoint.issue(state["principal"], form, state["request_id"])
        return Response(body, media_type="application/json")

    async def revoke(request: Request) -> Response:
        form = await _read_form(request)
        state = request.scope["state"]
        await endpoint.revoke(state["principal"], form, state["request_id"])
        return Response()

    for path, answer, summary, docs in (
        (TOKEN_PATH, token, "An access token bound to your certificate", _TOKEN_DOCS),
        (
            REVOCATION_PATH,
            revoke,
            "End one of your access tokens before its time",
            _REVOCATION_DOCS,
        ),
    ):
        api.router.add_api_route(
            path,
            answer,
            methods=["POST"],
            summary=summary,
            openapi_extra=docs,
            route_class_override=_DirectRoute,
        )


def _verify_client(principal: VendorPrincipal, form: dict[str, str]) -> None:
    if form.get("client_id", principal.vendor_id) != principal.vendor_id:
        raise ClientRefusedError("invalid_client", "INVALID_CLIENT")


async def _read_form(request: Request) -> dict[str, str]:
    """Reads a small form; a repeated parameter is refused (RFC 6749, 3.2).

    So is a query, which would end in logs elsewhere, and a second way to authenticate.
    """
    kinds, schemes = set(), {b"bearer"}
    for name, value in request.scope["headers"]:
        if name == b"content-type":
            kinds.add(value.partition(b";")[0].strip().lower())
        elif name == b"authorization":
            # A bearer token says nothing of the client: one that renews may send its old one.
            schemes.add(value.partition(b" ")[0].lower())
    if kinds != {_FORM.encode()} or schemes != {b"bearer"} or request.scope["query_string"]:
        raise ClientRefusedError("invalid_request", "SCHEMA_INVALID")
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MAX_FORM_BYTES:
            raise ClientRefusedError("invalid_request", "BODY_TOO_LARGE")
    try:
        form = _parse_form(body)
    except ValueError as error:
        raise ClientRefusedError("invalid_request", "SCHEMA_INVALID") from error
    if not _OTHER_AUTHENTICATION.isdisjoint(form):
        raise ClientRefusedError("invalid_request", "SCHEMA_INVALID")
    return form


def _parse_form(body: bytes) -> dict[str, str]:
    """The parameters of a form; one without a value counts as not sent (RFC 6749, 3.2).

    Raises:
        ValueError: one stands twice, has no equals sign, or is not UTF-8; or there are too many.
    """
    pairs = body.decode().split("&")
    if len(pairs) > _MAX_FORM_FIELDS:
        raise ValueError("too many parameters")
    form: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise ValueError("a parameter without an equals sign")
        if not value:
            continue
        name = unquote_plus(name, errors="strict")
        if name in form:
            raise ValueError("a parameter stands twice")
        form[name] = unquote_plus(value, errors="strict")
    return form
