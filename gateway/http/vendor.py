"""The vendor API: listing and single pull of masked cases."""

import asyncio
import re
from typing import Annotated, Any

from fastapi import Header, Path, Query, Request, Response

from gateway.evidence import keyed_commitment
from gateway.http.application import GatewayAPI, problem_response
from gateway.http.oauth import TokenEndpoint, add_oauth_routes
from gateway.identity.principal import VendorPrincipal
from gateway.release.profiles import DEFAULT_PURPOSE
from gateway.release.receipts import Receipts
from gateway.release.release import MAX_PAGE, AccessContext, Release, Released
from keys.secret import Secret

NDJSON = "application/x-ndjson"
_NOTE = "text/plain; charset=utf-8"
_SECURITY: dict[str, Any] = {"security": [{"mutualTLS": [], "boundToken": []}]}
_CASE_REF = re.compile(r"[A-Z2-7]{26}")
_CASE_SCHEMA: dict[str, Any] = {
    "type": "object",
    "description": "Exactly the fields of the contract's policy, in their masked forms. Amounts "
    "are bands at this stage; dates are months; references are stable for this contract only.",
    "required": ["case_ref"],
    "properties": {
        "case_ref": {"type": "string", "pattern": f"^{_CASE_REF.pattern}$"},
        "redacted_notes": {
            "type": "string",
            "description": "Past notes, with a placeholder such as 〔姓名〕 for each value that"
            " was cut out. Absent where the contract gives none, or they are not ready.",
        },
    },
    "additionalProperties": True,
    "example": {
        "case_ref": "K7Q2M5XWZ4T3BNV6YHJCRD2EFA",
        "case_status": "assigned",
        "full_name": "张*",
        "mobile_phone": "138****5678",
        "total_due": "5000-10000",
        "collection_stage": "M2",
    },
}
_RECEIPT_HEADER = {
    "Casegate-Receipt": {
        "description": "Index and leaf hash of the log entry that was durable before this answer.",
        "schema": {"type": "string", "example": "1201/9f86d081884c7d65…"},
    }
}
Cursor = Annotated[str | None, Query(max_length=512, description="From the page before.")]
Limit = Annotated[int, Query(ge=1, le=MAX_PAGE, description="Items a page.")]
Purpose = Annotated[
    str, Header(alias="Casegate-Purpose", max_length=64, description="A purpose of the contract.")
]


def build_vendor_api(
    release: Release, receipts: Receipts, tokens: TokenEndpoint, asked_key: Secret
) -> GatewayAPI:
    """The vendor application, still without its gate."""
    api = GatewayAPI(
        title="Casegate vendor API",
        description="Masked cases for collection vendors, over mTLS with bound tokens.",
    )
    add_oauth_routes(api, tokens)

    @api.get(
        "/v1/assignments",
        openapi_extra=_SECURITY,
        summary="The batches of cases handed to you",
        response_class=Response,
        responses={200: {"description": "A page", "content": {"application/json": {}}}},
    )
    async def list_assignments(
        request: Request, cursor: Cursor = None, limit: Limit = 100
    ) -> Response:
        principal = _principal_of(request)
        body = await release.assignments(principal, cursor=cursor, limit=limit)
        return Response(body, media_type="application/json")

    @api.get(
        "/v1/cases",
        openapi_extra=_SECURITY,
        summary="Your cases, masked, page by page",
        response_class=Response,
        responses={
            200: {
                "description": "A page. As NDJSON the next cursor is in Casegate-Next-Cursor.",
                "headers": _RECEIPT_HEADER,
                "content": {
                    "application/json": {
                        "schema": {
                            "type": "object",
                            "required": ["items", "next_cursor"],
                            "properties": {
                                "items": {"type": "array", "items": _CASE_SCHEMA},
                                "next_cursor": {"type": ["string", "null"]},
                            },
                        }
                    },
                    NDJSON: {"schema": {"type": "string"}},
                },
            }
        },
    )
    async def list_cases(
        request: Request,
        assignment: Annotated[str | None, Query(max_length=64)] = None,
        cursor: Cursor = None,
        limit: Limit = 100,
        purpose: Purpose = DEFAULT_PURPOSE,
    ) -> Response:
        as_lines = NDJSON in request.headers.get("accept", "")
        released = await release.page(
            _principal_of(request),
            _context_of(request, "/v1/cases", purpose),
            assignment=assignment,
            cursor=cursor,
            limit=limit,
            as_lines=as_lines,
            readmit=request.scope["state"]["readmit"],
        )
        return _answer(request, released, NDJSON if as_lines else "application/json")

    @api.get(
        "/v1/cases/{case_ref}",
        openapi_extra=_SECURITY,
        summary="One case, masked",
        response_class=Response,
        responses={
            200: {
                "description": "The case",
                "headers": _RECEIPT_HEADER,
                "content": {"application/json": {"schema": _CASE_SCHEMA}},
            },
            404: problem_response("Not yours, recalled, or unknown: the same answer."),
        },
    )
    async def get_case(
        request: Request,
        case_ref: Annotated[str, Path(description="As a listing gave it.")],
        purpose: Purpose = DEFAULT_PURPOSE,
    ) -> Response:
        # A reference that was asked for is logged as a keyed commitment. Anything else that a
        # caller typed is not: of an identity number even that would outlive the person's erasure.
        if _CASE_REF.fullmatch(case_ref):
            request.scope["state"]["asked"] = keyed_commitment(asked_key, "asked", case_ref)
        released = await release.one(
            _principal_of(request), case_ref, _context_of(request, "/v1/cases/{case_ref}", purpose)
        )
        return _answer(request, released, "application/json")

    @api.get(
        "/v1/receipts/{index}",
        openapi_extra=_SECURITY,
        summary="The proof of one of your own log entries (c2sp.org/tlog-proof@v1)",
        response_class=Response,
        responses={
            200: {"description": "The proof, with the entry", "content": {"text/plain": {}}},
            404: problem_response("Not yours, none, or not yet under a checkpoint."),
        },
    )
    async def get_receipt(
        request: Request, index: Annotated[int, Path(ge=0, le=2**62)]
    ) -> Response:
        proof = await asyncio.to_thread(receipts.proof, _principal_of(request), index)
        return Response(proof, media_type=_NOTE)

    @api.get(
        "/v1/log/checkpoint",
        openapi_extra=_SECURITY,
        summary="The newest signed checkpoint of the log (c2sp.org/tlog-checkpoint)",
        response_class=Response,
        responses={
            200: {"description": "A signed note", "content": {"text/plain": {}}},
            404: problem_response("Nothing has been signed yet."),
        },
    )
    async def get_checkpoint() -> Response:
        return Response(await asyncio.to_thread(receipts.checkpoint), media_type=_NOTE)

    return api


def _principal_of(request: Request) -> VendorPrincipal:
    principal: VendorPrincipal = request.scope["state"]["principal"]
    return principal


def _context_of(request: Request, route: str, purpose: str) -> AccessContext:
    state = request.scope["state"]
    client = request.scope.get("client")
    return AccessContext(
        request_id=state["request_id"],
        token_id=state["token_id"],
        route=route,
        source=None if client is None else client[0],
        purpose=purpose,
    )


def _answer(request: Request, released: Released, media_type: str) -> Response:
    receipt = released.receipt
    request.scope["state"]["released"] = receipt.index
    headers = {"Casegate-Receipt": f"{receipt.index}/{receipt.leaf_hash.hex()}"}
    if released.next_cursor is not None:
        headers["Casegate-Next-Cursor"] = released.next_cursor
    return Response(released.body, media_type=media_type, headers=headers)
