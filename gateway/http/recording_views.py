"""The company API's recordings: listed, heard for a reason, held and freed."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any, Protocol
from uuid import UUID

from fastapi import Query, Request, Response
from pydantic import BaseModel, ConfigDict
from starlette.responses import StreamingResponse

from gateway.http.application import GatewayAPI, problem_response
from gateway.http.recordings_metadata import CALL_ID
from gateway.http.staffing import actor_of, for_roles, json_answer
from gateway.identity.principal import StaffRole
from gateway.intake.recordings import RecordingState
from gateway.intake.recordings_desk import MAX_PAGE, HearingReason, RecordingDesk

_RECORDINGS = "/company/v1/recordings"
_RECORDING = "/company/v1/recordings/{recording_id}"
_ID = r"^[a-z0-9][a-z0-9-]{0,62}$"
_RANGE = re.compile(r"bytes=([0-9]{0,15})-([0-9]{0,15})")
_LISTENERS = for_roles(StaffRole.COMPLIANCE, StaffRole.SECURITY)
_READERS = for_roles(
    StaffRole.OPERATOR, StaffRole.COMPLIANCE, StaffRole.SECURITY, StaffRole.AUDITOR
)
_NOT_FOUND: dict[int | str, dict[str, Any]] = {404: problem_response("There is no such thing.")}
_NO_WAY: dict[int | str, dict[str, Any]] = {
    **_NOT_FOUND,
    409: problem_response("Its state does not allow it."),
}
_SOUND = {"schema": {"type": "string", "format": "binary"}}


class HoldRecordingRequest(BaseModel):
    """Why a recording is kept beyond its time."""

    model_config = ConfigDict(extra="forbid")

    reason: HearingReason


class RecordingCases(Protocol):
    """The part of the company's use cases that is used here."""

    @property
    def recordings(self) -> RecordingDesk:
        """The desk."""
        ...


def add_recording_views(api: GatewayAPI, cases: RecordingCases) -> None:
    """Adds the routes."""

    @api.get(
        _RECORDINGS,
        summary="Recordings, newest first, without their content (all but the bridge)",
        response_class=Response,
        openapi_extra=_READERS,
    )
    async def list_all_recordings(
        vendor: Annotated[str | None, Query(pattern=_ID)] = None,
        call_id: Annotated[str | None, Query(pattern=CALL_ID)] = None,
        state: RecordingState | None = None,
        only_held: Annotated[bool, Query(description="Only those under a legal hold.")] = False,  # noqa: FBT002
        cursor: Annotated[str | None, Query(max_length=512)] = None,
        limit: Annotated[int, Query(ge=1, le=MAX_PAGE, description="Items a page.")] = 50,
    ) -> Response:
        page = await asyncio.to_thread(
            cases.recordings.page,
            vendor=vendor,
            call_id=call_id,
            state=state,
            only_held=only_held,
            cursor=cursor,
            limit=limit,
        )
        return json_answer(page)

    @api.get(
        _RECORDING,
        summary="Hear a recording, or with Range a part of it; logged (compliance, security)",
        response_class=Response,
        openapi_extra=_LISTENERS,
        responses={
            200: {"description": "All of it", "content": {"audio/*": _SOUND}},
            206: {"description": "The range that was asked for", "content": {"audio/*": _SOUND}},
            **_NOT_FOUND,
        },
    )
    async def hear_recording(
        request: Request, recording_id: UUID, reason: HearingReason
    ) -> Response:
        desk = cases.recordings
        size = (await asyncio.to_thread(desk.read, recording_id)).size
        span = _span_of(request.headers.get("range"), size)
        hearing = await asyncio.to_thread(
            desk.hear, recording_id, reason, span or (0, size), actor=actor_of(request)
        )
        headers = {
            "Accept-Ranges": "bytes",
            "Content-Length": str(hearing.end - hearing.begin),
            "Content-Disposition": "attachment",
        }
        if span is not None:
            headers["Content-Range"] = f"bytes {hearing.begin}-{hearing.end - 1}/{size}"
        return StreamingResponse(
            _threaded(hearing.content),
            200 if span is None else 206,
            headers,
            hearing.media_type,
        )

    @api.post(
        f"{_RECORDING}/hold",
        summary="Keep a recording beyond its time, at once (compliance, security)",
        response_class=Response,
        openapi_extra=_LISTENERS,
        responses=_NO_WAY,
    )
    async def hold_recording(
        request: Request, recording_id: UUID, body: HoldRecordingRequest
    ) -> Response:
        desk = cases.recordings
        return json_answer(
            await asyncio.to_thread(desk.hold, recording_id, body.reason, actor=actor_of(request))
        )

    @api.post(
        f"{_RECORDING}/free",
        summary="Lift a legal hold: proposes, or lifts once approved (compliance, security)",
        response_class=Response,
        openapi_extra=_LISTENERS,
        responses=_NO_WAY,
    )
    async def free_recording(request: Request, recording_id: UUID) -> Response:
        desk = cases.recordings
        outcome = await asyncio.to_thread(desk.free, recording_id, actor=actor_of(request))
        if isinstance(outcome, UUID):
            answer = json_answer({"proposal_id": outcome})
            answer.status_code = 202
            return answer
        return json_answer(outcome)


def _span_of(header: str | None, size: int) -> tuple[int, int] | None:
    """The one range that a header asks for (RFC 9110, 14.2); None: give all."""
    matched = None if header is None else _RANGE.fullmatch(header.strip())
    if matched is None:
        return None
    first, last = matched.groups()
    if first:
        span = int(first), min(int(last) + 1 if last else size, size)
    elif last:
        span = max(0, size - int(last)), size
    else:
        return None
    return span if span[0] < span[1] else None


async def _threaded(content: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Frames as they are opened, each in a thread; what is left unread is closed."""
    try:
        while True:
            frame = await asyncio.to_thread(next, content, None)
            if frame is None:
                return
            yield frame
    finally:
        close = getattr(content, "close", None)
        if close is not None:
            await asyncio.to_thread(close)
