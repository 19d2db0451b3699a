"""`casegate openapi`."""

from typing import Annotated

import typer

from gateway.app import describe_company_api, describe_vendor_api
from gateway.cli.console import DEFAULT_CONFIG, ConfigOption, JSONOption, print_json


def add_to(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("openapi")(openapi)


def openapi(
    api: Annotated[str, typer.Argument(help="vendor or company")],
    _config: ConfigOption = DEFAULT_CONFIG,
    _as_json: JSONOption = True,
) -> None:
    """Print the OpenAPI 3.1 description of an API."""
    if api == "vendor":
        print_json(describe_vendor_api())
    elif api == "company":
        print_json(describe_company_api())
    else:
        raise typer.BadParameter("write vendor or company", param_hint="API")
