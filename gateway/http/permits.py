"""The vendor API's permits: asked before each dial, closed after it."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import orjson
from fastapi import Header, Path, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from gateway.clock import rfc3339
from gateway.contact.calls import Calls
from gateway.contact.permits import Granted, Permits, Refused
from gateway.contact.wish import PermitWish, PointKind
from gateway.evidence import keyed_commitment
from gateway.http.application import GatewayAPI, problem_response
from gateway.http.case_items import CASE_REF, SECURITY, WORD, principal_of
from gateway.http.problems import MEDIA_TYPE
from gateway.release.profiles import DEFAULT_PURPOSE
from gateway.release.release import AccessContext
from keys.secret import Secret
from policies.contact.model import CallKind, Channel

PERMITS = "/v1/permits"
PERMIT = "/v1/permits/{permit_id}"
CHANNEL_REFUSALS = "/v1/channel-refusals"
_E164 = r"^\+[1-9][0-9]{3,14}$"
_REFUSAL_TITLE = "The call may not be made now."
_NOT_FOUND: dict[int | str, dict[str, Any]] = {
    404: problem_response("Not yours, or none: the same answer.")
}
_OVER: dict[int | str, dict[str, Any]] = {
    **_NOT_FOUND,
    409: problem_response("The permit is used, voided or over."),
}
Purpose = Annotated[
    str, Header(alias="Casegate-Purpose", max_length=64, description="A purpose of the contract.")
]
RepeatKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        pattern=r"^[!-~]{1,64}$",
        description="The same key gives the same permit again, as long as it is open.",
    ),
]
PermitID = Annotated[UUID, Path(description="As the grant gave it.")]


class PermitRequest(BaseModel):
    """One dial that an agent wants to make."""

    model_config = ConfigDict(extra="forbid")

    case_ref: str = Field(pattern=CASE_REF, description="As a listing gave it.")
    contact_point: PointKind = Field(description="Which of the case's numbers.")
    agent: str = Field(pattern=WORD, description="The agent's reference in the register.")
    script: str = Field(pattern=WORD, description="The script that will be followed.")
    script_version: int = Field(ge=1, le=1_000_000)
    channel: Channel = Channel.VOICE_HUMAN
    call_kind: CallKind = CallKind.INTERACTIVE
    caller_number: str = Field(pattern=_E164, description="What the customer will see, E.164.")
    reason: str | None = Field(
        None, pattern=r"^[A-Z][A-Z_]{1,39}$", description="Why outside of the usual hours; a code."
    )

    def wish(self, repeat_key: str | None) -> PermitWish:
        """The same as the use case takes it."""
        return PermitWish(
            self.case_ref,
            self.contact_point,
            self.agent,
            self.script,
            self.script_version,
            self.channel,
            self.call_kind,
            self.caller_number,
            self.reason,
            repeat_key,
        )


class ClosingRequest(BaseModel):
    """How the call went."""

    model_config = ConfigDict(extra="forbid")

    result_code: str = Field(
        pattern=r"^[A-Z][A-Z_]{1,39}$", description="One of the result codes."
    )


class ChannelRefusalRequest(BaseModel):
    """By what a debtor does not want to be reached any more."""

    model_config = ConfigDict(extra="forbid")

    case_ref: str = Field(pattern=CASE_REF, description="As a listing gave it.")
    channel: Channel


class IdentityRequest(BaseModel):
    """What the customer says when asked who they are."""

    model_config = ConfigDict(extra="forbid")

    last4: str = Field(
        pattern=r"^[0-9]{3}[0-9Xx]$", description="The last four characters of the ID number."
    )


def add_permits(api: GatewayAPI, permits: Permits, calls: Calls, asked_key: Secret) -> None:
    """Adds the routes."""

    @api.post(
        PERMITS,
        openapi_extra=SECURITY,
        summary="Ask for one call",
        status_code=201,
        response_class=Response,
        responses={
            201: {
                "description": "The permit, with what the agent needs in this one call.",
                "content": {"application/json": {"schema": _PERMIT_SCHEMA}},
            },
            403: {
                "description": "The call may not be made now: all codes, all rules that say so, "
                "and from when only time would have to have passed.",
                "content": {MEDIA_TYPE: {"schema": _REFUSAL_SCHEMA}},
            },
            404: problem_response("The case is not yours, recalled, or unknown."),
            422: problem_response("The wish does not fit its description."),
        },
    )
    async def ask_permit(
        request: Request,
        body: PermitRequest,
        purpose: Purpose = DEFAULT_PURPOSE,
        repeat_key: RepeatKey = None,
    ) -> Response:
        state = request.scope["state"]
        state["asked"] = keyed_commitment(asked_key, "asked", body.case_ref)
        answer = await permits.ask(
            principal_of(request),
            body.wish(repeat_key),
            context_of(request, PERMITS, purpose),
        )
        match answer:
            case Granted():
                state["released"] = answer.receipt.index
                headers = receipt_header(answer)
                headers["Location"] = f"{PERMITS}/{answer.permit_id}"
                return Response(answer.body, 201, headers, "application/json")
            case Refused():
                content = refusal_body(answer, state["request_id"])
                return Response(content, 403, receipt_header(answer), MEDIA_TYPE)

    @api.get(
        PERMIT,
        openapi_extra=SECURITY,
        summary="How a permit stands; without its number",
        response_class=Response,
        responses=_NOT_FOUND,
    )
    async def show_permit(request: Request, permit_id: PermitID) -> Response:
        shown = await calls.show(principal_of(request), permit_id)
        return Response(orjson.dumps(shown), media_type="application/json")

    @api.delete(
        PERMIT,
        openapi_extra=SECURITY,
        summary="Give back a permit that was not used",
        status_code=204,
        response_class=Response,
        responses=_OVER,
    )
    async def give_back(request: Request, permit_id: PermitID) -> Response:
        context = context_of(request, PERMIT, DEFAULT_PURPOSE)
        await calls.give_back(principal_of(request), permit_id, context)
        return Response(status_code=204)

    @api.post(
        PERMIT + "/close",
        openapi_extra=SECURITY,
        summary="Say how the call went",
        response_class=Response,
        responses={**_OVER, 422: problem_response("The result code is not known.")},
    )
    async def close_permit(
        request: Request, permit_id: PermitID, body: ClosingRequest
    ) -> Response:
        context = context_of(request, PERMIT + "/close", DEFAULT_PURPOSE)
        shown = await calls.close(principal_of(request), permit_id, body.result_code, context)
        return Response(orjson.dumps(shown), media_type="application/json")

    @api.post(
        CHANNEL_REFUSALS,
        openapi_extra=SECURITY,
        summary="Say that a debtor refuses a channel; it stands for every vendor",
        status_code=204,
        response_class=Response,
        responses=_NOT_FOUND,
    )
    async def refuse_channel(request: Request, body: ChannelRefusalRequest) -> Response:
        request.scope["state"]["asked"] = keyed_commitment(asked_key, "asked", body.case_ref)
        context = context_of(request, CHANNEL_REFUSALS, DEFAULT_PURPOSE)
        await calls.refuse_channel(principal_of(request), body.case_ref, body.channel, context)
        return Response(status_code=204)

    @api.post(
        PERMIT + "/identity-check",
        openapi_extra=SECURITY,
        summary="Compare the last four characters that the customer says; three tries a day",
        response_class=Response,
        responses={**_OVER, 403: problem_response("Three tries were made today.")},
    )
    async def check_identity(
        request: Request, permit_id: PermitID, body: IdentityRequest
    ) -> Response:
        context = context_of(request, PERMIT + "/identity-check", DEFAULT_PURPOSE)
        shown = await calls.check_identity(principal_of(request), permit_id, body.last4, context)
        return Response(orjson.dumps(shown), media_type="application/json")


def context_of(request: Request, route: str, purpose: str) -> AccessContext:
    """What is known of the request beside its principal."""
    state = request.scope["state"]
    client = request.scope.get("client")
    return AccessContext(
        request_id=state["request_id"],
        token_id=state["token_id"],
        route=route,
        source=client[0] if client else None,
        purpose=purpose,
    )


def receipt_header(answer: Granted | Refused) -> dict[str, str]:
    """Index and leaf hash of the entry that was durable before the answer."""
    receipt = answer.receipt
    return {"Casegate-Receipt": f"{receipt.index}/{receipt.leaf_hash.hex()}"}


def refusal_body(refused: Refused, request_id: str) -> bytes:
    """The problem (RFC 9457) of a refusal: its first code, and all of them."""
    code = refused.codes[0].value
    allowed_from: datetime | None = refused.allowed_from
    return orjson.dumps(
        {
            "type": f"urn:casegate:problem:{code}",
            "title": _REFUSAL_TITLE,
            "status": 403,
            "code": code,
            "request_id": request_id,
            "decision": "denied",
            "codes": [code.value for code in refused.codes],
            "rules": [
                {"id": rule.rule_id, "pack": rule.pack, "version": rule.version}
                for rule in refused.fired
            ],
            "allowed_from": None if allowed_from is None else rfc3339(allowed_from),
        }
    )


_PERMIT_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["permit_id", "decision", "requested_at", "expires_at", "case", "contact_point"],
    "properties": {
        "permit_id": {"type": "string", "format": "uuid"},
        "decision": {"const": "granted"},
        "requested_at": {"type": "string", "format": "date-time"},
        "expires_at": {"type": "string", "format": "date-time"},
        "case": {"type": "object", "description": "The fields of the policy's permit stage."},
        "contact_point": {
            "type": "object",
            "required": ["kind"],
            "properties": {
                "kind": {"enum": [kind.value for kind in PointKind]},
                "masked": {"type": ["string", "null"]},
                "dial_token": {"type": "string", "description": "For the bridge, once."},
                "number": {
                    "type": "string",
                    "description": "In clear, where the contract says so.",
                },
                "extension": {"type": "string"},
            },
        },
        "remaining": {"type": "object", "additionalProperties": {"type": "integer"}},
        "topics": {"type": "array", "items": {"type": "string"}},
    },
    "example": {
        "permit_id": "7b0c8a52-6d0e-4a55-9a6b-0c3f4f1f2a77",
        "decision": "granted",
        "requested_at": "2026-11-24T02:02:11.000Z",
        "expires_at": "2026-11-24T02:12:11.000Z",
        "case": {
            "case_ref": "K7Q2M5XWZ4T3BNV6YHJCRD2EFA",
            "full_name": "张三",
            "total_due": 523411,
        },
        "contact_point": {"kind": "mobile", "masked": "138****5678", "dial_token": "ew5K…"},
        "remaining": {"effective": 2},
        "topics": [],
    },
}
_REFUSAL_SCHEMA: dict[str, Any] = {
    "type": "object",
    "description": "Codes and rules are there when rules on contact refuse; what the policy "
    "refuses has its code alone.",
    "required": ["type", "title", "status", "code"],
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string"},
        "request_id": {"type": "string"},
        "decision": {"const": "denied"},
        "codes": {"type": "array", "items": {"type": "string"}, "minItems": 1},
        "rules": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["id", "pack", "version"],
                "properties": {
                    "id": {"type": "string"},
                    "pack": {"type": "string"},
                    "version": {"type": "string"},
                },
            },
        },
        "allowed_from": {"type": ["string", "null"], "format": "date-time"},
    },
    "example": {
        "type": "urn:casegate:problem:DAILY_CAP_REACHED",
        "title": _REFUSAL_TITLE,
        "status": 403,
        "code": "DAILY_CAP_REACHED",
        "request_id": "5c1f0a…",
        "decision": "denied",
        "codes": ["DAILY_CAP_REACHED"],
        "rules": [{"id": "gbt.cap.effective", "pack": "cn-gbt45251-2025", "version": "1.0.0"}],
        "allowed_from": "2026-11-24T16:00:00.000Z",
    },
}
