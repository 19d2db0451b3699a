"""Complaints, notices, feedback and payments over real TLS, on the shared installation."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx

from tests.installation import Installation

NOBODY = "00000000-0000-0000-0000-000000000000"


def test_a_complaint_goes_both_ways_and_names_nobody(gateway: Installation) -> None:
    now = gateway.settings.make_clock().now()
    with gateway.vendor("alpha") as vendor, gateway.staff("compliance") as staff:
        ref = _cases(vendor)[0]
        body = {
            "vendor": "alpha",
            "contract": "alpha-2026",
            "case_ref": ref,
            "received_at": (now - timedelta(hours=1)).isoformat(),
            "channel": "hotline",
            "source": "customer",
            "category": "attitude",
            "allegation_codes": ["rude_words"],
            "text": "客户李四称坐席态度恶劣",
        }
        key = {"Idempotency-Key": uuid4().hex}
        registered = staff.post("/company/v1/complaints", json=body, headers=key)
        assert registered.status_code == 201, registered.text
        assert staff.post("/company/v1/complaints", json=body, headers=key).json() == (
            registered.json()
        )
        path = f"/company/v1/complaints/{registered.json()['affair_id']}"
        asked = staff.post(f"{path}/evidence-request", json={"call_ids": ["call-1"], "hours": 4})
        assert asked.status_code == 200, asked.text

        own = f"/v1/complaints/{registered.json()['affair_id']}"
        seen = vendor.get(own)
        assert seen.status_code == 200
        assert ref not in seen.text
        assert "李四" not in seen.text
        filed = vendor.post(f"{own}/statement", json={"text": "已核查录音"})
        assert filed.status_code == 200, filed.text
        assert vendor.post(f"{own}/close", json={}).status_code == 404
        decided = staff.post(
            f"{path}/decide",
            json={"finding": "founded", "measures": [], "root_cause": "agent"},
        )
        assert decided.json()["code"] == "ILLEGAL_TRANSITION"
        read = staff.get(f"{path}?reason=decision").json()
        assert (read["text"], read["papers"][0]["text"]) == (body["text"], "已核查录音")
    with gateway.vendor("beta") as other:
        assert other.get(own).json()["code"] == "NOT_FOUND"
        assert other.get("/v1/complaints").json()["items"] == []


def test_a_notice_and_feedback_reach_their_vendor_and_nobody_else(gateway: Installation) -> None:
    with gateway.staff("operator") as staff, gateway.vendor("beta") as vendor:
        body: dict[str, Any] = {
            "vendor": "beta",
            "contract": "beta-2026",
            "severity": "minor",
            "source": "inspection",
            "clauses": [f"c-{uuid4().hex[:8]}"],
            "finding_text": "登记资料不全",
            "required_actions": ["补齐资料"],
        }
        drafted = staff.post("/company/v1/rectifications", json=body).json()
        own = f"/v1/rectifications/{drafted['affair_id']}"
        assert vendor.get(own).status_code == 404
        path = f"/company/v1/rectifications/{drafted['affair_id']}"
        assert staff.post(f"{path}/issue").json()["state"] == "issued"
        assert vendor.post(f"{own}/acknowledge", json={}).json()["state"] == "acknowledged"
        assert vendor.post(f"{own}/start", json={}).json()["code"] == "ILLEGAL_TRANSITION"
        personal = staff.post(
            "/company/v1/rectifications", json={**body, "finding_text": "13912345678"}
        )
        assert personal.json()["code"] == "PII_IN_PAYLOAD"
        given = {"vendor": "beta", "contract": "beta-2026", "codes": ["script-7"], "text": "好"}
        feedback = staff.post("/company/v1/feedback", json=given).json()
        answer = vendor.post(f"/v1/feedback/{feedback['affair_id']}/answer", json={"text": "收到"})
        assert answer.json()["state"] == "answered"
    with gateway.vendor("alpha") as other:
        assert other.get(own).json()["code"] == "NOT_FOUND"


def test_postings_and_claims_are_refused_where_they_do_not_fit(gateway: Installation) -> None:
    now = gateway.settings.make_clock().now()
    entry = {
        "entry_id": uuid4().hex,
        "case_no": "no such case",
        "posted_at": now.isoformat(),
        "amount": 100,
        "kind": "payment",
        "balance_after": 0,
    }
    with gateway.staff("operator") as staff:
        posted = staff.post("/company/v1/ledger", json={"entries": [entry]})
        assert posted.json()["entries"][0]["outcome"] == "unknown"
        nothing = staff.post("/company/v1/ledger", json={"entries": [{**entry, "amount": 0}]})
        assert nothing.json()["code"] == "SCHEMA_INVALID"
        assert staff.get("/company/v1/payment-claims").status_code == 200
    with gateway.staff("auditor") as auditor:
        assert auditor.post("/company/v1/ledger", json={"entries": [entry]}).status_code == 403
    with gateway.vendor("alpha") as vendor:
        claim = {
            "case_ref": "A" * 26,
            "agent": "nobody",
            "amount": 1,
            "claimed_on": now.date().isoformat(),
        }
        assert vendor.post("/v1/payment-claims", json=claim).json()["code"] == "NOT_FOUND"
        assert vendor.get(f"/v1/payment-claims/{NOBODY}").status_code == 404
        assert vendor.post("/v1/payment-claims", json={**claim, "amount": 0}).status_code == 422


def _cases(client: httpx.Client) -> list[str]:
    return [item["case_ref"] for item in client.get("/v1/cases?limit=1").json()["items"]]
