"""Promise 9: no personal data in any log, error, audit entry or plain column of the database."""

import os
import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import orjson
import psycopg
import pytest

from gateway.app import describe_company_api, describe_vendor_api
from gateway.evidence import keyed_commitment
from gateway.installation import read_key
from tests.installation import Installation
from tests.promises.canaries import (
    ASCII_MARK,
    ID_NUMBER,
    MARK,
    MOBILE,
    PLAIN,
    Sinks,
    canary_row,
    imported_fields,
    write_csv,
)
from tests.promises.processes import vendor_workers, wait_until
from tests.promises.wire import HEAD_END, Wire

IMPORT = "/company/v1/portfolios?vendor=alpha&contract=alpha-2026"
TARGET = ("--vendor", "alpha", "--contract", "alpha-2026")
STRANGE = (MARK, ASCII_MARK, MOBILE, ID_NUMBER, f"{ASCII_MARK}%00", f"x%0d%0a{MARK}")
BODIES: tuple[Any, ...] = (
    {"reason": MARK, MARK: MOBILE},
    {"reason": {"deep": [{MARK: ID_NUMBER}]}},
    [[MARK, {ASCII_MARK: MOBILE}]],
    MOBILE,
)


@pytest.fixture(scope="module")
def sinks(tmp_path_factory: pytest.TempPathFactory) -> Sinks:
    """One installation used and abused with canaries, then searched."""
    directory = tmp_path_factory.mktemp("canary")
    installation = Installation.make(directory / "sandbox", cases=20)
    settings = installation.settings
    sinks = Sinks()
    index_key = read_key(settings, settings.keys.index)
    sinks.canaries |= {keyed_commitment(index_key, "asked", typed) for typed in STRANGE}
    with installation.serving(workers=2) as process:
        import_canaries(installation, directory, sinks)
        pull_and_provoke(installation, sinks)
        ask_every_route(installation, sinks)
        break_head(installation, sinks)
        fail_inside(installation, sinks)
        crash(installation, process, sinks)
        run_commands(installation, directory, sinks)
        process.send_signal(signal.SIGTERM)
        assert process.stdout is not None
        sinks["stdout of serve"] = process.stdout.read() + b"(ended)"
        process.wait(20)
    with psycopg.connect(installation.database().owner_url) as connection:
        sinks.tables(connection)
    postgres = settings.resolve(settings.database.embedded_directory)
    inputs = [installation.directory / "truth.ndjson"]
    inputs += installation.directory.glob("portfolio-*")
    sinks["PostgreSQL's log"] = (postgres / "log").read_bytes()
    sinks.directory("installation", installation.directory, without=[postgres, *inputs])
    return sinks


def import_canaries(installation: Installation, directory: Path, sinks: Sinks) -> None:
    """Sends a sound file, a file with broken rows, and files that are none."""
    rows = [canary_row(number) for number in range(5)]
    for number, broken in enumerate(("mobile_phone", "id_number", "total_due", "full_name")):
        rows.append(canary_row(number + 90))
        rows[-1][broken] = f"{MARK}\x07{ASCII_MARK}"
    path = directory / "canaries.csv"
    write_csv(path, rows)
    nested = canary_row(95) | {"full_name": {MARK: [ID_NUMBER]}, "extra": {"deep": MOBILE}}
    with installation.staff("operator") as operator:
        report = operator.post(IMPORT, content=path.read_bytes())
        assert (report.status_code, report.json()["assigned"]) == (200, 5)
        assert report.json()["rejected"] == 4
        assert len(report.json()["errors"]) >= 4
        assert len(report.json()["forbidden_columns"]) >= 8
        sinks.answer(report)
        for lines in (f'{{"{MARK}": "{MOBILE}'.encode(), orjson.dumps(nested)):
            answer = operator.post(IMPORT, content=lines + b"\n" + orjson.dumps(canary_row(96)))
            assert answer.json()["rejected"] == 1
            sinks.answer(answer)
        rubbish = f"{MARK},{MOBILE}\n{ASCII_MARK},{ID_NUMBER}\n"
        sinks.refusal(operator.post(IMPORT, content=rubbish.encode()))
        sinks.refusal(operator.post(IMPORT, content=f"案件编号\n{MARK}".encode("utf-16")))
        sinks.refusal(operator.post(f"{IMPORT}{MARK}", content=b""))
    with installation.staff("security") as security:
        for since in ({"since": MARK}, {"vendor": MOBILE + MARK}):
            sinks.refusal(security.get("/company/v1/log/entries", params=since))


