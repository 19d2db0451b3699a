"""`casegate report meeting`, `close`, `months`: the end of a vendor's month."""

import hashlib
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.cli.console import actor, out
from gateway.cli.desks import on_desk
from gateway.cli.tables import CSVOption, also_as_csv
from gateway.office import Office
from gateway.reports.closing import Meeting
from gateway.reports.periods import parse_period

_PAGE = 200

VendorArgument = Annotated[str, typer.Argument(help="Vendor id.")]
ContractArgument = Annotated[str, typer.Argument(help="Contract id.")]
MonthArgument = Annotated[str, typer.Argument(help="The month, as 2026-05.")]


def add_to(app: typer.Typer) -> None:
    """Adds the commands to `casegate report`."""
    on_desk(app, "meeting", tell=_print_meeting)(meeting)
    on_desk(app, "close", tell=_print_closed, hint="see: casegate report months")(close)
    on_desk(app, "months", tell=_print_months)(months)


def meeting(
    office: Office,
    vendor: VendorArgument,
    contract: ContractArgument,
    month: MonthArgument,
    minutes: Annotated[
        Path,
        typer.Argument(exists=True, dir_okay=False, help="The minutes; their digest is kept."),
    ],
    held: Annotated[
        datetime, typer.Option(formats=["%Y-%m-%d"], help="The day on which it was held.")
    ],
    actions: Annotated[int, typer.Option(min=0, help="How many things are to be done.")] = 0,
) -> dict[str, Any]:
    """Put a meeting about a vendor's month on record."""
    with minutes.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    held_on = held.date()
    made = Meeting(vendor, contract, parse_period(month), held_on, digest, actions)
    return office.reports().meet(made, actor=actor())


def close(
    office: Office, vendor: VendorArgument, contract: ContractArgument, month: MonthArgument
) -> dict[str, Any]:
    """Close a month that has its meeting and its report, for good."""
    return office.reports().close((vendor, contract), month, actor=actor())


def months(
    office: Office,
    vendor: Annotated[str | None, typer.Option(help="Of this vendor alone.")] = None,
    csv: CSVOption = None,
) -> list[dict[str, object]]:
    """Show the newest 200 months that have a meeting or are closed."""
    return also_as_csv(csv, office.reports().months(vendor=vendor, limit=_PAGE).items)


def _print_meeting(made: dict[str, Any]) -> None:
    out.print(f"the meeting about {made['period']} is on record", soft_wrap=True)


def _print_closed(closed: dict[str, Any]) -> None:
    out.print(f"{closed['period']} of {closed['vendor_id']} is closed", soft_wrap=True)


def _print_months(items: list[dict[str, Any]]) -> None:
    for one in items:
        out.print(
            f"{one['period']}  {one['vendor_id']} / {one['contract_id']}  {one['state']},"
            f" {one['meetings']} meetings, {one['actions']} actions",
            soft_wrap=True,
        )
    if not items:
        out.print("no meeting is on record")
