"""Feed, consents, requests and holds over real TLS, in one small served installation."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx
import orjson
import pytest

from tests.installation import Installation
from tests.promises.processes import wait_until

CASES = 5


@dataclass
class Events:
    """What came over a stream so far: (id, event, data), and whether it has ended."""

    told: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)
    begun: threading.Event = field(default_factory=threading.Event)
    grown: threading.Condition = field(default_factory=threading.Condition)
    ended: threading.Event = field(default_factory=threading.Event)

    def wait(self, count: int) -> list[tuple[str, str, dict[str, Any]]]:
        with self.grown:
            assert self.grown.wait_for(lambda: len(self.told) >= count, timeout=20)
            return list(self.told)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    made = Installation.make(tmp_path_factory.mktemp("changes") / "sandbox", cases=CASES)
    with made.serving(workers=1):
        yield made


@contextmanager
def _stream(served: Installation, vendor: str = "alpha", **headers: str) -> Iterator[Events]:
    """Listens in a thread until the block ends or the gateway ends it."""
    events = Events()

    def listen(answer: httpx.Response) -> None:
        now: dict[str, str] = {}
        try:
            for line in answer.iter_lines():
                events.begun.set()
                name, _, value = line.partition(": ")
                if name:
                    now[name] = value
                elif "data" in now:
                    with events.grown:
                        event = (now["id"], now["event"], orjson.loads(now["data"]))
                        events.told.append(event)
                        events.grown.notify_all()
                    now = {}
        except (httpx.HTTPError, httpx.StreamError):
            pass
        events.ended.set()

    with (
        served.vendor(vendor) as client,
        client.stream(
            "GET", "/v1/changes", headers={"Accept": "text/event-stream", **headers}
        ) as answer,
    ):
        assert answer.status_code == 200, answer.read()
        assert answer.headers["content-type"].startswith("text/event-stream")
        thread = threading.Thread(target=listen, args=(answer,), daemon=True)
        thread.start()
        assert events.begun.wait(10)
        try:
            yield events
        finally:
            # To close alone would wait: the thread still reads.
            below = answer.extensions["network_stream"].get_extra_info("socket")
            with suppress(OSError):
                below.shutdown(socket.SHUT_RDWR)
            thread.join(10)


def _refs(client: httpx.Client) -> list[str]:
    return [item["case_ref"] for item in client.get("/v1/cases").json()["items"]]


def _hold(served: Installation, ref: str, **changes: Any) -> httpx.Response:
    body = {"vendor": "alpha", "contract": "alpha-2026", "case_ref": ref, "code": "complaint"}
    with served.staff("operator") as staff:
        return staff.post("/company/v1/holds", json={**body, **changes})


def test_the_feed_is_read_page_by_page_and_goes_on_later(served: Installation) -> None:
    with served.vendor("alpha") as client:
        first = client.get("/v1/changes", params={"limit": 3}).json()
        rest = client.get(
            "/v1/changes", params={"cursor": first["next_cursor"], "limit": 500}
        ).json()
        again = client.get("/v1/changes", params={"cursor": rest["next_cursor"]}).json()
        refs = _refs(client)

    told = first["items"] + rest["items"]
    assert [change["number"] for change in told] == list(range(1, len(told) + 1))
    assert {change["case_ref"] for change in told if change["kind"] == "assigned"} >= set(refs)
    assert "policy_changed" in {change["kind"] for change in told}
    assert again["items"] == []
    assert again["next_cursor"]


def test_a_cursor_of_another_vendor_or_made_up_is_refused(served: Installation) -> None:
    with served.vendor("alpha") as client:
        cursor = client.get("/v1/changes").json()["next_cursor"]
    with served.vendor("beta") as client:
        for wrong in (cursor, "AAAA", cursor[:-2]):
            answer = client.get("/v1/changes", params={"cursor": wrong})
            assert (answer.status_code, answer.json()["code"]) == (422, "SCHEMA_INVALID")


def test_a_stream_tells_of_a_hold_at_once_and_goes_on_after_its_last_id(
    served: Installation,
) -> None:
    with served.vendor("alpha") as client:
        cursor = client.get("/v1/changes", params={"limit": 500}).json()["next_cursor"]
        items = client.get("/v1/cases").json()["items"]
        ref = next(item["case_ref"] for item in items if item.get("hold_flags") != ["HOLD"])
        before = [item.get("hold_flags") for item in items].count(["HOLD"])
    with _stream(served, **{"Last-Event-ID": cursor}) as events:
        placed = _hold(served, ref)
        last_id, event, content = events.wait(1)[0]

    assert placed.status_code == 200, placed.text
    with served.vendor("alpha") as client:
        listed = {item["case_ref"]: item for item in client.get("/v1/cases").json()["items"]}
        alone = client.get(f"/v1/cases/{ref}").json()
    assert listed[ref]["hold_flags"] == alone["hold_flags"] == ["HOLD"]
    assert [item.get("hold_flags") for item in listed.values()].count(["HOLD"]) == before + 1
    assert (event, content["case_ref"], content["data"]) == ("held", ref, {})
    with _stream(served, **{"Last-Event-ID": last_id}) as events:
        _hold(served, ref, is_on_all_cases=False, code="litigation")  # held already: not told
        with served.vendor("alpha") as client:
            other = next(known for known in _refs(client) if known != ref)
        _hold(served, other)
        told = events.wait(1)

    assert [(event, content["case_ref"]) for _id, event, content in told] == [("held", other)]


def test_a_vendor_has_a_few_streams_and_may_open_another_when_it_closes_one(
    served: Installation,
) -> None:
    with (
        _stream(served, "beta"),
        _stream(served, "beta"),
        _stream(served, "beta"),
        _stream(served, "beta"),
        served.vendor("beta") as client,
    ):
        answer = client.get("/v1/changes", headers={"Accept": "text/event-stream"})
        assert (answer.status_code, answer.json()["code"]) == (429, "RATE_LIMITED")
        assert client.get("/v1/changes").status_code == 200

    def is_free() -> bool:
        with (
            served.vendor("beta") as client,
            client.stream("GET", "/v1/changes", headers={"Accept": "text/event-stream"}) as answer,
        ):
            return answer.status_code == 200

    assert wait_until(is_free, seconds=10)


def test_a_request_by_the_vendor_is_answered_by_the_company(served: Installation) -> None:
    with served.vendor("alpha") as client, served.staff("compliance") as staff:
        ref = _refs(client)[2]
        body = {"case_ref": ref, "type": "hardship", "agent": "a-1", "note": "住院, 求缓"}
        raised = client.post(
            "/v1/special-requests", json=body, headers={"Idempotency-Key": "once"}
        )
        again = client.post("/v1/special-requests", json=body, headers={"Idempotency-Key": "once"})
        other = client.post(
            "/v1/special-requests",
            json={**body, "type": "fee_waiver"},
            headers={"Idempotency-Key": "once"},
        )
        number = {**body, "note": "电话13812345678"}
        personal = client.post("/v1/special-requests", json=number)
        path = f"/company/v1/special-requests/{raised.json()['request_id']}"
        read = staff.get(path)
        answered = staff.post(
            f"{path}/answer",
            json={"decision_code": "granted", "instruction_code": "resume_with_plan"},
        )
        wrong = staff.post(f"{path}/answer", json={"decision_code": "granted"})
        closed = staff.post(f"{path}/close")
        seen = client.get(raised.headers["location"])
        listed = client.get("/v1/special-requests", params={"case_ref": ref})
        overview = staff.get("/company/v1/special-requests", params={"only_open": "false"})

    assert raised.status_code == again.status_code == 201, raised.text
    assert raised.json() == again.json()
    assert (other.status_code, other.json()["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")
    assert (personal.status_code, personal.json()["code"]) == (422, "PII_IN_PAYLOAD")
    assert "13812345678" not in personal.text
    assert read.json()["note"] == "住院, 求缓"
    assert (answered.json()["state"], closed.json()["state"]) == ("instructed", "closed")
    assert (wrong.status_code, wrong.json()["code"]) == (409, "ILLEGAL_TRANSITION")
    assert seen.json()["vendor_instruction_code"] == "resume_with_plan"
    assert "note" not in seen.json()
    assert [item["request_id"] for item in listed.json()["items"]] == [seen.json()["request_id"]]
    assert overview.json()["items"][0]["request_id"] == seen.json()["request_id"]


def test_a_consent_without_a_permitted_call_is_rejected(served: Installation) -> None:
    with served.vendor("alpha") as client:
        now = time.time()
        body = {
            "case_ref": _refs(client)[3],
            "scope": "amber_time",
            "captured_at": _stamp(now - 60),
            "begins": _stamp(now),
            "ends": _stamp(now + 3600),
            "permit_id": str(uuid4()),
            "given_by": "debtor",
            "evidence_recording_id": "rec-1",
        }
        rejected = client.post("/v1/consents", json=body)
        foreign = client.post("/v1/consents", json={**body, "case_ref": "A" * 26})
        listed = client.get("/v1/consents")
        missing = client.delete(f"/v1/consents/{uuid4()}")

    assert (rejected.status_code, rejected.json()["code"]) == (422, "CONSENT_REJECTED")
    assert rejected.json()["title"] == "no permitted call of this case was then"
    assert foreign.status_code == missing.status_code == 404
    assert listed.json() == {"items": [], "next_cursor": None}


def test_a_hold_is_lifted_by_compliance_and_a_second_person(served: Installation) -> None:
    with served.vendor("alpha") as client:
        ref = _refs(client)[4]
    hold_id = _hold(served, ref).json()["hold_id"]
    with served.staff("operator") as staff:
        refused = staff.post(f"/company/v1/holds/{hold_id}/lift")
    with served.staff("compliance") as staff:
        proposed = staff.post(f"/company/v1/holds/{hold_id}/lift")
        own = staff.post(f"/company/v1/proposals/{proposed.json()['proposal_id']}/approve")
        listed = staff.get("/company/v1/holds").json()["items"]

    assert (refused.status_code, refused.json()["code"]) == (403, "ROLE_NOT_ALLOWED")
    assert proposed.status_code == 202
    assert (own.status_code, own.json()["code"]) == (409, "SECOND_PERSON_NEEDED")
    assert hold_id in {item["hold_id"] for item in listed}


def test_a_stream_ends_at_once_when_its_vendor_is_shut_out(served: Installation) -> None:
    with _stream(served, "beta") as events:
        with served.staff("security") as staff:
            began = time.monotonic()
            effect = staff.post("/company/v1/vendors/beta/revoke").json()
        assert events.ended.wait(10)
        took = time.monotonic() - began

    assert effect["connections_closed"] >= 1
    assert took < 10
    with served.vendor("beta", token="") as client, pytest.raises(httpx.HTTPStatusError):
        client.get("/v1/changes").raise_for_status()


def _stamp(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
