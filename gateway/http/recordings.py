"""The vendor API's recordings: resumable uploads by tus 1.0 (https://tus.io/protocols).

Extensions: creation, termination, checksum, expiration. What a recording is stands in
Upload-Metadata, its hash before its content.
"""

import asyncio
import re
from datetime import UTC
from email.utils import format_datetime
from typing import Annotated, Any
from uuid import UUID

import orjson
from fastapi import Header, Path, Query, Request, Response
from starlette.requests import ClientDisconnect

from gateway.errors import UploadRefusedError
from gateway.http.application import FOR_CLOSING, GatewayAPI, problem_response
from gateway.http.bounds import own_stream
from gateway.http.recordings_metadata import CALL_ID, MAX_METADATA, checksum_of, metadata_of
from gateway.identity.principal import VendorPrincipal
from gateway.intake.recordings import Upload
from gateway.intake.recordings_format import Codec
from gateway.intake.uploads import UploadDesk
from gateway.intake.uploads_part import CHECKSUMS, UploadPart

RECORDINGS = "/v1/recordings"
RECORDING = "/v1/recordings/{recording_id}"
TUS = "1.0.0"
PART_TYPE = "application/offset+octet-stream"
MAX_PAGE = 200
_EXTENSIONS = "creation,termination,checksum,expiration"
# What is sealed and written at a time: large enough that threads cost little.
_WRITE_BYTES = 1024 * 1024
_HOST = re.compile(r"[A-Za-z0-9.:\[\]-]{1,255}")
_SECURITY: dict[str, Any] = {"security": [{"mutualTLS": [], "boundToken": []}]}
# Missing recordings still come after the contract's end.
_UPLOADING: dict[str, Any] = {**_SECURITY, **FOR_CLOSING}
_VERSION_HEADER = {"Tus-Resumable": {"schema": {"const": TUS}}}
_OFFSET_HEADER = {
    "Upload-Offset": {"description": "Bytes that are durable.", "schema": {"type": "integer"}}
}
_EXPIRES_HEADER = {
    "Upload-Expires": {"description": "RFC 9110 date.", "schema": {"type": "string"}}
}
RecordingID = Annotated[UUID, Path(description="As the creation's Location says.")]
TusVersion = Annotated[
    str, Header(alias="Tus-Resumable", pattern=r"^[0-9.]{1,16}$", description=TUS)
]
Offset = Annotated[int, Header(alias="Upload-Offset", ge=0, le=2**50)]
Cursor = Annotated[str | None, Query(max_length=512, description="From the page before.")]
Limit = Annotated[int, Query(ge=1, le=MAX_PAGE, description="Items a page.")]
_NOT_FOUND = problem_response("Not yours, or none: the same answer.")
_OTHER_VERSION = problem_response("Another version of tus; Tus-Version says which is spoken.")
_OVER = problem_response("The upload has ended: deleted, expired, or not what was announced.")
_UPLOAD: dict[int | str, dict[str, Any]] = {404: _NOT_FOUND, 410: _OVER, 412: _OTHER_VERSION}
_RECORDING_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["recording_id", "call_id", "sha256", "bytes", "codec", "state", "received"],
    "properties": {
        "recording_id": {"type": "string", "format": "uuid"},
        "call_id": {"type": "string"},
        "sha256": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
        "bytes": {"type": "integer"},
        "codec": {"enum": [codec.value for codec in Codec]},
        "duration_s": {"type": "number"},
        "measured_s": {"type": ["number", "null"], "description": "By the header of a WAV."},
        "started_at": {"type": "string", "format": "date-time"},
        "ended_at": {"type": "string", "format": "date-time"},
        "notice_given": {"type": "boolean"},
        "state": {"enum": ["expected", "receiving", "verified", "mismatch", "erased"]},
        "received": {"type": "integer"},
        "announced_at": {"type": "string", "format": "date-time"},
        "expires_at": {"type": ["string", "null"], "format": "date-time"},
        "settled_at": {"type": ["string", "null"], "format": "date-time"},
        "erased_why": {"type": ["string", "null"]},
    },
    "example": {
        "recording_id": "7b0c8a52-6d0e-4a55-9a6b-0c3f4f1f2a77",
        "call_id": "C20261124-000017",
        "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "bytes": 960044,
        "codec": "wav",
        "duration_s": 60.0,
        "measured_s": 60.0,
        "state": "verified",
        "received": 960044,
    },
}
_CREATE_DOCS: dict[str, Any] = {
    **_UPLOADING,
    "parameters": [
        {
            "name": "Upload-Metadata",
            "in": "header",
            "required": True,
            "description": "Pairs of a key and the base64 of its value, separated by commas: "
            "call_id, sha256 (hexadecimal), bytes (as Upload-Length), codec (wav, mp3, ogg, opus, "
            "amr), duration_s, started_at, ended_at (RFC 3339), notice_given (true or false). "
            "Other keys are ignored.",
            "schema": {"type": "string", "maxLength": MAX_METADATA},
            "example": "call_id QzIwMjYxMTI0LTAwMDAxNw==,codec d2F2,bytes OTYwMDQ0",
        }
    ],
}
_PART_DOCS: dict[str, Any] = {
    **_UPLOADING,
    "requestBody": {
        "required": True,
        "content": {PART_TYPE: {"schema": {"type": "string", "format": "binary"}}},
    },
}


