"""What is left to do after a contract's end: the vendor files its destruction certificate."""

import asyncio
import base64
import binascii
import hashlib
from collections.abc import Callable
from datetime import date
from typing import Annotated, Any

import orjson
from fastapi import Request, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from gateway.errors import RequestInvalidError
from gateway.http.application import FOR_CLOSING, GatewayAPI, problem_response
from gateway.http.bounds import own_stream
from gateway.identity.principal import VendorPrincipal
from gateway.offboarding.certificate import (
    MAX_DOCUMENT_BYTES,
    DestructionCertificate,
    Filing,
    RetainedData,
)

CERTIFICATE_PATH = "/v1/closing/destruction-certificate"
_ROOM_FOR_WORDS = 64 * 1024
MAX_BODY_BYTES = (MAX_DOCUMENT_BYTES + 2) // 3 * 4 + _ROOM_FOR_WORDS
Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]
FileCertificate = Callable[[VendorPrincipal, DestructionCertificate, bytes, str], Filing]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Signer(_Part):
    """The officer of the vendor who signs."""

    name: Line
    title: Line


class Retained(_Part):
    """Data that is not destroyed because a law says so; "our own records" is no law."""

    what: Line
    law: Line


class Paper(_Part):
    """The signed document itself."""

    media_type: str = Field(pattern=r"^[a-z]+/[a-zA-Z0-9.+-]{1,100}$")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$", description="Of the decoded content.")
    content: str = Field(description="Base64 (RFC 4648, 4); at most 10 MiB decoded.")


class CertificateRequest(_Part):
    """What is certified: every system, every backup, every sub-processor on record."""

    scope: Line = Field(description="What was destroyed.")
    systems: tuple[Line, ...] = Field(min_length=1, max_length=200)
    backups: tuple[Line, ...] = Field(
        min_length=1, max_length=200, description="Where there are none, say so as one line."
    )
    method: Line
    destroyed_on: date
    signer: Signer
    sub_processors: tuple[Line, ...] = Field(max_length=200, description="Their ids on record.")
    exceptions: tuple[Retained, ...] = Field((), max_length=200)
    document: Paper

    def certificate(self) -> DestructionCertificate:
        """As the use case takes it."""
        return DestructionCertificate(
            scope=self.scope,
            systems=self.systems,
            backups=self.backups,
            method=self.method,
            destroyed_on=self.destroyed_on,
            signer_name=self.signer.name,
            signer_title=self.signer.title,
            sub_processors=self.sub_processors,
            exceptions=tuple(RetainedData(kept.what, kept.law) for kept in self.exceptions),
        )


_LINE = {"type": "string", "minLength": 1, "maxLength": 500}
_LINES = {"type": "array", "items": _LINE, "maxItems": 200}


def _object(properties: dict[str, Any], *optional: str) -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": False,
        "required": [name for name in properties if name not in optional],
        "properties": properties,
    }


_DOCS: dict[str, Any] = {
    **FOR_CLOSING,
    "security": [{"mutualTLS": [], "boundToken": []}],
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": _object(
                    {
                        "scope": _LINE,
                        "systems": {**_LINES, "minItems": 1},
                        "backups": {**_LINES, "minItems": 1},
                        "method": _LINE,
                        "destroyed_on": {"type": "string", "format": "date"},
                        "signer": _object({"name": _LINE, "title": _LINE}),
                        "sub_processors": _LINES,
                        "exceptions": {
                            "type": "array",
                            "items": _object({"what": _LINE, "law": _LINE}),
                        },
                        "document": _object(
                            {
                                "media_type": {"type": "string"},
                                "sha256": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
                                "content": {"type": "string", "contentEncoding": "base64"},
                            }
                        ),
                    },
                    "exceptions",
                )
            }
        },
    },
}


def add_closing(api: GatewayAPI, file_certificate: FileCertificate) -> None:
    """Adds the route."""

    @api.post(
        CERTIFICATE_PATH,
        summary="File the destruction certificate after the contract's end",
        response_class=Response,
        openapi_extra=_DOCS,
        responses={
            404: problem_response("No certificate is asked for."),
            409: problem_response("One is filed already and has not been contested."),
        },
    )
    async def file_destruction_certificate(request: Request) -> Response:
        asked = _parsed(await _body_of(request))
        paper = _decoded(asked.document)
        filing = await asyncio.to_thread(
            file_certificate,
            request.scope["state"]["principal"],
            asked.certificate(),
            paper,
            asked.document.media_type,
        )
        return Response(
            orjson.dumps(
                {
                    "id": str(filing.certificate_id),
                    "status": "filed",
                    "content_sha256": filing.content_sha256,
                    "document_sha256": filing.document_sha256,
                    "receipt": filing.log_index,
                }
            ),
            media_type="application/json",
        )


async def _body_of(request: Request) -> bytes:
    body = bytearray()
    async for chunk in own_stream(request):
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise RequestInvalidError("the certificate with its document is too large")
    return bytes(body)


def _parsed(body: bytes) -> CertificateRequest:
    try:
        return CertificateRequest.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        known = [str(part) for part in first["loc"] if first["type"] != "extra_forbidden"]
        where = ".".join(known) or "the body"
        raise RequestInvalidError(f"{where}: {first['type']}") from error


def _decoded(paper: Paper) -> bytes:
    try:
        content = base64.b64decode(paper.content, validate=True)
    except (binascii.Error, ValueError) as error:
        raise RequestInvalidError("document.content is not base64") from error
    if hashlib.sha256(content).hexdigest() != paper.sha256:
        raise RequestInvalidError("document.sha256 is not of document.content")
    return content
