"""Every error as an RFC 9457 problem: the one table from errors to HTTP."""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import orjson
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException as RoutingError

from audit.errors import AuditUnavailableError
from gateway.errors import (
    AgentNotAcceptedError,
    AgentNotQualifiedError,
    AlreadyExistsError,
    ApprovalRefusedError,
    ChangesForgottenError,
    ClientRefusedError,
    ConsentRejectedError,
    ContentMismatchError,
    CredentialRefusedError,
    DatabaseUnavailableError,
    EnrolmentRefusedError,
    GatewayError,
    IdempotencyKeyReusedError,
    IllegalTransitionError,
    NotFoundError,
    PeriodNotEndedError,
    PermitStateError,
    PersonalDataError,
    ProxyRefusedError,
    QuotaUsedError,
    RateLimitedError,
    ReleaseDeniedError,
    ReportMismatchError,
    RequestInvalidError,
    RoleNotAllowedError,
    ScriptRefusedError,
    TokenRefusedError,
    TrustStaleError,
    UploadRefusedError,
)
from gateway.portfolio.errors import ContractOverError, PortfolioFileError
from keys.errors import RequestRefusedError

MEDIA_TYPE = "application/problem+json"
RETRY_SECONDS = 1


@dataclass(frozen=True, slots=True)
class Problem:
    """A status, a stable code and a fixed sentence; nothing of the request is repeated."""

    status: int
    code: str
    title: str
    errors: tuple[dict[str, Any], ...] = ()
    challenge: str | None = None
    oauth_error: str | None = None
    allow: str | None = None
    headers: tuple[tuple[str, str], ...] = ()

    def body(self, request_id: str) -> bytes:
        """The JSON body."""
        content: dict[str, Any] = {
            "type": f"urn:casegate:problem:{self.code}",
            "title": self.title,
            "status": self.status,
            "code": self.code,
            "request_id": request_id,
        }
        if self.oauth_error is not None:
            content["error"] = self.oauth_error  # RFC 6749, 5.2
        if self.errors:
            content["errors"] = list(self.errors)
        return orjson.dumps(content)


_BY_ERROR: dict[type[Exception], tuple[int, str]] = {
    NotFoundError: (404, "There is no such thing here."),
    AlreadyExistsError: (409, "The name is taken."),
    RequestInvalidError: (422, "The request does not fit its description."),
    PortfolioFileError: (422, "The case file is refused as a whole."),
    ContractOverError: (409, "The contract ended meanwhile; nothing more is stored under it."),
    RoleNotAllowedError: (403, "Your role does not cover this."),
    ApprovalRefusedError: (409, "A second person has to approve this."),
    IllegalTransitionError: (409, "Its state does not allow this."),
    ContentMismatchError: (422, "The body is not what its digest says; nothing was processed."),
    PersonalDataError: (422, "The payload holds what looks like personal data."),
    AgentNotAcceptedError: (409, "This person is not accepted as an agent."),
    AgentNotQualifiedError: (409, "The agent lacks what qualifying asks for."),
    ScriptRefusedError: (422, "The script's text is refused."),
    ConsentRejectedError: (422, "The consent is not accepted."),
    IdempotencyKeyReusedError: (422, "The idempotency key was used for another request."),
    PeriodNotEndedError: (409, "The period is not over; report on it when it is."),
    ReportMismatchError: (422, "Numbers are not what was counted; nothing was accepted."),
    ChangesForgottenError: (410, "Changes after this cursor are forgotten; read your cases anew."),
    RateLimitedError: (429, "More than you may have at a time; close one, or wait."),
    QuotaUsedError: (429, "The day's quota of cases would be passed; nothing was released."),
    PermitStateError: (409, "The permit does not allow this any more."),
    UploadRefusedError: (409, "The upload does not allow this."),
    ReleaseDeniedError: (403, "The policy does not allow this release."),
    CredentialRefusedError: (401, "The client certificate is not accepted."),
    ProxyRefusedError: (400, "The certificate header is not accepted."),
    TokenRefusedError: (401, "The access token is not accepted."),
    ClientRefusedError: (400, "The token request is refused."),
    EnrolmentRefusedError: (400, "The request for a certificate is refused."),
    RequestRefusedError: (400, "The signing request is refused."),
    TrustStaleError: (503, "Revocations cannot be heard; nobody is served."),
    DatabaseUnavailableError: (503, "The store does not answer; nothing was released."),
    AuditUnavailableError: (503, "The audit log does not answer; nothing was released."),
}

