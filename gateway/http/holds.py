"""The company API's holds, special requests, and the end of consents."""

import asyncio
from datetime import date
from typing import Annotated, Any, Protocol
from uuid import UUID

from fastapi import Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from gateway.contact.answers import MOST_HOURS, Answer
from gateway.contact.protection import ProtectionDesk
from gateway.http.application import GatewayAPI, problem_response
from gateway.http.staffing import actor_of, for_roles, json_answer
from gateway.identity.principal import StaffRole

MAX_PAGE = 200
_ID = r"^[a-z0-9][a-z0-9-]{0,62}$"
_CODE = r"^[a-z][a-z0-9_]{0,39}$"
_STOPS = (StaffRole.OPERATOR, StaffRole.SECURITY, StaffRole.COMPLIANCE)
_LIFTS = for_roles(StaffRole.COMPLIANCE)
_ANSWERS = for_roles(StaffRole.OPERATOR, StaffRole.COMPLIANCE)
_READERS = for_roles(*_STOPS, StaffRole.AUDITOR)
_NOT_FOUND: dict[int | str, dict[str, Any]] = {404: problem_response("There is no such thing.")}
_NO_WAY: dict[int | str, dict[str, Any]] = {
    **_NOT_FOUND,
    409: problem_response("Its state does not lead there, or it is proposed already."),
}
Cursor = Annotated[str | None, Query(max_length=512, description="From the page before.")]
Limit = Annotated[int, Query(ge=1, le=MAX_PAGE, description="Items a page.")]
OnlyOpen = Annotated[bool, Query(description="Without those that are over.")]


class HoldRequest(BaseModel):
    """Whose contacts stop, by a case that a vendor has or had, and why."""

    model_config = ConfigDict(extra="forbid")

    vendor: str = Field(pattern=_ID)
    contract: str = Field(pattern=_ID)
    case_ref: str = Field(pattern=r"^[A-Z2-7]{26}$")
    code: str = Field(pattern=_CODE, description="The ground; no vendor ever hears it.")
    is_on_all_cases: bool = Field(
        default=True, description="On all cases of the debtor at every vendor, or on this one."
    )


class AnswerRequest(BaseModel):
    """What was decided, and what the vendor is to do."""

    model_config = ConfigDict(extra="forbid")

    decision_code: str = Field(pattern=_CODE)
    decision_valid_to: date | None = None
    instruction_code: str | None = Field(None, pattern=_CODE)
    preferred_hours: tuple[Annotated[str, Field(max_length=32)], ...] = Field(
        (),
        max_length=MOST_HOURS,
        description="Of a time_preference that is granted: the only hours of contact, in the "
        "debtor's local time, as `every day 18:00-20:00`, `working days …`, `rest days …`.",
    )


class ProtectionCases(Protocol):
    """The part of the company's use cases that is used here."""

    @property
    def protection(self) -> ProtectionDesk:
        """The desk."""
        ...


def add_holds(api: GatewayAPI, cases: ProtectionCases) -> None:
    """Adds the routes of holds."""

    @api.post(
        "/company/v1/holds",
        summary="Stop contact with a debtor at once (operator, security, compliance)",
        response_class=Response,
        openapi_extra=for_roles(*_STOPS),
        responses=_NOT_FOUND,
    )
    async def place_hold(request: Request, body: HoldRequest) -> Response:
        hold = await asyncio.to_thread(
            cases.protection.place,
            body.vendor,
            body.contract,
            body.case_ref,
            code=body.code,
            is_on_all_cases=body.is_on_all_cases,
            actor=actor_of(request),
        )
        return json_answer(hold.document())

    @api.get(
        "/company/v1/holds",
        summary="Holds, newest first (all but the bridge)",
        response_class=Response,
        openapi_extra=_READERS,
    )
    async def list_holds(
        only_open: OnlyOpen = True,  # noqa: FBT002
        cursor: Cursor = None,
        limit: Limit = 50,
    ) -> Response:
        return json_answer(
            await asyncio.to_thread(
                cases.protection.holds, only_open=only_open, cursor=cursor, limit=limit
            )
        )

    @api.post(
        "/company/v1/holds/{hold_id}/lift",
        summary="Lift a hold: proposes, or lifts once another has approved (compliance)",
        response_class=Response,
        openapi_extra=_LIFTS,
        responses=_NO_WAY,
    )
    async def lift_hold(request: Request, hold_id: UUID) -> Response:
        hold, proposal = await asyncio.to_thread(
            cases.protection.lift, hold_id, actor=actor_of(request)
        )
        if proposal is None:
            return json_answer(hold.document())
        answer = json_answer({"proposal_id": proposal})
        answer.status_code = 202
        return answer

    @api.post(
        "/company/v1/consents/{consent_id}/revoke",
        summary="End a consent at once (operator, compliance)",
        status_code=204,
        response_class=Response,
        openapi_extra=_ANSWERS,
        responses=_NOT_FOUND,
    )
    async def revoke_consent_for_debtor(request: Request, consent_id: UUID) -> Response:
        desk = cases.protection
        await asyncio.to_thread(desk.revoke_consent, consent_id, actor=actor_of(request))
        return Response(status_code=204)

    _add_answers(api, cases)


def _add_answers(api: GatewayAPI, cases: ProtectionCases) -> None:
    @api.get(
        "/company/v1/special-requests",
        summary="Special requests, newest first, without their notes (all but the bridge)",
        response_class=Response,
        openapi_extra=_READERS,
    )
    async def list_special_requests(
        vendor: Annotated[str | None, Query(pattern=_ID)] = None,
        only_open: OnlyOpen = True,  # noqa: FBT002
        only_overdue: Annotated[bool, Query(description="Only those past their time.")] = False,  # noqa: FBT002
        cursor: Cursor = None,
        limit: Limit = 50,
    ) -> Response:
        return json_answer(
            await asyncio.to_thread(
                cases.protection.requests,
                only_open=only_open,
                only_overdue=only_overdue,
                vendor_id=vendor,
                cursor=cursor,
                limit=limit,
            )
        )

    @api.get(
        "/company/v1/special-requests/{request_id}",
        summary="One special request with its note; reading is logged (operator, compliance)",
        response_class=Response,
        openapi_extra=_ANSWERS,
        responses=_NOT_FOUND,
    )
    async def read_special_request(request: Request, request_id: UUID) -> Response:
        desk = cases.protection
        return json_answer(
            await asyncio.to_thread(desk.request, request_id, actor=actor_of(request))
        )

    @api.post(
        "/company/v1/special-requests/{request_id}/answer",
        summary="Answer a special request and tell the vendor what to do (operator, compliance)",
        response_class=Response,
        openapi_extra=_ANSWERS,
        responses=_NO_WAY,
    )
    async def answer_special_request(
        request: Request, request_id: UUID, body: AnswerRequest
    ) -> Response:
        answer = Answer(**dict(body))
        desk = cases.protection
        return json_answer(
            await asyncio.to_thread(desk.answer, request_id, answer, actor=actor_of(request))
        )

    @api.post(
        "/company/v1/special-requests/{request_id}/close",
        summary="Close an answered special request (operator, compliance)",
        response_class=Response,
        openapi_extra=_ANSWERS,
        responses=_NO_WAY,
    )
    async def close_special_request(request: Request, request_id: UUID) -> Response:
        desk = cases.protection
        return json_answer(
            await asyncio.to_thread(desk.close, request_id, actor=actor_of(request))
        )
