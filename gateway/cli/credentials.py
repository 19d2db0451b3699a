"""`casegate credential …` and `casegate system …`."""

from typing import Annotated

import typer
from cryptography.x509 import ReasonFlags

from gateway.cli.console import DEFAULT_CONFIG, ConfigOption, JSONOption, actor, open_office
from gateway.cli.effects import ReasonOption, tell_effect, tell_resumption

app = typer.Typer(help="Credentials: what one system of a vendor holds.", no_args_is_help=True)
systems = typer.Typer(help="Systems of vendors.", no_args_is_help=True)

ReferenceArgument = Annotated[
    str, typer.Argument(help="The credential's reference; it stands in the certificate's subject.")
]


@app.callback()
def credentials() -> None:
    """Credentials: what one system of a vendor holds."""


@systems.callback()
def vendor_systems() -> None:
    """Systems of vendors."""


@app.command("revoke")
def revoke(
    reference: ReferenceArgument,
    reason: ReasonOption = ReasonFlags.cessation_of_operation,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JSONOption = False,
) -> None:
    """Revoke a credential with all its certificates, old and new, on every worker."""
    effect = open_office(config).shutting_out().revoke_credential(reference, reason, actor=actor())
    tell_effect(effect, f"credential {reference} revoked", as_json=as_json)


@app.command("suspend")
def suspend(
    reference: ReferenceArgument,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JSONOption = False,
) -> None:
    """Suspend a credential at once, on every worker."""
    effect = open_office(config).shutting_out().suspend_credential(reference, actor=actor())
    tell_effect(effect, f"credential {reference} suspended", as_json=as_json)


@app.command("resume")
def resume(
    reference: ReferenceArgument,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JSONOption = False,
) -> None:
    """Propose to lift a suspension, or lift it when a second person has approved."""
    outcome = open_office(config).shutting_out().resume_credential(reference, actor=actor())
    tell_resumption(outcome, f"credential {reference}", as_json=as_json)


@systems.command("revoke")
def revoke_system(
    vendor: Annotated[str, typer.Argument(help="Vendor id.")],
    system: Annotated[str, typer.Argument(help="Name of the vendor's system, as main.")],
    reason: ReasonOption = ReasonFlags.cessation_of_operation,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JSONOption = False,
) -> None:
    """Revoke all credentials of one of a vendor's systems; its invitations are void."""
    effect = (
        open_office(config).shutting_out().revoke_system(vendor, system, reason, actor=actor())
    )
    tell_effect(effect, f"system {system} of vendor {vendor} revoked", as_json=as_json)
