"""`casegate vendor …`."""

from typing import Annotated

import typer
from cryptography.x509 import ReasonFlags

from gateway.cli.console import (
    DEFAULT_CONFIG,
    ConfigOption,
    JSONOption,
    actor,
    open_office,
    out,
    print_json,
)
from gateway.operations.revocation import RevocationEffect

app = typer.Typer(help="Vendors.", no_args_is_help=True)
EXIT_FAILED = 1

ReasonOption = Annotated[
    ReasonFlags, typer.Option("--reason", help="A reason of RFC 5280, 5.3.1.")
]


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
    effect = open_office(config).revoke_vendor(vendor, reason, actor=actor())
    tell_effect(effect, f"vendor {vendor}", as_json=as_json)


def tell_effect(effect: RevocationEffect, what: str, *, as_json: bool) -> None:
    """Prints what a revocation did; exit code 1 when a worker has not acknowledged."""
    if as_json:
        print_json(
            {
                "credentials": effect.credentials,
                "workers": effect.workers,
                "acknowledged": effect.acknowledged,
                "connections_closed": effect.connections_closed,
                "seconds": effect.seconds,
                "complete": effect.is_complete,
                "log_index": effect.log_index,
            }
        )
    else:
        took = "" if effect.seconds is None else f" after {effect.seconds * 1000:.0f} ms"
        out.print(
            f"{what} revoked: {effect.credentials} certificates,"
            f" {effect.connections_closed} connections closed,"
            f" {effect.acknowledged} of {effect.workers} workers acknowledged{took},"
            f" log entry {effect.log_index}",
            soft_wrap=True,
        )
        if not effect.is_complete:
            out.print("A worker that has not heard refuses everybody 5 s after it last heard.")
    raise typer.Exit(0 if effect.is_complete else EXIT_FAILED)
