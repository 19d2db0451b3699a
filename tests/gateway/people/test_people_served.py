"""Agents, scripts and numbers over real TLS, by vendors, by roles, and by the commands."""

import sys
from collections.abc import Callable
from importlib import import_module
from uuid import uuid4

import httpx
import pytest

from gateway import cli
from gateway.people.courses import MANDATORY_COURSES
from tests.gateway.people.crew import TEXT, someone
from tests.installation import Installation

COURSE = {
    "version": "2026.1",
    "hours": 8,
    "score": 90,
    "evidence_sha256": "0a" * 32,
}


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, str(answer.json()["code"])


def document(answer: httpx.Response) -> dict[str, object]:
    answer.raise_for_status()
    found: dict[str, object] = answer.json()
    return found


@pytest.fixture
def ref() -> str:
    return f"A-{uuid4().hex[:10]}"


def days(gateway: Installation) -> tuple[str, str]:
    today = gateway.office().clock.now().date()
    return today.isoformat(), today.replace(year=today.year + 1).isoformat()


def test_an_agent_is_registered_trained_qualified_and_stopped(
    gateway: Installation, ref: str
) -> None:
    today, until = days(gateway)
    path = f"/company/v1/agents/alpha/alpha-2026/{ref}"
    with (
        gateway.vendor("alpha") as alpha,
        gateway.vendor("beta") as beta,
        gateway.staff("operator") as operator,
        gateway.staff("compliance") as compliance,
        gateway.staff("security") as security,
        gateway.staff("auditor") as auditor,
    ):
        told = document(alpha.get("/v1/agents/hash-parameters"))
        assert told == document(beta.get("/v1/agents/hash-parameters"))
        body = {"agent_ref": ref, "id_hash": someone().hex(), "nda_signed_on": today}
        assert document(alpha.post("/v1/agents", json=body))["status"] == "pending"
        assert code(beta.post("/v1/agents", json=body)) == (409, "AGENT_NOT_ACCEPTED")
        assert code(operator.post(f"{path}/qualify")) == (409, "AGENT_NOT_QUALIFIED")
        for course in MANDATORY_COURSES:
            passed = {**COURSE, "course_id": course, "passed_on": today, "valid_to": until}
            document(alpha.post(f"/v1/agents/{ref}/courses", json=passed))
        assert code(auditor.post(f"{path}/qualify")) == (403, "ROLE_NOT_ALLOWED")
        assert document(operator.post(f"{path}/qualify"))["status"] == "qualified"

        assert document(operator.post(f"{path}/suspend"))["status"] == "suspended"
        assert code(operator.post(f"{path}/resume")) == (403, "ROLE_NOT_ALLOWED")
        proposed = security.post(f"{path}/resume")
        assert proposed.status_code == 202
        approval = f"/company/v1/proposals/{proposed.json()['proposal_id']}/approve"
        assert code(security.post(approval)) == (409, "SECOND_PERSON_NEEDED")
        document(compliance.post(approval))
        assert document(security.post(f"{path}/resume"))["status"] == "qualified"

        assert document(alpha.post(f"/v1/agents/{ref}/leave"))["status"] == "left"
        seen = document(auditor.get(path))
        assert seen["status"] == "left"
        refused = auditor.get(
            "/company/v1/log/entries", params={"event": "access.denied", "limit": 200}
        )
        asked = [hit["entry"].get("asked") for hit in refused.json()["items"]]
        assert seen["person"] in asked  # who was refused at beta, for whoever may see it


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"agent_ref": "11010519491231002X"}, "PII_IN_PAYLOAD"),
        ({"id_hash": "11010519491231002X"}, "PII_IN_PAYLOAD"),
        ({"id_hash": "zz-not-hex"}, "SCHEMA_INVALID"),
        ({"name": "张三"}, "SCHEMA_INVALID"),
        ({"agent_ref": "张三"}, "SCHEMA_INVALID"),
    ],
)
def test_no_name_and_no_number_comes_in_and_none_is_repeated(
    gateway: Installation, ref: str, change: dict[str, str], expected: str
) -> None:
    body = {"agent_ref": ref, "id_hash": someone().hex(), **change}
    with gateway.vendor("alpha") as alpha:
        answer = alpha.post("/v1/agents", json=body)
        by_path = alpha.post("/v1/agents/11010519491231002X/leave")

    assert code(answer) == (422, expected)
    assert not any(value in answer.text for value in change.values())
    assert code(by_path) == (422, "PII_IN_PAYLOAD")


