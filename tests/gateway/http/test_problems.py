import orjson
import pytest
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException as RoutingError

from audit.errors import AuditError, AuditUnavailableError, TamperedError
from gateway import errors
from gateway.errors import GatewayError
from gateway.http.problems import INTERNAL, Problem, problem_of
from gateway.masking import errors as masking_errors
from gateway.portfolio.errors import ContractOverError, PortfolioError, PortfolioFileError
from keys.errors import KeyManagementError, RequestRefusedError
from policies.errors import PolicyError

TEXT = "张三 13812345678"
STATUS = {
    errors.ApprovalRefusedError: 409,
    errors.IllegalTransitionError: 409,
    errors.ConsentRejectedError: 422,
    errors.IdempotencyKeyReusedError: 422,
    errors.PeriodNotEndedError: 409,
    errors.ReportMismatchError: 422,
    errors.ChangesForgottenError: 410,
    errors.RateLimitedError: 429,
    errors.ContentMismatchError: 422,
    errors.PersonalDataError: 422,
    errors.AgentNotAcceptedError: 409,
    errors.AgentNotQualifiedError: 409,
    errors.ScriptRefusedError: 422,
    errors.PermitStateError: 409,
    errors.UploadRefusedError: 409,
    errors.NotFoundError: 404,
    errors.AlreadyExistsError: 409,
    errors.RequestInvalidError: 422,
    errors.RoleNotAllowedError: 403,
    errors.ReleaseDeniedError: 403,
    errors.QuotaUsedError: 429,
    errors.CredentialRefusedError: 401,
    errors.TokenRefusedError: 401,
    errors.ClientRefusedError: 400,
    errors.EnrolmentRefusedError: 400,
    errors.ProxyRefusedError: 400,
    RequestRefusedError: 400,
    errors.TrustStaleError: 503,
    errors.DatabaseUnavailableError: 503,
    PortfolioFileError: 422,
    ContractOverError: 409,
    AuditUnavailableError: 503,
}
# The messages of these are sentences for the caller; no other class's message may leave.
SPEAKING = {
    errors.IllegalTransitionError,
    errors.ConsentRejectedError,
    errors.PersonalDataError,
    errors.AgentNotQualifiedError,
    errors.ScriptRefusedError,
    errors.ApprovalRefusedError,
    errors.AlreadyExistsError,
    errors.RequestInvalidError,
    PortfolioFileError,
    errors.EnrolmentRefusedError,
    RequestRefusedError,
}
# How to make those that want more than a message.
ARGUMENTS: dict[type[Exception], tuple[object, ...]] = {
    errors.ApprovalRefusedError: ("APPROVAL_MISSING", TEXT),
    errors.EnrolmentRefusedError: ("SOME_CODE", TEXT),
    errors.ScriptRefusedError: ("FORBIDDEN_TERM", TEXT),
    RequestRefusedError: ("KEY_WEAK", TEXT),
    errors.PermitStateError: ("PERMIT_USED",),
    errors.UploadRefusedError: ("UPLOAD_OFFSET",),
    errors.ReportMismatchError: ([],),
    errors.ProxyRefusedError: ("PROXY_HEADER_INVALID", "TWO_HEADERS"),
    errors.TokenRefusedError: ("TOKEN_EXPIRED", "expired"),
    errors.ClientRefusedError: ("invalid_request", "SCHEMA_INVALID"),
    errors.ReleaseDeniedError: ("PURPOSE_MISSING",),
    errors.CredentialRefusedError: ("CRED_REVOKED",),
    TamperedError: (7, TEXT),
}


def _leaves(root: type[Exception]) -> list[type[Exception]]:
    below = root.__subclasses__()
    return [leaf for kind in below for leaf in _leaves(kind)] if below else [root]


def _all_leaves() -> list[type[Exception]]:
    assert masking_errors.__doc__  # imported so that its classes are among the subclasses
    roots = (GatewayError, AuditError, KeyManagementError, PolicyError)
    return sorted(
        {leaf for root in roots for leaf in _leaves(root)}, key=lambda kind: kind.__name__
    )


def _made(kind: type[Exception]) -> Exception:
    for arguments in (ARGUMENTS.get(kind, (TEXT,)), (TEXT, "way out"), (TEXT, 3, TEXT, TEXT), ()):
        try:
            return kind(*arguments)
        except (TypeError, KeyError):
            continue
    raise AssertionError(f"ARGUMENTS lacks {kind.__name__}")


@pytest.mark.parametrize("kind", _all_leaves(), ids=lambda kind: kind.__name__)
def test_every_error_has_a_row_or_becomes_the_bare_500(kind: type[Exception]) -> None:
    if issubclass(kind, PortfolioError) and kind not in {PortfolioFileError, ContractOverError}:
        return  # a cell's refusal becomes a row error and never travels
    problem = problem_of(_made(kind))

    expected = next((STATUS[base] for base in kind.__mro__ if base in STATUS), None)
    if expected is None:
        assert problem is INTERNAL
    else:
        assert problem.status == expected
        assert problem.code.isupper()
    if kind not in SPEAKING:
        assert TEXT not in problem.body("id").decode()


