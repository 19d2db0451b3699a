"""The token endpoint and its metadata (RFC 6749, 8414, 8705, 9068)."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

import orjson
from fastapi import Request, Response

from audit.entry import EventType
from gateway.clock import Clock
from gateway.errors import ClientRefusedError, CredentialRefusedError
from gateway.evidence import Evidence
from gateway.http.application import GatewayAPI
from gateway.identity.principal import VendorPrincipal
from keys.errors import TokenError
from keys.tokens import TokenAuthority

_MAX_FORM_BYTES = 8 * 1024
_MAX_FORM_FIELDS = 16
_FORM = "application/x-www-form-urlencoded"
_TOKEN_DOCS: dict[str, Any] = {
    "security": [{"mutualTLS": []}],
    "requestBody": {
        "required": True,
        "content": {
            _FORM: {
                "schema": {
                    "type": "object",
                    "required": ["grant_type"],
                    "properties": {
                        "grant_type": {"const": "client_credentials"},
                        "client_id": {"type": "string", "description": "Your vendor id."},
                    },
                }
            }
        },
    },
}


@dataclass(frozen=True, slots=True)
class TokenEndpoint:
    """What the endpoint needs."""

    authority: TokenAuthority
    issuer: str
    evidence: Evidence
    clock: Clock

    def metadata(self) -> bytes:
        """The authorization server's metadata (RFC 8414, 2; RFC 8705, 5)."""
        endpoint = f"{self.issuer}/oauth2/token"
        return orjson.dumps(
            {
                "issuer": self.issuer,
                "token_endpoint": endpoint,
                "jwks_uri": f"{self.issuer}/.well-known/jwks.json",
                "grant_types_supported": ["client_credentials"],
                "response_types_supported": [],
                "token_endpoint_auth_methods_supported": ["tls_client_auth"],
                "tls_client_certificate_bound_access_tokens": True,
                "mtls_endpoint_aliases": {"token_endpoint": endpoint},
            }
        )

    async def issue(self, principal: VendorPrincipal, form: dict[str, str], request: str) -> bytes:
        """Answers a client_credentials request.

        Raises:
            ClientRefusedError: the grant, the client id or the remaining term does not do.
            AuditUnavailableError: the issue could not be logged.
        """
        if "grant_type" not in form:
            raise ClientRefusedError("invalid_request", "SCHEMA_INVALID")
        if form["grant_type"] != "client_credentials":
            raise ClientRefusedError("unsupported_grant_type", "UNSUPPORTED_GRANT_TYPE")
        if form.get("client_id", principal.vendor_id) != principal.vendor_id:
            raise ClientRefusedError("invalid_client", "INVALID_CLIENT")
        try:
            token, lifetime = self.authority.mint(
                client_id=principal.vendor_id,
                contract_id=principal.contract_id,
                thumbprint=principal.thumbprint,
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
            lifetime=lifetime,
        )
        return orjson.dumps(
            {"access_token": token, "token_type": "Bearer", "expires_in": lifetime}
        )


def add_oauth_routes(api: GatewayAPI, endpoint: TokenEndpoint) -> None:
    """Adds metadata, key set and token endpoint."""

    @api.get(
        "/.well-known/oauth-authorization-server",
        summary="Authorization server metadata",
        openapi_extra={"security": [{"mutualTLS": []}]},
    )
    async def metadata() -> Response:
        return Response(endpoint.metadata(), media_type="application/json")

    @api.get(
        "/.well-known/jwks.json",
        summary="Public keys of the access tokens",
        openapi_extra={"security": [{"mutualTLS": []}]},
    )
    async def key_set() -> Response:
        body = orjson.dumps({"keys": [endpoint.authority.jwk]})
        return Response(body, media_type="application/json")

    @api.post(
        "/oauth2/token",
        summary="An access token bound to your certificate",
        openapi_extra=_TOKEN_DOCS,
    )
    async def token(request: Request) -> Response:
        form = await _read_form(request)
        state = request.scope["state"]
        body = await endpoint.issue(state["principal"], form, state["request_id"])
        return Response(body, media_type="application/json")


async def _read_form(request: Request) -> dict[str, str]:
    """Reads a small form; a repeated parameter is refused (RFC 6749, 3.2)."""
    if request.headers.get("content-type", "").split(";")[0].strip().lower() != _FORM:
        raise ClientRefusedError("invalid_request", "SCHEMA_INVALID")
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MAX_FORM_BYTES:
            raise ClientRefusedError("invalid_request", "BODY_TOO_LARGE")
    try:
        pairs = parse_qsl(
            body.decode(), strict_parsing=True, max_num_fields=_MAX_FORM_FIELDS, errors="strict"
        )
    except ValueError as error:
        raise ClientRefusedError("invalid_request", "SCHEMA_INVALID") from error
    form = dict(pairs)
    if len(form) != len(pairs):
        raise ClientRefusedError("invalid_request", "SCHEMA_INVALID")
    return form
