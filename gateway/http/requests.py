"""The vendor API's special requests: what a debtor asks for or claims in a call."""

from functools import partial
from uuid import UUID

from fastapi import Request, Response
from pydantic import BaseModel, ConfigDict, Field

from gateway.contact.requests import MAX_NOTE, RequestDesk, RequestWish
from gateway.http.application import GatewayAPI
from gateway.http.case_items import (
    CASE_REF,
    NOT_FOUND,
    SECURITY,
    WORD,
    add_reading,
    keep,
    principal_of,
)
from gateway.http.idempotency import RepeatKey, digest_of

REQUESTS = "/v1/special-requests"


class SpecialRequest(BaseModel):
    """What the customer said, in codes; a note only where no code fits."""

    model_config = ConfigDict(extra="forbid")

    case_ref: str = Field(pattern=CASE_REF)
    type: str = Field(
        pattern=r"^[a-z][a-z_]{1,39}$", description="A type of policies/catalog/requests.yaml."
    )
    agent: str = Field(pattern=WORD, description="The agent's reference in the register.")
    call_id: str | None = Field(None, pattern=WORD)
    permit_id: UUID | None = None
    customer_words_code: str | None = Field(None, pattern=r"^[A-Z][A-Z0-9_]{1,39}$")
    note: str | None = Field(
        None, min_length=1, max_length=MAX_NOTE, description="Without personal data; sealed."
    )


def add_requests(api: GatewayAPI, desk: RequestDesk) -> None:
    """Adds the routes."""

    @api.post(
        REQUESTS,
        openapi_extra=SECURITY,
        summary="Raise a special request; some types stop all contact at once",
        status_code=201,
        response_class=Response,
        responses={
            201: {"description": "The request", "content": {"application/json": {}}},
            **NOT_FOUND,
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
        return await keep(partial(desk.submit, principal_of(request), wish), REQUESTS, "request")

    add_reading(
        api,
        desk,
        REQUESTS,
        "request",
        all_of="The special requests of your cases, with what you are to do",
        one_of="One special request",
    )
