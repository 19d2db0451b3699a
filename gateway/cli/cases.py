"""`casegate cases …`."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

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
from gateway.operations.recall import recall_cases
from gateway.portfolio.importing import ImportReport
from gateway.portfolio.rejects import rejects_path

app = typer.Typer(help="Import and recall cases.", no_args_is_help=True)
_SHOWN_ERRORS = 20
EXIT_FAILED = 1

VendorOption = Annotated[str, typer.Option("--vendor", help="Vendor id.")]
ContractOption = Annotated[str, typer.Option("--contract", help="Contract id.")]


@app.command("import")
def import_cases(
    file: Annotated[Path, typer.Argument(help="CSV or NDJSON; UTF-8 or GB18030.")],
    vendor: VendorOption,
    contract: ContractOption,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JSONOption = False,
) -> None:
    """Import a lender's case file and assign its cases to a vendor.

    Good rows go in; bad rows go to FILE.rejected.csv, to be mended and imported again. Exit code
    1 when rows were rejected.
    """
    with Progress(
        TextColumn("{task.fields[rows]} rows"),
        BarColumn(),
        DownloadColumn(),
        TimeRemainingColumn(),
        console=err,
        transient=True,
    ) as bar:
        task = bar.add_task("import", total=None, rows=0)
        report = open_office(config).import_file(
            file,
            vendor,
            contract,
            actor=actor(),
            rejects=rejects_path(file),
            progress=lambda read, size, rows: bar.update(
                task, completed=read, total=size, rows=rows
            ),
        )
    if as_json:
        print_json(_document(report))
    else:
        _tell(report)
    raise typer.Exit(EXIT_FAILED if report.rejected else 0)


@app.command("recall")
def recall(
    vendor: VendorOption,
    contract: ContractOption,
    case: Annotated[list[str] | None, typer.Option("--case", help="A case_ref; repeat.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All cases of the contract.")] = False,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JSONOption = False,
) -> None:
    """Take cases back: for the vendor they are at once as if they had never been."""
    if bool(case) == everything:
        raise typer.BadParameter("name cases with --case, or give --all", param_hint="--case")
    office = open_office(config)
    with office.connection() as connection:
        count = recall_cases(
            connection,
            vendor,
            contract,
            case_refs=None if everything else case,
            actor=actor(),
            at=office.clock.now(),
        )
    if as_json:
        print_json({"recalled": count})
    else:
        out.print(f"{count} cases recalled from {vendor}")


def _tell(report: ImportReport) -> None:
    out.print(
        f"{report.rows} rows: {report.assigned} assigned, {report.changed} changed,"
        f" {report.unchanged} unchanged, {report.rejected} rejected",
        soft_wrap=True,
    )
    if report.assignment_id:
        out.print(f"assignment {report.assignment_id}")
    for name in report.forbidden_columns:
        err.print(
            f"ALARM: column {name!r} holds authentication data; it was not kept, and must not"
            " be sent",
            markup=False,
        )
    if report.unknown_columns:
        err.print(f"ignored columns: {', '.join(report.unknown_columns)}", markup=False)
    for error in report.errors[:_SHOWN_ERRORS]:
        column = f", column {error.column}" if error.column else ""
        err.print(
            f"line {error.line}{column}: {error.code.value}: {error.reason}",
            markup=False,
            soft_wrap=True,
        )
    if report.rejected:
        err.print(f"mend and import again: {report.rejects_file}", markup=False, soft_wrap=True)


def _document(report: ImportReport) -> dict[str, Any]:
    return {
        "assignment_id": report.assignment_id,
        "rows": report.rows,
        "assigned": report.assigned,
        "changed": report.changed,
        "unchanged": report.unchanged,
        "rejected": report.rejected,
        "rejects_file": None if report.rejects_file is None else str(report.rejects_file),
        "unknown_columns": list(report.unknown_columns),
        "forbidden_columns": list(report.forbidden_columns),
        "errors": [
            {
                "line": error.line,
                "column": error.column,
                "code": error.code.value,
                "reason": error.reason,
            }
            for error in report.errors
        ],
    }
