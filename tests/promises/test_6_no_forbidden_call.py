"""Promise 6: no call that the rules forbid can begin through the gateway."""

import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import datetime, time, timedelta
from typing import Any

import httpx
import pytest

from gateway.clock import SystemClock
from gateway.settings import load_settings
from gateway.trial.call_centre import SCRIPT, agent_refs, caller_number
from policies.elements import SHANGHAI
from tests.bridge import Bridge, DialRefusedError, bridge_of
from tests.installation import Installation
from tests.promises.ledger import logged_entries

PERMITS = "/v1/permits"
CALLERS = {"alpha": caller_number(1), "beta": caller_number(2)}


class Centre:
    """Served vendors with agents, on a working morning; `serving` ends with the centre."""

    def __init__(self, installation: Installation, serving: ExitStack) -> None:
        self.installation = installation
        self._serving = serving
        serving.enter_context(installation.serving(workers=4))
        # One case of each debtor: what one test does to a debtor is nothing to another.
        debtors = {row["id_number"]: row for row in installation.truth()}.values()
        self._refs = {
            vendor: iter(sorted(row["case_ref"] for row in debtors if row["vendor_id"] == vendor))
            for vendor in CALLERS
        }

    def case(self, vendor: str = "alpha") -> str:
        """A case of a debtor whom no other test has called."""
        return str(next(self._refs[vendor]))

    def now(self) -> datetime:
        return self.installation.settings.make_clock().now()

    def move_to(self, moment: datetime) -> None:
        """Serves on, from a later moment: what was given before is still there."""
        self._serving.close()
        config = self.installation.config
        kept = config.read_text().partition("[trial]")[0]
        since = SystemClock().now().isoformat()
        config.write_text(
            f"{kept}[trial]\nclock = {moment.isoformat()}\nsince = {since}\n", encoding="utf-8"
        )
        self.installation = Installation(self.installation.directory, load_settings(config))
        self._serving.enter_context(self.installation.serving(workers=1))

    def truth_of(self, case_ref: str) -> dict[str, Any]:
        return next(row for row in self.installation.truth() if row["case_ref"] == case_ref)

    def ask(
        self, client: httpx.Client, case_ref: str, *, vendor: str = "alpha", **changes: Any
    ) -> httpx.Response:
        wish = {
            "case_ref": case_ref,
            "contact_point": "mobile",
            "agent": agent_refs(vendor)[0],
            "script": SCRIPT,
            "script_version": 1,
            "caller_number": CALLERS[vendor],
            **changes,
        }
        headers = {"Idempotency-Key": wish.pop("key")} if "key" in wish else {}
        return client.post(PERMITS, json=wish, headers=headers)


@pytest.fixture(scope="module")
def centre(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Centre]:
    directory = tmp_path_factory.mktemp("centre") / "sandbox"
    installation = Installation.make(directory, cases=60, calls=True)
    with ExitStack() as serving:
        yield Centre(installation, serving)


@pytest.fixture(scope="module")
def alpha(centre: Centre) -> Iterator[httpx.Client]:
    with centre.installation.vendor("alpha") as client:
        yield client


@pytest.fixture(scope="module")
def beta(centre: Centre) -> Iterator[httpx.Client]:
    with centre.installation.vendor("beta") as client:
        yield client


def test_one_number_is_given_for_one_call_and_no_other_number_of_the_case(
    centre: Centre, alpha: httpx.Client
) -> None:
    case_ref = centre.case()
    truth = centre.truth_of(case_ref)
    answer = centre.ask(alpha, case_ref)

    assert answer.status_code == 201, answer.text
    permit = answer.json()
    assert permit["contact_point"]["number"] == f"+86{truth['mobile_phone']}"
    assert permit["case"]["full_name"] == truth["full_name"]
    for other in ("home_phone", "related_phone", "work_phone", "id_number"):
        if truth.get(other):
            assert truth[other] not in answer.text
    shown = alpha.get(f"{PERMITS}/{permit['permit_id']}")
    assert truth["mobile_phone"] not in shown.text
    assert shown.json()["state"] == "granted"


