"""Complaints over HTTP: registered and decided by the company, answered to by the vendor."""

import asyncio
from datetime import datetime
from typing import Annotated, Any, Literal, Protocol
from uuid import UUID

from fastapi import Query, Request, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from gateway.affairs.complaints import ComplaintDesk, Grievance
from gateway.affairs.vendor_desk import Paper, VendorAffairs
from gateway.http.application import GatewayAPI, problem_response
from gateway.http.idempotency import RepeatKey, digest_of
from gateway.http.staffing import actor_of, for_roles, json_answer
from gateway.identity.principal import StaffRole, VendorPrincipal

COMPLAINTS = "/v1/complaints"
ID = r"^[a-z0-9][a-z0-9-]{0,62}$"
CODE = r"^[a-z][a-z0-9_]{0,39}$"
CLAUSE = r"^[0-9A-Za-z][0-9A-Za-z._-]{0,63}$"
SHA256 = r"^[0-9a-f]{64}$"
MAX_TEXT = 4000
SECURITY: dict[str, Any] = {"security": [{"mutualTLS": [], "boundToken": []}]}
READERS = for_roles(
    StaffRole.OPERATOR, StaffRole.SECURITY, StaffRole.COMPLIANCE, StaffRole.AUDITOR
)
_HANDLERS = for_roles(StaffRole.OPERATOR, StaffRole.COMPLIANCE)
_COMPLIANCE = for_roles(StaffRole.COMPLIANCE)
MOVED: dict[int | str, dict[str, Any]] = {
    202: {"description": "Proposed; a second person has to approve."},
    404: problem_response("There is no such thing."),
    409: problem_response("Its state does not lead there, or a second person is needed."),
}
Cursor = Annotated[str | None, Query(max_length=512, description="From the page before.")]
Limit = Annotated[int, Query(ge=1, le=200, description="Items a page.")]
OnlyOpen = Annotated[bool, Query(description="Without those that are over.")]
Vendor = Annotated[str | None, Query(pattern=ID)]
Code = Annotated[str, Field(pattern=CODE)]
CallId = Annotated[str, Field(pattern=CLAUSE)]


class Body(BaseModel):
    """A request body; it has no unknown fields."""

    model_config = ConfigDict(extra="forbid")


class ComplaintBody(Body):
    """A complaint as it came in. Its text is sealed; no vendor ever reads it."""

    vendor: str = Field(pattern=ID)
    contract: str = Field(pattern=ID)
    case_ref: str = Field(pattern=r"^[A-Z2-7]{26}$")
    received_at: AwareDatetime
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
    """Why more time is needed, as a code."""

    reason: Code


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
    replied_at: AwareDatetime


class PaperBody(Body):
    """What a vendor hands in: words without personal data, calls, files by SHA-256."""

    text: str | None = Field(None, min_length=1, max_length=MAX_TEXT)
    call_ids: list[CallId] = Field(default_factory=list, max_length=100)
    files: list[Annotated[str, Field(pattern=SHA256)]] = Field(
        default_factory=list, max_length=100
    )


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
        openapi_extra=_HANDLERS,
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
        openapi_extra=_HANDLERS,
        responses=MOVED,
    )
    async def read_complaint(
        request: Request, complaint_id: UUID, reason: Annotated[str, Query(pattern=CODE)]
    ) -> Response:
        desk = cases.complaints
        return json_answer(
            await asyncio.to_thread(
                desk.read, complaint_id, reason=reason, actor=actor_of(request)
            )
        )

    _add_steps(api, cases)
    _add_decisions(api, cases)


def _add_steps(api: GatewayAPI, cases: ComplaintCases) -> None:
    for name, words in (
        ("investigate", "Begin to look into a complaint"),
        ("request_review", "The customer asks for a second look"),
        ("review", "End the second look"),
        ("close", "Close an answered complaint"),
        ("reopen", "Reopen a closed complaint: there are new facts"),
        ("withdraw", "The customer withdraws the complaint"),
    ):
        _add_step(api, cases, name, words)


