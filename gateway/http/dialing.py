"""The company API's routes around calls: the bridge dials, the lender tells of its own calls."""

import asyncio
from typing import Any, Literal, Protocol

from fastapi import Request, Response
from pydantic import BaseModel, ConfigDict, Field

from gateway.contact.dialing import DialDesk
from gateway.contact.own_contacts import MAX_ROWS, OwnContact, OwnContactDesk
from gateway.contact.wish import PointKind
from gateway.http.application import GatewayAPI, problem_response
from gateway.http.staffing import actor_of, for_roles, json_answer
from gateway.identity.principal import StaffRole
from gateway.intake.moments import Moment
from policies.contact.model import CallKind, Channel

_DIALED: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The number to connect now; it is not said again.",
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["permit_id", "number", "caller_number", "expires_at"],
                    "properties": {
                        "permit_id": {"type": "string", "format": "uuid"},
                        "number": {"type": "string", "description": "E.164"},
                        "extension": {"type": ["string", "null"]},
                        "caller_number": {"type": "string", "description": "E.164"},
                        "expires_at": {"type": "string", "format": "date-time"},
                    },
                }
            }
        },
    },
    404: problem_response("It is no dial token of this gateway."),
    409: problem_response("It was used, its permit has been voided, or its time is over."),
}


class DialRequest(BaseModel):
    """A dial token, as an agent's system handed it to the bridge."""

    model_config = ConfigDict(extra="forbid")

    dial_token: str = Field(pattern=r"^[A-Za-z0-9_-]{1,100}$")


class OwnContactRow(BaseModel):
    """One call, message or visit of the lender itself."""

    model_config = ConfigDict(extra="forbid")

    own_id: str = Field(min_length=1, max_length=64, description="The lender's name for it.")
    source_case_no: str = Field(min_length=1, max_length=64)
    contact_point: PointKind = PointKind.MOBILE
    channel: Channel
    call_kind: CallKind
    direction: Literal["outbound", "inbound"] = "outbound"
    started_at: Moment
    result_code: str = Field(pattern=r"^[A-Z][A-Z_]{1,39}$")

    def contact(self) -> OwnContact:
        """The same as the use case takes it."""
        return OwnContact(
            self.own_id,
            self.source_case_no,
            self.contact_point,
            self.channel,
            self.call_kind,
            self.direction,
            self.started_at,
            self.result_code,
        )


class OwnContactsRequest(BaseModel):
    """A batch."""

    model_config = ConfigDict(extra="forbid")

    contacts: list[OwnContactRow] = Field(min_length=1, max_length=MAX_ROWS)


class DialingCases(Protocol):
    """The part of the company's use cases that is used here."""

    @property
    def dialing(self) -> DialDesk:
        """The bridge's desk."""
        ...

    @property
    def own_contacts(self) -> OwnContactDesk:
        """The desk of the lender's own calls."""
        ...


def add_dialing(api: GatewayAPI, cases: DialingCases) -> None:
    """Adds the routes."""

    @api.post(
        "/v1/dial",
        summary="Turn a dial token into its number, once (bridge)",
        response_class=Response,
        openapi_extra=for_roles(StaffRole.BRIDGE),
        responses=_DIALED,
    )
    async def dial(request: Request, body: DialRequest) -> Response:
        dialed = await asyncio.to_thread(
            cases.dialing.dial, body.dial_token, actor=actor_of(request)
        )
        return json_answer(dialed)

    @api.post(
        "/company/v1/own-contacts",
        summary="Tell of the lender's own calls, which count for the same caps (operator)",
        response_class=Response,
        openapi_extra=for_roles(StaffRole.OPERATOR),
        responses={200: {"description": "An outcome for each, in order."}},
    )
    async def own_contacts(request: Request, body: OwnContactsRequest) -> Response:
        outcomes = await asyncio.to_thread(
            cases.own_contacts.take,
            [row.contact() for row in body.contacts],
            actor=actor_of(request),
        )
        return json_answer({"items": outcomes})
