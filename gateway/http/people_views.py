"""The company API's routes for agents and for the numbers that vendors call from."""

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Literal, Protocol
from uuid import UUID

from fastapi import Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from gateway.http.application import GatewayAPI, problem_response
from gateway.http.staffing import actor_of, for_people, for_roles, json_answer
from gateway.identity.principal import StaffRole
from gateway.people.agents import Agent, AgentKey
from gateway.people.desk import PeopleDesk
from gateway.people.paging import MAX_PAGE

_ID = r"^[a-z0-9][a-z0-9-]{0,62}$"
_NUMBER = r"^\+[1-9][0-9]{4,14}$"
_EVERYBODY = for_people()
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


class _Making(Protocol):
    def __call__(self, desk: PeopleDesk, key: AgentKey, /, *, actor: str) -> Agent | UUID: ...


@dataclass(frozen=True, slots=True)
class _Change:
    """What may be done to an agent: its word in the path, by whom, and how it is made."""

    word: str
    summary: str
    roles: dict[str, Any]
    make: _Making


_CHANGES = (
    _Change(
        "qualify",
        "Let an agent call who has what it takes (operator, compliance)",
        _KEEPERS,
        PeopleDesk.qualify,
    ),
    _Change(
        "suspend",
        "Stop a person at once, with open permits (operator, compliance, security)",
        _STOPPERS,
        PeopleDesk.suspend,
    ),
    _Change(
        "ban",
        "Take a person out at every vendor (compliance, security)",
        _DECIDERS,
        PeopleDesk.ban,
    ),
    _Change(
        "leave",
        "End a registration that its vendor does not end (operator, compliance, security)",
        _STOPPERS,
        PeopleDesk.leave,
    ),
    _Change(
        "resume",
        "Lift a suspension: proposes, or acts once approved (compliance, security)",
        _DECIDERS,
        PeopleDesk.resume,
    ),
    _Change(
        "unban",
        "Lift a ban: proposes, or acts once approved (compliance, security)",
        _DECIDERS,
        PeopleDesk.unban,
    ),
)


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
    _add_changes(api, cases)
    _add_callers(api, cases)


def _add_listing(api: GatewayAPI, cases: PeopleCases) -> None:
    @api.get(
        "/company/v1/agents",
        summary="Agents of all vendors; `person` is the same wherever he was (all but the bridge)",
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
        summary="One agent (all but the bridge)",
        response_class=Response,
        openapi_extra=_EVERYBODY,
        responses=NO_WAY,
    )
    async def get_agent(vendor: ID, contract: ID, agent_ref: Ref) -> Response:
        key = AgentKey(vendor, contract, agent_ref)
        return json_answer((await asyncio.to_thread(cases.people.agent, key)).document())


def _add_changes(api: GatewayAPI, cases: PeopleCases) -> None:
    for change in _CHANGES:
        _add_change(api, cases, change)


def _add_change(api: GatewayAPI, cases: PeopleCases, change: _Change) -> None:
    @api.post(
        f"{_AGENT}/{change.word}",
        name=change.word,
        summary=change.summary,
        response_class=Response,
        openapi_extra=change.roles,
        responses=NO_WAY,
    )
    async def change_agent(request: Request, vendor: ID, contract: ID, agent_ref: Ref) -> Response:
        key = AgentKey(vendor, contract, agent_ref)
        make = partial(change.make, cases.people, key, actor=actor_of(request))
        return _answer(await asyncio.to_thread(make))


def _add_callers(api: GatewayAPI, cases: PeopleCases) -> None:
    @api.get(
        "/company/v1/caller-numbers",
        summary="The numbers that vendors call from (all but the bridge)",
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
