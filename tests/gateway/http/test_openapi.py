from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from gateway.app import describe_company_api, describe_vendor_api
from gateway.identity.principal import StaffRole

DOCUMENTS = {"vendor": describe_vendor_api(), "company": describe_company_api()}
EVERYWHERE = {"401", "403", "422", "503"}
# What a vendor can move of each.
AFFAIRS = {
    "complaints": ("evidence", "statement"),
    "feedback": ("acknowledge", "answer"),
    "rectifications": ("acknowledge", "evidence", "plan", "start"),
}
ROUTES = {
    "vendor": {
        ("get", "/.well-known/oauth-authorization-server"),
        ("get", "/.well-known/jwks.json"),
        ("post", "/.well-known/est/simplereenroll"),
        ("post", "/oauth2/token"),
        ("post", "/oauth2/revoke"),
        ("get", "/v1/assignments"),
        ("get", "/v1/cases"),
        ("get", "/v1/cases/{case_ref}"),
        ("get", "/v1/receipts/{index}"),
        ("get", "/v1/log/checkpoint"),
        ("post", "/v1/closing/destruction-certificate"),
        ("get", "/v1/agents/hash-parameters"),
        ("get", "/v1/agents"),
        ("post", "/v1/agents"),
        ("post", "/v1/agents/{agent_ref}/courses"),
        ("post", "/v1/agents/{agent_ref}/acknowledgements"),
        ("post", "/v1/agents/{agent_ref}/leave"),
        ("get", "/v1/caller-numbers"),
        ("get", "/v1/scripts"),
        ("get", "/v1/changes"),
        ("get", "/v1/consents"),
        ("post", "/v1/consents"),
        ("get", "/v1/consents/{consent_id}"),
        ("delete", "/v1/consents/{consent_id}"),
        ("get", "/v1/special-requests"),
        ("post", "/v1/special-requests"),
        ("get", "/v1/special-requests/{request_id}"),
        ("post", "/v1/permits"),
        ("post", "/v1/channel-refusals"),
        ("post", "/v1/reports"),
        ("get", "/v1/reports"),
        ("get", "/v1/reports/{period}"),
        ("get", "/v1/reports/{period}/preview"),
        ("get", "/v1/findings"),
        ("get", "/v1/quality-checks"),
        ("post", "/v1/call-records"),
        ("get", "/v1/call-records/batches/{batch_id}"),
        ("options", "/v1/recordings"),
        ("post", "/v1/recordings"),
        ("get", "/v1/recordings"),
        ("head", "/v1/recordings/{recording_id}"),
        ("patch", "/v1/recordings/{recording_id}"),
        ("delete", "/v1/recordings/{recording_id}"),
        ("get", "/v1/recordings/{recording_id}"),
        ("post", "/v1/payment-claims"),
        ("get", "/v1/payment-claims"),
        ("get", "/v1/payment-claims/{claim_id}"),
        *(
            ("put", f"/v1/{kind}/{{thing_id}}/files/{{sha256}}")
            for kind in ("complaints", "rectifications")
        ),
        *(("get", f"/v1/{kind}") for kind in AFFAIRS),
        *(("get", f"/v1/{kind}/{{thing_id}}") for kind in AFFAIRS),
        *(
            ("post", f"/v1/{kind}/{{thing_id}}/{move}")
            for kind, moves in AFFAIRS.items()
            for move in moves
        ),
        ("get", "/v1/permits/{permit_id}"),
        ("delete", "/v1/permits/{permit_id}"),
        ("post", "/v1/permits/{permit_id}/close"),
        ("post", "/v1/permits/{permit_id}/identity-check"),
    },
    "company": {
        ("post", "/company/v1/portfolios"),
        ("post", "/company/v1/own-contacts"),
        ("post", "/v1/dial"),
        ("post", "/company/v1/vendors/{vendor_id}/revoke"),
        ("post", "/company/v1/vendors/{vendor_id}/invitations"),
        ("get", "/company/v1/enrolments"),
        ("get", "/company/v1/proposals"),
        ("post", "/company/v1/proposals/{proposal_id}/approve"),
        ("post", "/company/v1/proposals/{proposal_id}/reject"),
        ("post", "/company/v1/vendors/{vendor_id}/systems/{system}/revoke"),
        ("post", "/company/v1/credentials/{reference}/revoke"),
        ("post", "/company/v1/certificates/{thumbprint}/revoke"),
        ("post", "/company/v1/issuers/{issuer}/revoke"),
        ("post", "/company/v1/vendors/{vendor_id}/suspend"),
        ("post", "/company/v1/credentials/{reference}/suspend"),
        ("post", "/company/v1/vendors/{vendor_id}/resume"),
        ("post", "/company/v1/credentials/{reference}/resume"),
        ("get", "/company/v1/log/entries"),
        ("get", "/company/v1/log/checkpoint"),
        ("get", "/company/v1/log/timeline"),
        ("get", "/company/v1/log/denials"),
        ("get", "/company/v1/log/changes"),
        ("get", "/company/v1/log/readers"),
        ("post", "/company/v1/log/disclosures"),
        ("post", "/company/v1/vendors/{vendor_id}/offboard"),
        ("get", "/company/v1/notices"),
        ("get", "/company/v1/offboardings"),
        ("get", "/company/v1/offboardings/{contract_id}"),
        ("get", "/company/v1/offboardings/{contract_id}/files/{name}"),
        (
            "get",
            "/company/v1/offboardings/{contract_id}/certificates/{certificate_id}/document",
        ),
        ("post", "/company/v1/offboardings/{contract_id}/decision"),
        ("get", "/company/v1/agents"),
        ("get", "/company/v1/agents/{vendor}/{contract}/{agent_ref}"),
        *(
            ("post", f"/company/v1/agents/{{vendor}}/{{contract}}/{{agent_ref}}/{word}")
            for word in ("qualify", "suspend", "resume", "ban", "unban", "leave")
        ),
        ("get", "/company/v1/findings"),
        ("post", "/company/v1/findings/{finding_id}/close"),
        *(
            ("get", f"/company/v1/policies/{word}")
            for word in ("explanation", "difference", "simulation")
        ),
        ("get", "/company/v1/holds"),
        ("post", "/company/v1/holds"),
        ("post", "/company/v1/holds/{hold_id}/lift"),
        ("post", "/company/v1/consents/{consent_id}/revoke"),
        ("get", "/company/v1/special-requests"),
        ("get", "/company/v1/special-requests/{request_id}"),
        ("post", "/company/v1/special-requests/{request_id}/answer"),
        ("post", "/company/v1/special-requests/{request_id}/close"),
        ("get", "/company/v1/caller-numbers"),
        ("post", "/company/v1/caller-numbers"),
        ("post", "/company/v1/caller-numbers/{vendor}/{contract}/{number}/end"),
        ("get", "/company/v1/packs"),
        ("get", "/company/v1/packs/history"),
        ("get", "/company/v1/packs/{pack}"),
        *(
            ("post", f"/company/v1/packs/{{pack}}/{word}")
            for word in ("propose", "activate", "propose-end", "end")
        ),
        ("get", "/company/v1/call-records/{vendor}/{contract}/{call_id}/summary"),
        ("get", "/company/v1/reports"),
        ("get", "/company/v1/reports/grid"),
        ("get", "/company/v1/reports/workbook"),
        ("post", "/company/v1/reports/waivers"),
        ("post", "/company/v1/reports/meetings"),
        ("post", "/company/v1/reports/closings"),
        ("get", "/company/v1/reports/months"),
        ("post", "/company/v1/quality/draws"),
        ("get", "/company/v1/quality/checks"),
        ("post", "/company/v1/quality/checks/{check_id}/result"),
        *((method, "/company/v1/incidents") for method in ("get", "post")),
        *(
            ("post", f"/company/v1/incidents/{{incident_id}}/{move}")
            for move in ("contain", "close")
        ),
        *((method, "/company/v1/access-reviews") for method in ("get", "post")),
        ("get", "/company/v1/recordings"),
        ("get", "/company/v1/recordings/{recording_id}"),
        ("post", "/company/v1/recordings/{recording_id}/hold"),
        ("post", "/company/v1/recordings/{recording_id}/free"),
        *(
            (method, f"/company/v1/{kind}")
            for kind in (*AFFAIRS, "repayment-accounts")
            for method in ("get", "post")
        ),
        ("get", "/company/v1/complaints/{complaint_id}"),
        *(
            ("get", f"/company/v1/{kind}/{{thing_id}}/files/{{file_id}}")
            for kind in ("complaints", "rectifications")
        ),
        *(
            ("post", f"/company/v1/complaints/{{complaint_id}}/{move}")
            for move in (
                *("evidence-request", "investigate", "extend", "decide", "reply", "close"),
                *("reopen", "request-review", "review", "withdraw", "assign"),
            )
        ),
        ("get", "/company/v1/feedback/{thing_id}"),
        *(
            ("get", f"/company/v1/{kind}/{{thing_id}}/papers")
            for kind in ("feedback", "rectifications")
        ),
        ("post", "/company/v1/feedback/{feedback_id}/close"),
        ("get", "/company/v1/rectifications/{thing_id}"),
        *(
            ("post", f"/company/v1/rectifications/{{notice_id}}/{move}")
            for move in (
                *("issue", "extend", "accept-plan", "refuse-plan", "verify", "close"),
                *("reopen", "withdraw"),
            )
        ),
        ("post", "/company/v1/ledger"),
        ("post", "/company/v1/repayment-accounts/end"),
        ("get", "/company/v1/payment-claims"),
        ("post", "/company/v1/payment-claims/{claim_id}/resolve"),
        ("get", "/company/v1/scripts"),
        ("post", "/company/v1/scripts/{script_id}/versions"),
        ("get", "/company/v1/scripts/{script_id}/versions/{version}"),
        *(
            ("post", f"/company/v1/scripts/{{script_id}}/versions/{{version}}/{word}")
            for word in ("submit", "approve", "activate", "withdraw")
        ),
    },
}


