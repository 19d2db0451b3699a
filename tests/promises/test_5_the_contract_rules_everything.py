"""Promise 5: what a contract gives, it gives until its last instant, and what ends, ends whole."""

import base64
import hashlib
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from gateway.app import describe_vendor_api
from gateway.http.closing import CERTIFICATE_PATH
from gateway.http.gate import PUBLIC_PATHS
from gateway.identity.principal import CredentialScope
from gateway.operations.registration import VendorOwner, register_credential
from gateway.working_days import CHINA
from keys.authority import Issued
from tests.gateway.intake.uploading import wav
from tests.installation import Installation
from tests.promises.fortress import CLOCK, Fortress, built_fortress, refusal_of
from tests.promises.ledger import LoggedEntry, logged_entries
from tests.promises.processes import wait_until
from tests.promises.test_4_stolen_or_revoked_is_useless import (
    BIG_PAGE,
    CONNECTIONS,
    PAGES_AHEAD,
    half_read_page,
    refusals_of_all_workers,
    spread_connections,
)
from tests.promises.traffic import pulling
from tests.promises.wire import Wire, seconds_until_cut

PAPER = "销毁证明（盖章）".encode()


def ends_in(installation: Installation, seconds: float) -> datetime:
    """Shortens alpha's contract; the moment of its end."""
    ends_at = CLOCK.now() + timedelta(seconds=seconds)
    with installation.office().connection() as connection:
        connection.execute(
            "UPDATE casegate.contract SET ends_at = %s WHERE contract_id = 'alpha-2026'",
            (ends_at,),
        )
    return ends_at


def state_of(installation: Installation, vendor: str = "alpha") -> dict[str, Any]:
    """The end of the vendor's contract as staff see it; empty before."""
    found = installation.office().offboarding().listing(vendor)
    return found[0] if found else {}


def releases_of_alpha(installation: Installation) -> dict[int, LoggedEntry]:
    return {
        entry.index: entry
        for entry in logged_entries(installation)
        if entry.fields["type"] == "access.release" and entry.fields["vendor"] == "alpha"
    }


def test_from_the_instant_of_the_end_nothing_is_readable_and_the_rest_follows_by_itself(
    tmp_path: Path,
) -> None:
    with built_fortress(tmp_path, cases=500) as fortress, ExitStack() as stack:
        installation = fortress.installation
        context = installation.tls("vendors/alpha")
        token = fortress.token_for(context)
        with Wire(fortress.port, context) as wire:
            whole = len(wire.ask(BIG_PAGE, token=token).body)
        with spread_connections(fortress, context, token, stack) as wires:
            ends_at = ends_in(installation, 8)
            reading = stack.enter_context(half_read_page(fortress, context, token))
            with pulling(installation, clients=2) as traffic:
                left = (ends_at - CLOCK.now()).total_seconds()
                took = seconds_until_cut(wires, time.monotonic(), patience=left + 3)
                stream = reading.read_to_cut()
                assert wait_until(
                    lambda: state_of(installation).get("step") == "requested", seconds=60
                )
        settled = (CLOCK.now() - ends_at).total_seconds()
        refusals = refusals_of_all_workers(fortress, context, token)
        with installation.vendor("beta") as other:
            assert other.get("/v1/cases").status_code == 200
        released = releases_of_alpha(installation)
        entries = logged_entries(installation)

    late = [cut - left for cut in took]
    print(
        f"{len(took)} connections cut {min(late) * 1000:.0f} to {max(late) * 1000:.0f} ms after"
        f" the instant; offboarded {settled:.1f} s after it; {len(traffic.releases)} pages before"
    )
    assert len(took) == CONNECTIONS
    assert min(late) > -0.1
    assert max(late) < 1
    assert len(stream) < PAGES_AHEAD * whole / 2
    assert traffic.releases
    for page in traffic.releases:
        entry = released[int(page.receipt.split("/")[0])]
        assert datetime.fromisoformat(entry.fields["time"]) < ends_at
    # What was still being made at the instant may stand in the log; not a byte of it left.
    unsent = {
        entry.fields["release"]: entry.fields["bytes"]
        for entry in entries
        if entry.fields["type"] == "access.end"
    }
    for index, entry in released.items():
        if datetime.fromisoformat(entry.fields["time"]) >= ends_at:
            assert unsent[index] == 0
    assert refusals == {"CONTRACT_ENDED"}
    assert settled < 60
    (ended,) = [entry.fields for entry in entries if entry.fields["type"] == "contract.ended"]
    assert (ended["contract"], ended["cause"], ended["recalled"]) == ("alpha-2026", "term", 500)


