"""The company API's routes for onboarding: invitations, enrolments, proposals."""

import asyncio
from typing import Annotated, Any, Protocol
from uuid import UUID

from fastapi import Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from gateway.http.application import GatewayAPI, problem_response
from gateway.http.staffing import actor_of, for_roles, json_answer, staff_of
from gateway.identity.principal import CredentialScope, StaffRole
from gateway.operations.invitation import DEFAULT_HOURS, MAX_HOURS, SYSTEM_PATTERN
from gateway.operations.onboarding import OnboardingDesk

_ID = r"^[a-z0-9][a-z0-9-]{0,62}$"
_NOT_FOUND: dict[int | str, dict[str, Any]] = {404: problem_response("There is no such thing.")}
_DECIDERS = (StaffRole.SECURITY, StaffRole.COMPLIANCE)
_READERS = (*_DECIDERS, StaffRole.AUDITOR)
After = Annotated[UUID | None, Query(description="The last id of the page before.")]
Limit = Annotated[int, Query(ge=1, le=200, description="Items a page.")]


class InvitationRequest(BaseModel):
    """For which contract and which of the vendor's systems."""

    model_config = ConfigDict(extra="forbid")

    contract: str = Field(pattern=_ID)
    system: str = Field("main", pattern=f"^{SYSTEM_PATTERN}$")
    scope: CredentialScope = CredentialScope.FULL
    hours: int = Field(DEFAULT_HOURS, ge=1, le=MAX_HOURS)


class OnboardingCases(Protocol):
    """The part of the company's use cases that is used here."""

    @property
    def onboarding(self) -> OnboardingDesk:
        """The desk."""
        ...


def add_onboarding(api: GatewayAPI, cases: OnboardingCases) -> None:
    """Adds the routes."""

    @api.post(
        "/company/v1/vendors/{vendor_id}/invitations",
        summary="Invite a vendor's system to get a certificate; the code is shown once (security)",
        response_class=Response,
        openapi_extra=for_roles(StaffRole.SECURITY),
        responses=_NOT_FOUND,
    )
    async def invite(
        request: Request, vendor_id: Annotated[str, Path(pattern=_ID)], body: InvitationRequest
    ) -> Response:
        invitation = await asyncio.to_thread(
            cases.onboarding.invite,
            vendor_id,
            body.contract,
            system=body.system,
            scope=body.scope,
            hours=body.hours,
            actor=actor_of(request),
        )
        return json_answer(invitation)

    @api.get(
        "/company/v1/enrolments",
        summary="Requests for certificates, newest first (security, compliance, auditor)",
        response_class=Response,
        openapi_extra=for_roles(*_READERS),
    )
    async def list_enrolments(after: After = None, limit: Limit = 50) -> Response:
        found = await asyncio.to_thread(cases.onboarding.enrolments, after=after, limit=limit)
        return json_answer({"items": found})

    @api.get(
        "/company/v1/proposals",
        summary="What waits for a second person (security, compliance, auditor)",
        response_class=Response,
        openapi_extra=for_roles(*_READERS),
    )
    async def list_proposals(
        after: After = None,
        limit: Limit = 50,
        only_open: Annotated[bool, Query(description="Without those that are decided.")] = False,  # noqa: FBT002
    ) -> Response:
        found = await asyncio.to_thread(
            cases.onboarding.proposals, only_open=only_open, after=after, limit=limit
        )
        return json_answer({"items": found})

    @api.post(
        "/company/v1/proposals/{proposal_id}/approve",
        summary="Approve as the second person (security, compliance)",
        response_class=Response,
        openapi_extra=for_roles(*_DECIDERS),
        responses=_NOT_FOUND,
    )
    async def approve(request: Request, proposal_id: UUID) -> Response:
        return json_answer(await _decide(request, proposal_id, is_approved=True))

    @api.post(
        "/company/v1/proposals/{proposal_id}/reject",
        summary="Reject, or withdraw what you proposed (security, compliance)",
        response_class=Response,
        openapi_extra=for_roles(*_DECIDERS),
        responses=_NOT_FOUND,
    )
    async def reject(request: Request, proposal_id: UUID) -> Response:
        return json_answer(await _decide(request, proposal_id, is_approved=False))

    async def _decide(request: Request, proposal_id: UUID, *, is_approved: bool) -> object:
        return await asyncio.to_thread(
            cases.onboarding.decide,
            proposal_id,
            is_approved=is_approved,
            role=staff_of(request).role,
            actor=actor_of(request),
        )