def _operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method, path, operation


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "$ref":
                yield value
            else:
                yield from _references(value)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value)


@pytest.mark.parametrize("api", DOCUMENTS)
def test_the_document_is_openapi_3_1_and_every_reference_leads_somewhere(api: str) -> None:
    document = DOCUMENTS[api]

    assert document["openapi"].startswith("3.1.")
    assert set(document) >= {"openapi", "info", "paths", "components"}
    assert document["info"]["title"]
    assert document["info"]["version"]
    for reference in _references(document):
        node: Any = document
        for part in reference.removeprefix("#/").split("/"):
            node = node[part]
    orjson.dumps(document)


@pytest.mark.parametrize("api", DOCUMENTS)
def test_exactly_the_routes_that_exist_are_described(api: str) -> None:
    assert {(method, path) for method, path, _ in _operations(DOCUMENTS[api])} == ROUTES[api]


@pytest.mark.parametrize("api", DOCUMENTS)
def test_every_operation_says_what_it_answers_and_who_may_call_it(api: str) -> None:
    schemes = set(DOCUMENTS[api]["components"]["securitySchemes"])
    for method, path, operation in _operations(DOCUMENTS[api]):
        assert operation["summary"], path
        assert set(operation["responses"]) >= EVERYWHERE, (method, path)
        assert {"200", "201", "204"} & set(operation["responses"]), (method, path)
        for status, response in operation["responses"].items():
            assert response["description"], (path, status)
            if status >= "400":
                assert set(response["content"]) == {"application/problem+json"}, (path, status)
        assert operation["security"], path
        for requirement in operation["security"]:
            assert set(requirement) <= schemes
            assert "mutualTLS" in requirement


