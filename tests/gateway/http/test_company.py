from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.identity.principal import StaffRole
from tests.gateway.store.lender import HEADER, case_row
from tests.installation import Installation

READERS = {StaffRole.AUDITOR, StaffRole.SECURITY, StaffRole.COMPLIANCE}
SUSPENDERS = {StaffRole.SECURITY, StaffRole.COMPLIANCE}
STOPPERS = {StaffRole.OPERATOR, StaffRole.SECURITY, StaffRole.COMPLIANCE}
ANSWERERS = {StaffRole.OPERATOR, StaffRole.COMPLIANCE}
NOWHERE = "00" * 32
NOBODY = "00000000-0000-0000-0000-000000000000"
# Each request is one that changes nothing even for the roles that may make it.
TABLE: dict[tuple[str, str], tuple[set[StaffRole], int]] = {
    ("POST", "/company/v1/portfolios?vendor=nobody&contract=nothing"): ({StaffRole.OPERATOR}, 404),
    ("POST", "/company/v1/vendors/nobody/revoke"): ({StaffRole.SECURITY}, 404),
    ("POST", "/company/v1/vendors/nobody/systems/main/revoke"): ({StaffRole.SECURITY}, 404),
    ("POST", f"/company/v1/credentials/{NOWHERE}/revoke"): ({StaffRole.SECURITY}, 404),
    ("POST", f"/company/v1/certificates/{NOWHERE}/revoke"): ({StaffRole.SECURITY}, 404),
    ("POST", f"/company/v1/issuers/{NOWHERE}/revoke"): ({StaffRole.SECURITY}, 404),
    ("POST", "/company/v1/vendors/nobody/suspend"): (SUSPENDERS, 404),
    ("POST", f"/company/v1/credentials/{NOWHERE}/suspend"): (SUSPENDERS, 404),
    ("POST", "/company/v1/vendors/nobody/resume"): (SUSPENDERS, 404),
    ("POST", f"/company/v1/credentials/{NOWHERE}/resume"): (SUSPENDERS, 404),
    ("GET", "/company/v1/log/entries?limit=1"): (READERS, 200),
    ("GET", "/company/v1/holds"): (STOPPERS | {StaffRole.AUDITOR}, 200),
    ("POST", f"/company/v1/holds/{NOBODY}/lift"): ({StaffRole.COMPLIANCE}, 404),
    ("POST", f"/company/v1/consents/{NOBODY}/revoke"): (ANSWERERS, 404),
    ("GET", "/company/v1/special-requests"): (STOPPERS | {StaffRole.AUDITOR}, 200),
    ("GET", f"/company/v1/special-requests/{NOBODY}"): (ANSWERERS, 404),
    ("POST", f"/company/v1/special-requests/{NOBODY}/close"): (ANSWERERS, 404),
    ("GET", "/company/v1/log/checkpoint"): (READERS, 200),
    ("GET", "/company/v1/packs"): (STOPPERS | {StaffRole.AUDITOR}, 200),
    ("GET", "/company/v1/packs/history"): (STOPPERS | {StaffRole.AUDITOR}, 200),
    ("GET", "/company/v1/packs/nothing"): (STOPPERS | {StaffRole.AUDITOR}, 404),
    ("POST", "/company/v1/packs/nothing/propose"): (ANSWERERS, 404),
    ("POST", "/company/v1/packs/nothing/activate"): (ANSWERERS, 404),
}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """A sandbox of this module's own: the tests import into it."""
    made = Installation.make(tmp_path_factory.mktemp("company") / "sandbox", cases=5)
    with made.serving(workers=1):
        yield made


@pytest.mark.parametrize("role", list(StaffRole))
@pytest.mark.parametrize(("method", "path"), TABLE)
def test_each_route_takes_exactly_its_roles(
    served: Installation, method: str, path: str, role: StaffRole
) -> None:
    roles, status = TABLE[method, path]
    with served.staff(role.value) as client:
        answer = client.request(
            method, path, content=HEADER if method == "POST" and "port" in path else None
        )

    if role in roles:
        assert answer.status_code == status, answer.text
    else:
        assert (answer.status_code, answer.json()["code"]) == (403, "ROLE_NOT_ALLOWED")


@pytest.mark.parametrize("path", ["/", "/company/v1/nothing", "/v1/cases", "/oauth2/token"])
def test_other_paths_do_not_exist_on_this_listener(served: Installation, path: str) -> None:
    with served.staff("security") as client:
        assert client.get(path).status_code == 404


def test_a_vendors_certificate_is_not_accepted_by_the_company_listener(
    served: Installation,
) -> None:
    context = served.tls("vendors/alpha")
    with (
        httpx.Client(base_url=served.company_url, verify=context, timeout=5) as client,
        pytest.raises(httpx.HTTPError),
    ):
        client.get("/company/v1/log/checkpoint")


