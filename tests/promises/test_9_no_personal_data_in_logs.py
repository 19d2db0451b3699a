"""Promise 9: no personal data in any log, error, audit entry or plain column of the database."""

import csv
import re
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import httpx
import orjson
import psycopg
import pytest
from psycopg import sql

from policies.fields import FieldType, Origin, load_field_catalog
from tests.installation import Installation
from tests.promises.wire import HEAD_END, Wire

MARK = "金丝雀"
ASCII_MARK = "CANARY7Q"
MOBILE = "13977312468"
ID_NUMBER = "440308199003077338"
NUMERIC = {
    "mobile_phone": MOBILE,
    "home_phone": "075582917364",
    "work_phone": "075529173648",
    "related_phone": "13866412975",
    "id_number": ID_NUMBER,
    "bank_account_no": "6217001230049183745",
    "core_account_no": "XK70091837465021",
}


@dataclass(slots=True)
class Seen:
    """Everything that left the gateway or stayed behind, by where it was found."""

    sinks: dict[str, bytes] = field(default_factory=dict)
    canaries: set[str] = field(default_factory=set)
    codes: set[str] = field(default_factory=set)

    def refusal(self, answer: httpx.Response) -> None:
        """Keeps a refusal; it must be a problem of the kind that it seems."""
        assert answer.status_code >= 400
        head = repr(sorted(answer.headers.items())).encode()
        self.codes.add(answer.json()["code"])
        number = f"refusal {len(self.sinks)}: {answer.request.url.path[:20]}"
        self.sinks[number] = head + answer.content

    def hits(self) -> dict[str, list[str]]:
        """The canaries found in each sink, as UTF-8, GB 18030, JSON, URL or hex text."""
        found = {
            sink: [c for c in sorted(self.canaries) if any(f in data for f in spellings(c))]
            for sink, data in self.sinks.items()
        }
        return {sink: canaries for sink, canaries in found.items() if canaries}


def spellings(canary: str) -> set[bytes]:
    """A canary as different writers would put it."""
    utf8 = canary.encode()
    escaped = canary.encode("ascii", "backslashreplace")
    return {utf8, canary.encode("gb18030"), escaped, quote(canary).encode(), utf8.hex().encode()}


def canary_cells(number: int, headers: list[str], sample: list[str]) -> dict[str, str]:
    """A row in which every cell of free form holds a canary of its own."""
    catalog = load_field_catalog()
    cells: dict[str, str] = {}
    for header, example in zip(headers, sample, strict=True):
        known = catalog.by_header(header)
        assert known is not None
        assert known.origin is Origin.IMPORT
        if known.name == "id_number":
            cells[header] = ID_NUMBER
        elif known.name in NUMERIC:
            cells[header] = NUMERIC[known.name]
        elif known.name == "source_case_no":
            cells[header] = f"{ASCII_MARK}{number:04d}"
        elif known.name == "full_name":
            cells[header] = f"{MARK}丙"
        elif known.type is FieldType.ADDRESS:
            cells[header] = f"广东省深圳市南山区{MARK}路{number}号{header}"
        elif known.type is FieldType.TEXT:
            cells[header] = f"{MARK}{header}"
        else:
            cells[header] = example
    return cells


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    """One installation used and abused with canaries, then searched."""
    directory = tmp_path_factory.mktemp("canary")
    installation = Installation.make(directory / "sandbox", cases=20)
    seen = Seen(canaries={MARK, ASCII_MARK, *NUMERIC.values()})
    with installation.serving(workers=1):
        import_canaries(installation, directory, seen)
        pull_and_provoke(installation, seen)
        break_head(installation, seen)
        fail_inside(installation, seen)
        commands = [
            installation.run("audit", "verify"),
            installation.run("audit", "search", "--json", "--limit", "500"),
        ]
    for command in commands:
        assert command.returncode == 0
        seen.sinks[f"stdout of {command.args[3:6]}"] = command.stdout.encode()
        seen.sinks[f"stderr of {command.args[3:6]}"] = command.stderr.encode()
    collect_database(installation, seen)
    seen.sinks["serve.log"] = (installation.directory / "serve.log").read_bytes()
    postgres = installation.settings.resolve(installation.settings.database.embedded_directory)
    seen.sinks["PostgreSQL's log"] = (postgres / "log").read_bytes()
    return seen


