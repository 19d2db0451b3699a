"""Quality checks, incidents, access reviews: the company's routes, and a vendor's own checks."""

import asyncio
from typing import Annotated, Any, Literal, Protocol
from uuid import UUID

from fastapi import Query, Request, Response
from pydantic import Field

from gateway.http.affair_routes import (
    HANDLERS,
    ID,
    READERS,
    SECURITY,
    Body,
    Cursor,
    Limit,
    OnlyOpen,
    Vendor,
    principal_of,
)
from gateway.http.application import GatewayAPI, problem_response
from gateway.http.staffing import actor_of, for_roles, json_answer
from gateway.identity.principal import StaffRole
from gateway.intake.moments import Moment
from gateway.quality.checks import Verdict
from gateway.quality.desk import QualityDesk
from gateway.quality.incidents import Incident
from gateway.quality.own import OwnChecks
from gateway.quality.sampling import MOST_CALLS

PERIOD = r"^[0-9]{4}-([0-9]{2}|W[0-9]{2}|[0-9]{2}-[0-9]{2})$"
MONTH = r"^[0-9]{4}-[0-9]{2}$"
_KEEPERS = for_roles(StaffRole.OPERATOR, StaffRole.SECURITY, StaffRole.COMPLIANCE)
_REFUSED: dict[int | str, dict[str, Any]] = {
    404: problem_response("There is no such thing."),
    409: problem_response("It is there already, or its state does not lead there."),
}


class DrawBody(Body):
    """Which calls are to be drawn from, and how many."""

    vendor: str = Field(pattern=ID)
    contract: str = Field(pattern=ID)
    period: str = Field(pattern=PERIOD, examples=["2026-05-07", "2026-W19", "2026-05"])
    calls: int = Field(ge=1, le=MOST_CALLS)
    seed: str | None = Field(
        None,
        pattern=r"^[0-9a-f]{32,128}$",
        description="Left out, one is made. Each draw with its seed is in the log.",
    )


class ResultBody(Body):
    """What was heard; a failure names its rule and the clause behind it."""

    result: Literal["pass", "fail"]
    rule: str | None = Field(None, pattern=r"^QUALITY_[A-Z_]{1,40}$")
    clause: str | None = Field(None, pattern=r"^[0-9A-Za-z][0-9A-Za-z._-]{0,63}$")


class IncidentBody(Body):
    """An incident at a vendor, without a word about anybody."""

    vendor: str = Field(pattern=ID)
    contract: str = Field(pattern=ID)
    kind: str = Field(pattern=r"^[a-z_]{1,40}$", examples=["lost_device"])
    level: Literal["critical", "major", "minor"]
    detected_at: Moment


class ReviewBody(Body):
    """For which month access was gone through."""

    vendor: str = Field(pattern=ID)
    contract: str = Field(pattern=ID)
    period: str = Field(pattern=MONTH, examples=["2026-05"])


class QualityCases(Protocol):
    """The part of the company's use cases that is used here."""

    @property
    def quality(self) -> QualityDesk:
        """The desk."""
        ...


def add_own_checks(api: GatewayAPI, own: OwnChecks) -> None:
    """Adds the vendor's view of which of its calls were drawn."""

    @api.get(
        "/v1/quality-checks",
        openapi_extra=SECURITY,
        summary="Which of your calls were drawn to be listened to, how, and with what result",
        response_class=Response,
        responses={200: {"description": "A page", "content": {"application/json": {}}}},
    )
    async def list_own_checks(
        request: Request, cursor: Cursor = None, limit: Limit = 50
    ) -> Response:
        page = await asyncio.to_thread(own.page, principal_of(request), cursor=cursor, limit=limit)
        return json_answer(page.document())


def add_quality(api: GatewayAPI, cases: QualityCases) -> None:
    """Adds the company's routes."""
    _add_checks(api, cases)
    _add_incidents(api, cases)
    _add_reviews(api, cases)


