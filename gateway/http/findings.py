"""The company API's routes about findings."""

import asyncio
from typing import Annotated, Any, Protocol
from uuid import UUID

from fastapi import Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from gateway.findings.desk import FindingDesk
from gateway.findings.record import MAX_PAGE
from gateway.http.application import GatewayAPI, problem_response
from gateway.http.staffing import actor_of, for_roles, json_answer
from gateway.identity.principal import StaffRole

_ID = r"^[a-z0-9][a-z0-9-]{0,62}$"
_CLOSERS = (StaffRole.SECURITY, StaffRole.COMPLIANCE)
_REFUSALS: dict[int | str, dict[str, Any]] = {
    404: problem_response("There is no such thing."),
    409: problem_response("It is closed already."),
}


class ClosingRequest(BaseModel):
    """Why a finding is closed; it stays in the database and out of the log."""

    model_config = ConfigDict(extra="forbid")

    reason: str = Field(min_length=1, max_length=1000)


class FindingCases(Protocol):
    """The part of the company's use cases that is used here."""

    @property
    def findings(self) -> FindingDesk:
        """The desk."""
        ...


def add_findings(api: GatewayAPI, cases: FindingCases) -> None:
    """Adds the routes."""

    @api.get(
        "/company/v1/findings",
        summary="What somebody has to look into, newest first (security, compliance, auditor)",
        response_class=Response,
        openapi_extra=for_roles(*_CLOSERS, StaffRole.AUDITOR),
    )
    async def list_findings(
        vendor: Annotated[str | None, Query(pattern=_ID)] = None,
        after: Annotated[UUID | None, Query(description="The last id of the page before.")] = None,
        limit: Annotated[int, Query(ge=1, le=MAX_PAGE, description="Items a page.")] = 50,
        only_open: Annotated[bool, Query(description="Without those that are closed.")] = False,  # noqa: FBT002
    ) -> Response:
        found = await asyncio.to_thread(
            cases.findings.findings, vendor=vendor, only_open=only_open, after=after, limit=limit
        )
        return json_answer({"items": found})

    @api.post(
        "/company/v1/findings/{finding_id}/close",
        summary="Close a finding for good (security, compliance)",
        response_class=Response,
        openapi_extra=for_roles(*_CLOSERS),
        responses=_REFUSALS,
    )
    async def close(request: Request, finding_id: UUID, body: ClosingRequest) -> Response:
        closed = await asyncio.to_thread(
            cases.findings.close, finding_id, reason=body.reason, actor=actor_of(request)
        )
        return json_answer(closed)
