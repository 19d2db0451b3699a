"""`casegate finding …`: what somebody has to look into."""

from typing import Annotated
from uuid import UUID

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

app = typer.Typer(help="What somebody has to look into.", no_args_is_help=True)


@app.command("list")
def list_(
    vendor: Annotated[str | None, typer.Option(help="Vendor id.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Closed ones too.")] = False,
    after: Annotated[UUID | None, typer.Option(help="Go on after this one.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=200)] = 50,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JSONOption = False,
) -> None:
    """Show findings, newest first."""
    desk = open_office(config).findings()
    found = desk.findings(vendor=vendor, only_open=not everything, after=after, limit=limit)
    if as_json:
        print_json(found)
        return
    for one in found:
        evidence = ", ".join(f"{name} {value}" for name, value in one.evidence.items())
        out.print(
            f"{one.finding_id}  {one.severity}  {one.state}  {one.rule}: {one.vendor_id}"
            f" / {one.contract_id or '-'}  {rfc3339(one.found_at)}  {evidence}",
            markup=False,
            soft_wrap=True,
        )
    if not found:
        out.print("nothing to look into")
    if len(found) == limit:
        err.print(f"more, perhaps: --after {found[-1].finding_id}")


@app.command("close")
def close(
    finding: Annotated[UUID, typer.Argument(help="From: casegate finding list.")],
    reason: Annotated[str, typer.Option(help="Why; kept in the database, not in the log.")],
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JSONOption = False,
) -> None:
    """Close a finding for good."""
    if not 1 <= len(reason) <= 1000:  # noqa: PLR2004 - as the table has it
        raise typer.BadParameter("1 to 1000 characters", param_hint="--reason")
    closed = open_office(config).findings().close(finding, reason=reason, actor=actor())
    if as_json:
        print_json(closed)
    else:
        out.print(f"{closed.finding_id} is closed")
