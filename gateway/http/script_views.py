"""The company API's routes for scripts and their versions."""

import asyncio
from typing import Annotated, Literal

from fastapi import Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from gateway.http.application import GatewayAPI
from gateway.http.people_views import ID, NO_WAY, Cursor, Limit, MaybeID, PeopleCases
from gateway.http.staffing import actor_of, for_people, for_roles, json_answer
from gateway.identity.principal import StaffRole
from gateway.intake.moments import Moment
from gateway.people.script_text import MOST_TERMS
from gateway.people.scripts import LONGEST_TEXT, ScriptContent
from policies.contact.model import Channel

_EVERYBODY = for_people()
_KEEPERS = for_roles(StaffRole.OPERATOR, StaffRole.COMPLIANCE)
_STOPPERS = for_roles(StaffRole.OPERATOR, StaffRole.COMPLIANCE, StaffRole.SECURITY)
_VERSION = "/company/v1/scripts/{script_id}/versions/{version}"
Version = Annotated[int, Path(ge=1, le=2**31 - 1)]
Status = Literal["draft", "review", "approved", "active", "withdrawn", "expired"]


class ScriptRequest(BaseModel):
    """A script's words; a line that begins with a code, as `[RECORDING]`, opens its passage."""

    model_config = ConfigDict(extra="forbid")

    channel: Channel
    segment: str = Field(max_length=64, description="For which customers or debts.")
    language: str = Field("zh-CN", max_length=40)
    text: str = Field(max_length=LONGEST_TEXT)
    mandatory_statements: tuple[str, ...] = Field((), max_length=50)
    forbidden_terms: tuple[str, ...] = Field((), max_length=MOST_TERMS)
    valid_to: Moment | None = Field(None, description="From when on it may not be used.")

    def content(self) -> ScriptContent:
        """As the use case takes it."""
        return ScriptContent(
            self.channel,
            self.segment,
            self.language,
            self.text,
            self.mandatory_statements,
            self.forbidden_terms,
            self.valid_to,
        )


def add_script_views(api: GatewayAPI, cases: PeopleCases) -> None:
    """Adds the routes."""
    _add_reading(api, cases)
    _add_states(api, cases)


def _add_reading(api: GatewayAPI, cases: PeopleCases) -> None:
    @api.get(
        "/company/v1/scripts",
        summary="Versions of scripts, without their texts (all but the bridge)",
        response_class=Response,
        openapi_extra=_EVERYBODY,
    )
    async def list_scripts(
        script: MaybeID = None,
        status: Annotated[Status | None, Query()] = None,
        cursor: Cursor = None,
        limit: Limit = 100,
    ) -> Response:
        page = await asyncio.to_thread(
            cases.people.scripts, script_id=script, status=status, cursor=cursor, limit=limit
        )
        return json_answer(page.document())

    @api.get(
        _VERSION,
        summary="One version with its text (all but the bridge)",
        response_class=Response,
        openapi_extra=_EVERYBODY,
        responses=NO_WAY,
    )
    async def get_script(script_id: ID, version: Version) -> Response:
        return json_answer(await asyncio.to_thread(cases.people.script, script_id, version))

    @api.post(
        "/company/v1/scripts/{script_id}/versions",
        summary="Keep a draft: the next version, or in place of the draft (operator, compliance)",
        response_class=Response,
        openapi_extra=_KEEPERS,
    )
    async def draft(request: Request, script_id: ID, body: ScriptRequest) -> Response:
        return json_answer(
            await asyncio.to_thread(
                cases.people.draft, script_id, body.content(), actor=actor_of(request)
            )
        )


def _add_states(api: GatewayAPI, cases: PeopleCases) -> None:
    @api.post(
        f"{_VERSION}/submit",
        summary="Hand a draft in for approval (operator, compliance)",
        response_class=Response,
        openapi_extra=_KEEPERS,
        responses=NO_WAY,
    )
    async def submit(request: Request, script_id: ID, version: Version) -> Response:
        proposal = await asyncio.to_thread(
            cases.people.submit, script_id, version, actor=actor_of(request)
        )
        answer = json_answer({"proposal_id": proposal})
        answer.status_code = 202
        return answer

    @api.post(
        f"{_VERSION}/approve",
        summary="Approve as the second person (compliance)",
        response_class=Response,
        openapi_extra=for_roles(StaffRole.COMPLIANCE),
        responses=NO_WAY,
    )
    async def approve(request: Request, script_id: ID, version: Version) -> Response:
        return json_answer(
            await asyncio.to_thread(
                cases.people.approve, script_id, version, actor=actor_of(request)
            )
        )

    @api.post(
        f"{_VERSION}/activate",
        summary="Put an approved version in use at once (operator, compliance)",
        response_class=Response,
        openapi_extra=_KEEPERS,
        responses=NO_WAY,
    )
    async def activate(request: Request, script_id: ID, version: Version) -> Response:
        return json_answer(
            await asyncio.to_thread(
                cases.people.activate, script_id, version, actor=actor_of(request)
            )
        )

    @api.post(
        f"{_VERSION}/withdraw",
        summary="Take a version out of use at once (operator, compliance, security)",
        response_class=Response,
        openapi_extra=_STOPPERS,
        responses=NO_WAY,
    )
    async def withdraw(request: Request, script_id: ID, version: Version) -> Response:
        return json_answer(
            await asyncio.to_thread(
                cases.people.withdraw, script_id, version, actor=actor_of(request)
            )
        )
