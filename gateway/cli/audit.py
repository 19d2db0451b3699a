"""`casegate audit …`."""

import re
import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress, SpinnerColumn, TextColumn

from gateway.app import Office, log_vkey
from gateway.cli.console import (
    DEFAULT_CONFIG,
    ConfigOption,
    JSONOption,
    actor,
    err,
    open_office,
    out,
    print_json,
)
from gateway.errors import NotFoundError
from gateway.http.company import page_document
from gateway.oversight.export import POLICY_FILE, export_log
from gateway.oversight.indexing import catch_up, drop_index
from gateway.oversight.search import LogQuery
from gateway.oversight.verification import record_export, record_verification, verify_log

app = typer.Typer(help="The tamper-evident log.", no_args_is_help=True)


@app.command("verify")
def verify(
    vkey: Annotated[
        Path | None,
        typer.Option(help="File with the log's verifier key, kept outside the installation."),
    ] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JSONOption = False,
) -> None:
    """Recompute every entry, batch and signed head; exit code 1 when anything was changed."""
    office = open_office(config)
    settings = office.database.settings
    key = vkey.read_text().strip() if vkey is not None else log_vkey(settings)
    with (
        office.connection("auditor") as connection,
        Progress(
            SpinnerColumn(), TextColumn("{task.completed} entries"), console=err, transient=True
        ) as bar,
    ):
        task = bar.add_task("verify", total=None)
        report = verify_log(
            connection,
            vkey=key,
            origin=settings.audit.origin,
            progress=lambda entries: bar.update(task, completed=entries),
        )
    with office.connection() as connection:
        record_verification(connection, report, actor=actor(), at=office.clock.now())
    if as_json:
        print_json(
            {
                "verified": True,
                "entries": report.entries,
                "batches": report.batches,
                "heads": report.heads,
                "signed_size": report.signed_size,
                "signed_root": report.signed_root.hex(),
                "unsigned_tail": report.unsigned_tail,
            }
        )
    else:
        out.print(
            f"verified: {report.entries} entries in {report.batches} batches,"
            f" {report.heads} signed heads, {report.unsigned_tail} entries not yet signed",
            soft_wrap=True,
        )


@app.command("search")
def search(
    vendor: Annotated[str | None, typer.Option(help="Vendor id.")] = None,
    event: Annotated[str | None, typer.Option(help="An event, as access.release.")] = None,
    certificate: Annotated[str | None, typer.Option(help="Thumbprint in hex.")] = None,
    request: Annotated[str | None, typer.Option(help="Request id.")] = None,
    code: Annotated[str | None, typer.Option(help="A problem code, as NOT_FOUND.")] = None,
    who: Annotated[str | None, typer.Option("--actor", help="Staff or command.")] = None,
    case: Annotated[str | None, typer.Option(help="A case's commitment in hex.")] = None,
    debtor: Annotated[
        str | None,
        typer.Option(help="An ID number or a mobile; `-` reads it from standard input."),
    ] = None,
    since: Annotated[datetime | None, typer.Option(help="Local time, 2026-01-31T08:00:00")] = None,
    until: Annotated[datetime | None, typer.Option(help="Local time, exclusive.")] = None,
    unended: Annotated[bool, typer.Option(help="Releases whose end was never logged.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=500)] = 20,
    cursor: Annotated[int | None, typer.Option(min=0, help="Go on below this index.")] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JSONOption = False,
) -> None:
    """Search the log, newest first. The search is itself logged."""
    office = open_office(config)
    query = LogQuery(
        vendor=vendor,
        event=event,
        certificate=certificate,
        request=request,
        code=code,
        actor=who,
        cases=_commitments(office, case, debtor),
        since=since.astimezone() if since is not None else None,
        until=until.astimezone() if until is not None else None,
        unended=unended,
        before=cursor,
        limit=limit,
    )
    page = office.search(query, actor=actor())
    if as_json:
        print_json(page_document(page))
        return
    for hit in page.hits:
        entry = hit.entry
        who = entry.get("vendor") or entry.get("actor") or entry.get("staff") or ""
        more = entry.get("code") or (
            f"{len(entry['cases'])} cases" if "cases" in entry else entry.get("reason") or ""
        )
        out.print(
            f"{hit.index:>8}  {entry['time']}  {entry['type']:<22} {who:<16} {more}",
            markup=False,
            soft_wrap=True,
        )
    if page.next_before is not None:
        err.print(f"more: --cursor {page.next_before}")


@app.command("export")
def export(
    directory: Annotated[Path, typer.Option("--out", help="A directory, new or of an export.")],
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JSONOption = False,
) -> None:
    """Write the whole log in its public format, for a verifier that needs nothing of ours."""
    office = open_office(config)
    settings = office.database.settings
    with office.connection() as connection:
        record_export(connection, actor=actor(), at=office.clock.now())
    with (
        office.connection("auditor") as connection,
        Progress(
            SpinnerColumn(), TextColumn("{task.completed} entries"), console=err, transient=True
        ) as bar,
    ):
        task = bar.add_task("export", total=None)
        checkpoint = export_log(
            connection,
            directory,
            vkey=log_vkey(settings),
            progress=lambda entries: bar.update(task, completed=entries),
        )
    if checkpoint is None:
        raise NotFoundError("nothing has been signed yet; is the publisher running?")
    if as_json:
        print_json({"directory": str(directory), "size": checkpoint.size})
    else:
        out.print(
            f"{checkpoint.size} entries in {directory}; verify: casegate-audit verify"
            f" {directory} --policy {directory / POLICY_FILE}",
            soft_wrap=True,
        )


@app.command("reindex")
def reindex(config: ConfigOption = DEFAULT_CONFIG, as_json: JSONOption = False) -> None:
    """Drop the search index and build it anew from the log."""
    office = open_office(config)
    with (
        office.connection("publisher") as connection,
        Progress(
            SpinnerColumn(), TextColumn("{task.completed} entries"), console=err, transient=True
        ) as bar,
    ):
        task = bar.add_task("index", total=None)
        drop_index(connection)
        entries = catch_up(connection, progress=lambda index: bar.update(task, completed=index))
    if as_json:
        print_json({"indexed": entries})
    else:
        out.print(f"{entries} entries indexed")


def _commitments(office: Office, case: str | None, debtor: str | None) -> tuple[str, ...] | None:
    """Turns what the auditor knows into the log's commitments, here and nowhere else."""
    if debtor is not None:
        typed = sys.stdin.readline().strip() if debtor == "-" else debtor
        return office.commitments_of(typed)
    if case is None:
        return None
    if not re.fullmatch(r"[0-9a-f]{32}", case):
        raise typer.BadParameter("32 hex digits, as entries show them", param_hint="--case")
    return (case,)
