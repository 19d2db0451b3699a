"""The company API: import, revocation and a first search, for staff certificates by role."""

import asyncio
import tempfile
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import orjson
from cryptography.x509 import ReasonFlags
from fastapi import Query, Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict
from typing_extensions import override

from gateway.errors import NotFoundError, RequestInvalidError, RoleNotAllowedError
from gateway.http.application import GatewayAPI, problem_response
from gateway.identity.principal import StaffPrincipal, StaffRole
from gateway.operations.revocation import RevocationEffect
from gateway.oversight.search import MAX_PAGE, LogPage, LogQuery
from gateway.portfolio.importing import ImportReport

MAX_IMPORT_BYTES = 1024 * 1024 * 1024
_ID = r"^[a-z0-9][a-z0-9-]{0,62}$"
_THUMBPRINT = r"^[0-9a-f]{64}$"
_READERS = (StaffRole.AUDITOR, StaffRole.SECURITY, StaffRole.COMPLIANCE)
_NOT_FOUND: dict[int | str, dict[str, Any]] = {404: problem_response("There is no such thing.")}


class RevocationRequest(BaseModel):
    """Why; a reason name of RFC 5280, 5.3.1."""

    model_config = ConfigDict(extra="forbid")

    reason: ReasonFlags = ReasonFlags.cessation_of_operation


@dataclass(frozen=True, slots=True)
class CompanyUseCases:
    """The use cases behind the routes; they block, so each runs in a thread."""

    import_file: Callable[[Path, str, str, str], ImportReport]
    revoke_vendor: Callable[[str, ReasonFlags, str], RevocationEffect]
    revoke_certificate: Callable[[bytes, ReasonFlags, str], RevocationEffect]
    search: Callable[[LogQuery, str], LogPage]
    checkpoint: Callable[[str], str | None]


class StaffRoute(APIRoute):
    """A route that names its roles; one that names none does not start."""

    @override
    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        roles = frozenset(StaffRole(role) for role in (self.openapi_extra or {})["x-roles"])
        handle = super().get_route_handler()

        async def handle_for_role(request: Request) -> Response:
            if _staff(request).role not in roles:
                raise RoleNotAllowedError("the role does not cover this route")
            return await handle(request)

        return handle_for_role


