"""One thing of each kind that belongs to beta, and how somebody else would ask for it."""

from base64 import b64encode
from datetime import timedelta
from typing import Any

import httpx

from gateway.clock import SystemClock, rfc3339
from tests.installation import Installation

UNKNOWN = "0c7e1136-6c7d-4f59-88ac-e94baf81a313"
TUS = {"Tus-Resumable": "1.0.0"}
PART = {**TUS, "Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
PAPER = {"text": "x", "call_ids": [], "files": []}


def metadata(**pairs: str) -> str:
    return ",".join(f"{key} {b64encode(value.encode()).decode()}" for key, value in pairs.items())


def betas_things(installation: Installation) -> list[tuple[str, str, str, dict[str, Any]]]:
    """Requests for things of beta's: method, path with {}, the thing's id, and what goes along."""
    ref = next(c["case_ref"] for c in installation.truth() if c["vendor_id"] == "beta")
    now = rfc3339(SystemClock().now() - timedelta(seconds=60))
    told = {"vendor": "beta", "contract": "beta-2026"}
    with installation.vendor("beta") as beta:
        said = {"case_ref": ref, "agent": "beta-001"}
        asked = beta.post("/v1/special-requests", json={**said, "type": "hardship"}).json()
        paid = {**said, "amount": 100, "claimed_on": now[:10]}
        claim = beta.post("/v1/payment-claims", json=paid).json()
        batch = beta.post("/v1/call-records", json={"call_id": "c-1"}).json()
        sha256 = "ab" * 32
        named = metadata(
            call_id="c-1", sha256=sha256, bytes="9", codec="mp3", duration_s="1",
            notice_given="true", started_at=now, ended_at=rfc3339(SystemClock().now()),
        )  # fmt: skip
        announced = {**TUS, "Upload-Length": "9", "Upload-Metadata": named}
        recording = beta.post("/v1/recordings", headers=announced).headers["Location"][-36:]
        receipt = beta.get("/v1/cases?limit=1").headers["Casegate-Receipt"].partition("/")[0]
    with installation.staff("operator") as staff:
        feedback = staff.post(
            "/company/v1/feedback", json={**told, "codes": ["TONE"], "text": "x"}
        ).json()
    things: list[tuple[str, str, str, dict[str, Any]]] = [
        ("GET", "/v1/special-requests/{}", asked["request_id"], {}),
        ("GET", "/v1/payment-claims/{}", claim["claim_id"], {}),
        ("GET", "/v1/call-records/batches/{}", batch["batch_id"], {}),
        ("GET", "/v1/recordings/{}", recording, {}),
        ("HEAD", "/v1/recordings/{}", recording, {"headers": TUS}),
        ("PATCH", "/v1/recordings/{}", recording, {"headers": PART, "content": b"x" * 9}),
        ("DELETE", "/v1/recordings/{}", recording, {"headers": TUS}),
        ("GET", "/v1/feedback/{}", feedback["affair_id"], {}),
        ("POST", "/v1/feedback/{}/acknowledge", feedback["affair_id"], {"json": PAPER}),
        ("POST", "/v1/feedback/{}/answer", feedback["affair_id"], {"json": PAPER}),
        ("GET", "/v1/rectifications/{}", feedback["affair_id"], {}),
        ("POST", "/v1/agents/{}/leave", "beta-002", {}),
        ("GET", "/v1/receipts/{}", receipt, {}),
    ]
    for _method, _path, thing, _along in things:
        assert thing
    return things


def plain(answer: httpx.Response) -> tuple[int, list[tuple[str, str]], str]:
    """An answer but for the date and the request id."""
    own = answer.headers["casegate-request-id"]
    kept = [(k, v) for k, v in answer.headers.items() if k not in {"date", "casegate-request-id"}]
    return answer.status_code, kept, answer.text.replace(own, "ID")
