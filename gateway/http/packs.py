"""The company API's law packs: listed, proposed, put in force, ended."""

import asyncio
from datetime import datetime
from typing import Annotated, Any, Protocol

from fastapi import Path, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from gateway.contact.pack_desk import PackDesk
from gateway.errors import RequestInvalidError
from gateway.http.application import GatewayAPI, problem_response
from gateway.http.staffing import actor_of, for_roles, json_answer
from gateway.identity.principal import StaffRole
from gateway.intake.moments import Moment
from policies.errors import PolicyError

_PROPOSERS = for_roles(StaffRole.OPERATOR, StaffRole.COMPLIANCE)
_READERS = for_roles(
    StaffRole.OPERATOR, StaffRole.SECURITY, StaffRole.COMPLIANCE, StaffRole.AUDITOR
)
_NOT_FOUND: dict[int | str, dict[str, Any]] = {404: problem_response("There is no such pack.")}
_NO_WAY: dict[int | str, dict[str, Any]] = {
    **_NOT_FOUND,
    409: problem_response(
        "It is proposed already, or no second person has approved exactly this."
    ),
}
PackName = Annotated[str, Path(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$", description="As listed.")]


class EffectiveRequest(BaseModel):
    """From when on a pack decides."""

    model_config = ConfigDict(extra="forbid")

    effective: Moment | None = Field(
        None, description="Not in the past; without it from the moment of activation."
    )


class PackCases(Protocol):
    """The part of the company's use cases that is used here."""

    @property
    def packs(self) -> PackDesk:
        """The desk."""
        ...


def add_packs(api: GatewayAPI, cases: PackCases) -> None:
    """Adds the routes; a proposal is approved at its own route, by compliance."""

    @api.get(
        "/company/v1/packs",
        summary="Law packs of the files and those in force (all but the bridge)",
        response_class=Response,
        openapi_extra=_READERS,
    )
    async def list_packs() -> Response:
        return json_answer({"items": await asyncio.to_thread(cases.packs.standing)})

    @api.get(
        "/company/v1/packs/history",
        summary="Which pack was in force when, and by whom (all but the bridge)",
        response_class=Response,
        openapi_extra=_READERS,
    )
    async def pack_history() -> Response:
        return json_answer({"items": await asyncio.to_thread(cases.packs.history)})

    @api.get(
        "/company/v1/packs/{pack}",
        summary="A pack as its file says now (all but the bridge)",
        response_class=Response,
        openapi_extra=_READERS,
        responses=_NOT_FOUND,
    )
    async def show_pack(pack: PackName) -> Response:
        found = await asyncio.to_thread(cases.packs.pack, pack)
        return json_answer(
            {
                "pack": found.pack_id,
                "version": found.version,
                "digest": found.digest,
                "source": found.source,
                "is_verified": found.is_verified,
                "begins": found.begins,
                "ends": found.ends,
                "rules": [rule.rule_id for rule in found.rules],
                "document": found.text,
            }
        )

    @api.post(
        "/company/v1/packs/{pack}/propose",
        summary="Propose to put in force what its file says (operator, compliance)",
        status_code=201,
        response_class=Response,
        openapi_extra=_PROPOSERS,
        responses=_NO_WAY,
    )
    async def propose_pack(
        request: Request, pack: PackName, body: EffectiveRequest | None = None
    ) -> Response:
        proposal = await asyncio.to_thread(
            _propose, cases.packs, pack, _date_of(body), actor_of(request)
        )
        return _proposed(proposal)

    @api.post(
        "/company/v1/packs/{pack}/activate",
        summary="Put in force what was approved (operator, compliance)",
        response_class=Response,
        openapi_extra=_PROPOSERS,
        responses=_NO_WAY,
    )
    async def activate_pack(
        request: Request, pack: PackName, body: EffectiveRequest | None = None
    ) -> Response:
        previous = await asyncio.to_thread(
            cases.packs.activate, pack, _date_of(body), actor=actor_of(request)
        )
        return json_answer({"pack": pack, "previous": list(previous)})

    @api.post(
        "/company/v1/packs/{pack}/propose-end",
        summary="Propose that a pack decides no longer (operator, compliance)",
        status_code=201,
        response_class=Response,
        openapi_extra=_PROPOSERS,
        responses=_NO_WAY,
    )
    async def propose_end(request: Request, pack: PackName) -> Response:
        proposal = await asyncio.to_thread(cases.packs.propose_end, pack, actor=actor_of(request))
        return _proposed(proposal)

    @api.post(
        "/company/v1/packs/{pack}/end",
        summary="Let a pack decide no longer, once that was approved (operator, compliance)",
        response_class=Response,
        openapi_extra=_PROPOSERS,
        responses=_NO_WAY,
    )
    async def end_pack(request: Request, pack: PackName) -> Response:
        previous = await asyncio.to_thread(cases.packs.end, pack, actor=actor_of(request))
        return json_answer({"pack": pack, "previous": list(previous)})


def _propose(desk: PackDesk, pack: str, effective: datetime | None, actor: str) -> object:
    try:
        return desk.propose(pack, effective, actor=actor)
    except PolicyError as error:
        raise RequestInvalidError("a file of the packs cannot be read") from error


def _date_of(body: EffectiveRequest | None) -> datetime | None:
    return None if body is None else body.effective


def _proposed(proposal: object) -> Response:
    answer = json_answer({"proposal_id": proposal})
    answer.status_code = 201
    return answer