def _import(served: Installation, content: str | bytes, query: str = "") -> httpx.Response:
    with served.staff("operator") as client:
        return client.post(
            f"/company/v1/portfolios?vendor=alpha&contract=alpha-2026{query}",
            content=content,
            headers={"content-type": "text/csv"},
        )


def test_an_import_over_http_reports_what_became_of_each_row(served: Installation) -> None:
    rows = [HEADER + ",CVV,新列", case_row(1) + ",951,x", case_row(2, total_due="a") + ",951,x"]

    answer = _import(served, "\n".join(rows))

    report = answer.json()
    assert answer.status_code == 200
    assert (report["rows"], report["assigned"], report["rejected"]) == (2, 1, 1)
    assert report["forbidden_columns"] == ["CVV"]
    assert report["unknown_columns"] == ["新列"]
    assert [(error["line"], error["code"]) for error in report["errors"]] == [(3, "NOT_MONEY")]
    assert "13800000002" not in answer.text


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "The file is empty."),
        (b"a,b,c\n1,2,3\n", "No column of this file is known."),
        ("案件编号,客户姓名\nA1,张三\n".encode(), "A required column is missing"),
        (b"[{}]", "The file is one JSON list."),
        (b"\xff\xfea\x00", "UTF-16"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_with_its_sentence(
    served: Installation, content: bytes, sentence: str
) -> None:
    answer = _import(served, content)

    assert (answer.status_code, answer.json()["code"]) == (422, "PORTFOLIO_FILE")
    assert sentence in answer.json()["title"]
    assert "张三" not in answer.text


@pytest.mark.parametrize("query", ["vendor=alpha", "vendor=A&contract=b", "contract=alpha-2026"])
def test_an_import_names_vendor_and_contract(served: Installation, query: str) -> None:
    with served.staff("operator") as client:
        answer = client.post(f"/company/v1/portfolios?{query}", content=HEADER)

    assert (answer.status_code, answer.json()["code"]) == (422, "SCHEMA_INVALID")


def test_nothing_of_an_upload_stays_on_disk(served: Installation) -> None:
    _import(served, f"{HEADER}\n{case_row(3, total_due='a')}\n")

    assert not list(Path("/tmp").glob("casegate-import-*"))  # noqa: S108  # where uploads go


@pytest.mark.parametrize("thumbprint", ["zz", "00", "00" * 31, "00" * 33, "%20"])
def test_a_malformed_thumbprint_revokes_nothing(served: Installation, thumbprint: str) -> None:
    with served.staff("security") as client:
        answer = client.post(f"/company/v1/certificates/{thumbprint}/revoke")

    assert answer.status_code in {404, 422}


@pytest.mark.parametrize(
    "body", [{"reason": "certificateHold"}, {"reason": "because"}, {"why": "x"}, [], "text"]
)
def test_a_revocation_takes_a_reason_of_rfc_5280_and_nothing_else(
    served: Installation, body: Any
) -> None:
    with served.staff("security") as client:
        answer = client.post("/company/v1/vendors/nobody/revoke", json=body)

    assert (answer.status_code, answer.json()["code"]) == (422, "SCHEMA_INVALID")


@pytest.mark.parametrize("limit", [1, 3, 500])
def test_pages_of_the_log_join_to_the_whole_newest_first(served: Installation, limit: int) -> None:
    with served.staff("auditor") as client:
        newest = client.get("/company/v1/log/entries?limit=1").json()["items"][0]["index"]
        indexes: list[int] = []
        cursor: str | None = str(newest)
        while cursor is not None and len(indexes) < 12:
            page = client.get(f"/company/v1/log/entries?limit={limit}&cursor={cursor}").json()
            indexes += [item["index"] for item in page["items"]]
            cursor = page["next_cursor"]

    assert indexes == list(range(newest - 1, newest - 1 - len(indexes), -1))
    assert len(indexes) >= 12


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=501", "cursor=-1", "cursor=x", "certificate=zz", "vendor=A%20B", "since=x"],
)
def test_a_search_out_of_bounds_is_refused(served: Installation, query: str) -> None:
    with served.staff("auditor") as client:
        answer = client.get(f"/company/v1/log/entries?{query}")

    assert (answer.status_code, answer.json()["code"]) == (422, "SCHEMA_INVALID")


HUGE = "9" * 30


