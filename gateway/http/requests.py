"""The vendor API's special requests: what a debtor asks for or claims in a call."""

import asyncio
from typing import Any
from uuid import UUID

from fastapi import Request, Response
from pydantic import BaseModel, ConfigDict, Field

from gateway.contact.requests import MAX_NOTE, RequestDesk, RequestWish
from gateway.http.application import GatewayAPI, problem_response
from gateway.http.consents import CaseRef, Cursor, Limit
from gateway.http.idempotency import RepeatKey, digest_of
from gateway.http.staffing import json_answer
from gateway.identity.principal import VendorPrincipal

REQUESTS = "/v1/special-requests"
REQUEST = "/v1/special-requests/{request_id}"
_SECURITY: dict[str, Any] = {"security": [{"mutualTLS": [], "boundToken": []}]}
_NOT_FOUND: dict[int | str, dict[str, Any]] = {
    404: problem_response("Not yours, recalled, or unknown: the same answer.")
}
_WORD = r"^[0-9A-Za-z][0-9A-Za-z._-]{0,63}$"


class SpecialRequest(BaseModel):
    """What the customer said, in codes; a note only where no code fits."""

    model_config = ConfigDict(extra="forbid")

    case_ref: str = Field(pattern=r"^[A-Z2-7]{26}$")
    type: str = Field(
        pattern=r"^[a-z][a-z_]{1,39}$", description="A type of policies/catalog/requests.yaml."
    )
    agent: str = Field(pattern=_WORD, description="The agent's reference in the register.")
    call_id: str | None = Field(None, pattern=_WORD)
    permit_id: UUID | None = None
    customer_words_code: str | None = Field(None, pattern=r"^[A-Z][A-Z0-9_]{1,39}$")
    note: str | None = Field(
        None, min_length=1, max_length=MAX_NOTE, description="Without personal data; sealed."
    )


def add_requests(api: GatewayAPI, desk: RequestDesk) -> None:
    """Adds the routes."""

    @api.post(
        REQUESTS,
        openapi_extra=_SECURITY,
        summary="Raise a special request; some types stop all contact at once",
        status_code=201,
        response_class=Response,
        responses={
            201: {"description": "The request", "content": {"application/json": {}}},
            **_NOT_FOUND,
        },
    )
    async def raise_request(
        request: Request, body: SpecialRequest, repeat_key: RepeatKey = None
    ) -> Response:
        wish = RequestWish(
            body.case_ref,
            body.type,
            body.agent,
            body.call_id,
            body.permit_id,
            body.customer_words_code,
            body.note,
            repeat_key,
            digest_of(body),
        )
        content = await asyncio.to_thread(desk.submit, _principal_of(request), wish)
        answer = json_answer(content)
        answer.status_code = 201
        answer.headers["Location"] = f"{REQUESTS}/{content['request_id']}"
        return answer

    @api.get(
        REQUESTS,
        openapi_extra=_SECURITY,
        summary="The special requests of your cases, with what you are to do",
        response_class=Response,
        responses={200: {"description": "A page", "content": {"application/json": {}}}},
    )
    async def list_requests(
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
        REQUEST,
        openapi_extra=_SECURITY,
        summary="One special request",
        response_class=Response,
        responses=_NOT_FOUND,
    )
    async def get_request(request: Request, request_id: UUID) -> Response:
        return json_answer(await asyncio.to_thread(desk.one, _principal_of(request), request_id))


def _principal_of(request: Request) -> VendorPrincipal:
    principal: VendorPrincipal = request.scope["state"]["principal"]
    return principal