@pytest.mark.parametrize("api", DOCUMENTS)
def test_parameters_of_a_path_are_declared_and_operations_have_their_own_ids(api: str) -> None:
    ids = [operation["operationId"] for _, _, operation in _operations(DOCUMENTS[api])]

    assert len(ids) == len(set(ids))
    for _method, path, operation in _operations(DOCUMENTS[api]):
        declared = {
            parameter["name"]
            for parameter in operation.get("parameters", [])
            if parameter["in"] == "path"
        }
        assert declared == {part[1:-1] for part in path.split("/") if part.startswith("{")}


def test_every_company_route_names_roles_that_exist() -> None:
    for _method, path, operation in _operations(DOCUMENTS["company"]):
        assert operation["x-roles"], path
        assert {StaffRole(role) for role in operation["x-roles"]}


def test_vendors_are_not_told_of_the_companys_routes() -> None:
    assert "company" not in orjson.dumps(DOCUMENTS["vendor"]["paths"]).decode()


def test_a_company_route_without_roles_does_not_start() -> None:
    from gateway.http.application import GatewayAPI
    from gateway.http.staffing import StaffRoute

    api = GatewayAPI(title="t", description="d")
    api.router.route_class = StaffRoute
    with pytest.raises(KeyError, match="x-roles"):

        @api.get("/company/v1/forgotten")
        async def forgotten() -> None: ...


def test_the_bridge_turns_tokens_into_numbers_and_reads_nothing() -> None:
    """It stands among telephones: what has its certificate has that one route."""
    reached = [
        path
        for path, operations in DOCUMENTS["company"]["paths"].items()
        for operation in operations.values()
        if StaffRole.BRIDGE in operation["x-roles"]
    ]

    assert reached == ["/v1/dial"]


def test_an_auditor_changes_nothing() -> None:
    changing = {
        (method, path)
        for path, operations in DOCUMENTS["company"]["paths"].items()
        for method, operation in operations.items()
        if StaffRole.AUDITOR in operation["x-roles"] and method != "get"
    }

    assert changing == {("post", "/company/v1/log/disclosures")}  # a search; its body is private


@pytest.mark.parametrize("api", DOCUMENTS)
def test_what_takes_a_body_says_what_becomes_of_one_that_is_too_large(api: str) -> None:
    for path, operations in DOCUMENTS[api]["paths"].items():
        for method, operation in operations.items():
            if "requestBody" in operation:
                assert "413" in operation["responses"], (method, path)
