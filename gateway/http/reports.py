"""Reports and findings on the vendor API; the grid of reports on the company's."""

import asyncio
from datetime import date
from typing import Annotated, Any, Protocol

from fastapi import Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from gateway.findings.own import FindingReader
from gateway.http.application import GatewayAPI, problem_response
from gateway.http.idempotency import RepeatKey, digest_of
from gateway.http.staffing import actor_of, for_roles, json_answer
from gateway.identity.principal import StaffRole, VendorPrincipal
from gateway.reports.desk import ReportDesk
from gateway.reports.filing import Filing, FilingDesk
from gateway.reports.workbook import MEDIA_TYPE

REPORTS = "/v1/reports"
MAX_PAGE = 200
_ID = r"^[a-z0-9][a-z0-9-]{0,62}$"
_PERIOD = r"^[0-9]{4}-([0-9]{2}|W[0-9]{2}|[0-9]{2}-[0-9]{2})$"
_SECURITY: dict[str, Any] = {"security": [{"mutualTLS": [], "boundToken": []}]}
_READERS = for_roles(
    StaffRole.OPERATOR, StaffRole.SECURITY, StaffRole.COMPLIANCE, StaffRole.AUDITOR
)
_WAIVERS = for_roles(StaffRole.OPERATOR, StaffRole.COMPLIANCE)
_NOT_FOUND: dict[int | str, dict[str, Any]] = {404: problem_response("There is no such thing.")}
_NO_WAY: dict[int | str, dict[str, Any]] = {
    **_NOT_FOUND,
    409: problem_response("Its state does not lead there, or the period is not over."),
}
_MOST = 10**15
Number = Annotated[float, Field(ge=0, le=_MOST)] | None
Counted = Annotated[int, Field(ge=0, le=_MOST)]
Text = Annotated[str, Field(min_length=1, max_length=2000)]
Cursor = Annotated[str | None, Query(max_length=512, description="From the page before.")]
Limit = Annotated[int, Query(ge=1, le=MAX_PAGE, description="Items a page.")]
Vendor = Annotated[str | None, Query(pattern=_ID)]
_Code = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,39}$")]


class Metrics(BaseModel):
    """Every number; money in minor units, rates with one decimal, of nothing null."""

    model_config = ConfigDict(extra="forbid", strict=True)

    cases_in_hand: Counted
    cases_received: Counted
    cases_returned: Counted
    cases_worked: Counted
    dial_attempts: Counted
    connected_calls: Counted
    effective_calls: Counted
    rpc_count: Counted
    ptp_count: Counted
    ptp_amount: Counted
    repaid_amount: Counted
    repaid_cases: Counted
    complaints_received: Counted
    late_records: Counted
    coverage_rate: Number
    connect_rate: Number
    rpc_rate: Number
    avg_talk_s: Number
    complaint_rate_per_1000_cases: Number
    recording_coverage: Number
    recovery_rate: Number
    special_requests_by_type: dict[_Code, Counted] = Field(max_length=100)
    refused_permits_by_code: dict[_Code, Counted] = Field(max_length=100)
    agents_active: Counted | None = Field(None, description="Weekly and monthly.")
    open_rectifications: Counted | None = Field(None, description="Weekly and monthly.")
    overdue_rectifications: Counted | None = Field(None, description="Weekly and monthly.")
    agents_trained_rate: Number = Field(None, description="Weekly and monthly.")
    turnover: Number = Field(None, description="Weekly and monthly.")
    ptp_kept_rate: Number = Field(None, description="Weekly and monthly.")
    qc_sampled: Counted | None = Field(None, description="Weekly and monthly.")
    qc_fail_rate: Number = Field(None, description="Weekly and monthly.")
    on_time_rate: Number = Field(None, description="Weekly and monthly.")
    incidents: Counted | None = Field(None, description="Monthly.")
    data_access_review_done: bool | None = Field(None, description="Monthly.")

    def numbers(self) -> dict[str, Any]:
        """Those that were sent, by name."""
        return self.model_dump(exclude_unset=True)


class ReportRequest(BaseModel):
    """A report of a day, a week or a month, sums only."""

    model_config = ConfigDict(extra="forbid")

    period: str = Field(pattern=_PERIOD, examples=["2026-05-07", "2026-W19", "2026-05"])
    revision: int = Field(default=1, ge=1, le=1000)
    prepared_by: str = Field(pattern=r"^[a-z][a-z0-9_ -]{0,39}$", description="A role, no name.")
    metrics: Metrics
    progress_text: Text
    problems: list[Text] = Field(default_factory=list, max_length=50)
    solutions: list[Text] = Field(default_factory=list, max_length=50)
    declarations: list[_Code] = Field(default_factory=list, max_length=50)
    strategy_notes: Text | None = None
    staffing_plan: Text | None = None
    totals_sha256: str | None = Field(None, pattern=r"^[0-9a-f]{64}$")


class WaiverRequest(BaseModel):
    """Which report nobody has to send."""

    model_config = ConfigDict(extra="forbid")

    vendor: str = Field(pattern=_ID)
    contract: str = Field(pattern=_ID)
    period: str = Field(pattern=_PERIOD)


class ReportCases(Protocol):
    """The part of the company's use cases that is used here."""

    @property
    def reports(self) -> ReportDesk:
        """The desk."""
        ...


