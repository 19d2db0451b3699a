"""What stands before a listener's gate: certificate headers from where none may come.

The protocol finds them, because it knows the connection; here they are put into the log and
answered. It works the same on every listener, whatever its gate is.
"""

import secrets
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from audit.entry import EventType
from audit.errors import AuditError
from gateway.clock import Clock
from gateway.errors import ProxyRefusedError
from gateway.evidence import Evidence
from gateway.http.gate import send_problem
from gateway.http.problems import problem_of
from gateway.http.rates import Bucket

# Where anybody can connect, a flood of forged headers must not become a flood of entries.
STRANGERS_PER_MINUTE = 20


class HopGuard:
    """Refuses what the protocol has marked, with a `proxy.refused` entry for each.

    With `entries_per_minute` only so many are written; the next that is says how many were not.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        listener: str,
        evidence: Evidence,
        clock: Clock,
        entries_per_minute: int | None = None,
    ) -> None:
        self._app = app
        self._listener = listener
        self._evidence = evidence
        self._clock = clock
        self._bucket = (
            None
            if entries_per_minute is None
            else Bucket(entries_per_minute, entries_per_minute, clock.monotonic())
        )
        self._untold = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI entry."""
        tls = scope.get("extensions", {}).get("tls", {})
        refusal: ProxyRefusedError | None = tls.get("refusal")
        if refusal is None:
            await self._app(scope, receive, send)
            return
        request_id = secrets.token_hex(12)
        error: Exception = refusal
        try:
            await self._record(refusal, request_id, scope, tls)
        except AuditError as unrecorded:
            error = unrecorded
        await send_problem(send, problem_of(error), request_id)

    async def _record(
        self, refusal: ProxyRefusedError, request_id: str, scope: Scope, tls: dict[str, Any]
    ) -> None:
        if self._bucket is not None and not self._bucket.take(self._clock.monotonic()):
            self._untold += 1
            return
        untold, self._untold = self._untold, 0
        client = scope.get("client")
        own: bytes | None = tls.get("hop") or tls.get("client_cert_thumbprint")
        await self._evidence.record(
            EventType.PROXY_REFUSED,
            listener=self._listener,
            request=request_id,
            method=scope["method"],
            source=None if client is None else str(client[0]),
            certificate=None if own is None else own.hex(),
            is_hop="hop" in tls,
            code=refusal.code,
            reason=refusal.reason,
            untold=untold or None,
        )
