"""Routes of the company API that look into the log; each look is itself an entry."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, Any, Protocol

from fastapi import Depends, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field, model_validator

from gateway.errors import NotFoundError, RequestInvalidError
from gateway.http.application import GatewayAPI, problem_response
from gateway.http.log_documents import page_document, view_document
from gateway.http.staffing import actor_of, for_roles, json_answer
from gateway.identity.principal import StaffRole
from gateway.oversight.desk import AuditDesk
from gateway.oversight.search import MAX_PAGE, LogPage, LogQuery
from gateway.oversight.timeline import MAX_BUCKETS, Step
from gateway.oversight.views import CHANGE_KINDS, ViewPage

_READERS = for_roles(StaffRole.AUDITOR, StaffRole.SECURITY, StaffRole.COMPLIANCE)
_WHO = "(auditor, security, compliance)"
_VENDOR = r"^[a-z0-9][a-z0-9-]{0,62}$"
_THUMBPRINT = r"^[0-9a-f]{64}$"
_COMMITMENT = r"^[0-9a-f]{32}$"
Word = Annotated[str | None, Query(max_length=128)]
MOST = 2**62
Cursor = Annotated[
    int | None, Query(ge=0, le=MOST, description="`next_cursor` of the page before.")
]
Limit = Annotated[int, Query(ge=1, le=MAX_PAGE, description="Items a page.")]


@dataclass(frozen=True, slots=True)
class Page:
    """Which part of a view: between which times, below which index, how many items."""

    since: datetime | None = None
    until: datetime | None = None
    cursor: Cursor = None
    limit: Limit = 100

    def __post_init__(self) -> None:
        for moment in (self.since, self.until):
            verify_offset(moment)


@dataclass(frozen=True, slots=True)
class Filters:
    """Which entries of a view."""

    vendor: Annotated[str | None, Query(pattern=_VENDOR)] = None
    certificate: Annotated[str | None, Query(pattern=_THUMBPRINT)] = None
    request_id: Word = None
    code: Word = None
    actor: Word = None


class DisclosureRequest(BaseModel):
    """Whose cases: an ID number or a mobile, or the commitment of one case as entries show it.

    In the body, since addresses of requests are kept in many places.
    """

    model_config = ConfigDict(extra="forbid")

    identifier: str | None = Field(None, max_length=64)
    case: str | None = Field(None, pattern=_COMMITMENT)
    cursor: int | None = Field(None, ge=0, le=MOST)
    limit: int = Field(100, ge=1, le=MAX_PAGE)

    @model_validator(mode="after")
    def _names_one(self) -> "DisclosureRequest":
        if (self.identifier is None) == (self.case is None):
            raise ValueError("name an identifier or a case")
        return self


class PlainView(Protocol):
    """A view that asks for nothing but a query."""

    def __call__(self, query: LogQuery, *, actor: str) -> ViewPage[Any]:
        """One page of it, for an actor."""
        ...


class LogUseCases(Protocol):
    """What the routes call."""

    @property
    def search(self) -> Callable[[LogQuery, str], LogPage]:
        """Entries by a query, for an actor."""
        ...

    @property
    def checkpoint(self) -> Callable[[str], str | None]:
        """The newest signed checkpoint, for an actor."""
        ...

    @property
    def desk(self) -> AuditDesk:
        """The views."""
        ...


def add_search(api: GatewayAPI, cases: LogUseCases) -> None:
    """Adds the search and the newest checkpoint."""

    @api.get(
        "/company/v1/log/entries",
        summary=f"Search the log, newest first {_WHO}",
        response_class=Response,
        openapi_extra=_READERS,
    )
    async def entries(
        request: Request,
        page: Annotated[Page, Depends()],
        filters: Annotated[Filters, Depends()],
        event: Word = None,
        case: Annotated[str | None, Query(pattern=_COMMITMENT)] = None,
        *,
        unended: bool = False,
    ) -> Response:
        query = replace(
            _query(page, filters),
            event=event,
            cases=None if case is None else (case,),
            unended=unended,
        )
        found = await asyncio.to_thread(cases.search, query, actor_of(request))
        return json_answer(page_document(found))

    @api.get(
        "/company/v1/log/checkpoint",
        summary=f"The newest signed checkpoint {_WHO}",
        response_class=Response,
        openapi_extra=_READERS,
        responses={404: problem_response("There is no such thing.")},
    )
    async def newest_checkpoint(request: Request) -> Response:
        note = await asyncio.to_thread(cases.checkpoint, actor_of(request))
        if note is None:
            raise NotFoundError("no checkpoint has been signed yet")
        return Response(note, media_type="text/plain; charset=utf-8")


def add_views(api: GatewayAPI, cases: LogUseCases) -> None:
    """Adds the auditor's views."""
    _add_view(api, "denials", "Refusals and why", lambda: cases.desk.denials)
    _add_view(
        api, "readers", "Who searched, exported or verified the log", lambda: cases.desk.readers
    )

    @api.get(
        "/company/v1/log/timeline",
        summary=f"A vendor's days or hours, newest first {_WHO}",
        response_class=Response,
        openapi_extra=_READERS,
    )
    async def timeline(
        request: Request,
        vendor: Annotated[str, Query(pattern=_VENDOR)],
        step: Step = Step.DAY,
        since: datetime | None = None,
        until: Annotated[
            datetime | None, Query(description="Exclusive; `next_cursor` of the page before.")
        ] = None,
        limit: Annotated[int, Query(ge=1, le=MAX_BUCKETS, description="Days or hours.")] = 31,
    ) -> Response:
        verify_offset(since)
        verify_offset(until)
        found = await asyncio.to_thread(
            cases.desk.timeline,
            vendor,
            step=step,
            since=since,
            until=until,
            limit=limit,
            actor=actor_of(request),
        )
        return json_answer(found)

    @api.get(
        "/company/v1/log/changes",
        summary=f"Changes of who may get what, beside the volume around them {_WHO}",
        response_class=Response,
        openapi_extra=_READERS,
    )
    async def changes(
        request: Request,
        page: Annotated[Page, Depends()],
        filters: Annotated[Filters, Depends()],
        kind: Annotated[
            list[str] | None, Query(description=f"Of {', '.join(CHANGE_KINDS)}.")
        ] = None,
    ) -> Response:
        query = _query(page, filters)
        kinds = CHANGE_KINDS if kind is None else tuple(kind)
        found = await asyncio.to_thread(
            cases.desk.changes, query, kinds=kinds, actor=actor_of(request)
        )
        return json_answer(view_document(found))

    @api.post(
        "/company/v1/log/disclosures",
        summary=f"To whom a person's cases were released {_WHO}",
        response_class=Response,
        openapi_extra=_READERS,
    )
    async def disclosures(request: Request, body: DisclosureRequest) -> Response:
        query = LogQuery(
            cases=None if body.case is None else (body.case,),
            before=body.cursor,
            limit=body.limit,
        )
        found = await asyncio.to_thread(
            cases.desk.disclosures, query, identifier=body.identifier, actor=actor_of(request)
        )
        return json_answer(view_document(found))


def _add_view(api: GatewayAPI, name: str, summary: str, view: Callable[[], PlainView]) -> None:
    """Adds one view that takes the usual filters and nothing more."""

    @api.get(
        f"/company/v1/log/{name}",
        name=name,
        summary=f"{summary} {_WHO}",
        response_class=Response,
        openapi_extra=_READERS,
    )
    async def entries_of_view(
        request: Request,
        page: Annotated[Page, Depends()],
        filters: Annotated[Filters, Depends()],
    ) -> Response:
        query = _query(page, filters)
        found = await asyncio.to_thread(view(), query, actor=actor_of(request))
        return json_answer(view_document(found))


def verify_offset(moment: datetime | None) -> None:
    """Raises RequestInvalidError for a time without an offset: it could mean any instant."""
    if moment is not None and moment.tzinfo is None:
        raise RequestInvalidError("a time needs an offset, as 2026-01-31T08:00:00+08:00")


def _query(page: Page, filters: Filters) -> LogQuery:
    return LogQuery(
        vendor=filters.vendor,
        certificate=filters.certificate,
        request=filters.request_id,
        code=filters.code,
        actor=filters.actor,
        since=page.since,
        until=page.until,
        before=page.cursor,
        limit=page.limit,
    )