def test_no_error_with_a_row_is_missing_from_the_table_above() -> None:
    from gateway.http.problems import _BY_ERROR

    assert {kind: row[0] for kind, row in _BY_ERROR.items()} == STATUS


@pytest.mark.parametrize(
    "error", [ValueError(TEXT), KeyError(TEXT), RuntimeError(TEXT), OSError()]
)
def test_an_unknown_error_tells_nothing(error: Exception) -> None:
    assert problem_of(error) is INTERNAL
    assert orjson.loads(INTERNAL.body("id")) == {
        "type": "urn:casegate:problem:INTERNAL",
        "title": "Something failed here; nothing was released.",
        "status": 500,
        "code": "INTERNAL",
        "request_id": "id",
    }


def test_a_refused_file_is_told_with_its_way_out() -> None:
    problem = problem_of(PortfolioFileError("The file is empty.", "Export it again."))

    assert (problem.status, problem.code) == (422, "PORTFOLIO_FILE")
    assert problem.title == "The file is empty. Export it again."


def test_a_validation_error_names_place_and_rule_and_never_the_value() -> None:
    found = [{"loc": ("query", "limit"), "type": "int_parsing", "input": TEXT, "msg": TEXT}]
    body = problem_of(RequestValidationError(found)).body("id").decode()

    assert TEXT not in body
    assert orjson.loads(body)["errors"] == [
        {"location": ["query", "limit"], "reason": "int_parsing"}
    ]


def test_the_name_of_a_key_that_the_caller_chose_is_not_repeated() -> None:
    found = [
        {"loc": ("body", "metrics", "by_type", TEXT, "[key]"), "type": "string_pattern_mismatch"},
        {"loc": ("body", TEXT), "type": "extra_forbidden"},
    ]

    problem = problem_of(RequestValidationError(found))

    assert problem.errors == (
        {
            "location": ["body", "metrics", "by_type"],
            "reason": "string_pattern_mismatch",
        },
        {"location": ["body"], "reason": "extra_forbidden"},
    )


def test_a_flood_of_validation_errors_is_cut_short() -> None:
    found = [{"loc": ("query", str(number)), "type": "x"} for number in range(500)]

    assert len(problem_of(RequestValidationError(found)).errors) == 50


@pytest.mark.parametrize(
    ("status", "code"),
    [(404, "NOT_FOUND"), (405, "METHOD_NOT_ALLOWED"), (413, "BODY_TOO_LARGE")],
)
def test_what_the_router_refuses_has_a_code_and_none_of_its_text(status: int, code: str) -> None:
    problem = problem_of(RoutingError(status, detail=TEXT))

    assert (problem.status, problem.code) == (status, code)
    assert TEXT not in problem.body("id").decode()


@pytest.mark.parametrize(
    ("code", "challenge"),
    [
        ("TOKEN_MISSING", 'Bearer realm="casegate"'),
        (
            "TOKEN_EXPIRED",
            'Bearer realm="casegate", error="invalid_token", error_description="expired"',
        ),
    ],
)
def test_a_refused_token_is_challenged_as_in_rfc_6750(code: str, challenge: str) -> None:
    assert problem_of(errors.TokenRefusedError(code, "expired")).challenge == challenge


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("CRED_REVOKED", "certificate-revoked"),
        ("CRED_EXPIRED", "certificate-expired"),
        ("VENDOR_NOT_ACTIVE", "vendor-not-active"),
        ("CONTRACT_ENDED", "contract-ended"),
        ("CRED_UNKNOWN", None),
    ],
)
def test_tokens_end_with_their_certificate_and_the_challenge_says_so(
    code: str, says: str | None
) -> None:
    challenge = problem_of(errors.CredentialRefusedError(code)).challenge

    ended = f', error="invalid_token", error_description="{says}"' if says else ""
    assert challenge == f'Bearer realm="casegate"{ended}'


@pytest.mark.parametrize(("error", "status"), [("invalid_client", 401), ("invalid_request", 400)])
def test_a_refused_client_gets_the_word_and_status_of_rfc_6749(error: str, status: int) -> None:
    problem = problem_of(errors.ClientRefusedError(error, "INVALID_CLIENT"))

    assert problem.status == status
    assert orjson.loads(problem.body("id"))["error"] == error


def test_a_plain_problem_has_no_members_that_say_nothing() -> None:
    assert set(orjson.loads(Problem(404, "NOT_FOUND", "No.").body("id"))) == {
        "type",
        "title",
        "status",
        "code",
        "request_id",
    }