def import_canaries(installation: Installation, directory: Path, seen: Seen) -> None:
    """Sends a sound file, a file with broken rows, and files that are none."""
    with (installation.directory / "portfolio-alpha.csv").open(encoding="utf-8") as file:
        headers, sample, *_rest = list(csv.reader(file))
    rows = [canary_cells(number, headers, sample) for number in range(5)]
    name = next(h for h in headers if h.endswith("姓名"))
    for number, broken in enumerate(("手机号码", "身份证号码", "逾期总金额", name)):
        rows.append(canary_cells(number + 90, headers, sample))
        rows[-1][broken] = f"{MARK}\x07{ASCII_MARK}"
    path = directory / "canaries.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, headers)
        writer.writeheader()
        writer.writerows(rows)
    where = "/company/v1/portfolios?vendor=alpha&contract=alpha-2026"
    with installation.staff("operator") as operator:
        report = operator.post(where, content=path.read_bytes())
        assert (report.status_code, report.json()["assigned"]) == (200, 5)
        assert report.json()["rejected"] == 4
        assert len(report.json()["errors"]) >= 4
        seen.sinks["import report"] = report.content
        rubbish = f"{MARK},{MOBILE}\n{ASCII_MARK},{ID_NUMBER}\n"
        seen.refusal(operator.post(where, content=rubbish.encode()))
        broken_lines = operator.post(where, content=f'{{"{MARK}": "{MOBILE}'.encode())
        assert broken_lines.json()["rejected"] == 1
        seen.sinks["report of broken lines"] = broken_lines.content
        seen.refusal(operator.post(where, content=f"案件编号\n{MARK}".encode("utf-16")))
        seen.refusal(operator.post(f"{where}{MARK}", content=b""))
        revoke = f"/company/v1/vendors/{ASCII_MARK}/revoke"
        seen.refusal(operator.post(revoke, json={"reason": MARK, MARK: MOBILE}))
    with installation.staff("security") as security:
        seen.refusal(security.post(revoke, json={"reason": MARK, MARK: MOBILE}))
        seen.refusal(security.post(revoke))
        seen.refusal(security.post(f"/company/v1/credentials/{MARK}/revoke"))
        seen.refusal(security.get("/company/v1/log/entries", params={"since": MARK}))
        seen.refusal(security.get("/company/v1/log/entries", params={"vendor": MOBILE + MARK}))
    command = installation.run(
        "cases", "import", str(path), "--vendor", "alpha", "--contract", "alpha-2026", "--json"
    )
    assert command.returncode == 1
    seen.sinks["casegate cases import"] = (command.stdout + command.stderr).encode()


def pull_and_provoke(installation: Installation, seen: Seen) -> None:
    """Pulls the canaries at every route, and asks for much that is refused."""
    with installation.vendor("alpha") as client:
        page = client.get("/v1/cases", params={"limit": 500})
        pulled = [item for item in page.json()["items"] if item["full_name"].startswith(MARK[0])]
        assert len(pulled) >= 5
        assert client.get(f"/v1/cases/{pulled[-1]['case_ref']}").status_code == 200
        assert client.get("/v1/assignments").status_code == 200
        lines = client.get("/v1/cases", headers={"Accept": "application/x-ndjson"})
        assert lines.status_code == 200
        seen.sinks["headers of releases"] = repr([page.headers, lines.headers]).encode()
        for path in (MARK, ASCII_MARK, MOBILE, ID_NUMBER, f"{ASCII_MARK}%00", f"x%0d%0a{MARK}"):
            seen.refusal(client.get(f"/v1/cases/{path}"))
            seen.refusal(client.get(f"/{path}"))
        for query in ({"cursor": ASCII_MARK}, {"limit": MARK}, {"limit": MOBILE}):
            seen.refusal(client.get("/v1/cases", params=query))
        seen.refusal(client.get("/v1/cases", params={"assignment": MARK * 30}))
        seen.refusal(client.get("/v1/cases", headers={"Casegate-Purpose": ASCII_MARK}))
        seen.refusal(client.get("/v1/cases", headers={"Casegate-Purpose": ASCII_MARK * 20}))
        seen.refusal(client.get("/v1/cases", headers={"Authorization": f"Bearer {ASCII_MARK}"}))
        seen.refusal(client.get("/v1/cases", headers={"Authorization": f"{ASCII_MARK} {MOBILE}"}))
        seen.refusal(client.request(ASCII_MARK, "/v1/cases", content=MARK.encode()))
        seen.refusal(client.post("/v1/cases", json={MARK: MOBILE}))
        token = "/oauth2/token"
        grant = {"grant_type": "client_credentials"}
        seen.refusal(client.post(token, data={"grant_type": MARK}))
        seen.refusal(client.post(token, data={**grant, "client_id": ASCII_MARK}))
        seen.refusal(client.post(token, content=f"{MARK}={MOBILE}&{ASCII_MARK}".encode()))
        seen.refusal(client.post(token, json={MARK: MOBILE}))
        seen.refusal(client.post(token, data={"grant_type": [MARK, MARK]}))
        extra = {**grant, "scope": MARK, "resource": MOBILE, ASCII_MARK: ID_NUMBER}
        assert client.post(token, data=extra).status_code == 200