def test_a_race_for_the_last_slot_has_one_winner_on_four_workers(
    centre: Centre, alpha: httpx.Client
) -> None:
    case_ref = centre.case()
    for _call in range(2):
        permit = centre.ask(alpha, case_ref).json()["permit_id"]
        closed = alpha.post(f"{PERMITS}/{permit}/close", json={"result_code": "RPC_CALLBACK"})
        assert closed.status_code == 200, closed.text
    barrier = threading.Barrier(16)
    token = alpha.headers["Authorization"]

    def race(_number: int) -> list[tuple[int, str]]:
        found = []
        with httpx.Client(
            base_url=centre.installation.vendor_url,
            verify=centre.installation.tls("vendors/alpha"),
            headers={"Authorization": token},
            timeout=30,
        ) as client:
            client.get("/.well-known/jwks.json")
            barrier.wait(30)
            for _ask in range(4):
                answer = centre.ask(client, case_ref)
                found.append((answer.status_code, answer.json().get("code", "granted")))
        return found

    with ThreadPoolExecutor(16) as pool:
        outcomes = Counter(one for found in pool.map(race, range(16)) for one in found)

    assert outcomes == {(201, "granted"): 1, (403, "DAILY_CAP_REACHED"): 63}


def test_the_lenders_own_calls_count_with_those_of_all_vendors(
    centre: Centre, alpha: httpx.Client
) -> None:
    case_ref = centre.case()
    source = centre.truth_of(case_ref)["source_case_no"]
    now = centre.now()
    contacts = [
        {
            "own_id": f"own-{case_ref}-{number}",
            "source_case_no": source,
            "channel": "voice_robot",
            "call_kind": "interactive",
            "started_at": (now - timedelta(minutes=10 - number)).isoformat(),
            "result_code": "RPC_NO_COMMIT",
        }
        for number in range(3)
    ]
    with centre.installation.staff("operator") as operator:
        first = operator.post("/company/v1/own-contacts", json={"contacts": contacts})
        again = operator.post("/company/v1/own-contacts", json={"contacts": contacts})
    refused = centre.ask(alpha, case_ref)

    assert [one["outcome"] for one in first.json()["items"]] == ["accepted"] * 3
    assert [one["outcome"] for one in again.json()["items"]] == ["duplicate"] * 3
    assert refused.status_code == 403
    problem = refused.json()
    assert problem["code"] == "DAILY_CAP_REACHED"
    assert {rule["id"] for rule in problem["rules"]}
    assert problem["allowed_from"] is not None
    assert source not in refused.text


def test_a_third_person_is_not_called_before_the_debtor_is_lost(
    centre: Centre, alpha: httpx.Client
) -> None:
    case_ref = centre.case()
    early = centre.ask(alpha, case_ref, contact_point="related")
    for _call in range(3):
        permit = centre.ask(alpha, case_ref).json()["permit_id"]
        alpha.post(f"{PERMITS}/{permit}/close", json={"result_code": "NO_ANSWER"})
    late = centre.ask(alpha, case_ref, contact_point="related")

    assert early.status_code == 403
    assert "THIRD_PARTY_NOT_ALLOWED" in early.json()["codes"]
    assert late.status_code == 201, late.text
    permit = late.json()
    truth = centre.truth_of(case_ref)
    assert "dial_token" in permit["contact_point"]
    assert truth["related_phone"] not in late.text
    assert "total_due" not in permit["case"]
    assert permit["topics"]

    refused = alpha.post(
        f"{PERMITS}/{permit['permit_id']}/close", json={"result_code": "THIRD_PARTY_REFUSE"}
    )
    assert refused.status_code == 200
    for_ever = centre.ask(alpha, case_ref, contact_point="related")
    assert "CONTACT_OPTED_OUT" in for_ever.json()["codes"]


