"""Complaints over HTTP: registered and decided by the company, answered to by the vendor."""

import asyncio
from datetime import datetime
from typing import Annotated, Literal, Protocol
from uuid import UUID

from fastapi import Query, Request, Response
from pydantic import Field

from gateway.affairs.codes import CLAUSE
from gateway.affairs.complaints import ComplaintDesk
from gateway.affairs.grievance import Grievance
from gateway.affairs.vendor_desk import VendorAffairs
from gateway.http.affair_routes import (
    HANDLERS,
    ID,
    MAX_TEXT,
    MOVED,
    READERS,
    Body,
    CallId,
    Code,
    Cursor,
    Limit,
    OnlyOpen,
    OwnKind,
    Reason,
    Vendor,
    add_company_moves,
    add_own_kind,
    answered,
)
from gateway.http.application import GatewayAPI, problem_response
from gateway.http.idempotency import RepeatKey, digest_of
from gateway.http.staffing import actor_of, for_roles, json_answer
from gateway.identity.principal import StaffRole
from gateway.intake.moments import Moment

_COMPLIANCE = for_roles(StaffRole.COMPLIANCE)
_OWN = OwnKind(
    "complaint",
    "/v1/complaints",
    "Complaints that you are asked about",
    (
        ("submit_evidence", "evidence", "Hand in what was asked for, for a complaint"),
        ("submit_statement", "statement", "State your side of a complaint"),
    ),
)


class ComplaintBody(Body):
    """A complaint as it came in. Its text is sealed; no vendor ever reads it."""

    vendor: str = Field(pattern=ID)
    contract: str = Field(pattern=ID)
    case_ref: str = Field(pattern=r"^[A-Z2-7]{26}$")
    received_at: Moment
    channel: Code
    source: Code
    category: Code
    allegation_codes: list[Code] = Field(min_length=1, max_length=20)
    text: str = Field(min_length=1, max_length=MAX_TEXT)
    about_staff: str | None = Field(None, pattern=CLAUSE)


class ReasonBody(Body):
    """Why, as a code."""

    reason: Code | None = None


class ExtensionBody(Body):
    """Why more time is needed, as a code; for 60 days, by which channel the customer was told."""

    reason: Code
    notice: Code | None = None


class AssignmentBody(Body):
    """The department that looks into it."""

    department: str = Field(min_length=1, max_length=80)


class EvidenceRequestBody(Body):
    """Which calls the vendor has to account for, within so many hours."""

    call_ids: list[CallId] = Field(min_length=1, max_length=100)
    hours: int = Field(ge=1, le=240)


class DecisionBody(Body):
    """Whether it is founded, what is done about it, and where it came from."""

    finding: Literal["founded", "partly", "unfounded"]
    measures: list[Code] = Field(max_length=20)
    root_cause: Code


class ReplyBody(Body):
    """How and when the customer was answered."""

    channel: Code
    replied_at: Moment


class ComplaintCases(Protocol):
    """The part of the company's use cases that is used here."""

    @property
    def complaints(self) -> ComplaintDesk:
        """The desk."""
        ...


def add_company_complaints(api: GatewayAPI, cases: ComplaintCases) -> None:
    """Adds the company's routes."""

    @api.post(
        "/company/v1/complaints",
        summary="Register a complaint; some categories stop contact (operator, compliance)",
        status_code=201,
        response_class=Response,
        openapi_extra=HANDLERS,
        responses={404: problem_response("The vendor was never given such a case.")},
    )
    async def register_complaint(
        request: Request, body: ComplaintBody, repeat_key: RepeatKey = None
    ) -> Response:
        grievance = Grievance(
            body.vendor,
            body.contract,
            body.case_ref,
            body.received_at,
            body.channel,
            body.source,
            body.category,
            tuple(body.allegation_codes),
            body.text,
            body.about_staff,
        )
        content = await asyncio.to_thread(
            cases.complaints.register,
            grievance,
            actor=actor_of(request),
            repeat=(repeat_key, digest_of(body)),
        )
        return answered(content, 201)

    @api.get(
        "/company/v1/complaints",
        summary="Complaints, newest first, without their texts (all but the bridge)",
        response_class=Response,
        openapi_extra=READERS,
    )
    async def list_complaints(
        vendor: Vendor = None,
        only_open: OnlyOpen = True,  # noqa: FBT002
        only_overdue: Annotated[bool, Query(description="Only those past their time.")] = False,  # noqa: FBT002
        cursor: Cursor = None,
        limit: Limit = 50,
    ) -> Response:
        page = await asyncio.to_thread(
            cases.complaints.page,
            vendor=vendor,
            is_open=only_open,
            is_overdue=only_overdue,
            cursor=cursor,
            limit=limit,
        )
        return json_answer(page.document())

    @api.get(
        "/company/v1/complaints/{complaint_id}",
        summary="One complaint with its texts; reading is logged (operator, compliance)",
        response_class=Response,
        openapi_extra=HANDLERS,
        responses=MOVED,
    )
    async def read_complaint(request: Request, complaint_id: UUID, reason: Reason) -> Response:
        desk = cases.complaints
        return json_answer(
            await asyncio.to_thread(
                desk.read, complaint_id, reason=reason, actor=actor_of(request)
            )
        )

    _add_steps(api, cases)
    _add_decisions(api, cases)