@pytest.mark.parametrize(
    ("role", "path"),
    [
        *(
            ("auditor", f"/company/v1/log/{view}?{query}")
            for view in ("entries", "denials", "readers", "changes")
            for query in (f"cursor={HUGE}", "code=%00", "actor=a%00b", "request_id=%00")
        ),
        ("auditor", "/company/v1/log/entries?event=%00"),
        ("auditor", f"/company/v1/notices?after={HUGE}"),
        ("auditor", "/company/v1/offboardings/a%00b"),
        ("auditor", f"/company/v1/offboardings/%00/certificates/{NOBODY}/document"),
        ("auditor", "/company/v1/recordings?call_id=a%00b"),
        ("auditor", "/company/v1/reports/grid?from=9999-12-31&to=9999-12-31"),
    ],
)
def test_what_the_database_cannot_hold_is_refused_and_is_no_failure(
    served: Installation, role: str, path: str
) -> None:
    with served.staff(role) as client:
        answer = client.get(path)

    assert (answer.status_code, answer.json()["code"]) == (422, "SCHEMA_INVALID")


def test_a_body_that_is_too_large_is_refused_before_it_is_parsed(served: Installation) -> None:
    with served.staff("operator") as client:
        answer = client.post(
            "/company/v1/ledger",
            content=b" " * (3 * 1024 * 1024),
            headers={"content-type": "application/json"},
        )

    assert (answer.status_code, answer.json()["code"]) == (413, "BODY_TOO_LARGE")


def test_a_time_without_an_offset_is_refused_with_an_example(served: Installation) -> None:
    with served.staff("auditor") as client:
        answer = client.get("/company/v1/log/entries?since=2026-01-31T08:00:00")

    assert answer.status_code == 422
    assert "+08:00" in answer.json()["title"]


def test_every_search_and_every_refusal_is_in_the_log(served: Installation) -> None:
    with served.staff("compliance") as client:
        client.get("/company/v1/log/entries?vendor=alpha&limit=7")
        refused = client.post("/company/v1/vendors/alpha/revoke")
        items = client.get("/company/v1/log/entries?limit=3").json()["items"]

    kinds = [item["entry"]["type"] for item in items]
    assert kinds == ["log.searched", "access.denied", "log.searched"]
    assert items[1]["entry"]["request"] == refused.json()["request_id"]
    assert items[1]["entry"]["staff"] == "sandbox-compliance"
    assert items[2]["entry"]["actor"] == "staff:sandbox-compliance"
    assert items[2]["entry"]["query"] == {"vendor": "alpha", "limit": 7}


def test_the_checkpoint_is_a_signed_note_of_this_log(served: Installation) -> None:
    with served.staff("auditor") as client:
        answer = client.get("/company/v1/log/checkpoint")

    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.text.startswith(served.settings.audit.origin + "\n")
    assert f"— {served.settings.audit.origin} " in answer.text


def test_a_law_pack_is_put_in_force_and_ended_by_two_persons(served: Installation) -> None:
    pack = "/company/v1/packs/uk-conc7"

    def standing(client: httpx.Client) -> dict[str, Any]:
        items = client.get("/company/v1/packs").json()["items"]
        return next(item for item in items if item["pack"] == "uk-conc7")

    with served.staff("operator") as operator, served.staff("compliance") as compliance:
        shown = operator.get(pack).json()
        alone = operator.post(f"{pack}/activate")
        before = standing(operator)
        proposed = operator.post(f"{pack}/propose")
        approving = f"/company/v1/proposals/{proposed.json()['proposal_id']}/approve"
        by_the_same = operator.post(approving)
        approved = compliance.post(approving)
        activated = operator.post(f"{pack}/activate")
        during = standing(compliance)
        end = compliance.post(f"{pack}/propose-end").json()["proposal_id"]
        himself = compliance.post(f"/company/v1/proposals/{end}/approve")
        ended = operator.post(f"{pack}/end")
        (version, *_others) = operator.get("/company/v1/packs/history").json()["items"]

    assert "conc.preference" in shown["rules"]
    assert shown["document"].startswith("# FCA Handbook")
    assert (alone.status_code, alone.json()["code"]) == (409, "APPROVAL_MISSING")
    assert (before["in_force"], proposed.status_code) == ([], 201)
    assert (by_the_same.status_code, by_the_same.json()["code"]) == (403, "ROLE_NOT_ALLOWED")
    assert (approved.status_code, activated.status_code) == (200, 200), activated.text
    assert [one["digest"] for one in during["in_force"]] == [shown["digest"]]
    assert not during["is_changed"]
    assert (himself.status_code, himself.json()["code"]) == (409, "SECOND_PERSON_NEEDED")
    assert (ended.status_code, ended.json()["code"]) == (409, "APPROVAL_MISSING")
    assert version["pack"] == "uk-conc7"
    assert version["proposed_by"] != version["approved_by"]
