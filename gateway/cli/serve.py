"""`casegate serve`, `sandbox`, `demo`, `sample-portfolio`, `openapi`."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from gateway.app import describe_company_api, describe_vendor_api
from gateway.cli.console import DEFAULT_CONFIG, ConfigOption, JSONOption, err, out, print_json
from gateway.clock import SystemClock
from gateway.key_office import KeyOffice
from gateway.portfolio.sample import write_sample_portfolio
from gateway.serving.supervisor import Supervisor
from gateway.settings import load_settings
from gateway.store.database import locate_database
from gateway.store.migrate import migrate
from gateway.trial.demo import run_demo
from gateway.trial.sandbox import make_sandbox

PortOption = Annotated[int, typer.Option(min=1, max=65535)]


def add_to(app: typer.Typer) -> None:
    """Adds the commands of the top level."""
    app.command("sandbox")(sandbox)
    app.command("serve")(serve)
    app.command("demo")(demo)
    app.command("sample-portfolio")(sample_portfolio)
    app.command("openapi")(openapi)


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


def serve(
    config: ConfigOption = DEFAULT_CONFIG,
    workers: Annotated[
        int | None, typer.Option(min=1, max=64, help="Vendor workers; else as in the file.")
    ] = None,
) -> None:
    """Run an installation until SIGTERM; prints `ready` when all listeners accept."""
    settings = load_settings(config)
    if workers is not None:
        vendor = settings.vendor.model_copy(update={"workers": workers})
        settings = settings.model_copy(update={"vendor": vendor})
    database = locate_database(settings)
    migrate(database)
    KeyOffice(database, SystemClock()).note_ages()

    def announce() -> None:
        sys.stdout.write("ready\n")
        sys.stdout.flush()

    code = Supervisor(database, config.resolve(), SystemClock()).run(announce)
    raise typer.Exit(code)


def demo() -> None:
    """Tell the story of one case on a fresh sandbox; 0 only if each step held."""
    raise typer.Exit(run_demo(out))


def sample_portfolio(
    count: Annotated[int, typer.Argument(min=1, max=10_000_000, help="How many cases.")],
    file: Annotated[Path, typer.Argument(help="FILE.csv or FILE.ndjson.")],
    seed: Annotated[int, typer.Option(help="The same seed gives the same cases.")] = 1,
    encoding: Annotated[str, typer.Option(help="utf-8, utf-8-sig or gb18030.")] = "utf-8",
    _config: ConfigOption = DEFAULT_CONFIG,
    as_json: JSONOption = False,
) -> None:
    """Write invented but believable Chinese cases, for trials and benchmarks."""
    if encoding not in {"utf-8", "utf-8-sig", "gb18030"}:
        raise typer.BadParameter("write utf-8, utf-8-sig or gb18030", param_hint="--encoding")
    with Progress(
        TextColumn("writing"), BarColumn(), MofNCompleteColumn(), console=err, transient=True
    ) as bar:
        task = bar.add_task("write", total=count)
        try:
            write_sample_portfolio(
                count,
                file,
                seed=seed,
                encoding=encoding,
                progress=lambda done: bar.update(task, completed=done),
            )
        except OSError as error:
            raise typer.BadParameter(f"{file}: {error.strerror}", param_hint="FILE") from error
    if as_json:
        print_json({"cases": count, "file": str(file)})
    else:
        out.print(f"{count} cases in {file}", soft_wrap=True)


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
