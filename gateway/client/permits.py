"""Permits: asked before each dial, closed after it."""

from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import orjson

from gateway.client.connection import Connection

_JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True, slots=True)
class CallWish:
    """One dial that an agent wants to make; `caller_number` in E.164."""

    case_ref: str
    agent: str
    script: str
    script_version: int
    caller_number: str
    contact_point: str = "mobile"
    reason: str | None = None

    def document(self) -> dict[str, Any]:
        """As it is sent."""
        document = {
            "case_ref": self.case_ref,
            "contact_point": self.contact_point,
            "agent": self.agent,
            "script": self.script,
            "script_version": self.script_version,
            "caller_number": self.caller_number,
        }
        return document | ({} if self.reason is None else {"reason": self.reason})


def ask_permit(
    connection: Connection, wish: CallWish, *, repeat_key: str | None = None
) -> dict[str, Any]:
    """The permit, with what the agent needs in this one call.

    Raises:
        RefusedError: the call may not be made now; `document` has all codes and `allowed_from`.
    """
    headers = {**_JSON, "Idempotency-Key": repeat_key or uuid4().hex}
    body = orjson.dumps(wish.document())
    return connection.ask("POST", "/v1/permits", body=body, headers=headers).document()


def close_permit(connection: Connection, permit_id: str, result_code: str) -> dict[str, Any]:
    """Says how the call went. RefusedError PERMIT_USED: it was closed before."""
    body = orjson.dumps({"result_code": result_code})
    path = f"/v1/permits/{permit_id}/close"
    return connection.ask("POST", path, body=body, headers=_JSON).document()


def show_permit(connection: Connection, permit_id: str) -> dict[str, Any]:
    """How a permit stands."""
    return connection.ask("GET", f"/v1/permits/{permit_id}").document()


def give_back_permit(connection: Connection, permit_id: str) -> None:
    """Gives back a permit that was not used."""
    connection.ask("DELETE", f"/v1/permits/{permit_id}")