_ROUTING = {
    404: ("NOT_FOUND", "There is no such thing here."),
    405: ("METHOD_NOT_ALLOWED", "The method is not allowed here."),
    413: ("BODY_TOO_LARGE", "The body is larger than this route takes."),
}

# Enrolment's own codes; what is not here is a request that does not do (400).
_ENROLMENT = {
    "INVITATION_NOT_ACCEPTED": 401,
    "ENROLMENT_REJECTED": 403,
    "INVITATION_USED": 409,
    "CONTRACT_NOT_RUNNING": 409,
    "KEY_REUSED": 409,
    "RENEWED_ALREADY": 409,
    "RATE_LIMITED": 429,
    "ISSUER_UNAVAILABLE": 503,
}

# What is asked of a permit, by its code.
_PERMITS = {
    "PERMIT_MISSING": (404, "There is no such thing here."),
    "PERMIT_USED": (409, "The permit was used or closed before."),
    "PERMIT_EXPIRED": (409, "The permit's time is over."),
    "PERMIT_VOIDED": (409, "The permit has been voided; ask anew."),
    "IDENTITY_TRIES_USED": (403, "Three tries were made at this case today."),
    "UNKNOWN_CODE": (422, "The result code is not known; see the list of result codes."),
    "CONTENDED": (503, "Too many ask for this debtor at a time; ask again."),
    "RULES_UNSET": (503, "No law pack is in force; no call may be made."),
}

# What is asked of an upload, by its code; 460 is of the tus protocol.
_UPLOADS = {
    "UPLOAD_OFFSET": (409, "The upload stands at another offset; ask for it with HEAD."),
    "UPLOAD_OPEN": (409, "Another content of this call is on its way; finish or delete it."),
    "UPLOAD_BUSY": (423, "Another request is writing to this upload; try again."),
    "UPLOAD_OVER": (410, "The upload has ended; begin another."),
    "UPLOAD_CHECKSUM": (460, "The checksum is of other bytes; nothing of this part was kept."),
    "UPLOAD_QUOTA": (429, "The day's quota of recorded bytes would be passed."),
    "UPLOAD_VERSION": (412, "The tus version is not one that is spoken here."),
    "RECORDING_TYPE": (415, "The first bytes are not of the codec that was announced."),
    "RECORDING_TOO_LARGE": (413, "The recording is larger than allowed, or than announced."),
    "RECORDING_MISMATCH": (422, "The content is not what was announced; send it anew."),
    "RECORDING_CHANGED": (409, "This call has a recording already, and it is another."),
}
# Every answer to a client that speaks tus says which version it is in (tus 1.0, Tus-Resumable).
_TUS = (("tus-resumable", "1.0.0"), ("tus-version", "1.0.0"))

CODES = {
    **{kind.code: kind for kind in _BY_ERROR if issubclass(kind, GatewayError)},
    "AUDIT_UNAVAILABLE": AuditUnavailableError,
}

_COMPANY_ONLY = frozenset({"ROLE_NOT_ALLOWED", "PORTFOLIO_FILE"})


def problem_codes() -> dict[str, int]:
    """The codes that answers may carry, each with its status, for the API's own document.

    What a certificate, a token or a policy is refused for has further codes, all of one status;
    the gateway's README lists every one with its meaning.
    """
    tables = (_UPLOADS, _PERMITS)
    found = {code: status for table in tables for code, (status, _title) in table.items()}
    found |= dict.fromkeys((*_ENDED, "CRED_UNKNOWN"), 401)
    found |= {f"TOKEN_{word}": 401 for word in ("MISSING", "INVALID", "EXPIRED", "FOREIGN")}
    for kind, (status, _title) in _BY_ERROR.items():
        code = str(getattr(kind, "code", GatewayError.code))
        if code != GatewayError.code:
            found[code] = status
    found |= {"AUDIT_UNAVAILABLE": 503, "INTERNAL": 500, **_ENROLMENT}
    return {code: found[code] for code in sorted(found) if code not in _COMPANY_ONLY}


_ENDED = {
    "CRED_REVOKED": "certificate-revoked",
    "CRED_SUSPENDED": "certificate-suspended",
    "CRED_EXPIRED": "certificate-expired",
    "VENDOR_NOT_ACTIVE": "vendor-not-active",
    "CONTRACT_ENDED": "contract-ended",
}

