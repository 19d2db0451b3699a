"""`casegate cert …`."""

from typing import Annotated

import typer
from cryptography.x509 import ReasonFlags

from gateway.cli.console import DEFAULT_CONFIG, ConfigOption, JSONOption, actor, open_office
from gateway.cli.effects import ReasonOption, tell_effect

app = typer.Typer(help="Certificates.", no_args_is_help=True)
_THUMBPRINT_BYTES = 32


@app.callback()
def certificates() -> None:
    """Certificates."""


@app.command("revoke")
def revoke(
    thumbprint: Annotated[
        str, typer.Argument(help="SHA-256 of the certificate's DER, in hex; colons allowed.")
    ],
    reason: ReasonOption = ReasonFlags.cessation_of_operation,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JSONOption = False,
) -> None:
    """Revoke one certificate, a vendor's or a staff member's, on every worker."""
    try:
        digest = bytes.fromhex(thumbprint.replace(":", ""))
    except ValueError:
        digest = b""
    if len(digest) != _THUMBPRINT_BYTES:
        raise typer.BadParameter(
            "64 hex digits, as of: openssl x509 -in client.pem -noout -fingerprint -sha256",
            param_hint="THUMBPRINT",
        )
    effect = open_office(config).shutting_out().revoke_certificate(digest, reason, actor=actor())
    tell_effect(effect, f"certificate {digest.hex()[:16]}… revoked", as_json=as_json)
