"""Files for complaints and notices: handed in by vendors, opened by the company for a reason."""

import asyncio
from functools import partial
from typing import Annotated, Any, Protocol
from uuid import UUID

from fastapi import Path, Request, Response

from gateway.affairs.files import MAX_BYTES, FileDesk, FilingDesk
from gateway.affairs.files_format import MediaType, media_type_of
from gateway.errors import RequestInvalidError
from gateway.http.affair_routes import (
    HANDLERS,
    NOT_YOURS,
    SECURITY,
    SHA256,
    Reason,
    principal_of,
)
from gateway.http.application import GatewayAPI, problem_response
from gateway.http.bounds import own_stream
from gateway.http.staffing import actor_of, json_answer

# Where affairs that take files are, on both sides.
_PATHS = (("complaint", "complaints"), ("rectification", "rectifications"))
_BINARY = {"schema": {"type": "string", "format": "binary"}}
_CONTENT: dict[str, Any] = {kind.value: _BINARY for kind in MediaType}
_FILED: dict[str, Any] = {
    "description": "It is kept. The same file again is answered the same.",
    "content": {
        "application/json": {
            "schema": {
                "type": "object",
                "required": ["file_id", "sha256"],
                "properties": {
                    "file_id": {"type": "string", "format": "uuid"},
                    "sha256": {"type": "string", "pattern": SHA256},
                },
            }
        }
    },
}
FileName = Annotated[
    str, Path(pattern=SHA256, description="SHA-256 of the content in hexadecimal.")
]


class FileCases(Protocol):
    """The part of the company's use cases that is used here."""

    @property
    def affair_files(self) -> FileDesk:
        """The desk."""
        ...


def add_filing(api: GatewayAPI, desk: FilingDesk) -> None:
    """Adds the vendor's routes; what was handed in never comes back to it."""
    for kind, word in _PATHS:
        _add_filing(api, desk, kind, f"/v1/{word}/{{thing_id}}/files/{{sha256}}")


def _add_filing(api: GatewayAPI, desk: FilingDesk, kind: str, path: str) -> None:
    @api.put(
        path,
        summary=f"Hand in a file for a {kind}: PDF, JPEG, PNG or audio, up to 10 MiB",
        operation_id=f"file_for_{kind}",
        openapi_extra={**SECURITY, "requestBody": {"required": True, "content": _CONTENT}},
        response_class=Response,
        responses={
            200: _FILED,
            404: NOT_YOURS,
            409: problem_response("It takes no file any more, or no more of them."),
        },
    )
    async def put_file(request: Request, thing_id: UUID, sha256: FileName) -> Response:
        media_type = media_type_of(request.headers.get("content-type", ""))
        content = await _content_of(request)
        file = partial(desk.file, sha256=sha256, media_type=media_type, content=content)
        filed = await asyncio.to_thread(file, principal_of(request), kind, thing_id)
        return json_answer({"file_id": str(filed.file_id), "sha256": filed.sha256})


def add_company_files(api: GatewayAPI, cases: FileCases) -> None:
    """Adds the company's routes."""
    for kind, word in _PATHS:
        _add_reading(api, cases, kind, f"/company/v1/{word}/{{thing_id}}/files/{{file_id}}")


def _add_reading(api: GatewayAPI, cases: FileCases, kind: str, path: str) -> None:
    @api.get(
        path,
        summary=f"A file that a vendor handed in for a {kind}; logged (operator, compliance)",
        operation_id=f"read_file_of_{kind}",
        response_class=Response,
        openapi_extra=HANDLERS,
        responses={
            200: {"description": "Its content", "content": _CONTENT},
            404: problem_response("There is no such file, or it is erased."),
        },
    )
    async def read_file(
        request: Request, thing_id: UUID, file_id: UUID, reason: Reason
    ) -> Response:
        read = partial(cases.affair_files.read, reason=reason, actor=actor_of(request))
        media_type, content = await asyncio.to_thread(read, kind, thing_id, file_id)
        return Response(
            content, media_type=media_type, headers={"Content-Disposition": "attachment"}
        )


async def _content_of(request: Request) -> bytes:
    content = bytearray()
    async for chunk in own_stream(request):
        content += chunk
        if len(content) > MAX_BYTES:
            raise RequestInvalidError("a file has at most 10 MiB")
    return bytes(content)