def test_a_dial_token_is_a_number_once_and_nothing_after_a_hold(
    centre: Centre, alpha: httpx.Client
) -> None:
    case_ref = centre.case()
    token = _third_person_token(centre, alpha, case_ref)
    other_ref = centre.case()
    held = _third_person_token(centre, alpha, other_ref)
    disputed = alpha.post(
        f"{PERMITS}/{centre.ask(alpha, other_ref).json()['permit_id']}/close",
        json={"result_code": "RPC_DISPUTE"},
    )
    with (
        bridge_of(centre.installation) as bridge,
        centre.installation.staff("operator") as operator,
    ):
        call = bridge.connect(token)
        refusals = [_refusal_of(bridge, one) for one in (token, held, "x" * 54)]
        not_a_bridge = operator.post("/v1/dial", json={"dial_token": token})
        nosy = bridge.client.get("/company/v1/proposals")
    refused = centre.ask(alpha, other_ref)

    truth = centre.truth_of(case_ref)
    assert call.number == f"+86{truth['related_phone']}"
    assert call.caller_number == CALLERS["alpha"]
    assert bridge.calls == [call]
    assert disputed.status_code == 200
    assert refusals == ["409 PERMIT_USED", "409 PERMIT_VOIDED", "404 PERMIT_MISSING"]
    assert (not_a_bridge.status_code, not_a_bridge.json()["code"]) == (403, "ROLE_NOT_ALLOWED")
    assert (nosy.status_code, nosy.json()["code"]) == (403, "ROLE_NOT_ALLOWED")
    assert refused.json()["codes"] == ["HOLD"]


def test_what_agent_script_and_number_are_not_registered_gets_no_call(
    centre: Centre, alpha: httpx.Client
) -> None:
    case_ref = centre.case()
    unheard: dict[str, Any] = {
        "agent": "nobody-001",
        "script": "unheard-of",
        "script_version": 7,
        "caller_number": "+8613800000000",
    }
    refusals = {
        name: centre.ask(alpha, case_ref, **{name: value}).json()["codes"]
        for name, value in unheard.items()
    }

    assert "AGENT_NOT_QUALIFIED" in refusals["agent"]
    assert "SCRIPT_NOT_APPROVED" in refusals["script"]
    assert "SCRIPT_NOT_APPROVED" in refusals["script_version"]
    assert refusals["caller_number"] == ["CALLER_NUMBER_UNREGISTERED"]


def test_no_vendor_can_call_or_look_at_what_is_anothers(
    centre: Centre, alpha: httpx.Client, beta: httpx.Client
) -> None:
    case_ref = centre.case()
    foreign = centre.ask(beta, case_ref, vendor="beta")
    unknown = centre.ask(beta, "A" * 26, vendor="beta")
    permit = centre.ask(alpha, case_ref).json()["permit_id"]
    peeked = beta.get(f"{PERMITS}/{permit}")
    closed = beta.post(f"{PERMITS}/{permit}/close", json={"result_code": "NO_ANSWER"})

    assert foreign.status_code == unknown.status_code == 404
    assert {**foreign.json(), "request_id": ""} == {**unknown.json(), "request_id": ""}
    assert peeked.status_code == closed.status_code == 404
    assert alpha.get(f"{PERMITS}/{permit}").json()["state"] == "granted"


def test_the_last_four_digits_are_compared_three_times_a_day_and_never_kept(
    centre: Centre, alpha: httpx.Client
) -> None:
    case_ref = centre.case()
    last4 = centre.truth_of(case_ref)["id_number"][-4:]
    wrong = "0000" if last4 != "0000" else "1111"
    permit = centre.ask(alpha, case_ref).json()["permit_id"]
    path = f"{PERMITS}/{permit}/identity-check"
    answers = [alpha.post(path, json={"last4": said}) for said in (wrong, last4, wrong, last4)]

    assert [one.json() for one in answers[:3]] == [
        {"match": False, "tries_left": 2},
        {"match": True, "tries_left": 1},
        {"match": False, "tries_left": 0},
    ]
    assert (answers[3].status_code, answers[3].json()["code"]) == (403, "IDENTITY_TRIES_USED")
    assert alpha.get(f"{PERMITS}/{permit}").json()["identity"] == "match"


