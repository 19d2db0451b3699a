"""A FastAPI application without its own error handling: errors travel on to the gate."""

from typing import Any

from fastapi import FastAPI
from fastapi.middleware.asyncexitstack import AsyncExitStackMiddleware
from fastapi.routing import APIRoute
from starlette.routing import Match
from starlette.types import ASGIApp, Scope
from typing_extensions import override

from gateway import __version__
from gateway.http.problems import MEDIA_TYPE, problem_codes

# What a route says, in openapi_extra, that is for closing credentials too, after a contract's end.
FOR_CLOSING: dict[str, Any] = {"x-closing": True}
PROBLEM_SCHEMA: dict[str, Any] = {
    "type": "object",
    "description": "RFC 9457 problem details.",
    "required": ["type", "title", "status", "code"],
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {
            "type": "string",
            "description": "Stable; branch on this. New codes may come: go by the status then.",
            "examples": list(problem_codes()),
        },
        "request_id": {"type": "string"},
        "errors": {"type": "array", "items": {"type": "object"}},
    },
    "example": {
        "type": "urn:casegate:problem:NOT_FOUND",
        "title": "There is no such thing here.",
        "status": 404,
        "code": "NOT_FOUND",
        "request_id": "5c1f0a9be2d94c6a8f3b7d10",
    },
    "x-status-of-code": problem_codes(),
}


def problem_response(description: str) -> dict[str, Any]:
    """An OpenAPI response object of a problem."""
    return {
        "description": description,
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }


class GatewayAPI(FastAPI):
    """Routing and OpenAPI only: no middleware, no pages, nothing that answers by itself."""

    def __init__(self, *, title: str, description: str) -> None:
        super().__init__(
            title=title,
            description=description,
            version=__version__,
            openapi_url=None,
            docs_url=None,
            redoc_url=None,
            redirect_slashes=False,
            # What a request is made of goes nowhere but into our own log.
            telemetry={"tracing": False, "metrics": False, "logs": False},
        )

    def is_for_closing(self, scope: Scope) -> bool:
        """Whether a request is for a route that says FOR_CLOSING; every other is not."""
        return any(
            route.matches(scope)[0] is Match.FULL
            for route in self.routes
            if isinstance(route, APIRoute) and (route.openapi_extra or {}).get("x-closing") is True
        )

    @override
    def build_middleware_stack(self) -> ASGIApp:
        return AsyncExitStackMiddleware(self.router)

    @override
    def openapi(self) -> dict[str, Any]:
        document = super().openapi()
        components = document.setdefault("components", {})
        schemas = components.setdefault("schemas", {})
        schemas["Problem"] = PROBLEM_SCHEMA
        for name in ("HTTPValidationError", "ValidationError"):
            schemas.pop(name, None)
        components["securitySchemes"] = {
            "mutualTLS": {
                "type": "mutualTLS",
                "description": "A registered client certificate.",
            },
            "boundToken": {
                "type": "http",
                "scheme": "bearer",
                "bearerFormat": "at+jwt",
                "description": "RFC 9068 token, bound to the certificate (RFC 8705).",
            },
        }
        for path in document["paths"].values():
            for operation in path.values():
                if "HTTPValidationError" in str(operation["responses"].get("422")):
                    del operation["responses"]["422"]
                if "requestBody" in operation:
                    text = "The body is larger than this route takes."
                    operation["responses"].setdefault("413", problem_response(text))
                for status, text in (
                    ("400", "It is not valid HTTP, or a certificate's header is not accepted."),
                    ("404", "There is no such thing here."),
                    ("431", "The request line and the headers are too large."),
                    ("401", "The certificate or the token is not accepted."),
                    ("403", "The policy or your role does not allow it."),
                    ("422", "The request does not fit its description."),
                    ("503", "Log, store or revocation feed unavailable; nothing was released."),
                ):
                    operation["responses"].setdefault(status, problem_response(text))
        return document
