"""Call records: taken in for vendors, their summaries opened for the company's staff."""

import asyncio
from functools import partial
from typing import Annotated, Any, Protocol
from uuid import UUID

import orjson
from fastapi import Header, Path, Query, Request, Response

from gateway.errors import RequestInvalidError
from gateway.http.application import FOR_CLOSING, GatewayAPI, problem_response
from gateway.http.bounds import own_stream
from gateway.http.idempotency import RepeatKey
from gateway.http.staffing import actor_of, for_roles, json_answer
from gateway.identity.principal import StaffRole, VendorPrincipal
from gateway.intake.batches_desk import BatchAnswer, RecordDesk
from gateway.intake.batches_spool import Spool
from gateway.intake.parsing import Form, content_of
from gateway.intake.records import CallRecord
from gateway.intake.records_desk import SummaryDesk

RECORDS = "/v1/call-records"
BATCH = "/v1/call-records/batches/{batch_id}"
SUMMARY = "/company/v1/call-records/{vendor}/{contract}/{call_id}/summary"
_SECURITY: dict[str, Any] = {"security": [{"mutualTLS": [], "boundToken": []}]}
_ID = r"^[a-z0-9][a-z0-9-]{0,62}$"
_CALL_ID = r"^[0-9A-Za-z][0-9A-Za-z._:-]{0,63}$"
_OUTCOME: dict[str, Any] = {
    "type": "object",
    "required": ["batch_id", "state", "rows", "processed", "items"],
    "properties": {
        "batch_id": {"type": "string", "format": "uuid"},
        "state": {"enum": ["processing", "done"]},
        "received_at": {"type": "string", "format": "date-time"},
        "finished_at": {"type": ["string", "null"], "format": "date-time"},
        "rows": {"type": "integer"},
        "processed": {"type": "integer"},
        "accepted": {"type": "integer"},
        "duplicates": {"type": "integer"},
        "rejected": {"type": "integer"},
        "items": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["index", "call_id", "outcome"],
                "properties": {
                    "index": {"type": "integer", "description": "From 0, in the order sent."},
                    "call_id": {"type": ["string", "null"]},
                    "outcome": {"enum": ["accepted", "duplicate", "rejected"]},
                    "field": {"type": "string"},
                    "code": {"type": "string", "description": "Stable; branch on this."},
                },
            },
        },
        "next_cursor": {"type": ["string", "null"]},
    },
    "example": {
        "batch_id": "0f0c1f5e-2a53-4d52-8f2c-6f0d4b0c8f11",
        "state": "done",
        "received_at": "2026-11-24T02:12:11.000Z",
        "finished_at": "2026-11-24T02:12:11.000Z",
        "rows": 2,
        "processed": 2,
        "accepted": 1,
        "duplicates": 0,
        "rejected": 1,
        "items": [
            {"index": 0, "call_id": "20261124-000017", "outcome": "accepted"},
            {
                "index": 1,
                "call_id": "20261124-000018",
                "outcome": "rejected",
                "field": "result_code",
                "code": "UNKNOWN_CODE",
            },
        ],
        "next_cursor": None,
    },
}
_RECEIPT_HEADER = {
    "Casegate-Receipt": {
        "schema": {"type": "string"},
        "description": "INDEX/LEAF-HASH of the log entry; its proof is at /v1/receipts/INDEX.",
    }
}
_EXAMPLE = {
    "call_id": "20261124-000017",
    "permit_id": "7b0c8a52-6d0e-4a55-9a6b-0c3f4f1f2a77",
    "case_ref": "K7Q2M5XWZ4T3BNV6YHJCRD2EFA",
    "agent": "alpha-001",
    "started_at": "2026-11-24T10:02:40+08:00",
    "answered_at": "2026-11-24T10:02:48+08:00",
    "ended_at": "2026-11-24T10:04:01+08:00",
    "talk_s": 73,
    "result_code": "RPC_PTP",
    "party_reached": "self",
    "identity_check": "match",
    "promise": {"amount": 200000, "due_on": "2026-11-27"},
}


def _body() -> dict[str, Any]:
    one = CallRecord.model_json_schema(ref_template="#/components/schemas/{model}")
    inner = one.pop("$defs")

    def inlined(node: Any) -> Any:  # noqa: ANN401  # a piece of JSON schema
        if isinstance(node, dict):
            if "$ref" in node:
                return inlined(inner[str(node["$ref"]).rpartition("/")[2]])
            return {key: inlined(value) for key, value in node.items()}
        return [inlined(part) for part in node] if isinstance(node, list) else node

    record = inlined(one)
    return {
        "requestBody": {
            "required": True,
            "content": {
                Form.JSON.value: {
                    "schema": {"anyOf": [record, {"type": "array", "items": record}]},
                    "example": _EXAMPLE,
                },
                Form.NDJSON.value: {"schema": {"type": "string"}},
                Form.CSV.value: {"schema": {"type": "string"}},
            },
        }
    }


