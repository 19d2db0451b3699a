"""Routes of the company API for the ends of contracts."""

import asyncio
from typing import Annotated, Any, Literal, Protocol
from uuid import UUID

from fastapi import Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field, model_validator

from gateway.http.application import GatewayAPI, problem_response
from gateway.http.staffing import actor_of, for_people, for_roles, json_answer
from gateway.identity.principal import StaffRole
from gateway.offboarding.desk import OffboardingDesk

_ID = r"^[a-z0-9][a-z0-9-]{0,62}$"
_READERS = for_people()
Vendor = Annotated[str, Path(pattern=_ID)]
Contract = Annotated[str, Path(pattern=_ID)]
_NOT_FOUND: dict[int | str, dict[str, Any]] = {404: problem_response("There is no such thing.")}
_MEDIA = {
    "report.json": "application/json",
    "report.pdf": "application/pdf",
    "report.json.jws": "application/jose",
    "report.pdf.jws": "application/jose",
}


class OffboardRequest(BaseModel):
    """Which contract; without one, all that the vendor has running."""

    model_config = ConfigDict(extra="forbid")

    contract: str | None = Field(None, pattern=_ID)


class DecisionRequest(BaseModel):
    """What becomes of the filed destruction certificate; contested, it needs a reason."""

    model_config = ConfigDict(extra="forbid")

    decision: Literal["accept", "contest"]
    reason: str | None = Field(None, min_length=1, max_length=1000)

    @model_validator(mode="after")
    def _has_its_reason(self) -> "DecisionRequest":
        if (self.decision == "contest") != (self.reason is not None):
            raise ValueError("a reason goes with contesting, and only with that")
        return self


class OffboardingUseCases(Protocol):
    """What the routes call."""

    @property
    def offboarding(self) -> OffboardingDesk:
        """The ends of contracts."""
        ...


def add_offboardings(api: GatewayAPI, cases: OffboardingUseCases) -> None:
    """Adds the routes."""

    @api.post(
        "/company/v1/vendors/{vendor_id}/offboard",
        summary="End a contract now, or all of a vendor's (security)",
        response_class=Response,
        openapi_extra=for_roles(StaffRole.SECURITY),
        responses=_NOT_FOUND,
    )
    async def offboard(
        request: Request, vendor_id: Vendor, body: OffboardRequest | None = None
    ) -> Response:
        desk, contract = cases.offboarding, (body or OffboardRequest()).contract
        ended = await asyncio.to_thread(
            desk.offboard, vendor_id, contract, actor=actor_of(request)
        )
        items = [await asyncio.to_thread(desk.one, found.contract_id) for found in ended]
        return json_answer({"items": items})

    @api.get(
        "/company/v1/offboardings",
        summary="Ends of contracts, the newest first (all but the bridge)",
        response_class=Response,
        openapi_extra=_READERS,
    )
    async def list_ends(vendor: Annotated[str | None, Query(pattern=_ID)] = None) -> Response:
        items = await asyncio.to_thread(cases.offboarding.listing, vendor)
        return json_answer({"items": items})

    @api.get(
        "/company/v1/notices",
        summary="What was told about deadlines, the newest first (all but the bridge)",
        response_class=Response,
        openapi_extra=_READERS,
    )
    async def list_notices(
        after: Annotated[
            int | None, Query(ge=0, le=2**62, description="The last id of the page before.")
        ] = None,
        limit: Annotated[int, Query(ge=1, le=200, description="Items a page.")] = 50,
    ) -> Response:
        found = await asyncio.to_thread(cases.offboarding.notices, after=after, limit=limit)
        return json_answer({"items": found})

    @api.get(
        "/company/v1/offboardings/{contract_id}",
        summary="One contract's end with its facts and certificates (all but the bridge)",
        response_class=Response,
        openapi_extra=_READERS,
        responses=_NOT_FOUND,
    )
    async def get_end(contract_id: Contract) -> Response:
        return json_answer(await asyncio.to_thread(cases.offboarding.one, contract_id))

    @api.get(
        "/company/v1/offboardings/{contract_id}/files/{name}",
        summary="The newest signed report as JSON or PDF, each with .jws (all but the bridge)",
        response_class=Response,
        openapi_extra=_READERS,
        responses=_NOT_FOUND,
    )
    async def get_file(
        contract_id: Contract,
        name: Literal["report.json", "report.json.jws", "report.pdf", "report.pdf.jws"],
    ) -> Response:
        report = await asyncio.to_thread(cases.offboarding.report, contract_id)
        return Response(report.files()[name], media_type=_MEDIA[name])

    @api.get(
        "/company/v1/offboardings/{contract_id}/certificates/{certificate_id}/document",
        summary="The document of a destruction certificate (compliance, security, auditor)",
        response_class=Response,
        openapi_extra=for_roles(StaffRole.COMPLIANCE, StaffRole.SECURITY, StaffRole.AUDITOR),
        responses=_NOT_FOUND,
    )
    async def get_document(contract_id: Contract, certificate_id: UUID) -> Response:
        media_type, paper = await asyncio.to_thread(
            cases.offboarding.paper, contract_id, certificate_id
        )
        # Whatever the vendor called it, it is never shown in place.
        headers = {"Content-Disposition": "attachment", "Casegate-Media-Type": media_type}
        return Response(paper, media_type="application/octet-stream", headers=headers)

    @api.post(
        "/company/v1/offboardings/{contract_id}/decision",
        summary="Accept or contest the filed destruction certificate (compliance)",
        response_class=Response,
        openapi_extra=for_roles(StaffRole.COMPLIANCE),
        responses=_NOT_FOUND,
    )
    async def decide(request: Request, contract_id: Contract, body: DecisionRequest) -> Response:
        desk, actor = cases.offboarding, actor_of(request)
        if body.reason is None:
            await asyncio.to_thread(desk.accept, contract_id, actor=actor)
        else:
            await asyncio.to_thread(desk.contest, contract_id, reason=body.reason, actor=actor)
        return json_answer(await asyncio.to_thread(desk.one, contract_id))
