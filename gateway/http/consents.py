"""The vendor API's consents: recorded, looked at, taken back."""

import asyncio
from datetime import datetime
from functools import partial
from uuid import UUID

from fastapi import Request, Response
from pydantic import BaseModel, ConfigDict, Field

from gateway.contact.consent import ConsentWish
from gateway.contact.consents import ConsentDesk
from gateway.contact.wish import PointKind
from gateway.http.application import GatewayAPI, problem_response
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
from policies.contact.model import Channel, ConsentScope, PartyRole

CONSENTS = "/v1/consents"


class ConsentRequest(BaseModel):
    """What the debtor agreed to, in which call, and for when."""

    model_config = ConfigDict(extra="forbid")

    case_ref: str = Field(pattern=CASE_REF)
    scope: ConsentScope
    channel: Channel | None = Field(None, description="With the scope `channel` only.")
    contact_point: PointKind | None = Field(None, description="Left out: on any number.")
    is_for_all_debts: bool = Field(default=False, description="Else for the debt of this case.")
    captured_at: datetime
    begins: datetime
    ends: datetime = Field(description="The first moment for which it does not hold.")
    permit_id: UUID = Field(description="Of the call in which it was given.")
    given_by: PartyRole
    evidence_recording_id: str | None = Field(None, pattern=WORD)


def add_consents(api: GatewayAPI, desk: ConsentDesk) -> None:
    """Adds the routes."""

    @api.post(
        CONSENTS,
        openapi_extra=SECURITY,
        summary="Record what a debtor agreed to",
        status_code=201,
        response_class=Response,
        responses={
            201: {"description": "The consent", "content": {"application/json": {}}},
            **NOT_FOUND,
            422: problem_response("Not prior, too long, without proof, or not from your call."),
        },
    )
    async def record_consent(
        request: Request, body: ConsentRequest, repeat_key: RepeatKey = None
    ) -> Response:
        wish = ConsentWish(**dict(body), repeat_key=repeat_key, repeat_sha256=digest_of(body))
        return await keep(partial(desk.record, principal_of(request), wish), CONSENTS, "consent")

    add_reading(
        api,
        desk,
        CONSENTS,
        "consent",
        all_of="The consents of your cases",
        one_of="One consent",
    )

    @api.delete(
        f"{CONSENTS}/{{consent_id}}",
        openapi_extra=SECURITY,
        summary="The debtor has taken it back: it ends at once",
        status_code=204,
        response_class=Response,
        responses=NOT_FOUND,
    )
    async def revoke_consent(request: Request, consent_id: UUID) -> Response:
        await asyncio.to_thread(desk.revoke, principal_of(request), consent_id)
        return Response(status_code=204)
