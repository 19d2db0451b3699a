"""`casegate policy …`."""

from pathlib import Path
from typing import Annotated

import typer

from gateway.app import load_policies
from gateway.cli.console import (
    DEFAULT_CONFIG,
    ConfigOption,
    JSONOption,
    out,
    print_json,
)
from gateway.settings import load_settings
from policies.load import load_bundle
from policies.model import PolicyBundle

app = typer.Typer(help="Vendor policies.", no_args_is_help=True)


@app.callback()
def policies() -> None:
    """Vendor policies."""


@app.command("check")
def check(
    directory: Annotated[
        Path | None, typer.Argument(help="Policy files; else those of the installation.")
    ] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JSONOption = False,
) -> None:
    """Read all policies; errors name file, line and the way out."""
    bundle: PolicyBundle = (
        load_bundle(directory) if directory is not None else load_policies(load_settings(config))
    )
    if as_json:
        found = [
            {
                "policy": policy.policy_id,
                "vendor": policy.vendor,
                "contract": policy.contract,
                "digest": policy.digest,
                "fields": {scope.stage.value: len(scope.rules) for scope in policy.scopes},
            }
            for policy in bundle
        ]
        print_json({"digest": bundle.digest, "policies": found})
        return
    for policy in bundle:
        scopes = ", ".join(f"{scope.stage.value} {len(scope.rules)}" for scope in policy.scopes)
        out.print(f"{policy.policy_id}: {policy.vendor} / {policy.contract}: fields {scopes}")
    out.print(f"{len(bundle)} policies, bundle {bundle.digest[:16]}…")
