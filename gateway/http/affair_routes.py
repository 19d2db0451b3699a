"""What routes of complaints, notices, feedback and payment claims share, on both sides."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Protocol
from uuid import UUID

from fastapi import Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from gateway.affairs.codes import CLAUSE, CODE
from gateway.affairs.vendor_desk import Paper, VendorAffairs
from gateway.http.application import GatewayAPI, problem_response
from gateway.http.staffing import actor_of, for_roles, json_answer
from gateway.identity.principal import StaffRole, VendorPrincipal
from gateway.people.paging import Page

ID = r"^[a-z0-9][a-z0-9-]{0,62}$"
SHA256 = r"^[0-9a-f]{64}$"
MAX_TEXT = 4000
SECURITY: dict[str, Any] = {"security": [{"mutualTLS": [], "boundToken": []}]}
READERS = for_roles(
    StaffRole.OPERATOR, StaffRole.SECURITY, StaffRole.COMPLIANCE, StaffRole.AUDITOR
)
HANDLERS = for_roles(StaffRole.OPERATOR, StaffRole.COMPLIANCE)
MOVED: dict[int | str, dict[str, Any]] = {
    202: {"description": "Proposed; a second person has to approve."},
    404: problem_response("There is no such thing."),
    409: problem_response("Its state does not lead there, or a second person is needed."),
}
NOT_YOURS = problem_response("Not yours, or unknown: the same answer.")
Cursor = Annotated[str | None, Query(max_length=512, description="From the page before.")]
Limit = Annotated[int, Query(ge=1, le=200, description="Items a page.")]
OnlyOpen = Annotated[bool, Query(description="Without those that are over.")]
Vendor = Annotated[str | None, Query(pattern=ID)]
Reason = Annotated[str, Query(pattern=CODE, description="Why it is opened, as a code.")]
Code = Annotated[str, Field(pattern=CODE)]
CallId = Annotated[str, Field(pattern=CLAUSE)]


class Body(BaseModel):
    """A request body; it has no unknown fields."""

    model_config = ConfigDict(extra="forbid")


class PaperBody(Body):
    """What a vendor hands in: words without personal data, calls, files by SHA-256."""

    text: str | None = Field(None, min_length=1, max_length=MAX_TEXT)
    call_ids: list[CallId] = Field(default_factory=list, max_length=100)
    files: list[Annotated[str, Field(pattern=SHA256)]] = Field(
        default_factory=list, max_length=100
    )


@dataclass(frozen=True, slots=True)
class OwnKind:
    """A kind of affair on the vendor's side: where it is, and each move with its path's end."""

    kind: str
    path: str
    words: str
    moves: tuple[tuple[str, str, str], ...]


def add_own_kind(api: GatewayAPI, desk: VendorAffairs, own: OwnKind) -> None:
    """Adds a kind's listing for vendors, its items, and the vendor's moves."""
    kind, path, words = own.kind, own.path, own.words

    @api.get(
        path,
        summary=words,
        operation_id=f"list_{kind}",
        openapi_extra=SECURITY,
        response_class=Response,
        responses={200: {"description": "A page", "content": {"application/json": {}}}},
    )
    async def list_things(request: Request, cursor: Cursor = None, limit: Limit = 50) -> Response:
        page = await asyncio.to_thread(
            desk.page, principal_of(request), kind, cursor=cursor, limit=limit
        )
        return json_answer(page.document())

    @api.get(
        f"{path}/{{thing_id}}",
        summary=f"One of: {words[0].lower()}{words[1:]}",
        operation_id=f"get_{kind}",
        openapi_extra=SECURITY,
        response_class=Response,
        responses={404: NOT_YOURS},
    )
    async def get_thing(request: Request, thing_id: UUID) -> Response:
        return json_answer(
            await asyncio.to_thread(desk.one, principal_of(request), kind, thing_id)
        )

    for name, end, said in own.moves:
        _add_own_move(api, desk, kind, name, f"{path}/{{thing_id}}/{end}", said)


def _add_own_move(
    api: GatewayAPI, desk: VendorAffairs, kind: str, name: str, path: str, words: str
) -> None:
    @api.post(
        path,
        summary=words,
        operation_id=f"{name}_{kind}",
        openapi_extra=SECURITY,
        response_class=Response,
        responses={404: NOT_YOURS, 409: problem_response("Its state does not lead there.")},
    )
    async def move_thing(request: Request, thing_id: UUID, body: PaperBody) -> Response:
        paper = Paper(body.text, tuple(body.call_ids), tuple(body.files))
        return json_answer(
            await asyncio.to_thread(desk.move, principal_of(request), kind, thing_id, name, paper)
        )


Act = Callable[[UUID, str, Any, str], dict[str, Any]]
"""Makes a company's move: of which affair, the move, the body, by whom."""


