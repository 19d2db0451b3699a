"""`casegate trace FILE`: to which vendor leaked rows were given."""

import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

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
from gateway.tracing.desk import TraceReport
from gateway.tracing.ranking import Suspect

_SHOWN_RECEIPTS = 5


def add_to(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("trace")(trace)


def trace(
    file: Annotated[
        Path, typer.Argument(help="Leaked rows: CSV, JSON lines, text; `-`: standard input.")
    ],
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JSONOption = False,
) -> None:
    """Rank the vendors that leaked rows may come from: who was given them, when, by what receipt.

    Finds numbers, names, masked forms and references in rows of any shape. The log keeps that it
    was asked and what came out, and nothing of the file.
    """
    with (
        nullcontext(sys.stdin.buffer) if str(file) == "-" else file.open("rb") as rows,
        Progress(
            TextColumn("cases"), BarColumn(), MofNCompleteColumn(), console=err, transient=True
        ) as bar,
    ):
        task = bar.add_task("cases", total=None)
        report = (
            open_office(config)
            .tracing()
            .trace(
                rows,
                actor=actor(),
                progress=lambda opened, whole: bar.update(task, completed=opened, total=whole),
            )
        )
    if as_json:
        print_json(report.document())
    else:
        _tell(report)


def _tell(report: TraceReport) -> None:
    out.print(
        f"{report.lines} lines, {report.rows} with something to go by: {report.matched} lead to"
        f" a case, {report.ambiguous} to too many; {report.opened} of {report.cases} cases opened",
        soft_wrap=True,
    )
    table = Table(box=None, pad_edge=False)
    for title in ("vendor", "part", "given", "in form", "alone", "refs", "canaries", "from", "to"):
        table.add_column(title, justify="left" if title in {"vendor", "from", "to"} else "right")
    for one in report.suspects:
        table.add_row(
            escape(one.vendor),
            f"{one.likelihood:.1%}",
            *(str(n) for n in (one.given, one.in_form, one.alone, one.references, one.canaries)),
            one.first or "-",
            one.last or "-",
        )
    table.add_row("elsewhere", f"{report.elsewhere:.1%}")
    out.print(table, soft_wrap=True)
    for one in report.suspects:
        _tell_why(one)
    if report.is_partial:
        err.print(
            "? there are more releases of these cases than were read: the oldest are missing"
        )
    for finding in report.findings:
        out.print(f"finding {finding}: a canary is among the rows", soft_wrap=True)
    out.print(f"log entry {report.log_index}")


def _tell_why(one: Suspect) -> None:
    for reason in one.reasons:
        out.print(f"{one.vendor}: {reason}", markup=False, soft_wrap=True)
    for receipt in one.receipts[:_SHOWN_RECEIPTS]:
        out.print(
            f"  {receipt.rows} rows in {receipt.index}/{receipt.leaf_hash} at {receipt.time}",
            markup=False,
            soft_wrap=True,
        )