def _add_step(api: GatewayAPI, cases: ComplaintCases, name: str, words: str) -> None:
    @api.post(
        f"/company/v1/complaints/{{complaint_id}}/{name.replace('_', '-')}",
        summary=f"{words} (operator, compliance)",
        operation_id=f"{name}_complaint",
        response_class=Response,
        openapi_extra=_HANDLERS,
        responses=MOVED,
    )
    async def move_complaint(request: Request, complaint_id: UUID, body: ReasonBody) -> Response:
        return answered(
            await asyncio.to_thread(
                cases.complaints.move,
                complaint_id,
                name,
                actor=actor_of(request),
                reason=body.reason,
            )
        )


def _add_decisions(api: GatewayAPI, cases: ComplaintCases) -> None:
    @api.post(
        "/company/v1/complaints/{complaint_id}/evidence-request",
        summary="Ask the vendor for calls by a deadline (operator, compliance)",
        response_class=Response,
        openapi_extra=_HANDLERS,
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
        "/company/v1/complaints/{complaint_id}/extend",
        summary="More time: to 30 days, and to 60 once another approves (operator, compliance)",
        response_class=Response,
        openapi_extra=_HANDLERS,
        responses=MOVED,
    )
    async def extend_complaint(
        request: Request, complaint_id: UUID, body: ExtensionBody
    ) -> Response:
        desk = cases.complaints
        return answered(
            await asyncio.to_thread(
                desk.extend, complaint_id, actor=actor_of(request), reason=body.reason
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
        openapi_extra=_HANDLERS,
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
    add_listing(api, desk, "complaint", COMPLAINTS, "Complaints that you are asked about")
    for name, path, words in (
        ("submit_evidence", "evidence", "Hand in what was asked for, for a complaint"),
        ("submit_statement", "statement", "State your side of a complaint"),
    ):
        add_move(api, desk, "complaint", name, f"{COMPLAINTS}/{{thing_id}}/{path}", words)


def add_listing(api: GatewayAPI, desk: VendorAffairs, kind: str, path: str, words: str) -> None:
    """Adds a listing for vendors, and its items."""

    @api.get(
        path,
        summary=words,
        operation_id=f"list_{kind}",
        openapi_extra=SECURITY,
        response_class=Response,
        responses={200: {"description": "A page", "content": {"application/json": {}}}},
    )
    async def list_things(request: Request, cursor: Cursor = None, limit: Limit = 50) -> Response:
        page = await asyncio.to_thread(
            desk.page, principal_of(request), kind, cursor=cursor, limit=limit
        )
        return json_answer(page.document())

    @api.get(
        f"{path}/{{thing_id}}",
        summary=f"One of: {words[0].lower()}{words[1:]}",
        operation_id=f"get_{kind}",
        openapi_extra=SECURITY,
        response_class=Response,
        responses={404: problem_response("Not yours, or unknown: the same answer.")},
    )
    async def get_thing(request: Request, thing_id: UUID) -> Response:
        return json_answer(
            await asyncio.to_thread(desk.one, principal_of(request), kind, thing_id)
        )


def add_move(
    api: GatewayAPI, desk: VendorAffairs, kind: str, name: str, path: str, words: str
) -> None:
    """Adds one move of a vendor's."""

    @api.post(
        path,
        summary=words,
        operation_id=f"{name}_{kind}",
        openapi_extra=SECURITY,
        response_class=Response,
        responses={
            404: problem_response("Not yours, or unknown: the same answer."),
            409: problem_response("Its state does not lead there."),
        },
    )
    async def move_thing(request: Request, thing_id: UUID, body: PaperBody) -> Response:
        paper = Paper(body.text, tuple(body.call_ids), tuple(body.files))
        return json_answer(
            await asyncio.to_thread(desk.move, principal_of(request), kind, thing_id, name, paper)
        )


def answered(content: dict[str, Any], status: int = 200) -> Response:
    """The answer: 202 where it is a proposal."""
    answer = json_answer(content)
    answer.status_code = 202 if "proposal_id" in content else status
    return answer


def principal_of(request: Request) -> VendorPrincipal:
    """The vendor who asks."""
    principal: VendorPrincipal = request.scope["state"]["principal"]
    return principal
