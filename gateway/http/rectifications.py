"""Rectification notices and feedback over HTTP, for both sides."""

import asyncio
from typing import Annotated, Protocol
from uuid import UUID

from fastapi import Request, Response
from pydantic import Field

from gateway.affairs.codes import CLAUSE
from gateway.affairs.rectifications import Notice, RectificationDesk
from gateway.affairs.vendor_desk import VendorAffairs
from gateway.http.affair_routes import (
    HANDLERS,
    ID,
    MAX_TEXT,
    MOVED,
    Body,
    Code,
    OwnKind,
    add_company_moves,
    add_company_reading,
    add_own_kind,
    answered,
)
from gateway.http.application import GatewayAPI
from gateway.http.idempotency import RepeatKey, digest_of
from gateway.http.staffing import actor_of
from gateway.intake.moments import Moment

_OWN = (
    OwnKind(
        "rectification",
        "/v1/rectifications",
        "What you have to put right",
        (
            ("acknowledge", "acknowledge", "Acknowledge a notice"),
            ("submit_plan", "plan", "Hand in the plan for a notice"),
            ("start", "start", "Begin the work on an accepted plan"),
            ("submit_evidence", "evidence", "Hand in what shows that it is put right"),
        ),
    ),
    OwnKind(
        "feedback",
        "/v1/feedback",
        "What customers and staff say of your work",
        (
            ("acknowledge", "acknowledge", "Acknowledge feedback"),
            ("answer", "answer", "Answer feedback"),
        ),
    ),
)
Clause = Annotated[str, Field(pattern=CLAUSE)]
Text = Annotated[str, Field(min_length=1, max_length=MAX_TEXT)]


class NoticeBody(Body):
    """What is to be put right; no text names a person."""

    vendor: str = Field(pattern=ID)
    contract: str = Field(pattern=ID)
    severity: Code
    source: Code
    clauses: list[Clause] = Field(min_length=1, max_length=20)
    finding_text: Text
    required_actions: list[Text] = Field(min_length=1, max_length=20)
    evidence: list[Clause] = Field(default_factory=list, max_length=200)


class NoticeExtensionBody(Body):
    """The later deadline, and why, as a code."""

    until: Moment
    reason: Code


class NoticeMoveBody(Body):
    """Why, as a code; to close, the calls that were tested again."""

    reason: Code | None = None
    sample: list[Clause] = Field(default_factory=list, max_length=200)


class FeedbackBody(Body):
    """What customers and staff say, by codes and in words that name nobody."""

    vendor: str = Field(pattern=ID)
    contract: str = Field(pattern=ID)
    codes: list[Clause] = Field(min_length=1, max_length=20)
    text: Text


class RectificationCases(Protocol):
    """The part of the company's use cases that is used here."""

    @property
    def rectifications(self) -> RectificationDesk:
        """The desk."""
        ...


def add_company_rectifications(api: GatewayAPI, cases: RectificationCases) -> None:
    """Adds the company's routes."""

    @api.post(
        "/company/v1/rectifications",
        summary="Draft a notice to a vendor; a recurring clause raises it (operator, compliance)",
        status_code=201,
        response_class=Response,
        openapi_extra=HANDLERS,
    )
    async def draft_notice(
        request: Request, body: NoticeBody, repeat_key: RepeatKey = None
    ) -> Response:
        notice = Notice(
            body.vendor,
            body.contract,
            body.severity,
            body.source,
            tuple(body.clauses),
            body.finding_text,
            tuple(body.required_actions),
            tuple(body.evidence),
        )
        content = await asyncio.to_thread(
            cases.rectifications.draft,
            notice,
            actor=actor_of(request),
            repeat=(repeat_key, digest_of(body)),
        )
        return answered(content, 201)

    @api.post(
        "/company/v1/rectifications/{notice_id}/issue",
        summary="Issue a notice; a critical one once another approves (operator, compliance)",
        response_class=Response,
        openapi_extra=HANDLERS,
        responses=MOVED,
    )
    async def issue_notice(request: Request, notice_id: UUID) -> Response:
        desk = cases.rectifications
        return answered(await asyncio.to_thread(desk.issue, notice_id, actor=actor_of(request)))

    @api.post(
        "/company/v1/rectifications/{notice_id}/extend",
        summary="Move a notice's deadline, once, before it (operator, compliance)",
        response_class=Response,
        openapi_extra=HANDLERS,
        responses=MOVED,
    )
    async def extend_notice(
        request: Request, notice_id: UUID, body: NoticeExtensionBody
    ) -> Response:
        return answered(
            await asyncio.to_thread(
                cases.rectifications.extend,
                notice_id,
                body.until,
                actor=actor_of(request),
                reason=body.reason,
            )
        )

    add_company_moves(
        api,
        "/company/v1/rectifications/{notice_id}",
        "rectification",
        NoticeMoveBody,
        lambda affair_id, name, body, actor: cases.rectifications.move(
            affair_id, name, actor=actor, reason=body.reason, sample=tuple(body.sample)
        ),
        accept_plan="Accept a vendor's plan",
        refuse_plan="Refuse a vendor's plan",
        verify="Begin to verify; not by who issued the notice",
        close="Close a notice by a re-test of calls; not by who issued it",
        reopen="What was handed in is not enough: a new deadline",
        withdraw="Withdraw a notice, once another approves",
    )
    _add_feedback(api, cases)
    for kind, path in (("rectification", "rectifications"), ("feedback", "feedback")):
        add_company_reading(
            api,
            f"/company/v1/{path}",
            kind,
            lambda: cases.rectifications,
        )


def _add_feedback(api: GatewayAPI, cases: RectificationCases) -> None:
    @api.post(
        "/company/v1/feedback",
        summary="Pass on to a vendor what customers and staff say (operator, compliance)",
        status_code=201,
        response_class=Response,
        openapi_extra=HANDLERS,
    )
    async def give_feedback(
        request: Request, body: FeedbackBody, repeat_key: RepeatKey = None
    ) -> Response:
        content = await asyncio.to_thread(
            cases.rectifications.give_feedback,
            (body.vendor, body.contract),
            tuple(body.codes),
            body.text,
            actor=actor_of(request),
            repeat=(repeat_key, digest_of(body)),
        )
        return answered(content, 201)

    @api.post(
        "/company/v1/feedback/{feedback_id}/close",
        summary="End feedback (operator, compliance)",
        response_class=Response,
        openapi_extra=HANDLERS,
        responses=MOVED,
    )
    async def close_feedback(request: Request, feedback_id: UUID) -> Response:
        desk = cases.rectifications
        return answered(
            await asyncio.to_thread(desk.close_feedback, feedback_id, actor=actor_of(request))
        )


def add_rectifications(api: GatewayAPI, desk: VendorAffairs) -> None:
    """Adds the vendor's routes of notices and of feedback."""
    for own in _OWN:
        add_own_kind(api, desk, own)
