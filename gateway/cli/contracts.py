"""`casegate contract …`."""

from datetime import date, datetime, timedelta
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
from gateway.clock import rfc3339
from gateway.installation import load_policies
from gateway.settings import Settings

app = typer.Typer(help="Contracts.", no_args_is_help=True)


@app.callback()
def contracts() -> None:
    """Contracts."""


@app.command("add")
def add(
    contract: Annotated[str, typer.Argument(help="Contract id: lower case, digits, hyphens.")],
    vendor: Annotated[str, typer.Option("--vendor", help="Vendor id.")],
    first: Annotated[
        datetime | None,
        typer.Option("--from", formats=["%Y-%m-%d"], help="First day; else as in the policy."),
    ] = None,
    last: Annotated[
        datetime | None,
        typer.Option("--to", formats=["%Y-%m-%d"], help="Last day, included; else as there."),
    ] = None,
    offset: Annotated[
        str, typer.Option("--offset", help="Of local time from UTC; midnights are local.")
    ] = "+08:00",
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JSONOption = False,
) -> None:
    """Register a contract; nothing of the vendor works outside its term."""
    office = open_office(config)
    if first is None or last is None:
        starts, ends = _term_of_policy(office.database.settings, vendor, contract)
    else:
        starts = _midnight(first.date(), offset)
        ends = _midnight(last.date() + timedelta(days=1), offset)
    office.onboarding().add_contract(
        contract, vendor, starts_at=starts, ends_at=ends, actor=actor()
    )
    if as_json:
        print_json(
            {
                "contract": contract,
                "vendor": vendor,
                "starts": rfc3339(starts),
                "ends": rfc3339(ends),
            }
        )
    else:
        out.print(
            f"contract {contract} of {vendor} runs from {starts.isoformat()} until before"
            f" {ends.isoformat()}",
            soft_wrap=True,
        )


def _term_of_policy(settings: Settings, vendor: str, contract: str) -> tuple[datetime, datetime]:
    policy = load_policies(settings).policy(vendor, contract)
    if policy is None:
        raise typer.BadParameter(
            "there is no policy for this vendor and contract: name both days",
            param_hint="--from, --to",
        )
    return policy.term.begins, policy.term.ends


def _midnight(day: date, offset: str) -> datetime:
    try:
        return datetime.strptime(f"{day.isoformat()} {offset}", "%Y-%m-%d %z")
    except ValueError as error:
        raise typer.BadParameter("write +08:00", param_hint="--offset") from error
