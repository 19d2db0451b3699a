"""The company API's routes for agents and for the numbers that vendors call from."""

import asyncio
from typing import Annotated, Any, Literal, Protocol
from uuid import UUID

from fastapi import Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from gateway.http.application import GatewayAPI, problem_response
from gateway.http.staffing import actor_of, for_roles, json_answer
from gateway.identity.principal import StaffRole
from gateway.people.agents import Agent, AgentKey
from gateway.people.desk import PeopleDesk
from gateway.people.paging import MAX_PAGE

_ID = r"^[a-z0-9][a-z0-9-]{0,62}$"
_NUMBER = r"^\+[1-9][0-9]{4,14}$"
_EVERYBODY = for_roles(*StaffRole)
_STOPPERS = for_roles(StaffRole.OPERATOR, StaffRole.COMPLIANCE, StaffRole.SECURITY)
_DECIDERS = for_roles(StaffRole.COMPLIANCE, StaffRole.SECURITY)
_KEEPERS = for_roles(StaffRole.OPERATOR, StaffRole.COMPLIANCE)
NO_WAY: dict[int | str, dict[str, Any]] = {
    404: problem_response("There is no such thing."),
    409: problem_response("Its state does not allow it, or a second person has to approve."),
}
ID = Annotated[str, Path(pattern=_ID)]
MaybeID = Annotated[str | None, Query(pattern=_ID)]
Ref = Annotated[str, Path(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$")]
Number = Annotated[str, Path(pattern=_NUMBER)]
Cursor = Annotated[str | None, Query(max_length=512, description="From the page before.")]
Limit = Annotated[int, Query(ge=1, le=MAX_PAGE, description="Items a page.")]
Status = Literal["pending", "qualified", "suspended", "left", "banned"]
_AGENT = "/company/v1/agents/{vendor}/{contract}/{agent_ref}"


class CallerRequest(BaseModel):
    """A number that a vendor may call from."""

    model_config = ConfigDict(extra="forbid")

    vendor: str = Field(pattern=_ID)
    contract: str = Field(pattern=_ID)
    number: str = Field(pattern=_NUMBER, description="E.164, as +862112345678.")


class PeopleCases(Protocol):
    """The part of the company's use cases that is used here."""

    @property
    def people(self) -> PeopleDesk:
        """The desk."""
        ...


def add_people_views(api: GatewayAPI, cases: PeopleCases) -> None:
    """Adds the routes."""
    _add_listing(api, cases)
    _add_stops(api, cases)
    _add_lifting(api, cases)
    _add_callers(api, cases)


def _add_listing(api: GatewayAPI, cases: PeopleCases) -> None:
    @api.get(
        "/company/v1/agents",
        summary="Agents of all vendors; `person` is the same wherever he was (every role)",
        response_class=Response,
        openapi_extra=_EVERYBODY,
    )
    async def list_agents(
        vendor: MaybeID = None,
        contract: MaybeID = None,
        status: Status | None = None,
        cursor: Cursor = None,
        limit: Limit = 100,
    ) -> Response:
        page = await asyncio.to_thread(
            cases.people.agents,
            vendor=vendor,
            contract=contract,
            status=status,
            cursor=cursor,
            limit=limit,
        )
        return json_answer(page.document())

    @api.get(
        _AGENT,
        summary="One agent (every role)",
        response_class=Response,
        openapi_extra=_EVERYBODY,
        responses=NO_WAY,
    )
    async def get_agent(vendor: ID, contract: ID, agent_ref: Ref) -> Response:
        key = AgentKey(vendor, contract, agent_ref)
        return json_answer((await asyncio.to_thread(cases.people.agent, key)).document())


def _add_stops(api: GatewayAPI, cases: PeopleCases) -> None:
    @api.post(
        f"{_AGENT}/qualify",
        summary="Let an agent call who has what it takes (operator, compliance)",
        response_class=Response,
        openapi_extra=_KEEPERS,
        responses=NO_WAY,
    )
    async def qualify(request: Request, vendor: ID, contract: ID, agent_ref: Ref) -> Response:
        key = AgentKey(vendor, contract, agent_ref)
        return _answer(await asyncio.to_thread(cases.people.qualify, key, actor=actor_of(request)))

    @api.post(
        f"{_AGENT}/suspend",
        summary="Stop a person at once, with open permits (operator, compliance, security)",
        response_class=Response,
        openapi_extra=_STOPPERS,
        responses=NO_WAY,
    )
    async def suspend(request: Request, vendor: ID, contract: ID, agent_ref: Ref) -> Response:
        key = AgentKey(vendor, contract, agent_ref)
        return _answer(await asyncio.to_thread(cases.people.suspend, key, actor=actor_of(request)))

    @api.post(
        f"{_AGENT}/ban",
        summary="Take a person out at every vendor (compliance, security)",
        response_class=Response,
        openapi_extra=_DECIDERS,
        responses=NO_WAY,
    )
    async def ban(request: Request, vendor: ID, contract: ID, agent_ref: Ref) -> Response:
        key = AgentKey(vendor, contract, agent_ref)
        return _answer(await asyncio.to_thread(cases.people.ban, key, actor=actor_of(request)))

    @api.post(
        f"{_AGENT}/leave",
        summary="End a registration that its vendor does not end (operator, compliance, security)",
        response_class=Response,
        openapi_extra=_STOPPERS,
        responses=NO_WAY,
    )
    async def leave(request: Request, vendor: ID, contract: ID, agent_ref: Ref) -> Response:
        key = AgentKey(vendor, contract, agent_ref)
        return _answer(await asyncio.to_thread(cases.people.leave, key, actor=actor_of(request)))


def _add_lifting(api: GatewayAPI, cases: PeopleCases) -> None:
    @api.post(
        f"{_AGENT}/resume",
        summary="Lift a suspension: proposes, or acts once approved (compliance, security)",
        response_class=Response,
        openapi_extra=_DECIDERS,
        responses=NO_WAY,
    )
    async def resume(request: Request, vendor: ID, contract: ID, agent_ref: Ref) -> Response:
        key = AgentKey(vendor, contract, agent_ref)
        return _answer(await asyncio.to_thread(cases.people.resume, key, actor=actor_of(request)))

    @api.post(
        f"{_AGENT}/unban",
        summary="Lift a ban: proposes, or acts once approved (compliance, security)",
        response_class=Response,
        openapi_extra=_DECIDERS,
        responses=NO_WAY,
    )
    async def unban(request: Request, vendor: ID, contract: ID, agent_ref: Ref) -> Response:
        key = AgentKey(vendor, contract, agent_ref)
        return _answer(await asyncio.to_thread(cases.people.unban, key, actor=actor_of(request)))


def _add_callers(api: GatewayAPI, cases: PeopleCases) -> None:
    @api.get(
        "/company/v1/caller-numbers",
        summary="The numbers that vendors call from (every role)",
        response_class=Response,
        openapi_extra=_EVERYBODY,
    )
    async def list_callers(
        vendor: MaybeID = None,
        with_ended: Annotated[bool, Query(description="Those that have ended too.")] = False,  # noqa: FBT002
        cursor: Cursor = None,
        limit: Limit = 100,
    ) -> Response:
        page = await asyncio.to_thread(
            cases.people.callers, vendor=vendor, with_ended=with_ended, cursor=cursor, limit=limit
        )
        return json_answer(page.document())

    @api.post(
        "/company/v1/caller-numbers",
        summary="Register a number that a vendor may call from (operator, compliance)",
        response_class=Response,
        openapi_extra=_KEEPERS,
        responses=NO_WAY,
    )
    async def add_caller(request: Request, body: CallerRequest) -> Response:
        added = await asyncio.to_thread(
            cases.people.add_caller,
            body.vendor,
            body.contract,
            body.number,
            actor=actor_of(request),
        )
        return json_answer(added.document())

    @api.post(
        "/company/v1/caller-numbers/{vendor}/{contract}/{number}/end",
        summary="End a number at once (operator, compliance, security)",
        response_class=Response,
        openapi_extra=_STOPPERS,
        responses=NO_WAY,
    )
    async def end_caller(request: Request, vendor: ID, contract: ID, number: Number) -> Response:
        ended = await asyncio.to_thread(
            cases.people.end_caller, vendor, contract, number, actor=actor_of(request)
        )
        return json_answer(ended.document())


def _answer(outcome: Agent | UUID) -> Response:
    """The agent, or with status 202 the proposal that a second person has to approve."""
    if isinstance(outcome, UUID):
        answer = json_answer({"proposal_id": outcome})
        answer.status_code = 202
        return answer
    return json_answer(outcome.document())