INTERNAL = Problem(500, "INTERNAL", "Something failed here; nothing was released.")


def problem_of(error: Exception) -> Problem:
    """Maps an error. Whatever is not in the table becomes a bare 500 that tells nothing."""
    if isinstance(error, RequestValidationError):
        return _unfit(error)
    if isinstance(error, RoutingError):
        code, title = _ROUTING.get(
            error.status_code, ("SCHEMA_INVALID", "The request is refused.")
        )
        allow = (error.headers or {}).get("Allow")
        return Problem(error.status_code, code, title, allow=allow)
    if isinstance(error, ClientRefusedError | EnrolmentRefusedError | RequestRefusedError):
        return _by_code(error)
    return _by_kind(error)


def _unfit(error: RequestValidationError) -> Problem:
    """Location and rule, never the value that was sent."""
    errors = tuple(
        {"location": _location(item), "reason": str(item["type"])} for item in error.errors()
    )
    title = "The request does not fit its description."
    return Problem(422, "SCHEMA_INVALID", title, errors[:50])


def _by_kind(error: Exception) -> Problem:
    """Of errors whose status goes by their class; of permits and uploads by their code."""
    if isinstance(error, AuditUnavailableError):
        return Problem(503, "AUDIT_UNAVAILABLE", _BY_ERROR[AuditUnavailableError][1])
    if isinstance(error, PermitStateError | UploadRefusedError):
        is_upload = isinstance(error, UploadRefusedError)
        codes, headers = (_UPLOADS, _TUS) if is_upload else (_PERMITS, ())
        status, title = codes.get(error.code, (INTERNAL.status, ""))
        return Problem(status, error.code, title, headers=headers) if title else INTERNAL
    if isinstance(error, ReportMismatchError):
        status, title = _BY_ERROR[ReportMismatchError]
        return Problem(status, error.code, title, tuple(error.differences))
    for kind in type(error).__mro__:
        known = _BY_ERROR.get(kind)
        if known is not None and isinstance(error, GatewayError):
            return Problem(known[0], error.code, _title(error, known[1]), (), _challenge(error))
    return INTERNAL


def _by_code(error: ClientRefusedError | EnrolmentRefusedError | RequestRefusedError) -> Problem:
    """Of errors whose status goes by their code."""
    if isinstance(error, ClientRefusedError):
        status = 401 if error.error == "invalid_client" else 400
        title = _BY_ERROR[ClientRefusedError][1]
        return Problem(status, error.code, title, oauth_error=error.error)
    status = _ENROLMENT.get(error.code, _BY_ERROR[type(error)][0])
    challenge = 'Basic realm="casegate"' if status == HTTPStatus.UNAUTHORIZED else None
    return Problem(status, error.code, _sentence(error), challenge=challenge)


def _sentence(error: Exception) -> str:
    """The message of an error that is written for whoever asked."""
    text = str(error)
    return f"{text[:1].upper()}{text[1:]}."


def _location(item: Any) -> list[str]:  # noqa: ANN401  # pydantic's own dictionary
    # The name of a key that should not be there is the caller's word, maybe a debtor's name.
    location = item["loc"]
    if location[-1:] == ("[key]",):
        location = location[:-2]
    elif item["type"] == "extra_forbidden":
        location = location[:-1]
    return [str(part) for part in location]


def _title(error: GatewayError, default: str) -> str:
    # Messages of these are written for the caller and hold no data.
    is_for_caller = isinstance(
        error,
        RequestInvalidError
        | AlreadyExistsError
        | PortfolioFileError
        | ApprovalRefusedError
        | ConsentRejectedError
        | IllegalTransitionError
        | PersonalDataError
        | AgentNotQualifiedError
        | ScriptRefusedError,
    )
    return str(error) if is_for_caller else default


def _challenge(error: GatewayError) -> str | None:
    """The RFC 6750 challenge of a refused token, or of a certificate that ended with its tokens.

    The description is one of a few stable words, for a client's program to tell the cases apart.
    """
    if isinstance(error, CredentialRefusedError):
        description = _ENDED.get(error.code)
    elif isinstance(error, TokenRefusedError):
        description = None if error.code == "TOKEN_MISSING" else error.description
    else:
        return None
    if not description:
        return 'Bearer realm="casegate"'
    return f'Bearer realm="casegate", error="invalid_token", error_description="{description}"'
