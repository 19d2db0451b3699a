"""What every request passes before any route: trust, token, and one place for refusals.

A route cannot be reached around it, so authorization does not depend on each route's author.
"""

import secrets
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from http import HTTPStatus
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from typing_extensions import override

from audit.entry import EntryValue, EventType
from audit.errors import AuditError, AuditUnavailableError
from gateway.clock import Clock
from gateway.errors import (
    CredentialRefusedError,
    ReleaseDeniedError,
    TokenRefusedError,
    TrustStaleError,
)
from gateway.evidence import Evidence
from gateway.http.bounds import bounded
from gateway.http.est import RENEWAL_PATH
from gateway.http.oauth import REVOCATION_PATH, TOKEN_PATH
from gateway.http.problems import INTERNAL, MEDIA_TYPE, RETRY_SECONDS, Problem, problem_of
from gateway.identity.feed import TrustFeed
from gateway.identity.principal import CredentialScope, VendorPrincipal
from gateway.logs import logger
from keys.errors import TokenError, TokenExpiredError, TokenForeignError
from keys.tokens import TokenAuthority

_TOKEN_PATHS = frozenset({TOKEN_PATH, REVOCATION_PATH})
PUBLIC_PATHS = _TOKEN_PATHS | {
    RENEWAL_PATH,
    "/.well-known/oauth-authorization-server",
    "/.well-known/jwks.json",
}
_RETRY: dict[int, int] = {
    HTTPStatus.SERVICE_UNAVAILABLE: RETRY_SECONDS,
    HTTPStatus.TOO_MANY_REQUESTS: 10,
}
_SECURITY_HEADERS = (
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
)


class Gate(ABC):
    """The part that both listeners share."""

    listener: str

    def __init__(
        self, app: ASGIApp, *, trust: TrustFeed, evidence: Evidence, clock: Clock
    ) -> None:
        self._app = app
        self._trust = trust
        self._evidence = evidence
        self._clock = clock

    @abstractmethod
    def admit(self, scope: Scope, thumbprint: bytes) -> None:
        """Puts the principal into the request's state.

        Raises:
            GatewayError: the caller is not admitted.
        """

    @abstractmethod
    def who(self, scope: Scope) -> dict[str, EntryValue]:
        """What an entry about a refusal may say of the caller."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI entry."""
        if scope["type"] != "http":
            return
        request_id = secrets.token_hex(12)
        state: dict[str, Any] = scope["state"]
        state["request_id"] = request_id
        tls = scope["extensions"]["tls"]
        thumbprint: bytes = tls["client_cert_thumbprint"]
        state["thumbprint"] = thumbprint
        state["readmit"] = partial(self.admit, scope, thumbprint)
        id_header = (b"casegate-request-id", request_id.encode())
        started = False
        sent = 0

        async def guarded_send(message: Message) -> None:
            nonlocal started, sent
            if message["type"] == "http.response.start":
                # A revocation heard while the answer was being made stops it here.
                self.admit(scope, thumbprint)
                started = True
                message["headers"] = [*message["headers"], id_header, *_SECURITY_HEADERS]
            await send(message)
            if not tls["is_cut"]():
                sent += len(message.get("body", b""))

        try:
            self.admit(scope, thumbprint)
            await self._app(scope, bounded(scope, receive), guarded_send)
            await self._end(scope, sent, is_aborted=tls["is_cut"]())
        except Exception as error:  # noqa: BLE001  # the one handler
            if started:
                logger().error("response.broken", error_type=type(error).__name__)
                await self._end(scope, sent, is_aborted=True)
                raise ConnectionAbortedError from None
            await self._end(scope, 0, is_aborted=True)
            problem = await self._refuse(scope, error)
            await send_problem(send, problem, request_id)

    async def _end(self, scope: Scope, sent: int, *, is_aborted: bool) -> None:
        """Notes how a release ended: bytes handed to the connection, and whether it was cut.

        A release without its end is one whose worker or log went away: searches find it.
        """
        released = scope["state"].get("released")
        if released is None:
            return
        try:
            await self._evidence.record(
                EventType.ACCESS_END,
                request=scope["state"]["request_id"],
                certificate=scope["state"]["thumbprint"].hex(),
                release=released,
                bytes=sent,
                aborted=is_aborted,
                **self.who(scope),
            )
        except AuditError as error:
            logger().warning("release.unended", error_type=type(error).__name__)

    async def _refuse(self, scope: Scope, error: Exception) -> Problem:
        """Records a refusal; a refusal that cannot be recorded is answered with 503."""
        problem = problem_of(error)
        if problem.status == HTTPStatus.UNAUTHORIZED and scope["path"] in _TOKEN_PATHS:
            problem = replace(problem, oauth_error="invalid_client")  # RFC 6749, 5.2
        if problem is INTERNAL:
            logger().error("request.failed", error_type=type(error).__name__)
        if isinstance(error, AuditUnavailableError):
            return problem  # to ask the log again would double the caller's wait
        try:
            await self._evidence.record(
                EventType.ACCESS_DENIED,
                listener=self.listener,
                request=scope["state"]["request_id"],
                method=scope["method"],
                route=_route_of(scope),
                source=_source_of(scope),
                certificate=scope["state"]["thumbprint"].hex(),
                code=problem.code,
                status=problem.status,
                asked=scope["state"].get("asked"),
                policy=error.policy if isinstance(error, ReleaseDeniedError) else None,
                **(self.who(scope) or self._owner(scope["state"]["thumbprint"])),
            )
        except AuditError as unrecorded:
            return problem_of(unrecorded)
        return problem

    def _owner(self, thumbprint: bytes) -> dict[str, EntryValue]:
        """To whom a certificate that was not admitted is registered; the caller learns nothing."""
        try:
            record = self._trust.view().record(thumbprint)
        except TrustStaleError:
            return {}
        if record is None:
            return {}
        if record.vendor_id is None:
            return {"staff": record.staff_id, "role": record.staff_role}
        return {"vendor": record.vendor_id, "contract": record.contract_id}


