"""The vendor API's routes for its agents and for the numbers that it calls from."""

import asyncio
from datetime import date
from typing import Annotated, Any

from fastapi import Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from gateway.http.application import GatewayAPI, problem_response
from gateway.http.case_items import SECURITY, Cursor, principal_of
from gateway.http.staffing import json_answer
from gateway.people.agents import CoursePass, Registration
from gateway.people.paging import MAX_PAGE
from gateway.people.screening import parse_hash
from gateway.people.vendor_desk import VendorDesk

Limit = Annotated[int, Query(ge=1, le=MAX_PAGE, description="Items a page.")]
AgentRef = Annotated[str, Path(max_length=64, description="As it was registered.")]
_NOT_FOUND: dict[int | str, dict[str, Any]] = {
    404: problem_response("You have no such agent, or he has left.")
}
_NOT_ACCEPTED: dict[int | str, dict[str, Any]] = {
    409: problem_response("The person is not accepted, or the reference is another person's.")
}


class AgentRequest(BaseModel):
    """Somebody who is to call: a reference of yours, never a name or a number of his."""

    model_config = ConfigDict(extra="forbid")

    agent_ref: str = Field(
        max_length=64, description="Up to 32 letters, digits, dots, hyphens; your own number."
    )
    id_hash: str = Field(
        max_length=256, description="64 hexadecimal digits; see GET /v1/agents/hash-parameters."
    )
    nda_signed_on: date | None = Field(None, description="When he signed secrecy.")
    max_cases: int | None = Field(None, description="How many cases he may work on at a time.")


class CourseRequest(BaseModel):
    """A course that he has passed; the newest pass of a course counts."""

    model_config = ConfigDict(extra="forbid")

    course_id: str = Field(max_length=64)
    version: str = Field(max_length=64)
    passed_on: date
    valid_to: date = Field(description="The last day on which it holds; at most a year later.")
    hours: int
    score: int = Field(description="Out of 100.")
    evidence_sha256: str = Field(
        max_length=256, description="Of the certificate or sheet that you keep to show."
    )


class AcknowledgementRequest(BaseModel):
    """A version of a script, in use now, that he has read and will keep to."""

    model_config = ConfigDict(extra="forbid")

    script_id: str = Field(max_length=63)
    version: int = Field(ge=1, le=2**31 - 1)


def add_people(api: GatewayAPI, desk: VendorDesk) -> None:
    """Adds the routes."""
    _add_agents(api, desk)
    _add_progress(api, desk)

    @api.get(
        "/v1/caller-numbers",
        openapi_extra=SECURITY,
        summary="The numbers that you may call from",
        response_class=Response,
    )
    async def list_caller_numbers(
        request: Request, cursor: Cursor = None, limit: Limit = 100
    ) -> Response:
        page = await asyncio.to_thread(
            desk.caller_numbers, principal_of(request), cursor=cursor, limit=limit
        )
        return json_answer(page.document())


def _add_agents(api: GatewayAPI, desk: VendorDesk) -> None:
    @api.get(
        "/v1/agents/hash-parameters",
        openapi_extra=SECURITY,
        summary="How to make an agent's id_hash: scrypt (RFC 7914) with this installation's salt",
        response_class=Response,
    )
    async def hash_parameters() -> Response:
        return json_answer(desk.hash_parameters())

    @api.get(
        "/v1/agents",
        openapi_extra=SECURITY,
        summary="Your agents, with what they have passed and acknowledged",
        response_class=Response,
    )
    async def list_agents(request: Request, cursor: Cursor = None, limit: Limit = 100) -> Response:
        page = await asyncio.to_thread(
            desk.agents, principal_of(request), cursor=cursor, limit=limit
        )
        return json_answer(page.document())

    @api.post(
        "/v1/agents",
        openapi_extra=SECURITY,
        summary="Register an agent, or correct a registration",
        description="The same again changes nothing. Who is not accepted is told to nobody why.",
        response_class=Response,
        responses=_NOT_ACCEPTED,
    )
    async def register_agent(request: Request, body: AgentRequest) -> Response:
        id_hash = parse_hash("id_hash", body.id_hash)
        request.scope["state"]["asked"] = desk.asked(id_hash)
        wish = Registration(body.agent_ref, id_hash, body.nda_signed_on, body.max_cases)
        return json_answer(await asyncio.to_thread(desk.register, principal_of(request), wish))


def _add_progress(api: GatewayAPI, desk: VendorDesk) -> None:
    @api.post(
        "/v1/agents/{agent_ref}/courses",
        openapi_extra=SECURITY,
        summary="Tell that an agent has passed a course",
        response_class=Response,
        responses=_NOT_FOUND,
    )
    async def record_course(
        request: Request, agent_ref: AgentRef, body: CourseRequest
    ) -> Response:
        evidence = parse_hash("evidence_sha256", body.evidence_sha256)
        course = CoursePass(**{**body.model_dump(), "evidence_sha256": evidence})
        principal = principal_of(request)
        return json_answer(
            await asyncio.to_thread(desk.record_course, principal, agent_ref, course)
        )

    @api.post(
        "/v1/agents/{agent_ref}/acknowledgements",
        openapi_extra=SECURITY,
        summary="Tell that an agent has read a script's version in use",
        response_class=Response,
        responses={404: problem_response("You have no such agent, or no such script is in use.")},
    )
    async def acknowledge(
        request: Request, agent_ref: AgentRef, body: AcknowledgementRequest
    ) -> Response:
        return json_answer(
            await asyncio.to_thread(
                desk.acknowledge, principal_of(request), agent_ref, body.script_id, body.version
            )
        )

    @api.post(
        "/v1/agents/{agent_ref}/leave",
        openapi_extra=SECURITY,
        summary="Take an agent out at once, with his open permits",
        response_class=Response,
        responses={**_NOT_FOUND, 409: problem_response("He is banned.")},
    )
    async def leave(request: Request, agent_ref: AgentRef) -> Response:
        return json_answer(await asyncio.to_thread(desk.leave, principal_of(request), agent_ref))