def _add_checks(api: GatewayAPI, cases: QualityCases) -> None:
    @api.post(
        "/company/v1/quality/draws",
        summary="Draw calls of a vendor by a seed that is told to it (operator, compliance)",
        status_code=201,
        response_class=Response,
        openapi_extra=HANDLERS,
        responses=_REFUSED,
    )
    async def draw_calls(request: Request, body: DrawBody) -> Response:
        drawn = await asyncio.to_thread(
            cases.quality.draw,
            (body.vendor, body.contract),
            body.period,
            calls=body.calls,
            seed=body.seed,
            actor=actor_of(request),
        )
        return _made(drawn.document())

    @api.get(
        "/company/v1/quality/checks",
        summary="Calls that were drawn, the last first, with their results (all but the bridge)",
        response_class=Response,
        openapi_extra=READERS,
    )
    async def list_checks(
        vendor: Vendor = None,
        draw: Annotated[UUID | None, Query(description="Of one draw alone.")] = None,
        only_open: OnlyOpen = False,  # noqa: FBT002
        cursor: Cursor = None,
        limit: Limit = 50,
    ) -> Response:
        page = await asyncio.to_thread(
            cases.quality.checks,
            vendor=vendor,
            draw=draw,
            only_open=only_open,
            cursor=cursor,
            limit=limit,
        )
        return json_answer(page.document())

    @api.post(
        "/company/v1/quality/checks/{check_id}/result",
        summary="Note what was heard; what failed is a finding (operator, compliance)",
        response_class=Response,
        openapi_extra=HANDLERS,
        responses=_REFUSED,
    )
    async def settle_check(request: Request, check_id: UUID, body: ResultBody) -> Response:
        verdict = Verdict(body.result == "pass", body.rule, body.clause)
        return json_answer(
            await asyncio.to_thread(
                cases.quality.settle, check_id, verdict, actor=actor_of(request)
            )
        )


def _add_incidents(api: GatewayAPI, cases: QualityCases) -> None:
    @api.post(
        "/company/v1/incidents",
        summary="Put an incident at a vendor on record (operator, security, compliance)",
        status_code=201,
        response_class=Response,
        openapi_extra=_KEEPERS,
        responses=_REFUSED,
    )
    async def open_incident(request: Request, body: IncidentBody) -> Response:
        incident = Incident(body.vendor, body.contract, body.kind, body.level, body.detected_at)
        return _made(
            await asyncio.to_thread(cases.quality.open_incident, incident, actor=actor_of(request))
        )

    @api.get(
        "/company/v1/incidents",
        summary="Incidents at vendors, the last first (all but the bridge)",
        response_class=Response,
        openapi_extra=READERS,
    )
    async def list_incidents(
        vendor: Vendor = None,
        only_open: OnlyOpen = False,  # noqa: FBT002
        cursor: Cursor = None,
        limit: Limit = 50,
    ) -> Response:
        page = await asyncio.to_thread(
            cases.quality.incidents,
            vendor=vendor,
            only_open=only_open,
            cursor=cursor,
            limit=limit,
        )
        return json_answer(page.document())

    for path, move in (("contain", "contained"), ("close", "closed")):
        _add_incident_move(api, cases, path, move)


def _add_incident_move(api: GatewayAPI, cases: QualityCases, path: str, move: str) -> None:
    @api.post(
        f"/company/v1/incidents/{{incident_id}}/{path}",
        summary=f"Say that an incident is {move} (operator, security, compliance)",
        operation_id=f"{path}_incident",
        response_class=Response,
        openapi_extra=_KEEPERS,
        responses=_REFUSED,
    )
    async def move_incident(request: Request, incident_id: UUID) -> Response:
        return json_answer(
            await asyncio.to_thread(
                cases.quality.move_incident, incident_id, move, actor=actor_of(request)
            )
        )


def _add_reviews(api: GatewayAPI, cases: QualityCases) -> None:
    @api.post(
        "/company/v1/access-reviews",
        summary="Put on record that a vendor's access was gone through (security, compliance)",
        status_code=201,
        response_class=Response,
        openapi_extra=for_roles(StaffRole.SECURITY, StaffRole.COMPLIANCE),
        responses=_REFUSED,
    )
    async def record_review(request: Request, body: ReviewBody) -> Response:
        return _made(
            await asyncio.to_thread(
                cases.quality.review,
                (body.vendor, body.contract),
                body.period,
                actor=actor_of(request),
            )
        )

    @api.get(
        "/company/v1/access-reviews",
        summary="Access reviews, the newest month first (all but the bridge)",
        response_class=Response,
        openapi_extra=READERS,
    )
    async def list_reviews(
        vendor: Vendor = None, cursor: Cursor = None, limit: Limit = 50
    ) -> Response:
        page = await asyncio.to_thread(
            cases.quality.reviews, vendor=vendor, cursor=cursor, limit=limit
        )
        return json_answer(page.document())


def _made(content: object) -> Response:
    answer = json_answer(content)
    answer.status_code = 201
    return answer