@pytest.fixture(scope="module")
def fortress(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fortress]:
    """Served for two tests: one ends the contract of alpha, the other that of beta."""
    directory = tmp_path_factory.mktemp("fortress")
    with built_fortress(directory, cases=20, workers=2) as fortress:
        yield fortress


def closing_credential(fortress: Fortress) -> Issued:
    """As enrolment gives one after the end."""
    issued = fortress.issue(fortress.authority, end=30)
    owner = VendorOwner("alpha", "alpha-2026", scope=CredentialScope.CLOSING)
    with fortress.installation.office().connection() as connection:
        register_credential(connection, issued.certificate, owner, actor="test", at=CLOCK.now())
    return issued


def certificate(**changes: Any) -> dict[str, Any]:
    return {
        "scope": "合同期内收到的全部数据",
        "systems": ["外呼系统", "CRM"],
        "backups": ["异地磁带库"],
        "method": "加密擦除",
        "destroyed_on": CLOCK.now().astimezone(CHINA).date().isoformat(),
        "signer": {"name": "王经理", "title": "合规负责人"},
        "sub_processors": ["cloud-voice"],
        "document": {
            "media_type": "application/pdf",
            "sha256": hashlib.sha256(PAPER).hexdigest(),
            "content": base64.b64encode(PAPER).decode(),
        },
        **changes,
    }


def routes() -> list[tuple[str, str]]:
    """Every route of the vendor API but the public ones and those for what is left to send."""
    return [
        (method.upper(), path.replace("{case_ref}", "A" * 26).replace("{index}", "0"))
        for path, methods in describe_vendor_api()["paths"].items()
        for method, operation in methods.items()
        if path not in PUBLIC_PATHS and not operation.get("x-closing")
    ]


def missing_parts(client: httpx.Client, case_ref: str) -> None:
    """A late call record and its recording, sent in after the end."""
    began, content = CLOCK.now() - timedelta(days=1), wav(1.0)
    digest = hashlib.sha256(content).hexdigest()
    record = {
        "call_id": "late-1",
        "case_ref": case_ref,
        "agent": "alpha-001",
        "started_at": began.isoformat(),
        "ended_at": (began + timedelta(seconds=9)).isoformat(),
        "talk_s": 0,
        "result_code": "NO_ANSWER",
        "recording_sha256": digest,
    }
    sent = client.post("/v1/call-records", json=record)
    assert (sent.status_code, sent.json()["accepted"]) == (200, 1), sent.text
    batch = f"/v1/call-records/batches/{sent.json()['batch_id']}"
    assert client.get(batch).json()["items"][0]["outcome"] == "accepted"
    tus = {"Tus-Resumable": "1.0.0"}
    said = {
        "call_id": "late-1",
        "sha256": digest,
        "bytes": str(len(content)),
        "codec": "wav",
        "duration_s": "1.000",
        "started_at": began.isoformat(),
        "ended_at": (began + timedelta(seconds=9)).isoformat(),
        "notice_given": "true",
    }
    pairs = (f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in said.items())
    announced = client.post(
        "/v1/recordings",
        headers={**tus, "Upload-Length": said["bytes"], "Upload-Metadata": ",".join(pairs)},
    )
    place = announced.headers["location"]
    assert client.head(place, headers=tus).headers["upload-offset"] == "0"
    part = {"Content-Type": "application/offset+octet-stream", "Upload-Offset": "0"}
    assert client.patch(place, content=content, headers={**tus, **part}).status_code == 204
    for read in (place, "/v1/recordings"):
        assert client.get(read).json()["code"] == "CONTRACT_ENDED"


