"""`casegate canary …`: invented cases among a vendor's real ones."""

import sys
from pathlib import Path
from typing import Annotated

import typer

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
from gateway.portfolio.planting import MAX_CANARIES

app = typer.Typer(help="Invented cases that tell of a leak.", no_args_is_help=True)


@app.callback()
def canaries() -> None:
    """Invented cases that tell of a leak."""


@app.command("plant")
def plant(
    vendor: Annotated[str, typer.Option(help="Vendor id.")],
    contract: Annotated[str, typer.Option(help="Contract id.")],
    count: Annotated[int, typer.Option(min=1, max=MAX_CANARIES, help="How many.")],
    numbers: Annotated[
        Path | None,
        typer.Option(help="Mobile numbers that the company answers itself, one a line."),
    ] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JSONOption = False,
) -> None:
    """Put invented cases among a contract's real ones, in their style.

    The vendor gets them as it gets any import. Plant about as many as a usual import has.
    """
    own = [] if numbers is None else numbers.read_text().split()
    done = open_office(config).plant_canaries(
        vendor, contract, count=count, numbers=own, actor=actor()
    )
    if done.made_up_numbers:
        err.print(
            f"{done.made_up_numbers} mobile numbers are made up and may be somebody's, who would"
            " be called: give numbers of your own with --numbers",
            soft_wrap=True,
        )
    if as_json:
        print_json(done)
        return
    for ref in done.case_refs:
        out.print(ref)
    sys.stdout.flush()
    err.print(f"{len(done.case_refs)} planted, log entry {done.log_index}")


@app.command("list")
def list_(
    vendor: Annotated[str | None, typer.Option(help="Vendor id.")] = None,
    offset: Annotated[int, typer.Option(min=0, help="Leave out so many.")] = 0,
    limit: Annotated[int, typer.Option(min=1, max=500)] = 100,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JSONOption = False,
) -> None:
    """Show canaries, those planted last first, and how many findings each has raised."""
    found = open_office(config).canaries(vendor, offset=offset, limit=limit, actor=actor())
    if as_json:
        print_json(found)
        return
    for one in found:
        used = f"  USED: {one.findings} findings" if one.findings else ""
        out.print(
            f"{one.vendor_id} / {one.contract_id}  {one.case_ref}  {one.status}  planted"
            f" {rfc3339(one.planted_at)} by {one.planted_by}{used}",
            markup=False,
            soft_wrap=True,
        )
    if not found:
        out.print("no canaries")
