"""`casegate vendor …`."""

from typing import Annotated

import typer
from cryptography.x509 import ReasonFlags

from gateway.cli.console import DEFAULT_CONFIG, ConfigOption, JSONOption, actor, open_office
from gateway.cli.effects import ReasonOption, tell_effect, tell_resumption

app = typer.Typer(help="Vendors.", no_args_is_help=True)


@app.callback()
def vendors() -> None:
    """Vendors."""


@app.command("revoke")
def revoke(
    vendor: Annotated[str, typer.Argument(help="Vendor id.")],
    reason: ReasonOption = ReasonFlags.cessation_of_operation,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JSONOption = False,
) -> None:
    """Shut a vendor out: all its certificates, on every worker, open connections included."""
    effect = open_office(config).shutting_out().revoke_vendor(vendor, reason, actor=actor())
    tell_effect(effect, f"vendor {vendor} revoked", as_json=as_json)


@app.command("suspend")
def suspend(
    vendor: Annotated[str, typer.Argument(help="Vendor id.")],
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JSONOption = False,
) -> None:
    """Suspend a vendor at once, on every worker."""
    effect = open_office(config).shutting_out().suspend_vendor(vendor, actor=actor())
    tell_effect(effect, f"vendor {vendor} suspended", as_json=as_json)


@app.command("resume")
def resume(
    vendor: Annotated[str, typer.Argument(help="Vendor id.")],
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JSONOption = False,
) -> None:
    """Propose to lift a suspension, or lift it when a second person has approved."""
    outcome = open_office(config).shutting_out().resume_vendor(vendor, actor=actor())
    tell_resumption(outcome, f"vendor {vendor}", as_json=as_json)
