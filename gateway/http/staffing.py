"""What every route for staff is made of: its roles, who asks, and the answer as JSON."""

from collections.abc import Callable, Coroutine
from typing import Any

import orjson
from fastapi import Request, Response
from fastapi.routing import APIRoute
from typing_extensions import override

from gateway.errors import RoleNotAllowedError
from gateway.http.spreadsheets import as_table
from gateway.identity.principal import StaffPrincipal, StaffRole


class StaffRoute(APIRoute):
    """A route that names its roles; one that names none does not start."""

    @override
    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        roles = frozenset(StaffRole(role) for role in (self.openapi_extra or {})["x-roles"])
        handle = super().get_route_handler()

        async def handle_for_role(request: Request) -> Response:
            if staff_of(request).role not in roles:
                raise RoleNotAllowedError("the role does not cover this route")
            return as_table(request, await handle(request))

        return handle_for_role


def for_roles(*roles: StaffRole) -> dict[str, Any]:
    """Marks a route with the roles that it takes."""
    return {"security": [{"mutualTLS": []}], "x-roles": [role.value for role in roles]}


def for_people() -> dict[str, Any]:
    """Marks a route that everybody of the staff may read: all but the bridge, a machine."""
    return for_roles(*(role for role in StaffRole if role is not StaffRole.BRIDGE))


def staff_of(request: Request) -> StaffPrincipal:
    """The member of the staff who asks."""
    principal: StaffPrincipal = request.scope["state"]["principal"]
    return principal


def actor_of(request: Request) -> str:
    """The same as entries of the log name them."""
    return f"staff:{staff_of(request).staff_id}"


def json_answer(content: object) -> Response:
    """JSON of dictionaries, or of values: their fields by name, times in RFC 3339."""
    return Response(orjson.dumps(content), media_type="application/json")
