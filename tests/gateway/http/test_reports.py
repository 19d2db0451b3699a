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
    today = gateway.settings.make_clock().now().astimezone(CHINA).date()
    with gateway.staff("compliance") as client:
        before = (today - timedelta(days=3)).isoformat()
        days = {"from": before, "to": today.isoformat()}
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
    # Nobody owes a report of a day on which he had no certificate yet.
    assert before not in {one["period"] for one in grid}
    for file in files:
        assert file.headers["Content-Type"] == "text/csv; charset=utf-8"
        assert file.content.startswith(b"\xef\xbb\xbf")
    assert unknown.status_code == 404


def test_a_vendor_reads_its_own_findings_in_pages(gateway: Installation) -> None:
    with gateway.vendor("beta") as client:
        page = client.get("/v1/findings", params={"limit": 1})

    assert page.status_code == 200
    assert set(page.json()) == {"items", "next_cursor"}


def test_staff_keep_incidents_reviews_and_meetings_by_role_and_take_them_as_files(
    gateway: Installation,
) -> None:
    about = {"vendor": "beta", "contract": "beta-2026"}
    now = gateway.settings.make_clock().now()
    with gateway.staff("compliance") as client:
        incident = client.post(
            "/company/v1/incidents",
            json={**about, "kind": "outage", "level": "minor", "detected_at": now.isoformat()},
        )
        place = f"/company/v1/incidents/{incident.json()['incident_id']}"
        too_early = client.post(f"{place}/close")
        states = [client.post(f"{place}/{move}").json()["state"] for move in ("contain", "close")]
        month = now.astimezone(CHINA).strftime("%Y-%m")
        review = client.post("/company/v1/access-reviews", json={**about, "period": month})
        meeting = client.post(
            "/company/v1/reports/meetings",
            json={
                **about,
                "period": month,
                "held_on": now.astimezone(CHINA).date().isoformat(),
                "minutes_sha256": "5e" * 32,
                "actions": 2,
            },
        )
        closing = client.post("/company/v1/reports/closings", json={**about, "period": month})
        files = {
            path: client.get(path, params={"vendor": "beta"}, headers={"Accept": "text/csv"})
            for path in (
                *("/company/v1/incidents", "/company/v1/access-reviews"),
                *("/company/v1/reports/months", "/company/v1/quality/checks"),
            )
        }
    with gateway.staff("auditor") as client:
        forbidden = client.post("/company/v1/access-reviews", json={**about, "period": month})
        readable = client.get("/company/v1/incidents", params={"limit": 1})

    assert (incident.status_code, review.status_code, meeting.status_code) == (201, 201, 201)
    assert (too_early.status_code, states) == (409, ["contained", "closed"])
    assert (closing.status_code, closing.json()["code"]) == (409, "ILLEGAL_TRANSITION")
    assert (forbidden.status_code, readable.status_code) == (403, 200)
    for path, file in files.items():
        assert file.content.startswith(b"\xef\xbb\xbf"), path
    assert "outage" in files["/company/v1/incidents"].text


def test_calls_are_drawn_from_calls_and_a_vendor_reads_its_own_checks(
    gateway: Installation,
) -> None:
    period = {"vendor": "beta", "contract": "beta-2026", "period": _yesterday(gateway)}
    with gateway.staff("compliance") as client:
        nothing = client.post("/company/v1/quality/draws", json={**period, "calls": 3})
        no_seed = client.post(
            "/company/v1/quality/draws", json={**period, "calls": 3, "seed": "13800138000"}
        )
        unknown = client.post(
            f"/company/v1/quality/checks/{'0' * 8}-0000-0000-0000-{'0' * 12}/result",
            json={"result": "pass"},
        )
    with gateway.vendor("beta") as client:
        own = client.get("/v1/quality-checks", params={"limit": 2})
        odd = client.get("/v1/quality-checks", params={"cursor": "x"})

    assert [one.status_code for one in (nothing, no_seed, unknown)] == [404, 422, 404]
    assert own.json() == {"items": [], "next_cursor": None}
    assert odd.status_code == 422