def pull_and_provoke(installation: Installation, sinks: Sinks) -> None:
    """Pulls the canaries at every route, and asks for much that is refused."""
    with installation.vendor("alpha") as client:
        page = client.get("/v1/cases", params={"limit": 500})
        pulled = [item for item in page.json()["items"] if item["full_name"].startswith(MARK[0])]
        assert len(pulled) >= 5
        assert client.get(f"/v1/cases/{pulled[-1]['case_ref']}").status_code == 200
        assert client.get("/v1/assignments").status_code == 200
        lines = client.get("/v1/cases", headers={"Accept": "application/x-ndjson"})
        assert lines.status_code == 200
        sinks["headers of releases"] = repr([page.headers, lines.headers]).encode()
        for path in STRANGE:
            sinks.refusal(client.get(f"/v1/cases/{path}"))
            sinks.refusal(client.get(f"/{path}"))
        for query in ({"cursor": ASCII_MARK}, {"limit": MARK}, {"limit": MOBILE}):
            sinks.refusal(client.get("/v1/cases", params=query))
        sinks.refusal(client.get("/v1/cases", params={"assignment": MARK * 30}))
        sinks.refusal(client.get("/v1/cases", headers={"Casegate-Purpose": ASCII_MARK}))
        sinks.refusal(client.get("/v1/cases", headers={"Casegate-Purpose": ASCII_MARK * 20}))
        sinks.refusal(client.get("/v1/cases", headers={"Authorization": f"Bearer {ASCII_MARK}"}))
        sinks.refusal(client.get("/v1/cases", headers={"Authorization": f"{ASCII_MARK} {MOBILE}"}))
        sinks.refusal(client.request(ASCII_MARK, "/v1/cases", content=MARK.encode()))
        sinks.refusal(client.post("/v1/cases", json={MARK: MOBILE}))
        token = "/oauth2/token"
        grant = {"grant_type": "client_credentials"}
        sinks.refusal(client.post(token, data={"grant_type": MARK}))
        sinks.refusal(client.post(token, data={**grant, "client_id": ASCII_MARK}))
        sinks.refusal(client.post(token, content=f"{MARK}={MOBILE}&{ASCII_MARK}".encode()))
        sinks.refusal(client.post(token, json={MARK: MOBILE}))
        sinks.refusal(client.post(token, data={"grant_type": [MARK, MARK]}))
        sinks.refusal(client.post(token, data={**grant, "scope": MARK}))
        sinks.refusal(client.post(token, data={**grant, "resource": MOBILE}))
        assert client.post(token, data={**grant, ASCII_MARK: ID_NUMBER}).status_code == 200


def ask_every_route(installation: Installation, sinks: Sinks) -> None:
    """Asks each described route, with a canary for every parameter and in several bodies."""
    routes = 0
    for described, who in (
        (describe_vendor_api(), installation.vendor("alpha")),
        (describe_company_api(), installation.staff("security")),
        (describe_company_api(), installation.staff("operator")),
        (describe_company_api(), installation.staff("auditor")),
    ):
        with who as client:
            for path, operations in described["paths"].items():
                for method, operation in operations.items():
                    names = [
                        part["name"]
                        for part in operation.get("parameters", ())
                        if part["in"] == "query"
                    ]
                    for canary, body in zip(STRANGE, BODIES, strict=False):
                        where = re.sub(r"\{[^}]+\}", canary, path)
                        query = dict.fromkeys(names, canary)
                        answer = client.request(method.upper(), where, params=query, json=body)
                        if not path.startswith("/v1/") or answer.status_code >= 400:
                            sinks.answer(answer)
                        routes += 1
    assert routes >= 60