def add_reports(api: GatewayAPI, desk: FilingDesk) -> None:
    """Adds the vendor's routes of reports."""

    @api.post(
        REPORTS,
        openapi_extra=_SECURITY,
        summary="Report on a period; taken when every number is what we count",
        status_code=201,
        response_class=Response,
        responses={
            201: {"description": "The report", "content": {"application/json": {}}},
            **_NO_WAY,
        },
    )
    async def submit_report(
        request: Request, body: ReportRequest, repeat_key: RepeatKey = None
    ) -> Response:
        texts = body.model_dump(
            include={
                *("progress_text", "problems", "solutions", "declarations"),
                *("strategy_notes", "staffing_plan"),
            }
        )
        filing = Filing(
            body.period,
            body.revision,
            body.prepared_by,
            body.metrics.numbers(),
            texts,
            body.totals_sha256,
            repeat_key,
            digest_of(body) if repeat_key else None,
        )
        content = await asyncio.to_thread(desk.submit, _principal_of(request), filing)
        answer = json_answer(content)
        answer.status_code = 201
        answer.headers["Location"] = f"{REPORTS}/{content['period']}"
        return answer

    @api.get(
        REPORTS,
        openapi_extra=_SECURITY,
        summary="Your reports, newest first, rejected ones with their differences",
        response_class=Response,
    )
    async def list_reports(request: Request, cursor: Cursor = None, limit: Limit = 50) -> Response:
        return json_answer(
            await asyncio.to_thread(desk.page, _principal_of(request), cursor=cursor, limit=limit)
        )

    @api.get(
        REPORTS + "/{period}",
        openapi_extra=_SECURITY,
        summary="The newest report of a period, with those before it",
        response_class=Response,
        responses=_NOT_FOUND,
    )
    async def get_report(request: Request, period: str) -> Response:
        return json_answer(await asyncio.to_thread(desk.one, _principal_of(request), period))

    @api.get(
        REPORTS + "/{period}/preview",
        openapi_extra=_SECURITY,
        summary="What we count of a period as of now",
        response_class=Response,
        responses=_NOT_FOUND,
    )
    async def preview_report(request: Request, period: str) -> Response:
        return json_answer(await asyncio.to_thread(desk.preview, _principal_of(request), period))


def add_own_findings(api: GatewayAPI, reader: FindingReader) -> None:
    """Adds the vendor's view of what was found about its own calls and reports."""

    @api.get(
        "/v1/findings",
        openapi_extra=_SECURITY,
        summary="What was found about your calls, recordings and reports, newest first",
        response_class=Response,
    )
    async def list_own_findings(
        request: Request, cursor: Cursor = None, limit: Limit = 50
    ) -> Response:
        principal = _principal_of(request)
        return json_answer(
            await asyncio.to_thread(
                reader.page,
                principal.vendor_id,
                principal.contract_id,
                cursor=cursor,
                limit=limit,
            )
        )


def add_report_views(api: GatewayAPI, cases: ReportCases) -> None:
    """Adds the company's routes."""

    @api.get(
        "/company/v1/reports/grid",
        summary="Who owes which report, and where it stands (all but the bridge)",
        response_class=Response,
        openapi_extra=_READERS,
    )
    async def report_grid(
        first: Annotated[date, Query(alias="from")],
        last: Annotated[date, Query(alias="to")],
        vendor: Vendor = None,
    ) -> Response:
        found = await asyncio.to_thread(cases.reports.grid, vendor=vendor, first=first, last=last)
        return json_answer({"items": found})

    @api.get(
        "/company/v1/reports",
        summary="Reports as they were sent, newest first (all but the bridge)",
        response_class=Response,
        openapi_extra=_READERS,
    )
    async def list_sent_reports(
        vendor: Vendor = None, cursor: Cursor = None, limit: Limit = 50
    ) -> Response:
        return json_answer(
            await asyncio.to_thread(
                cases.reports.reports, vendor=vendor, cursor=cursor, limit=limit
            )
        )

    @api.get(
        "/company/v1/reports/workbook",
        summary="All that was sent for a period as XLSX (all but the bridge)",
        response_class=Response,
        openapi_extra=_READERS,
        responses={
            200: {"description": "A workbook", "content": {MEDIA_TYPE: {}}},
            **_NOT_FOUND,
        },
    )
    async def report_workbook(
        vendor: Annotated[str, Query(pattern=_ID)],
        contract: Annotated[str, Query(pattern=_ID)],
        period: Annotated[str, Query(pattern=_PERIOD)],
    ) -> Response:
        book = await asyncio.to_thread(cases.reports.workbook, vendor, contract, period)
        name = f'attachment; filename="report-{contract}-{period}.xlsx"'
        return Response(book, media_type=MEDIA_TYPE, headers={"Content-Disposition": name})

    @api.post(
        "/company/v1/reports/waivers",
        summary="Waive a report: proposes, or waives once another has approved",
        response_class=Response,
        openapi_extra=_WAIVERS,
        responses=_NO_WAY,
    )
    async def waive_report(request: Request, body: WaiverRequest) -> Response:
        proposal = await asyncio.to_thread(
            cases.reports.waive,
            body.vendor,
            body.contract,
            body.period,
            actor=actor_of(request),
        )
        if proposal is None:
            return json_answer({**body.model_dump(), "state": "waived"})
        answer = json_answer({"proposal_id": proposal})
        answer.status_code = 202
        return answer


def _principal_of(request: Request) -> VendorPrincipal:
    principal: VendorPrincipal = request.scope["state"]["principal"]
    return principal