def add_recordings(api: GatewayAPI, desk: UploadDesk) -> None:
    """Adds the routes."""
    _add_uploading(api, desk)
    _add_listing(api, desk)


def _add_uploading(api: GatewayAPI, desk: UploadDesk) -> None:
    @api.options(
        RECORDINGS,
        openapi_extra=_UPLOADING,
        summary="Which tus is spoken, and how large a recording may be",
        status_code=204,
        response_class=Response,
    )
    async def describe_uploads() -> Response:
        headers = {
            **_tus(),
            "Tus-Version": TUS,
            "Tus-Extension": _EXTENSIONS,
            "Tus-Max-Size": str(desk.limits.max_bytes),
            "Tus-Checksum-Algorithm": ",".join(CHECKSUMS),
        }
        return Response(status_code=204, headers=headers)

    @api.post(
        RECORDINGS,
        openapi_extra=_CREATE_DOCS,
        summary="Announce a recording and open its upload (tus creation)",
        description="The same call with the same hash leads to the same upload again.",
        status_code=201,
        response_class=Response,
        responses={
            201: {
                "description": "Where to send it.",
                "headers": {
                    **_VERSION_HEADER,
                    **_OFFSET_HEADER,
                    **_EXPIRES_HEADER,
                    "Location": {"schema": {"type": "string"}},
                },
            },
            409: problem_response("Another content of this call is on its way, or is here."),
            410: _OVER,
            412: _OTHER_VERSION,
            413: problem_response("Larger than recordings may be."),
            429: problem_response("Too many open uploads, or the day's bytes are used up."),
        },
    )
    async def announce_recording(
        request: Request,
        tus_version: TusVersion,
        upload_length: Annotated[int, Header(alias="Upload-Length", ge=1, le=2**50)],
    ) -> Response:
        _verify_version(tus_version)
        wish = metadata_of(request.headers.get("upload-metadata", ""), upload_length).wish()
        recording_id, upload = await asyncio.to_thread(desk.announce, _principal(request), wish)
        headers = {"Location": _place(request, recording_id), **_progress(upload)}
        return Response(status_code=201, headers=headers)

    @api.head(
        RECORDING,
        openapi_extra=_UPLOADING,
        summary="How far an upload is (tus)",
        response_class=Response,
        responses={
            200: {
                "description": "Its offset",
                "headers": {**_VERSION_HEADER, **_OFFSET_HEADER, **_EXPIRES_HEADER},
            },
            **_UPLOAD,
            422: problem_response("Its content was not what had been announced."),
        },
    )
    async def show_upload(
        request: Request, recording_id: RecordingID, tus_version: TusVersion
    ) -> Response:
        _verify_version(tus_version)
        upload = await asyncio.to_thread(desk.look, _principal(request), recording_id)
        return Response(headers={**_progress(upload), "Upload-Length": str(upload.size)})

    @api.patch(
        RECORDING,
        openapi_extra=_PART_DOCS,
        summary="Send a part of a recording (tus)",
        description="With the last byte the content is compared with what was announced.",
        status_code=204,
        response_class=Response,
        responses={
            204: {
                "description": "The part is durable; Casegate-Receipt comes with the last one.",
                "headers": {**_VERSION_HEADER, **_OFFSET_HEADER},
            },
            **_UPLOAD,
            409: problem_response("The upload stands at another offset."),
            413: problem_response("More came than was announced."),
            415: problem_response(f"Not {PART_TYPE}, or not of the announced codec."),
            422: problem_response("The content is not what was announced, or a header is wrong."),
            423: problem_response("Another request is writing to this upload."),
            "460": problem_response("The part's checksum is another; nothing of it was kept."),
        },
    )
    async def send_part(
        request: Request,
        recording_id: RecordingID,
        tus_version: TusVersion,
        upload_offset: Offset,
        upload_checksum: Annotated[
            str | None,
            Header(
                alias="Upload-Checksum",
                max_length=128,
                description=f"One of {', '.join(CHECKSUMS)}, a space, base64 of the part's hash.",
            ),
        ] = None,
    ) -> Response:
        _verify_version(tus_version)
        content_type = request.headers.get("content-type", "").split(";")[0].strip().lower()
        if content_type != PART_TYPE:
            raise UploadRefusedError("RECORDING_TYPE")
        checksum = None if upload_checksum is None else checksum_of(upload_checksum)
        principal = _principal(request)
        part = await asyncio.to_thread(
            desk.resume, principal, recording_id, upload_offset, checksum
        )
        headers = _tus()
        try:
            await _receive(request, desk, principal, part)
            receipt = await asyncio.to_thread(desk.settle, principal, part)
        finally:
            part.close()
        if receipt is not None:
            headers["Casegate-Receipt"] = f"{receipt.index}/{receipt.leaf_hash.hex()}"
        headers["Upload-Offset"] = str(part.received)
        headers["Upload-Expires"] = _date(part.upload)
        return Response(status_code=204, headers=headers)

    @api.delete(
        RECORDING,
        openapi_extra=_UPLOADING,
        summary="Give up an upload that is not whole (tus termination)",
        status_code=204,
        response_class=Response,
        responses={204: {"description": "Gone", "headers": _VERSION_HEADER}, **_UPLOAD},
    )
    async def give_up_upload(
        request: Request, recording_id: RecordingID, tus_version: TusVersion
    ) -> Response:
        _verify_version(tus_version)
        await asyncio.to_thread(desk.drop, _principal(request), recording_id)
        return Response(status_code=204, headers=_tus())


