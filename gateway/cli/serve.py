"""`casegate serve`."""

import sys
from typing import Annotated

import typer

from gateway.cli.console import DEFAULT_CONFIG, ConfigOption
from gateway.clock import SystemClock
from gateway.key_office import KeyOffice
from gateway.serving.supervisor import Supervisor
from gateway.settings import load_settings
from gateway.store.database import locate_database
from gateway.store.migrate import migrate


def add_to(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("serve")(serve)


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