class VendorGate(Gate):
    """The vendor listener's: certificate of a running contract, then a token bound to it.

    After the contract's end a closing credential comes to the routes of which `is_for_closing`
    says so (application.FOR_CLOSING), and to no other.
    """

    listener = "vendor"

    def __init__(
        self,
        app: ASGIApp,
        *,
        trust: TrustFeed,
        tokens: TokenAuthority,
        evidence: Evidence,
        clock: Clock,
        is_for_closing: Callable[[Scope], bool] = lambda _scope: False,
    ) -> None:
        super().__init__(app, trust=trust, evidence=evidence, clock=clock)
        self._tokens = tokens
        self._is_for_closing = is_for_closing

    @override
    def admit(self, scope: Scope, thumbprint: bytes) -> None:
        now = self._clock.now()
        view = self._trust.view()
        principal = view.vendor(thumbprint, now)
        scope["state"]["principal"] = principal
        if scope["path"] in PUBLIC_PATHS:
            return
        if principal.scope is CredentialScope.CLOSING and not self._is_for_closing(scope):
            raise CredentialRefusedError("CONTRACT_ENDED")
        token = _bearer_of(scope)
        b64 = str(scope["extensions"]["tls"]["client_cert_thumbprint_b64"])
        try:
            claims = self._tokens.verify(token, thumbprint_b64=b64, now=now)
        except TokenExpiredError as error:
            raise TokenRefusedError("TOKEN_EXPIRED", "expired") from error
        except TokenForeignError as error:
            raise TokenRefusedError("TOKEN_FOREIGN", "certificate-changed") from error
        except TokenError as error:
            raise TokenRefusedError("TOKEN_INVALID", "not-valid") from error
        if (claims.client_id, claims.contract_id) != (principal.vendor_id, principal.contract_id):
            raise TokenRefusedError("TOKEN_FOREIGN", "contract-changed")
        if claims.scope != principal.scope.token_scope:
            raise TokenRefusedError("TOKEN_FOREIGN", "scope-changed")
        if view.is_token_revoked(claims.token_id):
            raise TokenRefusedError("TOKEN_REVOKED", "revoked")
        scope["state"]["token_id"] = claims.token_id

    @override
    def who(self, scope: Scope) -> dict[str, EntryValue]:
        principal: VendorPrincipal | None = scope["state"].get("principal")
        if principal is None:
            return {}
        return {
            "vendor": principal.vendor_id,
            "contract": principal.contract_id,
            "token": scope["state"].get("token_id"),
        }


class StaffGate(Gate):
    """The company listener's: a staff certificate with a role; routes name the roles they take."""

    listener = "company"

    @override
    def admit(self, scope: Scope, thumbprint: bytes) -> None:
        scope["state"]["principal"] = self._trust.view().staff(thumbprint, self._clock.now())

    @override
    def who(self, scope: Scope) -> dict[str, EntryValue]:
        principal = scope["state"].get("principal")
        if principal is None:
            return {}
        return {"staff": principal.staff_id, "role": principal.role.value}


def _bearer_of(scope: Scope) -> str:
    values = [value for name, value in scope["headers"] if name == b"authorization"]
    if not values:
        raise TokenRefusedError("TOKEN_MISSING", "")
    scheme, _, token = values[0].decode("latin-1").partition(" ")
    if len(values) > 1 or scheme.lower() != "bearer" or not token:
        raise TokenRefusedError("TOKEN_INVALID", "not-valid")
    return str(token.strip())


def _route_of(scope: Scope) -> str:
    """The route's template; never the path itself, which the caller chose."""
    return str(getattr(scope.get("route"), "path", "unrouted"))


def _source_of(scope: Scope) -> str | None:
    client = scope.get("client")
    return None if client is None else str(client[0])


async def send_problem(send: Send, problem: Problem, request_id: str) -> None:
    """Answers with a problem (RFC 9457)."""
    body = problem.body(request_id)
    headers = [
        (b"content-type", MEDIA_TYPE.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"casegate-request-id", request_id.encode()),
        *_SECURITY_HEADERS,
    ]
    if problem.challenge is not None:
        headers.append((b"www-authenticate", problem.challenge.encode()))
    if problem.allow is not None:
        headers.append((b"allow", problem.allow.encode()))
    headers.extend((name.encode(), value.encode()) for name, value in problem.headers)
    retry = _RETRY.get(problem.status)
    if retry is not None:
        headers.append((b"retry-after", str(retry).encode()))
    await send({"type": "http.response.start", "status": problem.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