def test_the_same_key_is_the_same_permit_and_takes_one_slot(
    centre: Centre, alpha: httpx.Client
) -> None:
    case_ref = centre.case()
    first, again = (centre.ask(alpha, case_ref, key=f"k-{case_ref}") for _ask in range(2))
    other = centre.ask(alpha, case_ref, key=f"k-{case_ref}", reason="OTHER")

    assert first.json()["permit_id"] == again.json()["permit_id"]
    assert first.json()["contact_point"] == again.json()["contact_point"]
    assert (other.status_code, other.json()["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")


def test_an_unused_permit_is_given_back_and_a_closed_one_stays_closed(
    centre: Centre, alpha: httpx.Client
) -> None:
    case_ref = centre.case()
    permit = centre.ask(alpha, case_ref).json()["permit_id"]
    path = f"{PERMITS}/{permit}"
    given_back = alpha.delete(path)
    twice = alpha.delete(path)
    unknown_code = alpha.post(f"{path}/close", json={"result_code": "MADE_UP"})

    assert given_back.status_code == 204
    assert (twice.status_code, twice.json()["code"]) == (409, "PERMIT_USED")
    assert unknown_code.json()["code"] == "UNKNOWN_CODE"
    assert alpha.get(path).json()["state"] == "unused"


def test_every_step_of_a_permit_is_in_the_log_and_no_number_is(
    centre: Centre, alpha: httpx.Client
) -> None:
    case_ref = centre.case()
    permit = centre.ask(alpha, case_ref).json()["permit_id"]
    alpha.post(f"{PERMITS}/{permit}/close", json={"result_code": "RPC_PTP"})
    entries = [entry.fields for entry in logged_entries(centre.installation)]
    events = [fields for fields in entries if fields.get("permit") == permit]

    assert [entry["type"] for entry in events] == ["permit.issued", "permit.closed"]
    assert events[0]["rulebook"]
    assert events[1]["result"] == "RPC_PTP"
    record = centre.truth_of(case_ref)
    for value in (record["mobile_phone"], record["full_name"], record["id_number"]):
        assert value not in str(events)


def test_a_saturday_evening_opens_for_whom_the_debtor_asked_to_ring_then(
    centre: Centre, alpha: httpx.Client
) -> None:
    """The last of this file: afterwards it is Saturday."""
    case_ref, other_ref = centre.case(), centre.case()
    permit = centre.ask(alpha, case_ref).json()["permit_id"]
    day = centre.now().astimezone(SHANGHAI).date()
    saturday = day + timedelta(days=(5 - day.weekday()) % 7 or 7)
    evening = datetime.combine(saturday, time(19), SHANGHAI)
    consent = {
        "case_ref": case_ref,
        "scope": "amber_time",
        "captured_at": centre.now().isoformat(),
        "begins": (evening - timedelta(hours=1)).isoformat(),
        "ends": (evening + timedelta(hours=1)).isoformat(),
        "permit_id": permit,
        "given_by": "debtor",
        "contact_point": "mobile",
        "evidence_recording_id": f"rec-{permit}",
    }
    recorded = alpha.post("/v1/consents", json=consent)
    strange = alpha.post("/v1/consents", json={**consent, "case_ref": other_ref})
    alpha.post(f"{PERMITS}/{permit}/close", json={"result_code": "RPC_CALLBACK"})
    centre.move_to(evening)
    with centre.installation.vendor("alpha") as client:
        unreasoned = centre.ask(client, case_ref)
        granted = centre.ask(client, case_ref, reason="CUSTOMER_ASKED")
        unasked = centre.ask(client, other_ref, reason="CUSTOMER_ASKED")
        taken_back = client.delete(f"/v1/consents/{recorded.json()['consent_id']}")
        ended = client.get(f"{PERMITS}/{granted.json()['permit_id']}").json()
        too_late = centre.ask(client, case_ref, reason="CUSTOMER_ASKED")

    assert recorded.status_code == 201, recorded.text
    assert (strange.status_code, strange.json()["code"]) == (422, "CONSENT_REJECTED")
    assert granted.status_code == 201, granted.text
    refused = {*unasked.json()["codes"], *unreasoned.json()["codes"]}
    assert refused <= {"HOLIDAY_NO_CONSENT", "OUTSIDE_WINDOW_AMBER_NO_CONSENT"}
    assert (taken_back.status_code, ended["state"]) == (204, "voided")
    assert set(too_late.json()["codes"]) <= refused


def _third_person_token(centre: Centre, client: httpx.Client, case_ref: str) -> str:
    for _call in range(3):
        permit = centre.ask(client, case_ref).json()["permit_id"]
        client.post(f"{PERMITS}/{permit}/close", json={"result_code": "NO_ANSWER"})
    answer = centre.ask(client, case_ref, contact_point="related")
    assert answer.status_code == 201, answer.text
    return str(answer.json()["contact_point"]["dial_token"])


def _refusal_of(bridge: Bridge, token: str) -> str:
    with pytest.raises(DialRefusedError) as refused:
        bridge.connect(token)
    return str(refused.value)