def add_company_moves(
    api: GatewayAPI, path: str, kind: str, body_type: type[Body], act: Act, **words: str
) -> None:
    """Adds one route a move; `path` ends in the parameter that names the affair, `words` by move.

    A move of two words has a hyphen in its path.
    """
    parameter = path.rpartition("{")[2].rstrip("}")

    def add(name: str, summary: str) -> None:
        async def move(
            request: Request, affair_id: Annotated[UUID, Path(alias=parameter)], body: Body
        ) -> Response:
            return answered(await asyncio.to_thread(act, affair_id, name, body, actor_of(request)))

        move.__annotations__["body"] = body_type
        api.post(
            f"{path}/{name.replace('_', '-')}",
            summary=f"{summary} (operator, compliance)",
            operation_id=f"{name}_{kind}",
            response_class=Response,
            openapi_extra=HANDLERS,
            responses=MOVED,
        )(move)

    for name, summary in words.items():
        add(name, summary)


class ReadingDesk(Protocol):
    """What a kind's listing for staff asks of its desk."""

    def page(
        self, kind: str, *, vendor: str | None, is_open: bool, cursor: str | None, limit: int
    ) -> Page:
        """A page, newest first."""
        ...

    def read(self, kind: str, affair_id: UUID) -> dict[str, Any]:
        """One of them, without what the vendor wrote."""
        ...

    def read_papers(
        self, kind: str, affair_id: UUID, *, reason: str, actor: str
    ) -> list[dict[str, Any]]:
        """What the vendor wrote."""
        ...


def add_company_reading(
    api: GatewayAPI, path: str, kind: str, desk: Callable[[], ReadingDesk]
) -> None:
    """Adds a kind's listing for staff, and its items; of a complaint there are others."""

    @api.get(
        path,
        summary=f"Every {kind}, newest first (all but the bridge)",
        operation_id=f"list_company_{kind}",
        response_class=Response,
        openapi_extra=READERS,
    )
    async def list_things(
        vendor: Vendor = None,
        only_open: OnlyOpen = True,  # noqa: FBT002
        cursor: Cursor = None,
        limit: Limit = 50,
    ) -> Response:
        found = await asyncio.to_thread(
            desk().page, kind, vendor=vendor, is_open=only_open, cursor=cursor, limit=limit
        )
        return json_answer(found.document())

    @api.get(
        f"{path}/{{thing_id}}",
        summary=f"One {kind} with its steps and what was handed in (all but the bridge)",
        operation_id=f"get_company_{kind}",
        response_class=Response,
        openapi_extra=READERS,
        responses=MOVED,
    )
    async def get_thing(thing_id: UUID) -> Response:
        return json_answer(await asyncio.to_thread(desk().read, kind, thing_id))

    @api.get(
        f"{path}/{{thing_id}}/papers",
        summary=f"What the vendor wrote of a {kind}; logged (operator, compliance)",
        operation_id=f"read_papers_of_{kind}",
        response_class=Response,
        openapi_extra=HANDLERS,
        responses=MOVED,
    )
    async def read_papers(request: Request, thing_id: UUID, reason: Reason) -> Response:
        read = partial(desk().read_papers, reason=reason, actor=actor_of(request))
        return json_answer({"items": await asyncio.to_thread(read, kind, thing_id)})


def answered(content: dict[str, Any], status: int = 200) -> Response:
    """The answer: 202 where it is a proposal."""
    answer = json_answer(content)
    answer.status_code = 202 if "proposal_id" in content else status
    return answer


def principal_of(request: Request) -> VendorPrincipal:
    """The vendor who asks."""
    principal: VendorPrincipal = request.scope["state"]["principal"]
    return principal
