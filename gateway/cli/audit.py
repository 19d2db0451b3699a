"""`casegate audit …`."""

import re
import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeRemainingColumn,
)

from audit.export.filters import EntryFilter
from gateway.cli import audit_views
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
from gateway.clock import rfc3339
from gateway.http.log_documents import page_document
from gateway.installation import log_vkeys
from gateway.office import Office
from gateway.oversight.handover import Trust, hand_over, policy_text
from gateway.oversight.indexing import catch_up, drop_index, log_size
from gateway.oversight.search import LogQuery
from gateway.oversight.verification import record_verification, verify_log
from policies.load import SHANGHAI

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")

app = typer.Typer(help="The tamper-evident log.", no_args_is_help=True)
audit_views.add_to(app)


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
    known = tuple(vkey.read_text().split()) if vkey is not None else log_vkeys(settings)
    if not known:
        raise typer.BadParameter("the file holds no verifier key", param_hint="--vkey")
    with (
        office.connection("auditor") as connection,
        Progress(
            SpinnerColumn(), TextColumn("{task.completed} entries"), console=err, transient=True
        ) as bar,
    ):
        task = bar.add_task("verify", total=None)
        report = verify_log(
            connection,
            vkey=known[0],
            former_keys=known[1:],
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
        cases = entry.get("cases")
        count = len(cases) if isinstance(cases, list) else cases
        more = entry.get("code") or (
            entry.get("reason") or "" if count is None else f"{count} cases"
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
    target: Annotated[
        Path, typer.Option("--out", help="A new directory, or a new file if it ends in .zip.")
    ],
    vendor: Annotated[str | None, typer.Option(help="Only entries of this vendor.")] = None,
    since: Annotated[
        str | None,
        typer.Option(help="RFC 3339 with zone, or a date in China: 2026-01-31."),
    ] = None,
    until: Annotated[str | None, typer.Option(help="Likewise, exclusive.")] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JSONOption = False,
) -> None:
    """Write what a regulator can verify without us. The export is itself logged."""
    office = open_office(config)
    settings = office.database.settings
    published = settings.audit.export
    trust = Trust(
        policy_text(log_vkeys(settings), [witness.vkey for witness in settings.audit.witnesses]),
        None if published is None else settings.resolve(published),
    )
    filters = EntryFilter(vendor, _moment(since, "--since"), _moment(until, "--until"))
    with (
        office.connection("auditor") as reader,
        office.connection() as recorder,
        Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            console=err,
            transient=True,
        ) as bar,
    ):
        task = bar.add_task("looking", total=None)
        done = hand_over(
            reader,
            recorder,
            target,
            trust,
            filters=filters,
            actor=actor(),
            clock=office.clock,
            progress=lambda what, entries, total: bar.update(
                task, description=what, completed=entries, total=total
            ),
        )
    if not done.is_told:
        err.print("the entry about this export is not signed yet: who took it is not proven")
    if not done.is_cosigned:
        err.print("too few witnesses have cosigned the checkpoint: verifiers will say so")
    manifest = done.manifest
    if as_json:
        print_json(
            {
                "out": str(target),
                "size": manifest.checkpoint.size,
                "first": manifest.first,
                "end": manifest.end,
                "shown": manifest.shown,
                "withheld": manifest.withheld,
                "told": done.is_told,
                "cosigned": done.is_cosigned,
            }
        )
        return
    shown = (
        f"{manifest.shown} entries, the whole log"
        if manifest.is_whole
        else f"{manifest.shown} of {manifest.end - manifest.first} entries of the range"
        f" [{manifest.first}, {manifest.end})"
    )
    out.print(f"{shown}, in {target}; how to verify it: VERIFY.md", markup=False, soft_wrap=True)


@app.command("reindex")
def reindex(config: ConfigOption = DEFAULT_CONFIG, as_json: JSONOption = False) -> None:
    """Drop the search index and build it anew from the log."""
    office = open_office(config)
    begun = office.clock.monotonic()
    with (
        office.connection("publisher") as connection,
        Progress(
            BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=err, transient=True
        ) as bar,
    ):
        task = bar.add_task("index", total=log_size(connection))
        drop_index(connection)
        entries = catch_up(connection, progress=lambda index: bar.update(task, completed=index))
    seconds = max(office.clock.monotonic() - begun, 0.001)
    if as_json:
        print_json({"indexed": entries, "seconds": round(seconds, 3)})
    else:
        out.print(
            f"{entries} entries indexed in {seconds:.1f} s, {entries / seconds:,.0f} entries/s"
        )


def _commitments(office: Office, case: str | None, debtor: str | None) -> tuple[str, ...] | None:
    """Turns what the auditor knows into the log's commitments, here and nowhere else."""
    if debtor is not None:
        typed = sys.stdin.readline().strip() if debtor == "-" else debtor
        return office.commitments_of(typed)
    if case is None:
        return None
    return (audit_views.case_commitment(case),)


def _moment(text: str | None, option: str) -> str | None:
    """A time as entries spell it; a date is its first moment in China."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter("a date or an RFC 3339 time", param_hint=option) from error
    if _DATE.fullmatch(text) is not None:
        moment = moment.replace(tzinfo=SHANGHAI)
    if moment.tzinfo is None:
        raise typer.BadParameter("a time needs its zone, as in +08:00 or Z", param_hint=option)
    return rfc3339(moment)