def break_head(installation: Installation, seen: Seen) -> None:
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
        seen.sinks[name] = answer


def fail_inside(installation: Installation, seen: Seen) -> None:
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
        seen.refusal(broken)


def collect_database(installation: Installation, seen: Seen) -> None:
    """Every cell of every table, as text and as the bytes of what is binary."""
    with psycopg.connect(installation.database().owner_url) as connection:
        tables = connection.execute(
            "SELECT schemaname, tablename FROM pg_tables"
            " WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
        ).fetchall()
        assert {schema for schema, _table in tables} >= {"casegate", "audit"}
        for schema, table in tables:
            name = sql.Identifier(schema, table)
            cursor = connection.execute(sql.SQL("SELECT * FROM {}").format(name))
            cells = [cell for row in cursor.fetchall() for cell in row]
            seen.sinks[f"table {schema}.{table}"] = b"\n".join(
                bytes(cell) if isinstance(cell, bytes | memoryview) else str(cell).encode()
                for cell in cells
            )


def test_no_canary_is_in_any_log_error_entry_or_column(seen: Seen) -> None:
    assert seen.hits() == {}


def test_the_search_would_find_a_canary(seen: Seen) -> None:
    witness = Seen(canaries=seen.canaries)
    witness.sinks["a careless log"] = f"debtor {MARK} {MOBILE}".encode()
    witness.sinks["an escaped log"] = orjson.dumps([ID_NUMBER]) + MARK.encode("gb18030")

    assert witness.hits() == {
        "a careless log": sorted([MARK, MOBILE]),
        "an escaped log": sorted([MARK, ID_NUMBER]),
    }


def test_the_sinks_were_all_filled(seen: Seen) -> None:
    assert seen.codes >= {
        "NOT_FOUND",
        "SCHEMA_INVALID",
        "TOKEN_INVALID",
        "METHOD_NOT_ALLOWED",
        "UNSUPPORTED_GRANT_TYPE",
        "INVALID_CLIENT",
        "ROLE_NOT_ALLOWED",
        "INTERNAL",
    }
    for sink in ("serve.log", "PostgreSQL's log", "table audit.batch", "import report"):
        assert len(seen.sinks[sink]) > 200
    assert seen.sinks["table casegate.case_record"].count(b"\n") > 200


def test_an_imported_file_is_nowhere_left_in_plain(seen: Seen) -> None:
    assert seen.canaries
    left = [
        path
        for folder in Path(tempfile.gettempdir()).glob("casegate-import-*")
        for path in folder.rglob("*")
        if path.is_file() and MARK.encode() in path.read_bytes()
    ]

    assert left == []


def test_log_lines_hold_allowed_keys_alone(seen: Seen) -> None:
    lines = [line for line in seen.sinks["serve.log"].splitlines() if line.startswith(b"{")]
    failed = [line for line in lines if b"request.failed" in line]

    assert failed
    assert not re.search(rb"Traceback|File \"", seen.sinks["serve.log"])
    for line in lines:
        entry = orjson.loads(line)
        assert {"event", "level", "timestamp"} <= set(entry)
        assert not set(entry) & {"exception", "message", "body", "headers", "query"}