def _add_steps(api: GatewayAPI, cases: ComplaintCases) -> None:
    add_company_moves(
        api,
        "/company/v1/complaints/{complaint_id}",
        "complaint",
        ReasonBody,
        lambda affair_id, name, body, actor: cases.complaints.move(
            affair_id, name, actor=actor, reason=body.reason
        ),
        investigate="Begin to look into a complaint",
        request_review="The customer asks for a second look",
        review="End the second look",
        close="Close an answered complaint",
        reopen="Reopen a closed complaint: there are new facts",
        withdraw="The customer withdraws the complaint",
    )


def _add_decisions(api: GatewayAPI, cases: ComplaintCases) -> None:
    @api.post(
        "/company/v1/complaints/{complaint_id}/evidence-request",
        summary="Ask the vendor for calls by a deadline (operator, compliance)",
        response_class=Response,
        openapi_extra=HANDLERS,
        responses=MOVED,
    )
    async def request_evidence(
        request: Request, complaint_id: UUID, body: EvidenceRequestBody
    ) -> Response:
        return answered(
            await asyncio.to_thread(
                cases.complaints.request_evidence,
                complaint_id,
                body.call_ids,
                body.hours,
                actor=actor_of(request),
            )
        )

    @api.post(
        "/company/v1/complaints/{complaint_id}/assign",
        summary="Give a complaint to another department (operator, compliance)",
        response_class=Response,
        openapi_extra=HANDLERS,
        responses=MOVED,
    )
    async def assign_complaint(
        request: Request, complaint_id: UUID, body: AssignmentBody
    ) -> Response:
        desk = cases.complaints
        return answered(
            await asyncio.to_thread(
                desk.assign, complaint_id, body.department, actor=actor_of(request)
            )
        )

    @api.post(
        "/company/v1/complaints/{complaint_id}/extend",
        summary="More time: to 30 days, and to 60 once another approves (operator, compliance)",
        response_class=Response,
        openapi_extra=HANDLERS,
        responses=MOVED,
    )
    async def extend_complaint(
        request: Request, complaint_id: UUID, body: ExtensionBody
    ) -> Response:
        return answered(
            await asyncio.to_thread(
                cases.complaints.extend,
                complaint_id,
                actor=actor_of(request),
                reason=body.reason,
                notice=body.notice,
            )
        )

    @api.post(
        "/company/v1/complaints/{complaint_id}/decide",
        summary="Decide a complaint (compliance)",
        response_class=Response,
        openapi_extra=_COMPLIANCE,
        responses=MOVED,
    )
    async def decide_complaint(
        request: Request, complaint_id: UUID, body: DecisionBody
    ) -> Response:
        return answered(
            await asyncio.to_thread(
                cases.complaints.decide,
                complaint_id,
                body.finding,
                body.measures,
                body.root_cause,
                actor=actor_of(request),
            )
        )

    @api.post(
        "/company/v1/complaints/{complaint_id}/reply",
        summary="Note how and when the customer was answered (operator, compliance)",
        response_class=Response,
        openapi_extra=HANDLERS,
        responses=MOVED,
    )
    async def reply_to_complaint(
        request: Request, complaint_id: UUID, body: ReplyBody
    ) -> Response:
        replied_at: datetime = body.replied_at
        desk = cases.complaints
        return answered(
            await asyncio.to_thread(
                desk.reply, complaint_id, body.channel, replied_at, actor=actor_of(request)
            )
        )


def add_complaints(api: GatewayAPI, desk: VendorAffairs) -> None:
    """Adds the vendor's routes: allegation codes and calls asked for, and nothing of who it is."""
    add_own_kind(api, desk, _OWN)