def _add_listing(api: GatewayAPI, desk: UploadDesk) -> None:
    @api.get(
        RECORDINGS,
        openapi_extra=_SECURITY,
        summary="Your recordings, in the order in which they were announced",
        response_class=Response,
        responses={
            200: {
                "description": "A page",
                "content": {
                    "application/json": {
                        "schema": {
                            "type": "object",
                            "required": ["items", "next_cursor"],
                            "properties": {
                                "items": {"type": "array", "items": _RECORDING_SCHEMA},
                                "next_cursor": {"type": ["string", "null"]},
                            },
                        }
                    }
                },
            }
        },
    )
    async def list_recordings(
        request: Request,
        call_id: Annotated[str | None, Query(pattern=CALL_ID)] = None,
        cursor: Cursor = None,
        limit: Limit = 100,
    ) -> Response:
        page = await asyncio.to_thread(
            desk.page, _principal(request), call_id=call_id, cursor=cursor, limit=limit
        )
        return Response(orjson.dumps(page), media_type="application/json")

    @api.get(
        RECORDING,
        openapi_extra=_SECURITY,
        summary="How a recording stands; its content never comes back",
        response_class=Response,
        responses={
            200: {
                "description": "The recording",
                "content": {"application/json": {"schema": _RECORDING_SCHEMA}},
            },
            404: _NOT_FOUND,
        },
    )
    async def get_recording(request: Request, recording_id: RecordingID) -> Response:
        found = await asyncio.to_thread(desk.one, _principal(request), recording_id)
        return Response(orjson.dumps(found), media_type="application/json")


async def _receive(
    request: Request, desk: UploadDesk, principal: VendorPrincipal, part: UploadPart
) -> None:
    """Writes what comes, a piece at a time. A caller that hangs up keeps what had come."""
    buffer = bytearray()
    try:
        async for chunk in own_stream(request):
            buffer += chunk
            if len(buffer) >= _WRITE_BYTES:
                content = bytes(buffer)
                buffer.clear()
                await asyncio.to_thread(part.write, content)
                if part.is_noteworthy:
                    await asyncio.to_thread(desk.note, principal, part)
    except ClientDisconnect:
        pass  # a part that has a checksum fails by it
    if buffer:
        await asyncio.to_thread(part.write, bytes(buffer))


def _principal(request: Request) -> VendorPrincipal:
    principal: VendorPrincipal = request.scope["state"]["principal"]
    return principal


def _place(request: Request, recording_id: UUID) -> str:
    """Absolute, by the name that the caller itself used: not every client resolves a path."""
    host = request.headers.get("host", "")
    origin = f"https://{host}" if _HOST.fullmatch(host) else ""
    return f"{origin}{RECORDINGS}/{recording_id}"


def _verify_version(version: str) -> None:
    if version != TUS:
        raise UploadRefusedError("UPLOAD_VERSION")


def _tus() -> dict[str, str]:
    return {"Tus-Resumable": TUS}


def _progress(upload: Upload) -> dict[str, str]:
    return {
        **_tus(),
        "Upload-Offset": str(upload.received),
        "Upload-Expires": _date(upload),
        "Casegate-State": upload.state,
    }


def _date(upload: Upload) -> str:
    return format_datetime(upload.expires_at.astimezone(UTC), usegmt=True)
