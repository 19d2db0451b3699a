"""Typed errors of the gateway; gateway/http/problems.py maps each to HTTP."""

from typing import Any


class GatewayError(Exception):
    """Base of this room's errors. Messages never hold case data.

    GatewayError
    ├── ConfigurationError        a setting is missing or wrong; nothing starts
    ├── DatabaseUnavailableError  PostgreSQL does not answer
    ├── NotFoundError             no such thing for this caller: foreign, recalled, unknown alike
    ├── AlreadyExistsError        the name is taken
    ├── RequestInvalidError       a parameter is malformed or out of bounds
    ├── RoleNotAllowedError       the staff member's role does not cover this
    ├── ApprovalRefusedError      a second person has to approve, or has not (carries a code)
    ├── IllegalTransitionError    the thing is not in a state from which this leads on
    ├── ContentMismatchError      a body is not what its digest says
    ├── PersonalDataError         a payload holds what looks like an identity or mobile number
    ├── AgentNotAcceptedError     this person is not registered as an agent; it is not said why
    ├── AgentNotQualifiedError    the agent lacks what qualifying asks for
    ├── ScriptRefusedError        a script's text lacks a statement or holds a forbidden term
    ├── EnrolmentRefusedError     no invitation, certificate or renewal (carries a code)
    ├── ReleaseDeniedError        the policy says no (carries a deny code)
    │   └── QuotaUsedError        the day's quota of the policy is used up
    ├── ConsentRejectedError      a consent is not accepted: not prior, too long, or without proof
    ├── IdempotencyKeyReusedError the key was used for another request
    ├── PeriodNotEndedError       a report of a period that is not over
    ├── ReportMismatchError       a report's numbers are not what was counted (carries them)
    ├── ChangesForgottenError     the feed does not reach back to this cursor any more
    ├── RateLimitedError          more than one caller may have; later again
    ├── PermitStateError          a permit is not there, used up or over (carries a code)
    ├── UploadRefusedError        an upload, or a part of one, is not accepted (carries a code)
    ├── ReplayEndedError          a process of a simulation ended before its work was done
    ├── CredentialRefusedError    the certificate is not acceptable (carries a deny code)
    ├── ProxyRefusedError         a forwarded certificate is not acceptable (carries a code)
    ├── TokenRefusedError         the access token is not acceptable
    ├── ClientRefusedError        the token endpoint refuses the client (RFC 6749, 5.2)
    └── TrustStaleError           revocations have not been heard for too long
    """

    code = "INTERNAL"


class ConfigurationError(GatewayError):
    """A setting is missing or wrong; the message says which and the way out."""

    code = "CONFIGURATION"


class DatabaseUnavailableError(GatewayError):
    """PostgreSQL does not answer."""

    code = "DATABASE_UNAVAILABLE"


class NotFoundError(GatewayError):
    """No such thing for this caller."""

    code = "NOT_FOUND"


class AlreadyExistsError(GatewayError):
    """The name is taken."""

    code = "ALREADY_EXISTS"


class RequestInvalidError(GatewayError):
    """A parameter is malformed or out of bounds; the message names the parameter only."""

    code = "SCHEMA_INVALID"


class RoleNotAllowedError(GatewayError):
    """The staff member's role does not cover this."""

    code = "ROLE_NOT_ALLOWED"


class ApprovalRefusedError(GatewayError):
    """Approval by two: missing, not open any more, or tried by the proposer; for the caller."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class IllegalTransitionError(GatewayError):
    """The thing is not in a state from which this leads on; the message names the state."""

    code = "ILLEGAL_TRANSITION"


class ContentMismatchError(GatewayError):
    """A body is not what its digest says; nothing of it was processed."""

    code = "HASH_MISMATCH"


class PersonalDataError(GatewayError):
    """A payload holds what looks like personal data; the message names the place only."""

    code = "PII_IN_PAYLOAD"


class AgentNotAcceptedError(GatewayError):
    """This person is not registered as an agent: one answer, which tells of no other vendor."""

    code = "AGENT_NOT_ACCEPTED"


class AgentNotQualifiedError(GatewayError):
    """The agent lacks what qualifying asks for; the message names it."""

    code = "AGENT_NOT_QUALIFIED"


class ScriptRefusedError(GatewayError):
    """A script's text lacks a mandatory statement or holds a forbidden term (carries a code)."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class EnrolmentRefusedError(GatewayError):
    """No invitation, certificate or renewal is given; the message is for whoever asked."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class ReleaseDeniedError(GatewayError):
    """The policy says no; `policy` is its digest for the log, None where there is no policy."""

    def __init__(self, code: str, policy: str | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.policy = policy


class QuotaUsedError(ReleaseDeniedError):
    """The day's quota would be passed; nothing of the request was released."""

    def __init__(self, policy: str) -> None:
        super().__init__("RATE_LIMIT", policy)


class ConsentRejectedError(GatewayError):
    """A consent is not accepted; the message says what it lacks."""

    code = "CONSENT_REJECTED"


class IdempotencyKeyReusedError(GatewayError):
    """The key was used for another request."""

    code = "IDEMPOTENCY_KEY_REUSED"


class ChangesForgottenError(GatewayError):
    """The feed does not reach back to this cursor any more."""

    code = "CHANGES_FORGOTTEN"


class PeriodNotEndedError(GatewayError):
    """A report of a period that is not over."""

    code = "PERIOD_NOT_ENDED"


class ReportMismatchError(GatewayError):
    """A report's numbers are not what was counted; `differences` are its own sums, no case's."""

    code = "RECONCILE_MISMATCH"

    def __init__(self, differences: list[dict[str, Any]]) -> None:
        super().__init__("the report's numbers are not what was counted")
        self.differences = differences


class RateLimitedError(GatewayError):
    """More than one caller may have."""

    code = "RATE_LIMITED"


class PermitStateError(GatewayError):
    """What is asked of a permit does not go with the state that it is in; `code` says which."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class ReplayEndedError(GatewayError):
    """A process of a simulation ended before its work was done."""

    code = "REPLAY_ENDED"


class UploadRefusedError(GatewayError):
    """A recording's upload, or a part of it, is not accepted; `code` says why."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class CredentialRefusedError(GatewayError):
    """The certificate is not acceptable: unknown, revoked, expired, wrong contract or term."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class ProxyRefusedError(GatewayError):
    """A certificate header comes from where none may, or is not what a proxy has to send.

    `reason` is one word for the log; the caller hears the code alone.
    """

    code = "PROXY_HEADER_FORBIDDEN"

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(code)
        self.code = code
        self.reason = reason


class TokenRefusedError(GatewayError):
    """The access token is missing or not acceptable (RFC 6750, 3.1)."""

    def __init__(self, code: str, description: str) -> None:
        super().__init__(code)
        self.code = code
        self.description = description


class ClientRefusedError(GatewayError):
    """The token endpoint refuses (RFC 6749, 5.2); `error` is the OAuth error word."""

    def __init__(self, error: str, code: str) -> None:
        super().__init__(error)
        self.error = error
        self.code = code


class TrustStaleError(GatewayError):
    """Revocations have not been heard for too long: everybody is refused."""

    code = "TRUST_STALE"
