"""`casegate vendor add` and `casegate vendor invite`."""

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
from gateway.identity.principal import CredentialScope
from gateway.operations.invitation import DEFAULT_HOURS, MAX_HOURS


def add_to(app: typer.Typer) -> None:
    """Adds the commands to `casegate vendor`."""
    app.command("add")(add)
    app.command("invite")(invite)


def add(
    vendor: Annotated[str, typer.Argument(help="Vendor id: lower case, digits, hyphens.")],
    name: Annotated[str, typer.Option("--name", help="As in its register of companies.")],
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JSONOption = False,
) -> None:
    """Register a vendor; it can do nothing before it has a contract and a certificate."""
    open_office(config).onboarding().add_vendor(vendor, name, actor=actor())
    if as_json:
        print_json({"vendor": vendor})
    else:
        out.print(f"vendor {vendor} is registered; next: casegate contract add, then invite")


def invite(
    vendor: Annotated[str, typer.Argument(help="Vendor id.")],
    contract: Annotated[str, typer.Option("--contract", help="Contract id.")],
    system: Annotated[
        str, typer.Option("--system", help="Which of its systems, such as dialer.")
    ] = "main",
    scope: Annotated[
        CredentialScope, typer.Option("--scope", help="full, or closing after the contract's end.")
    ] = CredentialScope.FULL,
    hours: Annotated[
        int, typer.Option(min=1, max=MAX_HOURS, help="How long the code can be used.")
    ] = DEFAULT_HOURS,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JSONOption = False,
) -> None:
    """Make a one-use code with which a vendor's system gets its certificate; shown once."""
    made = (
        open_office(config)
        .onboarding()
        .invite(vendor, contract, system=system, scope=scope, hours=hours, actor=actor())
    )
    if as_json:
        print_json(made)
        return
    out.print(made.code)
    out.print(
        f"One use, until {rfc3339(made.expires_at)}, by {vendor} for its system {system} under"
        f" {contract}. Shown once: read it to your contact there by telephone, not by mail. A"
        " first certificate then waits for a second person: casegate proposals list",
        soft_wrap=True,
    )
