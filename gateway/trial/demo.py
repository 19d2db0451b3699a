"""The demo: the story of one case, on a fresh sandbox, with real processes, TLS and PostgreSQL."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson
from cryptography.x509 import ReasonFlags
from rich.console import Console
from rich.panel import Panel
from rich.table import Table

from audit.errors import TamperedError
from audit.store import read_batches, read_signed_heads
from audit.verify import verify_batches
from gateway.clock import SystemClock
from gateway.installation import log_vkey
from gateway.office import Office
from gateway.oversight.search import LogQuery
from gateway.oversight.verification import verify_log
from gateway.portfolio.rejects import rejects_path
from gateway.settings import Settings
from gateway.store.database import locate_database
from gateway.store.embedded import stop_embedded
from gateway.trial.altered import alter_one_entry
from gateway.trial.call_centre import permit_wish
from gateway.trial.morning import next_working_morning
from gateway.trial.sandbox import make_sandbox
from gateway.trial.vendor_client import Answer, VendorClient
from policies.elements import SHANGHAI

_ACTOR = "cli:demo"
_SHOWN = ("case_ref", "full_name", "mobile_phone", "home_address", "total_due", "days_past_due")
_SECOND = 1.0
_READY_SECONDS = 40
_CELL = 28
_LONGEST_DAYS = 9999
_NOT_NOW = {"OUTSIDE_WINDOW_RED", "OUTSIDE_WINDOW_AMBER_NO_CONSENT", "HOLIDAY_NO_CONSENT"}


class StepFailedError(Exception):
    """A step of the story did not hold."""


class Demo:
    """Tells the story step by step; each step checks what it claims."""

    def __init__(self, out: Console, directory: Path, settings: Settings) -> None:
        self._out = out
        self._directory = directory
        self._settings = settings
        self._clock = settings.make_clock()
        self._office = Office(locate_database(settings, announce=False), self._clock)

    def tell(self) -> None:
        """Runs all steps.

        Raises:
            StepFailedError: a step did not hold.
        """
        self._import()
        with self._served():
            alpha = VendorClient(self._directory / "vendors" / "alpha", self._settings.vendor.port)
            beta = VendorClient(self._directory / "vendors" / "beta", self._settings.vendor.port)
            case_ref = self._pull(alpha)
            self._foreign(beta, case_ref)
            self._call(alpha, case_ref)
            self._log()
            self._verify()
            self._tamper()
            self._revoke(alpha, beta)
            alpha.close()
            beta.close()

    def _import(self) -> None:
        self._title(
            "1. A lender's file comes in", "casegate cases import FILE --vendor V --contract C"
        )
        source = self._directory / "portfolio-alpha.csv"
        with source.open(encoding="utf-8") as file:
            header, first = file.readline(), file.readline()
        self._out.print(
            f"[dim]the lender's row, in clear:[/] {first.strip()[:180]}…", soft_wrap=True
        )
        broken = self._directory / "second-file.csv"
        number = first.split(",", 1)[0]
        again = first.replace(number, "DEMO-1", 1)
        broken.write_text(
            header + first + again.replace("-", "/") + "DEMO-2" + "," * header.count(",")
        )
        report = self._office.import_file(
            broken, "alpha", "alpha-2026", actor=_ACTOR, rejects=rejects_path(broken)
        )
        self._out.print(
            f"{report.rows} rows: {report.assigned} new, {report.unchanged} known and unchanged,"
            f" {report.rejected} rejected into {rejects_path(broken).name}, for example:"
        )
        for error in report.errors[:3]:
            self._out.print(f"   line {error.line}, column {error.column}: {error.reason}")
        _hold(report.unchanged == 1, "the same row twice must change nothing")
        _hold(report.rejected >= 1, "a broken row must be rejected")

    def _pull(self, alpha: VendorClient) -> str:
        self._title("2. Vendor alpha pulls its cases, masked", "GET /v1/cases over mTLS, TLS 1.3")
        lifetime = alpha.authorize()
        self._out.print(f"POST /oauth2/token   200, bound to alpha's certificate, {lifetime} s")
        listing = alpha.get("/v1/cases?limit=3")
        self._show(listing, "GET /v1/cases?limit=3")
        case_ref = str(listing.document()["items"][0]["case_ref"])
        one = alpha.get(f"/v1/cases/{case_ref}")
        self._show(one, f"GET /v1/cases/{case_ref}")
        truth = self._truth(case_ref)
        case = one.document()
        table = Table("field", "what the lender has", "what alpha gets", title="the same case")
        for field in (*_SHOWN, "id_number", "employer_name", "past_notes"):
            table.add_row(field, _held(truth.get(field)), str(case.get(field, "—")))
        self._out.print(table)
        for secret in ("full_name", "id_number", "mobile_phone", "home_address"):
            _hold(str(truth[secret]).encode() not in one.body, f"{secret} left in clear")
        return case_ref

    def _foreign(self, beta: VendorClient, case_ref: str) -> None:
        self._title(
            "3. Vendor beta asks for alpha's case", "not yours, recalled, unknown: one answer"
        )
        beta.authorize()
        foreign = beta.get(f"/v1/cases/{case_ref}")
        unknown = beta.get("/v1/cases/AAAAAAAAAAAAAAAAAAAAAAAAAA")
        self._show(foreign, f"GET /v1/cases/{case_ref}   (alpha's)")
        self._show(unknown, "GET /v1/cases/AAAAAAAAAAAAAAAAAAAAAAAAAA   (nobody's)")
        _hold(foreign.status == unknown.status == 404, "beta must get the 404")  # noqa: PLR2004
        same = _without_id(foreign) == _without_id(unknown)
        self._out.print(f"equal but for the request id: {same}")
        _hold(same, "the two answers must be one")

    def _call(self, alpha: VendorClient, case_ref: str) -> None:
        self._title("4. An agent of alpha wants to call", "POST /v1/permits")
        now = self._clock.now().astimezone(SHANGHAI)
        self._out.print(f"[dim]the clock says {now:%A %H:%M}, Shanghai[/]")
        wish = permit_wish("alpha", 1, case_ref)
        granted = alpha.post("/v1/permits", wish)
        self._show(granted, "POST /v1/permits   (the debtor's mobile)")
        if self._settings.trial is None and granted.status == 403:  # noqa: PLR2004
            codes = granted.document()["codes"]
            _hold(set(codes) <= _NOT_NOW, "on a real clock only the hour may forbid the call")
            self._out.print(
                "calls are not allowed at this hour; the rest of this step is left out"
            )
            return
        _hold(granted.status == 201, "the call must be allowed")  # noqa: PLR2004
        number = granted.document()["contact_point"]["number"]
        _hold(number.endswith(str(self._truth(case_ref)["mobile_phone"])), "the one number")
        third = alpha.post("/v1/permits", wish | {"contact_point": "related"})
        self._show(third, "POST /v1/permits   (a relative's number)")
        _hold(third.status == 403, "a third person must not be called")  # noqa: PLR2004
        permit = f"/v1/permits/{granted.document()['permit_id']}"
        closed = alpha.post(f"{permit}/close", {"result_code": "RPC_DISPUTE"})
        self._out.print(f"the debtor disputes the debt; POST {permit}/close   {closed.status}")
        again = alpha.post("/v1/permits", wish)
        self._show(again, "POST /v1/permits   (the next try)")
        _hold("HOLD" in again.document()["codes"], "the dispute must stop all calls")

    def _log(self) -> None:
        self._title("5. What the log says of both", "casegate audit search")
        page = self._office.search(LogQuery(limit=16), actor=_ACTOR)
        kinds = set()
        for hit in page.hits:
            entry = hit.entry
            kinds.add((entry["type"], entry.get("vendor")))
            cases = entry.get("cases")
            what = entry.get("code") or (f"{len(cases)} cases" if isinstance(cases, list) else "")
            self._out.print(
                f"{hit.index:>5}  {entry['time']}  {entry['type']:<20}"
                f" {entry.get('vendor') or entry.get('actor') or '':<12} {what}"
            )
        _hold(("access.release", "alpha") in kinds, "alpha's pull must be in the log")
        _hold(("access.denied", "beta") in kinds, "beta's refusal must be in the log")

    def _verify(self) -> None:
        self._title("6. The log is recomputed from its first entry", "casegate audit verify")
        with self._office.connection("auditor") as connection:
            report = verify_log(
                connection, vkey=log_vkey(self._settings), origin=self._settings.audit.origin
            )
        self._out.print(
            f"{report.entries} entries, {report.heads} signed heads:"
            " every hash and every signature holds"
        )
        _hold(report.heads > 0, "a head must be signed")

    def _tamper(self) -> None:
        self._title("7. Somebody alters an entry in a copy", "one name changed, all hashes left")
        with self._office.connection("auditor") as connection:
            heads = list(read_signed_heads(connection))
            batches = list(read_batches(connection))
        altered = alter_one_entry(batches)
        try:
            verify_batches(
                altered, heads, log_vkey(self._settings), origin=self._settings.audit.origin
            )
        except TamperedError as error:
            self._out.print(f"found: {error}")
            return
        raise StepFailedError("the altered entry was not found")

    def _revoke(self, alpha: VendorClient, beta: VendorClient) -> None:
        self._title("8. Alpha is revoked in mid-connection", "casegate vendor revoke alpha")
        _hold(alpha.get("/v1/cases?limit=1").status == 200, "alpha must work before")  # noqa: PLR2004
        began = self._clock.monotonic()
        cut_after: list[float] = []

        def watch() -> None:
            if alpha.wait_for_cut():
                cut_after.append(self._clock.monotonic() - began)

        watcher = threading.Thread(target=watch)
        watcher.start()
        began = self._clock.monotonic()
        effect = self._office.revoke_vendor(
            "alpha", ReasonFlags.cessation_of_operation, actor=_ACTOR
        )
        watcher.join()
        _hold(bool(cut_after), "alpha's open connection must be cut")
        took = effect.seconds or 0.0
        self._out.print(
            f"open connection cut after [bold]{cut_after[0] * 1000:.0f} ms[/];"
            f" {effect.acknowledged} of {effect.workers} workers obeyed"
            f" within {took * 1000:.0f} ms"
        )
        _hold(cut_after[0] < _SECOND and effect.is_complete, "it must take less than a second")
        again = VendorClient(self._directory / "vendors" / "alpha", self._settings.vendor.port)
        try:
            refused = again.get("/v1/cases")
            self._show(refused, "GET /v1/cases   (alpha, new connection)")
            _hold(refused.status == 401, "alpha must be refused")  # noqa: PLR2004
        except (OSError, http.client.HTTPException):
            self._out.print("new connection of alpha: cut")
        _hold(beta.get("/v1/cases?limit=1").status == 200, "beta must go on")  # noqa: PLR2004
        self._out.print("beta goes on working: 200")

    @contextmanager
    def _served(self) -> Iterator[None]:
        command = [sys.executable, "-m", "gateway.cli", "serve", "--config"]
        command.append(str(self._directory / "casegate.toml"))
        with (self._directory / "serve.log").open("wb") as log:
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log)  # noqa: S603
        try:
            _await_ready(process)
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait()

    def _truth(self, case_ref: str) -> dict[str, object]:
        for line in (self._directory / "truth.ndjson").read_bytes().splitlines():
            record: dict[str, object] = orjson.loads(line)
            if record["case_ref"] == case_ref:
                return record
        raise StepFailedError("the case is not one of the sandbox")

    def _title(self, title: str, how: str) -> None:
        self._out.print()
        self._out.rule(f"[bold]{title}[/]  [dim]{how}[/]", align="left")

    def _show(self, answer: Answer, request: str) -> None:
        receipt = answer.headers.get("casegate-receipt")
        self._out.print(f"{request}\n   [bold]{answer.status}[/]", end="")
        if receipt:
            self._out.print(f"  Casegate-Receipt: {receipt[:28]}…", end="")
        self._out.print()
        self._out.print(f"   {answer.body.decode()[:260]}", markup=False, soft_wrap=True)


def run_demo(out: Console) -> int:
    """Runs the demo in a temporary directory; returns the exit code."""
    with tempfile.TemporaryDirectory(prefix="casegate-demo-") as name:
        directory = Path(name) / "sandbox"
        out.print(Panel("Casegate: the story of one case", expand=False))
        clock, named = SystemClock(), os.environ.get("CASEGATE_DATABASE_URL")
        settings = make_sandbox(
            directory,
            vendor_port=_free_port(),
            company_port=_free_port(),
            clock=clock,
            # A named database works in real time.
            morning=None if named else next_working_morning(clock.now()),
            step=lambda text: out.print(f"[dim]· {text}[/]"),
        )
        try:
            Demo(out, directory, settings).tell()
        except StepFailedError as error:
            out.print(f"[bold red]A step did not hold: {error}[/]")
            return 1
        finally:
            if settings.database.url is None:
                stop_embedded(settings.resolve(settings.database.embedded_directory))
    out.print()
    out.print(
        Panel(
            "Every step held. To go on:\n"
            "  make serve                      a sandbox of your own under var/sandbox\n"
            "  var/sandbox/vendors/alpha       its client certificate, for curl\n"
            "  .venv/bin/casegate --help       all commands\n"
            "  README.md                       the map of the rooms, the life of one pull",
            expand=False,
        )
    )
    return 0


def _await_ready(process: subprocess.Popen[bytes]) -> None:
    assert process.stdout is not None
    timer = threading.Timer(_READY_SECONDS, process.kill)
    timer.start()
    line = process.stdout.readline()
    timer.cancel()
    _hold(line == b"ready\n", "the gateway did not become ready")


def _hold(condition: bool, sentence: str) -> None:  # noqa: FBT001  # reads as a sentence
    if not condition:
        raise StepFailedError(sentence)


def _without_id(answer: Answer) -> bytes:
    return answer.body.replace(answer.headers["casegate-request-id"].encode(), b"")


def _held(value: object) -> str:
    """A value of the lender's, cut to the table; money is in fen."""
    if isinstance(value, int) and value > _LONGEST_DAYS:
        return f"{value / 100:,.2f}"
    text = str(value if value is not None else "")
    return text if len(text) <= _CELL else text[: _CELL - 1] + "…"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