class RecordCases(Protocol):
    """The part of the company's use cases that is used here."""

    @property
    def summaries(self) -> SummaryDesk:
        """The desk."""
        ...


def add_records(api: GatewayAPI, desk: RecordDesk) -> None:
    """Adds the vendor's routes."""

    @api.post(
        RECORDS,
        openapi_extra={**_SECURITY, **_body(), **FOR_CLOSING},
        summary="Call records: one, an array, NDJSON or CSV; up to 100,000, packed or not",
        response_class=Response,
        responses={
            200: {
                "description": "Every row with what became of it; up to 1,000 rows.",
                "headers": _RECEIPT_HEADER,
                "content": {"application/json": {"schema": _OUTCOME}},
            },
            202: {
                "description": "Taken and durable; its outcome will be at Location.",
                "headers": {**_RECEIPT_HEADER, "Location": {"schema": {"type": "string"}}},
                "content": {"application/json": {"schema": _OUTCOME}},
            },
        },
    )
    async def send_records(
        request: Request,
        repeat_key: RepeatKey = None,
        content_digest: Annotated[
            str | None,
            Header(
                alias="Content-Digest",
                max_length=512,
                description="RFC 9530, sha-256 or sha-512; checked before a row is looked at.",
            ),
        ] = None,
    ) -> Response:
        content = content_of(
            request.headers.get("content-type", ""), request.headers.get("content-encoding", "")
        )
        with Spool(content_digest) as spool:
            async for chunk in own_stream(request):
                if not spool.write(chunk):
                    raise RequestInvalidError("the body is larger than 128 MiB")
            answer = await asyncio.to_thread(
                desk.submit, _principal_of(request), spool, content, repeat_key
            )
        return _answered(answer)

    @api.get(
        BATCH,
        # What was sent last, and rows of it were refused: nothing of a case comes back.
        openapi_extra={**_SECURITY, **FOR_CLOSING},
        summary="How far a batch is, and what became of its rows, page by page",
        response_class=Response,
        responses={
            200: {
                "description": "The batch",
                "headers": _RECEIPT_HEADER,
                "content": {"application/json": {"schema": _OUTCOME}},
            },
            404: problem_response("Not yours, or none: the same answer."),
        },
    )
    async def get_batch(
        request: Request,
        batch_id: Annotated[UUID, Path(description="As the answer to the batch gave it.")],
        cursor: Annotated[str | None, Query(pattern=r"^[0-9]{1,6}$")] = None,
    ) -> Response:
        read = partial(desk.status, page=int(cursor or 0))
        answer = await asyncio.to_thread(read, _principal_of(request), batch_id)
        return _answered(answer, status=200)


def add_summaries(api: GatewayAPI, cases: RecordCases) -> None:
    """Adds the company's route."""

    @api.get(
        SUMMARY,
        summary="What an agent wrote of a call, for a logged reason (compliance, security)",
        response_class=Response,
        openapi_extra=for_roles(StaffRole.COMPLIANCE, StaffRole.SECURITY),
        responses={404: problem_response("There is no such summary.")},
    )
    async def read_summary(
        request: Request,
        vendor: Annotated[str, Path(pattern=_ID)],
        contract: Annotated[str, Path(pattern=_ID)],
        call_id: Annotated[str, Path(pattern=_CALL_ID)],
        reason: Annotated[str, Query(pattern=r"^[A-Z][A-Z_]{2,39}$", description="A code.")],
    ) -> Response:
        read = partial(cases.summaries.read, reason=reason, actor=actor_of(request))
        return json_answer(await asyncio.to_thread(read, vendor, contract, call_id))


def _answered(answer: BatchAnswer, status: int | None = None) -> Response:
    receipt = answer.receipt
    headers = {"Casegate-Receipt": f"{receipt.index}/{receipt.leaf_hash.hex()}"}
    if status is None:
        status = 200 if answer.is_inline else 202
        if not answer.is_inline:
            headers["Location"] = f"{RECORDS}/batches/{answer.batch_id}"
    return Response(orjson.dumps(answer.document), status, headers, "application/json")


def _principal_of(request: Request) -> VendorPrincipal:
    principal: VendorPrincipal = request.scope["state"]["principal"]
    return principal