def break_head(installation: Installation, sinks: Sinks) -> None:
    """Sends heads that the parser refuses before any route is reached."""
    port = installation.settings.vendor.port
    for name, head in {
        "oversized header": f"X-{ASCII_MARK}: {MOBILE * 3000}\r\n",
        "broken header": f"{ASCII_MARK} {MOBILE}\r\n",
        "broken length": f"Content-Length: {ASCII_MARK}\r\n",
    }.items():
        with Wire(port, installation.tls("vendors/alpha")) as wire:
            wire.send(f"/v1/cases/{ASCII_MARK}", head=head)
            answer = wire.read_to_cut()
        assert HEAD_END in answer
        assert answer.split(b" ")[1] in {b"400", b"431"}
        sinks[name] = answer


def fail_inside(installation: Installation, sinks: Sinks) -> None:
    """Damages a canary's ciphertext, so that its release fails with an error nobody foresaw."""
    with installation.vendor("alpha") as client:
        items = client.get("/v1/cases", params={"limit": 500}).json()["items"]
        ref = next(i["case_ref"] for i in items if i["full_name"].startswith(MARK[0]))
        with psycopg.connect(installation.database().owner_url) as connection:
            changed = connection.execute(
                "UPDATE casegate.case_record SET sealed = set_byte(sealed, 20, 7)"
                " WHERE case_id = (SELECT case_id FROM casegate.assigned_case"
                " WHERE case_ref = %s)",
                (ref,),
            ).rowcount
        assert changed == 1
        broken = client.get(f"/v1/cases/{ref}")
        assert (broken.status_code, broken.json()["code"]) == (500, "INTERNAL")
        sinks.refusal(broken)


def crash(installation: Installation, process: "subprocess.Popen[bytes]", sinks: Sinks) -> None:
    """Ends every database session, then a worker, in the middle of pulls of canaries."""
    for _attempt in range(3):
        with installation.vendor("alpha") as client:
            with psycopg.connect(installation.database().owner_url) as connection:
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE application_name LIKE 'casegate-%'"
                )
            answer = client.get("/v1/cases", params={"limit": 3})
            if answer.status_code >= 400:
                sinks.refusal(answer)
    workers = vendor_workers(process.pid)
    os.kill(workers[0], signal.SIGKILL)
    assert wait_until(
        lambda: len(set(vendor_workers(process.pid)) - {workers[0]}) == len(workers), seconds=15
    )


