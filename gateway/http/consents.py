"""The vendor API's consents: recorded, looked at, taken back."""

import asyncio
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from gateway.contact.consent import ConsentWish
from gateway.contact.consents import MAX_PAGE, ConsentDesk
from gateway.contact.wish import PointKind
from gateway.http.application import GatewayAPI, problem_response
from gateway.http.idempotency import RepeatKey, digest_of
from gateway.http.staffing import json_answer
from gateway.identity.principal import VendorPrincipal
from policies.contact.model import Channel, ConsentScope, PartyRole

CONSENTS = "/v1/consents"
CONSENT = "/v1/consents/{consent_id}"
_SECURITY: dict[str, Any] = {"security": [{"mutualTLS": [], "boundToken": []}]}
_NOT_FOUND: dict[int | str, dict[str, Any]] = {
    404: problem_response("Not yours, recalled, or unknown: the same answer.")
}
_CASE_REF = r"^[A-Z2-7]{26}$"
CaseRef = Annotated[str | None, Query(pattern=_CASE_REF, description="Of one case alone.")]
Cursor = Annotated[str | None, Query(max_length=512, description="From the page before.")]
Limit = Annotated[int, Query(ge=1, le=MAX_PAGE, description="Items a page.")]


class ConsentRequest(BaseModel):
    """What the debtor agreed to, in which call, and for when."""

    model_config = ConfigDict(extra="forbid")

    case_ref: str = Field(pattern=_CASE_REF)
    scope: ConsentScope
    channel: Channel | None = Field(None, description="With the scope `channel` only.")
    contact_point: PointKind | None = Field(None, description="Left out: on any number.")
    is_for_all_debts: bool = Field(default=False, description="Else for the debt of this case.")
    captured_at: datetime
    begins: datetime
    ends: datetime = Field(description="The first moment for which it does not hold.")
    permit_id: UUID = Field(description="Of the call in which it was given.")
    given_by: PartyRole
    evidence_recording_id: str | None = Field(None, pattern=r"^[0-9A-Za-z][0-9A-Za-z._-]{0,63}$")


def add_consents(api: GatewayAPI, desk: ConsentDesk) -> None:
    """Adds the routes."""

    @api.post(
        CONSENTS,
        openapi_extra=_SECURITY,
        summary="Record what a debtor agreed to",
        status_code=201,
        response_class=Response,
        responses={
            201: {"description": "The consent", "content": {"application/json": {}}},
            **_NOT_FOUND,
            422: problem_response("Not prior, too long, without proof, or not from your call."),
        },
    )
    async def record_consent(
        request: Request, body: ConsentRequest, repeat_key: RepeatKey = None
    ) -> Response:
        wish = ConsentWish(**dict(body), repeat_key=repeat_key, repeat_sha256=digest_of(body))
        content = await asyncio.to_thread(desk.record, _principal_of(request), wish)
        answer = json_answer(content)
        answer.status_code = 201
        answer.headers["Location"] = f"{CONSENTS}/{content['consent_id']}"
        return answer

    @api.get(
        CONSENTS,
        openapi_extra=_SECURITY,
        summary="The consents of your cases",
        response_class=Response,
        responses={200: {"description": "A page", "content": {"application/json": {}}}},
    )
    async def list_consents(
        request: Request, case_ref: CaseRef = None, cursor: Cursor = None, limit: Limit = 50
    ) -> Response:
        return json_answer(
            await asyncio.to_thread(
                desk.page,
                _principal_of(request),
                case_ref=case_ref,
                cursor=cursor,
                limit=limit,
            )
        )

    @api.get(
        CONSENT,
        openapi_extra=_SECURITY,
        summary="One consent",
        response_class=Response,
        responses=_NOT_FOUND,
    )
    async def get_consent(request: Request, consent_id: UUID) -> Response:
        return json_answer(await asyncio.to_thread(desk.one, _principal_of(request), consent_id))

    @api.delete(
        CONSENT,
        openapi_extra=_SECURITY,
        summary="The debtor has taken it back: it ends at once",
        status_code=204,
        response_class=Response,
        responses=_NOT_FOUND,
    )
    async def revoke_consent(request: Request, consent_id: UUID) -> Response:
        await asyncio.to_thread(desk.revoke, _principal_of(request), consent_id)
        return Response(status_code=204)


def _principal_of(request: Request) -> VendorPrincipal:
    principal: VendorPrincipal = request.scope["state"]["principal"]
    return principal
