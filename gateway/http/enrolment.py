"""The enrolment listener's application: EST by code, CRL and OCSP, and nothing else.

Strangers come here: no client certificate is asked for. So all is small, counted and logged.
"""

import asyncio
import contextlib
import secrets
from dataclasses import dataclass
from typing import Any, Protocol

from cryptography import x509
from fastapi import Request, Response
from starlette.exceptions import HTTPException as RoutingError
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from audit.entry import EventType
from audit.errors import AuditError, AuditUnavailableError
from gateway.clock import Clock
from gateway.errors import EnrolmentRefusedError, NotFoundError
from gateway.evidence import Evidence
from gateway.http.application import GatewayAPI
from gateway.http.bounds import bounded
from gateway.http.est import (
    MAX_BODY_BYTES,
    PREFIX,
    attributes_answer,
    certificates_answer,
    issued_answer,
    read_basic,
    read_csr,
)
from gateway.http.gate import send_problem
from gateway.http.problems import INTERNAL, Problem, problem_of
from gateway.http.rates import RefusalTally, SourceRates, source_key
from gateway.identity.feed import TrustFeed
from gateway.logs import logger
from keys.errors import RequestRefusedError, StatusRequestError
from keys.ocsp import read_path

# A wrong code is answered no earlier, so that the time tells nothing of where it failed.
FLOOR_SECONDS = 0.25
_BODY_SECONDS = 10.0
_SUMMARY_SECONDS = 5.0
_OCSP_TYPE = "application/ocsp-response"
_HEADERS = ((b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff"))


class EnrolmentUseCases(Protocol):
    """The use cases behind the routes; they block, so each runs in a thread."""

    def enrol(self, vendor_id: str, code: str, csr: bytes) -> x509.Certificate | None:
        """See operations.enrolment."""
        ...

    def trusted(self) -> list[x509.Certificate]:
        """The authorities behind vendors' certificates."""
        ...

    def crl(self, issuer_id: bytes) -> bytes | None:
        """The newest list of an issuer, DER."""
        ...

    def answer_status(self, question: bytes) -> bytes:
        """OCSP, both DER."""
        ...


def build_enrolment_api(cases: EnrolmentUseCases) -> GatewayAPI:
    """The application, still without its gate."""
    api = GatewayAPI(
        title="Casegate enrolment",
        description="For vendors without a certificate yet: EST by code, CRL and OCSP.",
    )

    @api.get(PREFIX + "cacerts", summary="The authorities behind vendors' certificates")
    async def cacerts() -> Response:
        found = await asyncio.to_thread(cases.trusted)
        return certificates_answer(found, "application/pkcs7-mime")

    @api.get(PREFIX + "csrattrs", summary="What a request should hold")
    async def csrattrs() -> Response:
        return attributes_answer()

    @api.post(PREFIX + "simpleenroll", summary="A certificate for a code and a request")
    async def simpleenroll(request: Request) -> Response:
        vendor, code = read_basic(request)
        csr = await read_csr(request)
        try:
            certificate = await asyncio.to_thread(cases.enrol, vendor, code, csr)
        except (EnrolmentRefusedError, RequestRefusedError) as error:
            if error.code != "INVITATION_NOT_ACCEPTED":
                request.scope["state"]["vendor"] = vendor  # it has proved to be that one
            raise
        return issued_answer(certificate)

    _add_status(api, cases)
    return api


def _add_status(api: GatewayAPI, cases: EnrolmentUseCases) -> None:
    """What is revoked: lists (RFC 5280) and answers (RFC 6960)."""

    @api.get("/crl/{issuer}.crl", summary="An authority's revocation list")
    async def crl(issuer: str) -> Response:
        try:
            issuer_id = bytes.fromhex(issuer)
        except ValueError:
            raise NotFoundError("there is no such list") from None
        found = await asyncio.to_thread(cases.crl, issuer_id)
        if found is None:
            raise NotFoundError("there is no such list")
        return Response(found, media_type="application/pkix-crl")

    @api.post("/ocsp", summary="A certificate's status (RFC 6960)")
    async def ask_status(request: Request) -> Response:
        answer = await asyncio.to_thread(cases.answer_status, await request.body())
        return Response(answer, media_type=_OCSP_TYPE)

    @api.get("/ocsp/{question:path}", summary="The same, with the question in the path")
    async def look_up_status(question: str) -> Response:
        try:
            der = read_path(question)
        except StatusRequestError:
            der = b""  # answered as malformed, in the protocol's own words
        answer = await asyncio.to_thread(cases.answer_status, der)
        return Response(answer, media_type=_OCSP_TYPE)


@dataclass(frozen=True, slots=True)
class EnrolmentLimits:
    """Requests and entries a minute; `status_factor` times as many for CRL and OCSP."""

    per_source: int
    overall: int
    entries_per_source: int
    status_factor: int = 10


class EnrolmentGate:
    """What every request of a stranger passes: freshness of trust, measure, size, one handler."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        trust: TrustFeed,
        evidence: Evidence,
        clock: Clock,
        limits: EnrolmentLimits,
    ) -> None:
        self._app = app
        self._trust = trust
        self._evidence = evidence
        self._clock = clock
        factor = limits.status_factor
        self._enrolling = SourceRates(per_source=limits.per_source, overall=limits.overall)
        self._looking = SourceRates(
            per_source=limits.per_source * factor, overall=limits.overall * factor
        )
        entries = limits.entries_per_source
        self._tally = RefusalTally(SourceRates(per_source=entries, overall=entries * 10))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI entry."""
        if scope["type"] != "http":
            return
        began = self._clock.monotonic()
        request_id = secrets.token_hex(12)
        state: dict[str, Any] = scope["state"]
        state["request_id"] = request_id
        started = False

        async def guarded_send(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                self._trust.view()  # who has not heard of revocations answers nothing
                started = True
                id_header = (b"casegate-request-id", request_id.encode())
                message["headers"] = [*message["headers"], id_header, *_HEADERS]
            await send(message)

        try:
            self._trust.view()
            self._admit(scope)
            body = bounded(scope, _timed(receive), most=MAX_BODY_BYTES)
            await self._app(scope, body, guarded_send)
        except Exception as error:  # noqa: BLE001  # the one handler
            if started:
                logger().error("response.broken", error_type=type(error).__name__)
                raise ConnectionAbortedError from None
            problem = await self._refuse(scope, error)
            if problem.status == 401:  # noqa: PLR2004
                left = began + FLOOR_SECONDS - self._clock.monotonic()
                await self._clock.sleep(max(0.0, left))
            await send_problem(send, problem, request_id)

    async def summarize(self) -> None:
        """Every few seconds: puts into the log how many refusals got no entry. Never ends."""
        while True:
            await self._clock.sleep(_SUMMARY_SECONDS)
            for source, code, count in self._tally.drain(self._clock.monotonic()):
                with contextlib.suppress(AuditError):
                    await self._evidence.record(
                        EventType.ENROLMENT_REFUSED, source=source, code=code, count=count
                    )

    def _admit(self, scope: Scope) -> None:
        is_enrolling = str(scope["path"]).startswith(PREFIX)
        rates = self._enrolling if is_enrolling else self._looking
        if not rates.take(_source(scope), self._clock.monotonic()):
            raise EnrolmentRefusedError(
                "RATE_LIMITED", "too many requests; wait as Retry-After says"
            )

    async def _refuse(self, scope: Scope, error: Exception) -> Problem:
        problem = problem_of(error)
        if problem is INTERNAL:
            logger().error("request.failed", error_type=type(error).__name__)
        if isinstance(error, AuditUnavailableError):
            return problem
        source = _source(scope)
        if not self._tally.is_told(source, problem.code, self._clock.monotonic()):
            return problem
        try:
            await self._evidence.record(
                EventType.ENROLMENT_REFUSED,
                request=scope["state"]["request_id"],
                route=str(getattr(scope.get("route"), "path", "unrouted")),
                source=source,
                vendor=scope["state"].get("vendor"),
                code=problem.code,
                status=problem.status,
            )
        except AuditError as unrecorded:
            return problem_of(unrecorded)
        return problem


def _timed(receive: Receive) -> Receive:
    """A body has to be there as a whole within ten seconds."""
    deadline = asyncio.get_running_loop().time() + _BODY_SECONDS

    async def timed_receive() -> Message:
        try:
            async with asyncio.timeout_at(deadline):
                return await receive()
        except TimeoutError:
            raise RoutingError(408) from None

    return timed_receive


def _source(scope: Scope) -> str:
    client = scope.get("client")
    return "unknown" if client is None else source_key(str(client[0]))
