"""What vendor routes share: who asks, and things of a case that are kept, listed, looked at."""

import asyncio
from collections.abc import Callable
from typing import Annotated, Any, Protocol
from uuid import UUID

from fastapi import Path, Query, Request, Response

from gateway.http.application import GatewayAPI, problem_response
from gateway.http.staffing import json_answer
from gateway.identity.principal import VendorPrincipal

MAX_PAGE = 200
CASE_REF = r"^[A-Z2-7]{26}$"
WORD = r"^[0-9A-Za-z][0-9A-Za-z._-]{0,63}$"
SECURITY: dict[str, Any] = {"security": [{"mutualTLS": [], "boundToken": []}]}
NOT_FOUND: dict[int | str, dict[str, Any]] = {
    404: problem_response("Not yours, recalled, or unknown: the same answer.")
}
Cursor = Annotated[str | None, Query(max_length=512, description="From the page before.")]
Limit = Annotated[int, Query(ge=1, le=MAX_PAGE, description="Items a page.")]
_CaseRef = Annotated[str | None, Query(pattern=CASE_REF, description="Of one case alone.")]


class CaseItemDesk(Protocol):
    """Where a vendor finds what it has kept of its cases."""

    def page(
        self, principal: VendorPrincipal, *, case_ref: str | None, cursor: str | None, limit: int
    ) -> dict[str, Any]:
        """A page of them, `items` and `next_cursor`."""
        ...

    def one(self, principal: VendorPrincipal, item_id: UUID, /) -> dict[str, Any]:
        """One of a case that the vendor holds; NotFoundError otherwise."""
        ...


def principal_of(request: Request) -> VendorPrincipal:
    """The vendor who asks; the gate has put it there."""
    principal: VendorPrincipal = request.scope["state"]["principal"]
    return principal


def add_reading(
    api: GatewayAPI, desk: CaseItemDesk, path: str, kind: str, *, all_of: str, one_of: str
) -> None:
    """Adds the list of things of a `kind` at `path`, and each of them below it."""

    @api.get(
        path,
        name=f"list_{kind}s",
        openapi_extra=SECURITY,
        summary=all_of,
        response_class=Response,
        responses={200: {"description": "A page", "content": {"application/json": {}}}},
    )
    async def list_items(
        request: Request, case_ref: _CaseRef = None, cursor: Cursor = None, limit: Limit = 50
    ) -> Response:
        page = await asyncio.to_thread(
            desk.page, principal_of(request), case_ref=case_ref, cursor=cursor, limit=limit
        )
        return json_answer(page)

    @api.get(
        f"{path}/{{{kind}_id}}",
        name=f"get_{kind}",
        openapi_extra=SECURITY,
        summary=one_of,
        response_class=Response,
        responses=NOT_FOUND,
    )
    async def get_item(
        request: Request, item_id: Annotated[UUID, Path(alias=f"{kind}_id")]
    ) -> Response:
        return json_answer(await asyncio.to_thread(desk.one, principal_of(request), item_id))


async def keep(make: Callable[[], dict[str, Any]], path: str, kind: str) -> Response:
    """Keeps a thing of a `kind` by `make` and answers 201 with where it is found."""
    content = await asyncio.to_thread(make)
    answer = json_answer(content)
    answer.status_code = 201
    answer.headers["Location"] = f"{path}/{content[f'{kind}_id']}"
    return answer
