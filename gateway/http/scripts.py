"""The vendor API's route for the scripts that may be used now."""

import asyncio

from fastapi import Request, Response

from gateway.http.application import GatewayAPI
from gateway.http.case_items import SECURITY, Cursor, principal_of
from gateway.http.people import Limit
from gateway.http.staffing import json_answer
from gateway.people.vendor_desk import VendorDesk


def add_scripts(api: GatewayAPI, desk: VendorDesk) -> None:
    """Adds the route."""

    @api.get(
        "/v1/scripts",
        openapi_extra=SECURITY,
        summary="The scripts in use, with their texts and what must not be said",
        description="A version that is not listed may not be used; agents acknowledge each.",
        response_class=Response,
    )
    async def list_scripts(
        request: Request, cursor: Cursor = None, limit: Limit = 100
    ) -> Response:
        page = await asyncio.to_thread(
            desk.scripts, principal_of(request), cursor=cursor, limit=limit
        )
        return json_answer(page.document())