def build_company_api(cases: CompanyUseCases) -> GatewayAPI:
    """The company application, still without its gate."""
    api = GatewayAPI(
        title="Casegate company API",
        description="For the company's staff, by client certificate with a role.",
    )
    api.router.route_class = StaffRoute

    @api.post(
        "/company/v1/portfolios",
        summary="Import a case file for a vendor (operator)",
        response_class=Response,
        openapi_extra={
            **_for(StaffRole.OPERATOR),
            "requestBody": {
                "required": True,
                "content": {"text/csv": {}, "application/x-ndjson": {}},
            },
        },
        responses=_NOT_FOUND,
    )
    async def import_portfolio(
        request: Request,
        vendor: Annotated[str, Query(pattern=_ID)],
        contract: Annotated[str, Query(pattern=_ID)],
    ) -> Response:
        staff = _staff(request)
        with tempfile.TemporaryDirectory(prefix="casegate-import-") as directory:
            path = Path(directory) / "portfolio"
            await _spool(request, path)
            actor = f"staff:{staff.staff_id}"
            report = await asyncio.to_thread(cases.import_file, path, vendor, contract, actor)
            return _json(_report(report))

    @api.post(
        "/company/v1/vendors/{vendor_id}/revoke",
        summary="Shut a vendor out (security)",
        response_class=Response,
        openapi_extra=_for(StaffRole.SECURITY),
        responses=_NOT_FOUND,
    )
    async def revoke_vendor(
        request: Request, vendor_id: str, body: RevocationRequest | None = None
    ) -> Response:
        staff = _staff(request)
        reason = (body or RevocationRequest()).reason
        effect = await asyncio.to_thread(
            cases.revoke_vendor, vendor_id, reason, f"staff:{staff.staff_id}"
        )
        return _json(_effect(effect))

    @api.post(
        "/company/v1/credentials/{thumbprint}/revoke",
        summary="Revoke one certificate (security)",
        response_class=Response,
        openapi_extra=_for(StaffRole.SECURITY),
        responses=_NOT_FOUND,
    )
    async def revoke_credential(
        request: Request, thumbprint: str, body: RevocationRequest | None = None
    ) -> Response:
        staff = _staff(request)
        try:
            digest = bytes.fromhex(thumbprint)
        except ValueError as error:
            raise RequestInvalidError("a thumbprint is written as 64 hex digits") from error
        reason = (body or RevocationRequest()).reason
        effect = await asyncio.to_thread(
            cases.revoke_certificate, digest, reason, f"staff:{staff.staff_id}"
        )
        return _json(_effect(effect))

    @api.get(
        "/company/v1/log/entries",
        summary="Search the log, newest first (auditor, security, compliance)",
        response_class=Response,
        openapi_extra=_for(*_READERS),
    )
    async def search(
        request: Request,
        vendor: Annotated[str | None, Query(pattern=_ID)] = None,
        event: Annotated[str | None, Query(max_length=64)] = None,
        certificate: Annotated[str | None, Query(pattern=_THUMBPRINT)] = None,
        request_id: Annotated[str | None, Query(max_length=64)] = None,
        since: datetime | None = None,
        cursor: Annotated[int | None, Query(ge=0)] = None,
        limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 100,
    ) -> Response:
        staff = _staff(request)
        if since is not None and since.tzinfo is None:
            raise RequestInvalidError("since needs an offset, as 2026-01-31T08:00:00+08:00")
        query = LogQuery(
            vendor=vendor,
            event=event,
            certificate=certificate,
            request=request_id,
            since=since,
            before=cursor,
            limit=limit,
        )
        page = await asyncio.to_thread(cases.search, query, f"staff:{staff.staff_id}")
        return _json(page_document(page))

    @api.get(
        "/company/v1/log/checkpoint",
        summary="The newest signed checkpoint (auditor, security, compliance)",
        response_class=Response,
        openapi_extra=_for(*_READERS),
        responses=_NOT_FOUND,
    )
    async def checkpoint(request: Request) -> Response:
        note = await asyncio.to_thread(cases.checkpoint, f"staff:{_staff(request).staff_id}")
        if note is None:
            raise NotFoundError("no checkpoint has been signed yet")
        return Response(note, media_type="text/plain; charset=utf-8")

    return api


def page_document(page: LogPage) -> dict[str, Any]:
    """A page of hits as JSON."""
    items = [
        {"index": hit.index, "leaf_hash": hit.leaf_hash, "entry": dict(hit.entry)}
        for hit in page.hits
    ]
    cursor = None if page.next_before is None else str(page.next_before)
    return {"items": items, "next_cursor": cursor}


def _staff(request: Request) -> StaffPrincipal:
    principal: StaffPrincipal = request.scope["state"]["principal"]
    return principal


def _for(*roles: StaffRole) -> dict[str, Any]:
    """Marks a route with the roles that it takes."""
    return {"security": [{"mutualTLS": []}], "x-roles": [role.value for role in roles]}


async def _spool(request: Request, path: Path) -> None:
    """Writes the body to a private file that lives as long as the request."""
    size = 0
    with path.open("wb") as file:
        async for chunk in request.stream():
            size += len(chunk)
            if size > MAX_IMPORT_BYTES:
                raise RequestInvalidError("a file has at most 1 GiB; split it")
            await asyncio.to_thread(file.write, chunk)


def _report(report: ImportReport) -> dict[str, Any]:
    return {
        "assignment_id": report.assignment_id,
        "rows": report.rows,
        "assigned": report.assigned,
        "changed": report.changed,
        "unchanged": report.unchanged,
        "rejected": report.rejected,
        "unknown_columns": list(report.unknown_columns),
        "forbidden_columns": list(report.forbidden_columns),
        "errors": [
            {
                "line": error.line,
                "column": error.column,
                "code": error.code.value,
                "reason": error.reason,
            }
            for error in report.errors
        ],
    }


def _effect(effect: RevocationEffect) -> dict[str, Any]:
    return {
        "credentials": effect.credentials,
        "workers": effect.workers,
        "acknowledged": effect.acknowledged,
        "connections_closed": effect.connections_closed,
        "seconds": effect.seconds,
        "complete": effect.is_complete,
        "log_index": effect.log_index,
    }


def _json(content: dict[str, Any]) -> Response:
    return Response(orjson.dumps(content), media_type="application/json")
