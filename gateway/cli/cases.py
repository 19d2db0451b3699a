"""`casegate cases …`."""

import sys
from pathlib import Path
from typing import Annotated

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
from gateway.portfolio.erasure import ErasureReason
from gateway.portfolio.importing import ImportReport
from gateway.portfolio.rejects import rejects_path

app = typer.Typer(help="Import, recall and erase cases.", no_args_is_help=True)
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
        rejects = None if report.rejects_file is None else str(report.rejects_file)
        print_json(report.document() | {"rejects_file": rejects})
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


@app.command("erase")
def erase(
    debtor: Annotated[
        str, typer.Option(help="Only `-`: read an ID number or a mobile from standard input.")
    ],
    reason: Annotated[ErasureReason, typer.Option(help="Why, as the log keeps it.")],
    confirm: Annotated[
        int | None, typer.Option(min=0, help="The number of cases that the first run told.")
    ] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JSONOption = False,
) -> None:
    """Erase a person for good: cases, keys, salts, digests. The log stays whole.

    The first run only counts his cases and ends with 1; the second, with --confirm, erases them
    and prints what vendors must destroy: nothing else will ever tell that again.
    """
    if debtor != "-":
        # Arguments stand in the shell's history and in the list of processes.
        raise typer.BadParameter("give `-` and the number on standard input")
    identifier = sys.stdin.readline().strip()
    office = open_office(config)
    if confirm is None:
        count = office.count_cases(identifier, actor=actor())
        if as_json:
            print_json({"cases": count, "erased": False})
        else:
            out.print(f"{count} cases; nothing was erased. To erase: --confirm {count}")
        raise typer.Exit(EXIT_FAILED)
    erasure = office.erase_person(identifier, expected=confirm, reason=reason, actor=actor())
    if as_json:
        print_json(erasure.document() | {"erased": True})
        return
    out.print(f"{erasure.cases} cases erased, log entry {erasure.log_index}")
    for held in erasure.assignments:
        out.print(f"to be destroyed by {held.vendor_id} ({held.contract_id}): {held.case_ref}")


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
