"""Reports, own findings and lists as files over real TLS, on the shared installation."""

from datetime import timedelta
from typing import Any

import httpx

from gateway.working_days import CHINA
from tests.installation import Installation


def _yesterday(gateway: Installation) -> str:
    now = gateway.settings.make_clock().now().astimezone(CHINA)
    return (now - timedelta(days=1)).date().isoformat()


def _report(client: httpx.Client, period: str, **changes: Any) -> dict[str, Any]:
    preview = client.get(f"/v1/reports/{period}/preview")
    assert preview.status_code == 200, preview.text
    return {
        "period": period,
        "prepared_by": "manager",
        "metrics": {**preview.json()["metrics"], **changes},
        "progress_text": "按计划推进",
    }


def test_a_vendor_sees_what_is_counted_and_its_lie_is_answered_with_the_differences(
    gateway: Installation,
) -> None:
    period = _yesterday(gateway)
    with gateway.vendor("alpha") as client:
        body = _report(client, period, dial_attempts=4812)
        refused = client.post("/v1/reports", json=body)

        assert refused.status_code == 422
        problem = refused.json()
        assert problem["code"] == "RECONCILE_MISMATCH"
        assert problem["errors"] == [{"metric": "dial_attempts", "reported": 4812, "counted": 0}]

        key = {"Idempotency-Key": "report-1"}
        taken = client.post("/v1/reports", json=_report(client, period), headers=key)
        assert taken.status_code == 201, taken.text
        assert taken.json()["state"] == "accepted"
        again = client.post("/v1/reports", json=_report(client, period), headers=key)
        assert again.json() == taken.json()
        states = [one["state"] for one in client.get("/v1/reports").json()["items"]]
        assert states == ["accepted", "rejected"]
        assert client.get(f"/v1/reports/{period}").json()["revision"] == 1
    with gateway.vendor("beta") as other:
        assert other.get(f"/v1/reports/{period}").json()["code"] == "NOT_FOUND"
        assert other.get("/v1/reports").json()["items"] == []


def test_a_report_is_refused_too_early_with_a_name_and_when_it_does_not_fit(
    gateway: Installation,
) -> None:
    today = gateway.settings.make_clock().now().astimezone(CHINA).date().isoformat()
    with gateway.vendor("beta") as client:
        early = client.post("/v1/reports", json=_report(client, today))
        body = _report(client, _yesterday(gateway))
        named = client.post("/v1/reports", json={**body, "problems": ["客户张伟先生投诉"]})
        unfit = client.post("/v1/reports", json={**body, "metrics": {"dial_attempts": 1}})
        odd = client.get("/v1/reports/soon")

    assert (early.status_code, early.json()["code"]) == (409, "PERIOD_NOT_ENDED")
    assert (named.status_code, named.json()["code"]) == (422, "PII_IN_PAYLOAD")
    assert "张伟" not in named.text
    assert (unfit.status_code, odd.status_code) == (422, 422)


def test_the_company_sees_the_grid_and_takes_any_list_as_a_file(gateway: Installation) -> None:
    period = _yesterday(gateway)
    with gateway.staff("compliance") as client:
        days = {"from": period, "to": period}
        grid = client.get("/company/v1/reports/grid", params=days).json()["items"]
        files = [
            client.get(path, params=days, headers={"Accept": "text/csv"})
            for path in ("/company/v1/reports/grid", "/company/v1/holds", "/company/v1/findings")
        ]
        unknown = client.post(
            "/company/v1/reports/waivers",
            json={"vendor": "nobody", "contract": "none", "period": period},
        )

    assert {one["vendor_id"] for one in grid} == {"alpha", "beta"}
    assert {one["kind"] for one in grid} == {"daily", "weekly", "monthly"}
    for file in files:
        assert file.headers["Content-Type"] == "text/csv; charset=utf-8"
        assert file.content.startswith(b"\xef\xbb\xbf")
    assert unknown.status_code == 404


def test_a_vendor_reads_its_own_findings_in_pages(gateway: Installation) -> None:
    with gateway.vendor("beta") as client:
        page = client.get("/v1/findings", params={"limit": 1})

    assert page.status_code == 200
    assert set(page.json()) == {"items", "next_cursor"}
