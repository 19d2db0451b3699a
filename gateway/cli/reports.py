"""`casegate report …`: who owes which report, what was sent, and waiving one."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.console import (
    DEFAULT_CONFIG,
    ConfigOption,
    JSONOption,
    actor,
    open_office,
    out,
    print_json,
)
from gateway.cli.tables import also_as_csv, write_file
from gateway.working_days import CHINA

_DAYS = 14
_PAGE = 200

VendorOption = Annotated[str | None, typer.Option(help="Of one vendor alone.")]
CSVOption = Annotated[Path | None, typer.Option(help="Write CSV for Excel and WPS to this file.")]


def add_to(app: typer.Typer) -> None:
    """Adds the commands to `casegate report`."""
    app.command("grid")(grid)
    app.command("list")(list_reports)
    app.command("waive")(waive)
    app.command("workbook")(workbook)


def grid(
    vendor: VendorOption = None,
    first: Annotated[
        datetime | None,
        typer.Option("--from", formats=["%Y-%m-%d"], help="Default: two weeks ago."),
    ] = None,
    last: Annotated[
        datetime | None, typer.Option("--to", formats=["%Y-%m-%d"], help="Default: today.")
    ] = None,
    csv: CSVOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JSONOption = False,
) -> None:
    """Show which reports are owed, due, late or missing."""
    office = open_office(config)
    today = office.clock.now().astimezone(CHINA).date()
    until = today if last is None else last.date()
    since = until - timedelta(days=_DAYS) if first is None else first.date()
    found = office.reports().grid(vendor=vendor, first=since, last=until)
    if csv is not None:
        also_as_csv(csv, found)
        out.print(f"written to {csv}", soft_wrap=True)
    elif as_json:
        print_json(found)
    else:
        for one in found:
            out.print(
                f"{one['vendor_id']} / {one['contract_id']}  {one['period']}  {one['state']},"
                f" due {one['due_at']}",
                soft_wrap=True,
            )


def list_reports(
    vendor: VendorOption = None,
    csv: CSVOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JSONOption = False,
) -> None:
    """Show the newest 200 reports that were sent, rejected ones too."""
    desk = open_office(config).reports()
    found = desk.reports(vendor=vendor, cursor=None, limit=_PAGE)["items"]
    if csv is not None:
        also_as_csv(csv, found)
        out.print(f"written to {csv}", soft_wrap=True)
    elif as_json:
        print_json(found)
    else:
        for one in found:
            differs = ", ".join(gap["metric"] for gap in one["differences"])
            out.print(
                f"{one['report_id']}  {one['vendor_id']} / {one['contract_id']}  {one['period']}"
                f" revision {one['revision']}: {one['state']}{differs and f' ({differs})'}",
                soft_wrap=True,
            )
        if not found:
            out.print("No report was sent.")


def waive(
    vendor: Annotated[str, typer.Argument(help="Vendor id.")],
    contract: Annotated[str, typer.Argument(help="Contract id.")],
    period: Annotated[str, typer.Argument(help="2026-05-07, 2026-W19 or 2026-05.")],
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Propose to waive a report, or waive it when a second person has approved."""
    proposal = open_office(config).reports().waive(vendor, contract, period, actor=actor())
    if proposal is None:
        out.print(f"the report of {period} is waived", soft_wrap=True)
        return
    out.print(
        f"the report of {period} is to be waived: another person approves it with\n"
        f"  casegate proposals approve {proposal}\n"
        "Then run this command again.",
        soft_wrap=True,
    )


def workbook(
    vendor: Annotated[str, typer.Argument(help="Vendor id.")],
    contract: Annotated[str, typer.Argument(help="Contract id.")],
    period: Annotated[str, typer.Argument(help="2026-05-07, 2026-W19 or 2026-05.")],
    target: Annotated[Path, typer.Argument(help="The file to write.")],
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Write all that was sent for a period as XLSX."""
    write_file(target, open_office(config).reports().workbook(vendor, contract, period))
    out.print(f"written to {target}", soft_wrap=True)