def test_a_script_is_approved_listed_acknowledged_and_withdrawn(
    gateway: Installation, ref: str
) -> None:
    script = f"s-{uuid4().hex[:8]}"
    path = f"/company/v1/scripts/{script}/versions"
    words = {"channel": "voice_human", "segment": "M1", "text": TEXT, "forbidden_terms": ["拘留"]}
    with (
        gateway.vendor("alpha") as alpha,
        gateway.staff("operator") as operator,
        gateway.staff("compliance") as compliance,
    ):
        wrong = operator.post(path, json={**words, "text": f"{TEXT}小心拘留"})
        assert code(wrong) == (422, "FORBIDDEN_TERM")
        assert "拘留" not in wrong.text
        assert document(operator.post(path, json=words))["version"] == 1
        assert operator.post(f"{path}/1/submit").status_code == 202
        assert code(operator.post(f"{path}/1/approve")) == (403, "ROLE_NOT_ALLOWED")
        assert code(operator.post(f"{path}/1/activate")) == (409, "APPROVAL_MISSING")
        document(compliance.post(f"{path}/1/approve"))
        document(operator.post(f"{path}/1/activate"))

        document(alpha.post("/v1/agents", json={"agent_ref": ref, "id_hash": someone().hex()}))
        read = {"script_id": script, "version": 1}
        noted = document(alpha.post(f"/v1/agents/{ref}/acknowledgements", json=read))
        assert noted["acknowledged"] == [read]
        listed = document(alpha.get("/v1/scripts", params={"limit": 500}))["items"]
        assert [one["text"] for one in listed if one["script_id"] == script] == [TEXT]  # type: ignore[attr-defined]

        document(operator.post(f"{path}/1/withdraw"))
        listed = document(alpha.get("/v1/scripts", params={"limit": 500}))["items"]
        assert script not in {one["script_id"] for one in listed}  # type: ignore[attr-defined]
        assert code(alpha.post(f"/v1/agents/{ref}/acknowledgements", json=read)) == (
            404,
            "NOT_FOUND",
        )
        assert code(operator.post(f"{path}/1/activate")) == (409, "ILLEGAL_TRANSITION")


def test_numbers_to_call_from_are_the_companys_to_give(gateway: Installation) -> None:
    number = f"+8621{uuid4().int % 10**8:08d}"
    body = {"vendor": "alpha", "contract": "alpha-2026", "number": number}
    with (
        gateway.vendor("alpha") as alpha,
        gateway.vendor("beta") as beta,
        gateway.staff("operator") as operator,
    ):
        document(operator.post("/company/v1/caller-numbers", json=body))
        taken = {**body, "vendor": "beta", "contract": "beta-2026"}
        assert code(operator.post("/company/v1/caller-numbers", json=taken)) == (
            409,
            "ALREADY_EXISTS",
        )
        of_alpha = document(alpha.get("/v1/caller-numbers", params={"limit": 500}))
        of_beta = document(beta.get("/v1/caller-numbers", params={"limit": 500}))
        assert number in str(of_alpha)
        assert number not in str(of_beta)
        document(operator.post(f"/company/v1/caller-numbers/alpha/alpha-2026/{number}/end"))
        assert number not in str(document(alpha.get("/v1/caller-numbers")))


@pytest.fixture
def casegate(
    gateway: Installation, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str]]:
    """Runs a command in this process; its exit code and all that it said."""
    monkeypatch.setattr(import_module("gateway.cli.main"), "configure_logs", lambda: None)

    def run(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["casegate", *arguments, "--config", str(gateway.config)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as caught:
            cli.main()
        said = capsys.readouterr()
        return caught.value.code if isinstance(caught.value.code, int) else 1, said.out + said.err

    return run


def test_the_commands_do_what_the_routes_do(
    gateway: Installation, ref: str, casegate: Callable[..., tuple[int, str]]
) -> None:
    script = f"c-{uuid4().hex[:8]}"
    text = gateway.directory / f"{script}.txt"
    text.write_text(TEXT)
    with gateway.vendor("alpha") as alpha:
        document(alpha.post("/v1/agents", json={"agent_ref": ref, "id_hash": someone().hex()}))
    agent = ("alpha", "alpha-2026", ref)

    assert casegate("agent", "suspend", *agent) == (0, f"agent {ref} of alpha is suspended\n")
    assert "casegate proposals approve" in casegate("agent", "resume", *agent)[1]
    assert casegate("agent", "qualify", *agent) == (1, "casegate: the agent is suspended\n")
    assert "is banned" in casegate("agent", "ban", *agent)[1]
    assert "casegate proposals approve" in casegate("agent", "unban", *agent)[1]
    assert casegate("agent", "leave", *agent)[0] == 1
    assert ref in casegate("agent", "show", *agent, "--json")[1]
    assert ref in casegate("agent", "list", "--vendor", "alpha", "--limit", "500")[1]

    drafted = casegate("script", "draft", script, "--text", str(text), "--segment", "M1")
    assert drafted == (0, f"version 1 of script {script}: draft\n")
    assert "casegate proposals approve" in casegate("script", "submit", script, "1")[1]
    assert casegate("script", "activate", script, "1")[0] == 1
    assert "[RECORDING]" in casegate("script", "show", script, "1")[1]
    assert "withdrawn" in casegate("script", "withdraw", script, "1")[1]
    assert "withdrawn" in casegate("script", "list", "--script", script)[1]

    number = ("alpha", "alpha-2026", "+862112345670")
    assert casegate("caller", "add", *number)[0] == 0
    assert number[2] in casegate("caller", "list", "--vendor", "alpha")[1]
    assert casegate("caller", "end", *number)[0] == 0
    assert casegate("caller", "end", *number)[0] == 1