def run_commands(installation: Installation, directory: Path, sinks: Sinks) -> None:
    """Runs every command that meets case data, right and wrong ways."""
    sound, rubbish = directory / "again.csv", directory / "rubbish.csv"
    write_csv(sound, [canary_row(97), canary_row(98) | {"total_due": MARK}])
    rubbish.write_text(f"{MARK},{MOBILE}\n{ASCII_MARK},{ID_NUMBER}\n")
    export = directory / "export"
    erase = ("cases", "erase", "--debtor", "-", "--reason", "ordered")
    commands: list[tuple[tuple[str, ...], str, int]] = [
        (("cases", "import", str(sound), *TARGET), "", 1),
        (("cases", "import", str(rubbish), *TARGET), "", 1),
        (("cases", "recall", *TARGET, "--case", ASCII_MARK), "", 1),
        (("audit", "search", "--debtor", "-", "--limit", "500"), ID_NUMBER, 0),
        (("audit", "search", "--json", "--limit", "500"), "", 0),
        (("audit", "export", "--out", str(export)), "", 0),
        (erase, MOBILE, 1),
        (erase, f"{ID_NUMBER}{MARK}", 1),
        ((*erase, "--confirm", "0"), ID_NUMBER, 1),
        ((*erase, "--confirm", "7", "--json"), ID_NUMBER, 0),
    ]
    for number, (command, typed, code) in enumerate(commands):
        done = subprocess.run(
            [sys.executable, "-m", "gateway.cli", *command, "--config", str(installation.config)],
            input=typed.encode(),
            capture_output=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == code, (command, done.stderr)
        sinks[f"command {number}: {' '.join(command[:2])}"] = done.stdout + b"\0" + done.stderr
    assert sinks.directory("export", export) > 3


def test_no_canary_is_in_any_log_error_entry_or_column(sinks: Sinks) -> None:
    assert sinks.hits() == {}


def test_every_field_of_a_case_had_a_canary_or_is_too_plain_to_be_found(sinks: Sinks) -> None:
    row = canary_row(1)
    without = {
        name for name, cell in row.items() if not any(canary in cell for canary in sinks.canaries)
    }

    assert set(row) == {known.name for known in imported_fields()}
    assert without == set(PLAIN)


@pytest.mark.parametrize(
    "careless",
    [
        f"debtor {MARK} {MOBILE}".encode(),
        orjson.dumps([ID_NUMBER]) + MARK.encode("gb18030"),
        f"{MARK}".encode("utf-16"),
        f"\\u91d1\\u4e1d\\u96c0 +86 139-7731-2468 {ID_NUMBER[:6]} {ID_NUMBER[6:]}".encode(),
        b"x=%E9%87%91%E4%B8%9D%E9%9B%80&y=%e9%87%91%e4%b8%9d%e9%9b%80",
        b"e98791e4b89de99b80",
        b"E98791E4B89DE99B80",
    ],
)
def test_the_search_would_find_a_canary_however_it_is_written(careless: bytes) -> None:
    witness = Sinks()
    witness["a careless log"] = careless

    assert witness.hits()


@pytest.mark.parametrize("before", ["", "a", "ab", "abc"])
def test_the_search_would_find_a_canary_inside_base64(before: str) -> None:
    import base64

    for canary in (MARK, MOBILE):
        witness = Sinks(canaries={canary})
        witness["a careless log"] = base64.b64encode(f"{before}{canary} and more".encode())
        assert witness.hits() == {"a careless log": [canary]}


def test_the_sinks_were_all_filled(sinks: Sinks) -> None:
    assert sinks.codes >= {
        "NOT_FOUND",
        "SCHEMA_INVALID",
        "TOKEN_INVALID",
        "METHOD_NOT_ALLOWED",
        "UNSUPPORTED_GRANT_TYPE",
        "INVALID_CLIENT",
        "PURPOSE_NOT_ALLOWED",
        "PORTFOLIO_FILE",
        "INTERNAL",
    }
    for sink in ("installation: serve.log", "PostgreSQL's log", "table audit.batch"):
        assert len(sinks[sink]) > 200
    assert sinks["table casegate.case_record"].count(b"\n") > 200
    for kind in ("table oversight.", "export: tile/entries/", "installation: ", "stdout of serve"):
        assert sum(len(data) for sink, data in sinks.found.items() if sink.startswith(kind)) > 5
    for event in (b"subject.erased", b"access.release", b"access.denied", b"case.assigned"):
        assert event in sinks["table audit.batch"]


def test_an_imported_file_is_nowhere_left_in_plain(sinks: Sinks) -> None:
    assert sinks.canaries
    left = [
        path
        for folder in Path(tempfile.gettempdir()).glob("casegate-import-*")
        for path in folder.rglob("*")
        if path.is_file() and MARK.encode() in path.read_bytes()
    ]

    assert left == []


def test_log_lines_hold_allowed_keys_alone(sinks: Sinks) -> None:
    log = sinks["installation: serve.log"]
    lines = [line for line in log.splitlines() if b'{"' in line]
    failed = [line for line in lines if b"request.failed" in line]

    assert failed
    assert not re.search(rb"Traceback|File \"", log)
    for line in lines:
        entry = orjson.loads(line[line.index(b"{") :])
        assert {"event", "level", "timestamp"} <= set(entry)
        assert not set(entry) & {"exception", "message", "body", "headers", "query"}
