"""The company API: import, revocation and the log, for staff certificates by role."""

import asyncio
import tempfile
from pathlib import Path
from typing import Annotated, Any

from fastapi import Query, Request, Response

from gateway.errors import RequestInvalidError
from gateway.http.affair_files import add_company_files
from gateway.http.application import GatewayAPI, problem_response
from gateway.http.bounds import own_stream
from gateway.http.company_use_cases import CompanyUseCases
from gateway.http.complaints import add_company_complaints
from gateway.http.dialing import add_dialing
from gateway.http.findings import add_findings
from gateway.http.holds import add_holds
from gateway.http.log_views import add_search, add_views
from gateway.http.months import add_months
from gateway.http.offboardings import add_offboardings
from gateway.http.onboarding import add_onboarding
from gateway.http.packs import add_packs
from gateway.http.payments import add_company_payments
from gateway.http.people_views import add_people_views
from gateway.http.quality import add_quality
from gateway.http.recording_views import add_recording_views
from gateway.http.records import add_summaries
from gateway.http.rectifications import add_company_rectifications
from gateway.http.reports import add_report_views
from gateway.http.scopes import add_scopes
from gateway.http.script_views import add_script_views
from gateway.http.shutting_out import add_shutting_out
from gateway.http.staffing import StaffRoute, actor_of, for_roles, json_answer
from gateway.identity.principal import StaffRole

MAX_IMPORT_BYTES = 1024 * 1024 * 1024
_ID = r"^[a-z0-9][a-z0-9-]{0,62}$"
_NOT_FOUND: dict[int | str, dict[str, Any]] = {404: problem_response("There is no such thing.")}


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
            **for_roles(StaffRole.OPERATOR),
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
        with tempfile.TemporaryDirectory(prefix="casegate-import-") as directory:
            path = Path(directory) / "portfolio"
            await _spool(request, path)
            report = await asyncio.to_thread(
                cases.import_file, path, vendor, contract, actor_of(request)
            )
            return json_answer(report.document())

    add_shutting_out(api, cases)
    add_search(api, cases)
    add_views(api, cases)
    add_onboarding(api, cases)
    add_offboardings(api, cases)
    add_people_views(api, cases)
    add_dialing(api, cases)
    add_holds(api, cases)
    add_script_views(api, cases)
    add_scopes(api, cases)
    add_packs(api, cases)
    add_findings(api, cases)
    add_recording_views(api, cases)
    add_summaries(api, cases)
    add_company_complaints(api, cases)
    add_company_payments(api, cases)
    add_company_files(api, cases)
    add_company_rectifications(api, cases)
    add_report_views(api, cases)
    add_months(api, cases)
    add_quality(api, cases)
    return api


async def _spool(request: Request, path: Path) -> None:
    """Writes the body to a private file that lives as long as the request."""
    size = 0
    with path.open("wb") as file:
        async for chunk in own_stream(request):
            size += len(chunk)
            if size > MAX_IMPORT_BYTES:
                raise RequestInvalidError("a file has at most 1 GiB; split it")
            await asyncio.to_thread(file.write, chunk)
