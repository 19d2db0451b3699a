"""Complaints, notices, feedback and payments over real TLS, on the shared installation."""

import hashlib
from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.installation import Installation

NOBODY = "00000000-0000-0000-0000-000000000000"
MOVES = (
    *(f"/v1/complaints/{{}}/{move}" for move in ("evidence", "statement")),
    *(f"/v1/feedback/{{}}/{move}" for move in ("acknowledge", "answer")),
    *(f"/v1/rectifications/{{}}/{move}" for move in ("acknowledge", "plan", "start", "evidence")),
)


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


def test_a_file_for_a_complaint_is_handed_in_and_opened_for_a_reason(
    gateway: Installation,
) -> None:
    now = gateway.settings.make_clock().now()
    # More than a body of a route has that does not bound it itself.
    content = b"%PDF-1.7\n" + uuid4().bytes + bytes(3 * 1024 * 1024)
    name = hashlib.sha256(content).hexdigest()
    with gateway.vendor("alpha") as vendor, gateway.staff("compliance") as staff:
        body = {
            "vendor": "alpha",
            "contract": "alpha-2026",
            "case_ref": _cases(vendor)[0],
            "received_at": (now - timedelta(hours=1)).isoformat(),
            "channel": "hotline",
            "source": "customer",
            "category": "attitude",
            "allegation_codes": ["rude_words"],
            "text": "坐席态度恶劣",
        }
        number = staff.post("/company/v1/complaints", json=body).json()["affair_id"]
        path, own = f"/company/v1/complaints/{number}", f"/v1/complaints/{number}"
        pdf = {"Content-Type": "application/pdf"}
        early = vendor.put(f"{own}/files/{name}", content=content, headers=pdf)
        staff.post(f"{path}/evidence-request", json={"call_ids": ["call-1"], "hours": 4})

        filed = vendor.put(f"{own}/files/{name}", content=content, headers=pdf)
        again = vendor.put(f"{own}/files/{name}", content=content, headers=pdf)
        named = vendor.post(f"{own}/evidence", json={"call_ids": ["call-1"], "files": [name]})
        assert (early.status_code, filed.status_code, named.status_code) == (404, 200, 200)
        assert filed.json() == again.json()
        refused = {
            "HASH_MISMATCH": vendor.put(f"{own}/files/{'0' * 64}", content=content, headers=pdf),
            "SCHEMA_INVALID": vendor.put(
                f"{own}/files/{name}", content=content, headers={"Content-Type": "image/png"}
            ),
            "METHOD_NOT_ALLOWED": vendor.get(f"{own}/files/{name}"),
        }
        assert {code: answer.json()["code"] for code, answer in refused.items()} == {
            code: code for code in refused
        }
        file = f"{path}/files/{filed.json()['file_id']}"
        assert staff.get(file).status_code == 422  # no reason
        opened = staff.get(file, params={"reason": "decision"})
        assert (opened.content, opened.headers["content-type"]) == (content, "application/pdf")
        assert opened.headers["content-disposition"] == "attachment"
    with gateway.vendor("beta") as other:
        assert other.put(f"{own}/files/{name}", content=content, headers=pdf).status_code == 404
    with gateway.staff("auditor") as auditor:
        assert auditor.get(file, params={"reason": "decision"}).status_code == 403


@pytest.mark.parametrize("path", MOVES)
def test_whatever_a_vendor_sends_to_a_move_is_no_error_of_ours(
    gateway: Installation, path: str
) -> None:
    odd = (
        b"{}",
        b"null",
        b"[]",
        b"",
        b"{",
        b'{"text": "\\u0000\\u200b"}',
        b'{"text": "\\ud800"}',
        b'{"text": 1e400}',
        b'{"call_ids": ["' + b"9" * 64 + b'"], "files": ["' + b"a" * 64 + b'"]}',
        b'{"call_ids": [null]}',
        b'{"unknown": true}',
        '{"text": "\U0001f600"}'.encode(),
    )
    with gateway.vendor("alpha") as vendor:
        for place, body in (*((NOBODY, body) for body in odd), ("%00", b"{}"), ("x", b"{}")):
            answer = vendor.post(
                path.format(place), content=body, headers={"Content-Type": "application/json"}
            )
            assert answer.status_code in {404, 422}, (place, body, answer.text)


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


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_a_time_at_the_end_of_the_calendar_is_no_error_of_ours(
    gateway: Installation, moment: str
) -> None:
    posting = {
        "entry_id": "E-1",
        "case_no": "none",
        "posted_at": moment,
        "amount": 1,
        "kind": "payment",
        "balance_after": 0,
    }
    with gateway.vendor("alpha") as vendor, gateway.staff("compliance") as staff:
        complaint = {
            "vendor": "alpha",
            "contract": "alpha-2026",
            "case_ref": _cases(vendor)[0],
            "received_at": moment,
            "channel": "hotline",
            "source": "customer",
            "category": "attitude",
            "allegation_codes": ["rude_words"],
            "text": "态度恶劣",
        }
        until = {"until": moment, "reason": "late"}
        replied = {"channel": "letter", "replied_at": moment}
        answers = [
            staff.post("/company/v1/complaints", json=complaint),
            staff.post(f"/company/v1/complaints/{NOBODY}/reply", json=replied),
            staff.post(f"/company/v1/rectifications/{NOBODY}/extend", json=until),
        ]
    with gateway.staff("operator") as operator:
        answers.append(operator.post("/company/v1/ledger", json={"entries": [posting]}))

    assert [answer.status_code for answer in answers] == [422] * 4


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