def test_after_the_end_a_closing_credential_uploads_what_is_missing_and_nothing_else(
    fortress: Fortress, tmp_path: Path
) -> None:
    installation = fortress.installation
    with installation.vendor("alpha") as alpha:
        case_ref = alpha.get("/v1/cases").json()["items"][0]["case_ref"]
        early = alpha.post(CERTIFICATE_PATH, json=certificate())
    added = installation.run(
        *("vendor", "sub-processor", "alpha", "cloud-voice"),
        *("--contract", "alpha-2026", "--name", "云语音"),
    )

    command = installation.run("vendor", "offboard", "alpha", "--json")

    assert (early.status_code, added.returncode, command.returncode) == (404, 0, 0), command.stderr
    (ended,) = orjson.loads(command.stdout)["items"]
    facts = ended["facts"]
    assert facts["workers"]["complete"], facts["workers"]
    assert facts["workers"]["milliseconds"] < 1000
    assert (facts["end"]["cases_recalled"], facts["inventory"]["cases"]) == (20, 20)
    assert facts["revocation_lists"][0]["number"] >= 1
    full = installation.tls("vendors/alpha")
    assert refusal_of(fortress, full) == "CONTRACT_ENDED"

    context = fortress.context(closing_credential(fortress), tmp_path)
    assert wait_until(lambda: refusal_of(fortress, context) == "CONTRACT_ENDED", seconds=20)
    with httpx.Client(base_url=installation.vendor_url, verify=context, timeout=20) as closing:
        closing.headers["Authorization"] = f"Bearer {installation.token(closing)}"
        for method, path in routes():
            refused = closing.request(method, path)
            assert refused.status_code == 401, path
            assert method == "HEAD" or refused.json()["code"] == "CONTRACT_ENDED", path
        missing_parts(closing, case_ref)
        wrongs: list[dict[str, Any]] = [
            {"backups": []},
            {"sub_processors": []},
            {"exceptions": [{"what": "录音", "law": " "}]},
            {"signer": None},
            {"more": "张三"},
            {"document": {**certificate()["document"], "sha256": "0" * 64}},
        ]
        for wrong in wrongs:
            refused = closing.post(CERTIFICATE_PATH, json=certificate(**wrong))
            assert (refused.status_code, refused.json()["code"]) == (422, "SCHEMA_INVALID"), wrong
            assert "张三" not in refused.text
        filed = closing.post(CERTIFICATE_PATH, json=certificate())
        twice = closing.post(CERTIFICATE_PATH, json=certificate())
        assert (filed.status_code, twice.status_code) == (200, 409), filed.text
        with installation.staff("security") as security:
            decision = {"decision": "accept"}
            url = "/company/v1/offboardings/alpha-2026/decision"
            assert security.post(url, json=decision).status_code == 403
        with installation.staff("compliance") as compliance:
            accepted = compliance.post(url, json=decision)
            assert accepted.json()["contract_status"] == "purged", accepted.text
    assert wait_until(lambda: refusal_of(fortress, context) == "CRED_REVOKED", seconds=20)
    with installation.vendor("beta") as other:
        assert other.get("/v1/cases").status_code == 200


def test_the_report_is_one_that_anybody_with_the_key_can_check(
    fortress: Fortress, tmp_path: Path
) -> None:
    installation = fortress.installation
    with installation.staff("security") as security:
        first = security.post("/company/v1/vendors/beta/offboard").json()
        again = security.post("/company/v1/vendors/beta/offboard").json()
        listed = security.get("/company/v1/offboardings", params={"vendor": "beta"}).json()
    with installation.staff("auditor") as auditor:
        for name in ("report.json", "report.json.jws", "report.pdf", "report.pdf.jws"):
            answer = auditor.get(f"/company/v1/offboardings/beta-2026/files/{name}")
            (tmp_path / name).write_bytes(answer.content)

    assert first == again
    assert [one["contract"] for one in listed["items"]] == ["beta-2026"]
    report = orjson.loads((tmp_path / "report.json").read_bytes())
    inventory = (
        installation.directory / "var" / "offboarding" / "beta-2026" / "inventory.ndjson"
    ).read_bytes()
    assert report["inventory"]["sha256"] == hashlib.sha256(inventory).hexdigest()
    for name in ("report.json", "report.pdf"):
        verified = installation.run("report", "verify", str(tmp_path / name))
        assert verified.returncode == 0, verified.stderr
    (tmp_path / "report.json").write_bytes(
        (tmp_path / "report.json").read_bytes().replace(b'"command"', b'"term"')
    )
    forged = installation.run("report", "verify", str(tmp_path / "report.json"))
    assert forged.returncode == 1
    assert "signature is not of this file" in forged.stderr
