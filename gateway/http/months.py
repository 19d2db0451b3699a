"""The company's routes about the end of a month: meetings, closing, what is closed."""

import asyncio
from datetime import date
from typing import Any

from fastapi import Request, Response
from pydantic import Field

from gateway.http.affair_routes import HANDLERS, ID, READERS, SHA256, Body, Cursor, Limit, Vendor
from gateway.http.application import GatewayAPI, problem_response
from gateway.http.reports import ReportCases
from gateway.http.staffing import actor_of, json_answer
from gateway.reports.closing import Meeting
from gateway.reports.periods import parse_period

_MONTH = r"^[0-9]{4}-[0-9]{2}$"
_REFUSED: dict[int | str, dict[str, Any]] = {
    404: problem_response("There is no such contract."),
    409: problem_response("A meeting or a report lacks, or it is there already."),
}


class MeetingBody(Body):
    """A meeting about a vendor's month; its minutes stay where they are."""

    vendor: str = Field(pattern=ID)
    contract: str = Field(pattern=ID)
    period: str = Field(pattern=_MONTH, examples=["2026-05"])
    held_on: date
    minutes_sha256: str = Field(pattern=SHA256)
    actions: int = Field(ge=0, le=1000, description="How many things were agreed on to be done.")


class ClosingBody(Body):
    """Which month of which vendor is to be closed."""

    vendor: str = Field(pattern=ID)
    contract: str = Field(pattern=ID)
    period: str = Field(pattern=_MONTH, examples=["2026-05"])


def add_months(api: GatewayAPI, cases: ReportCases) -> None:
    """Adds the routes."""

    @api.post(
        "/company/v1/reports/meetings",
        summary="Put a meeting about a vendor's month on record (operator, compliance)",
        status_code=201,
        response_class=Response,
        openapi_extra=HANDLERS,
        responses=_REFUSED,
    )
    async def record_meeting(request: Request, body: MeetingBody) -> Response:
        meeting = Meeting(
            body.vendor,
            body.contract,
            parse_period(body.period),
            body.held_on,
            body.minutes_sha256,
            body.actions,
        )
        made = await asyncio.to_thread(cases.reports.meet, meeting, actor=actor_of(request))
        answer = json_answer(made)
        answer.status_code = 201
        return answer

    @api.post(
        "/company/v1/reports/closings",
        summary="Close a month that has its meeting and its report (operator, compliance)",
        response_class=Response,
        openapi_extra=HANDLERS,
        responses=_REFUSED,
    )
    async def close_month(request: Request, body: ClosingBody) -> Response:
        named = (body.vendor, body.contract)
        return json_answer(
            await asyncio.to_thread(
                cases.reports.close, named, body.period, actor=actor_of(request)
            )
        )

    @api.get(
        "/company/v1/reports/months",
        summary="Months with their meetings and whether they are closed (all but the bridge)",
        response_class=Response,
        openapi_extra=READERS,
    )
    async def list_months(
        vendor: Vendor = None, cursor: Cursor = None, limit: Limit = 50
    ) -> Response:
        page = await asyncio.to_thread(
            cases.reports.months, vendor=vendor, cursor=cursor, limit=limit
        )
        return json_answer(page.document())
