"""`casegate sandbox` and `casegate demo`."""

from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.console import JSONOption, err, out, print_json
from gateway.clock import SystemClock
from gateway.trial.demo import run_demo
from gateway.trial.sandbox import make_sandbox

PortOption = Annotated[int, typer.Option(min=1, max=65535)]


def add_to(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command("sandbox")(sandbox)
    app.command("demo")(demo)


def sandbox(
    directory: Annotated[Path, typer.Argument(help="A new or empty directory.")],
    vendor_port: PortOption = 8443,
    company_port: PortOption = 8444,
    enrolment_port: PortOption = 8445,
    as_json: JSONOption = False,
) -> None:
    """Make a complete trial installation with two vendors and sample cases."""
    settings = make_sandbox(
        directory,
        vendor_port=vendor_port,
        company_port=company_port,
        enrolment_port=enrolment_port,
        clock=SystemClock(),
        step=lambda text: err.print(f"· {text}"),
    )
    config = settings.directory / "casegate.toml"
    if as_json:
        print_json(
            {
                "config": str(config),
                "vendor_port": vendor_port,
                "company_port": company_port,
                "enrolment_port": enrolment_port,
            }
        )
    else:
        out.print(f"Made. Run it: casegate serve --config {config}", soft_wrap=True)


def demo() -> None:
    """Tell the story of one case on a fresh sandbox; 0 only if each step held."""
    raise typer.Exit(run_demo(out))
